/// What a selector tells of a descriptor.
package enum SelectorEvent {
    /// It can do something: `LINUX_EPOLL_…` bits.
    case ready(UInt32)
    /// What `RingSelector.receive` has read: bytes that stay where they are until the wait after the next one has ended; none
    /// if the other side has ended or the socket has failed.
    case received(UnsafeRawBufferPointer)
    /// Not all of a `RingSelector.send` was taken: ask `takeRefusal`.
    case refused
}
