/// How the loops wait for their sockets.
package enum SelectorChoice: String, Sendable, Hashable, CaseIterable {
    /// By io_uring while many sessions are busy and the kernel allows it, else by epoll.
    case auto
    case epoll
    /// By io_uring whenever a session relays; an error where it cannot be had.
    case ring = "io_uring"
}
