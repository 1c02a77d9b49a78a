/// How the loops wait for their sockets.
package enum SelectorChoice: String, Sendable, Hashable, CaseIterable {
    /// By what has proven itself: epoll.
    case auto
    case epoll
    /// By io_uring, or not at all. On trial.
    case ring = "io_uring"
}
