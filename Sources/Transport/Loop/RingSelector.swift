import CLinux
import Glibc

/// Waits for sockets of one loop, by io_uring where that pays: reads and writes go to the kernel with the call that waits for
/// the next ones.
///
/// A socket is in the hands of an ``EpollSelector``, and reported by it, until `beginReceiving`. From then on its session asks
/// for each read (`receive`), and the bytes come with the event. Asking once a read, rather than for all there will ever be, is
/// what keeps memory bounded: nobody reads for a session whose other side is slow. While no socket is received from, the loop
/// waits by epoll, and the ring costs nothing.
///
/// An event of the ring names a descriptor and its generation, which is another one each time that it is begun or ended: so
/// what was asked for a socket that is closed can never be taken for its successor's.
package final class RingSelector {
    private enum Kind: UInt64 {
        case epoll, write, hangUp, receive, send, cancel
    }

    private struct Entry {
        /// The loop's word for the socket; `nobody` while it is not received from.
        var value = nobody
        var generation: UInt32 = 0
        /// A read has been asked for.
        var isReceiving = false
        /// Asked for by `watchWrites` and `watchHangUp`.
        var isWriteWatched = false
        var isHangUpWatched = false
        /// The turn in which something was last asked for.
        var turn: UInt64 = 0
        /// What became of the last send, if not all was taken.
        var refusal: Int32?
    }

    private let ring: OpaquePointer
    /// Those that are not received from. The ring tells when it has something.
    private let epoll: EpollSelector
    private var entries: [Entry] = []
    /// How many sockets are received from.
    private var receivers = 0
    /// The ring watches `epoll`.
    private var isEpollWatched = false
    private var hasEpollNews = false
    /// How often the kernel has been given what was asked for: a send of an earlier turn is settled.
    package private(set) var turn: UInt64 = 1
    /// Buffers whose bytes are being sent this turn; and those of earlier turns.
    private var lent: [Int32] = []
    private var settled: [Int32] = []
    /// Reads that found no free buffer, as events carry them.
    private var starved: [UInt64] = []
    /// Completions taken out of a full queue, in front of what it holds now.
    private var moved: [linux_completion] = []
    /// So many completions have been looked through for refusals.
    private var searched = 0
    /// The last call took all that was asked for.
    private var isSubmitted = true
    package let bufferSize: Int

    /// How the ring is laid out. The queues grow on the kernel's side where they do not suffice.
    package struct Layout: Sendable {
        package var submissions: UInt32 = 512
        package var completions: UInt32 = 4096
        package var buffers: UInt32 = 128
        package var bufferSize: UInt32 = 8192

        package init() {}
    }

    /// - Parameter epoll: the loop's, which has the sockets that are not received from.
    /// - Throws: ENOSYS, EPERM, EINVAL or EOPNOTSUPP where the kernel is too old or forbids it.
    package init(_ epoll: EpollSelector, _ layout: Layout = Layout()) throws(TransportError) {
        var code: Int32 = 0
        guard
            let ring = linux_ring_open(
                layout.submissions, layout.completions, layout.buffers, layout.bufferSize, &code)
        else { throw TransportError(operation: "set up", address: "io_uring", code: -code) }
        self.ring = ring
        self.epoll = epoll
        bufferSize = Int(layout.bufferSize)
        lent.reserveCapacity(Int(layout.buffers))
        settled.reserveCapacity(Int(layout.buffers))
    }

    deinit { linux_ring_close(ring) }

    /// The calling thread is the selector's from here on.
    package func begin() throws(TransportError) {
        let code = linux_ring_enable(ring)
        guard code == 0 else { throw TransportError(operation: "enable", address: "io_uring", code: -code) }
    }

    // MARK: - Readiness

    /// Reports from now on that the socket can be written to, at once if it can. A socket that is received from is watched
    /// until it can, or fails.
    package func watchWrites(_ descriptor: Int32, value: UInt64, _ isWatched: Bool) {
        guard let index = received(descriptor) else {
            return epoll.watchWrites(descriptor, value: value, isWatched)
        }
        guard isWatched, !entries[index].isWriteWatched else { return }
        entries[index].turn = turn
        // Not once: the kernel would answer at once, and with nothing else, for a peer that has only ended its own side.
        entries[index].isWriteWatched = linux_ring_poll(ring, descriptor, LINUX_EPOLL_OUT, key(.write, index)) == 0
    }

    /// Reports from now on when the other side has ended and when the socket has failed, at once if so.
    package func watchHangUp(_ descriptor: Int32) {
        guard let index = received(descriptor), !entries[index].isHangUpWatched else { return }
        entries[index].turn = turn
        let code = linux_ring_poll(ring, descriptor, LINUX_EPOLL_RDHUP, key(.hangUp, index))
        entries[index].isHangUpWatched = code == 0
    }

    /// Reports nothing of the socket any more. Events that `wait` has in hand may still come.
    package func remove(_ descriptor: Int32) {
        if let index = received(descriptor) { forget(index) } else { epoll.remove(descriptor) }
    }

    /// The socket is about to be closed: what the ring was asked for keeps it open.
    package func willClose(_ descriptor: Int32) {
        if let index = received(descriptor) { forget(index) }
    }

    /// The index of a socket that is received from.
    private func received(_ descriptor: Int32) -> Int? {
        let index = Int(descriptor)
        return entries.indices.contains(index) && entries[index].value != Self.nobody ? index : nil
    }

    private func cancel(_ kind: Kind, _ index: Int) {
        _ = linux_ring_cancel(ring, key(kind, index), Kind.cancel.rawValue << Self.kindShift)
    }

    // MARK: - Reading and writing

    /// The socket's events come with `value` from `receive` from here on, and from what is watched.
    ///
    /// - Returns: false if it has too high a number for that: it stays as it is.
    package func beginReceiving(_ descriptor: Int32, value: UInt64) -> Bool {
        let index = Int(descriptor)
        guard descriptor >= 0, UInt64(index) < Self.mostDescriptors else { return false }
        while entries.count <= index { entries.append(Entry()) }
        guard entries[index].value == Self.nobody else { return true }
        epoll.remove(descriptor)
        entries[index] = Entry(value: value, generation: entries[index].generation &+ 1)
        receivers += 1
        isInUse = true
        return true
    }

    /// Nothing is reported of the socket from here on; it can be given to `add`.
    ///
    /// - Returns: what a read that was asked for had read before (an empty one: the end), valid as that of an event; nil if
    ///   nothing.
    package func endReceiving(_ descriptor: Int32) -> UnsafeRawBufferPointer? {
        guard let index = received(descriptor) else { return nil }
        defer { forget(index) }
        return entries[index].isReceiving ? takeBackReceive(index) : nil
    }

    private func forget(_ index: Int) {
        // What names the descriptor must reach the kernel while it still is the socket's.
        if entries[index].turn == turn { submit() }
        if entries[index].isReceiving { cancel(.receive, index) }
        if entries[index].isWriteWatched { cancel(.write, index) }
        if entries[index].isHangUpWatched { cancel(.hangUp, index) }
        entries[index] = Entry(generation: entries[index].generation &+ 1)
        receivers -= 1
    }

    /// Reads once, when there is something to be read. Nobody else may read until the event has come.
    package func receive(_ descriptor: Int32) {
        guard let index = received(descriptor), !entries[index].isReceiving else { return }
        entries[index].turn = turn
        entries[index].isReceiving = true
        let key = self.key(.receive, index)
        if linux_ring_receive(ring, descriptor, key) != 0 { starved.append(key) }
    }

    private func takeBackReceive(_ index: Int) -> UnsafeRawBufferPointer? {
        let key = self.key(.receive, index)
        entries[index].isReceiving = false
        if let place = starved.firstIndex(of: key) {
            starved.remove(at: place)
            return nil
        }
        submit()
        var isCancelled = false
        var looked = 0
        // A read that is taken back completes with the next call; more of them are for signals that cut calls short.
        for _ in 0..<1000 {
            while looked < completionCount {
                let completion = self.completion(looked)
                looked += 1
                guard completion.value == key else { continue }
                if completion.result == -ECANCELED || completion.result == -ENOBUFS { return nil }
                let buffer = linux_completion_buffer(completion)
                guard completion.result > 0, buffer >= 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
                // The event itself, of a former generation by then, gives the buffer back.
                return UnsafeRawBufferPointer(start: linux_ring_bytes(ring, buffer), count: Int(completion.result))
            }
            if !isCancelled {
                cancel(.receive, index)
                isCancelled = true
            }
            enter(wanted: linux_ring_completed(ring) &+ 1)
        }
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// Sends with the next wait (or `submit`), to a socket that is received from. One send a turn for each socket, or they may
    /// overtake each other.
    ///
    /// - Parameter bytes: those of a `received` event of this turn, or others that stay until the wait has ended.
    /// - Returns: whether the kernel will be asked.
    package func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let index = received(descriptor), let count = UInt32(exactly: bytes.count) else { return false }
        guard linux_ring_send(ring, descriptor, bytes.baseAddress, count, key(.send, index)) == 0 else { return false }
        entries[index].turn = turn
        return true
    }

    /// What became of the socket's last send, once its turn is over.
    ///
    /// - Returns: nil if all was taken, else how much, or a negative errno.
    package func takeRefusal(_ descriptor: Int32) -> Int32? {
        guard let index = received(descriptor), let refusal = entries[index].refusal else { return nil }
        entries[index].refusal = nil
        return refusal
    }

    /// Gives the kernel what has been asked for, without waiting.
    package func submit() { enter(wanted: 0) }

    private func enter(wanted: UInt32) {
        isSubmitted = linux_ring_enter(ring, wanted) == 0
        turn &+= 1
        // What has found no room in the queue must be known too before anything relies on it.
        while linux_ring_has_overflown(ring) != 0 {
            let count = linux_ring_completed(ring)
            for place in 0..<count { moved.append(linux_ring_completion(ring, place)) }
            linux_ring_drop(ring, count)
            _ = linux_ring_enter(ring, 0)
        }
        noteRefusals()
    }

    // MARK: - Waiting

    /// Gives the kernel what has been asked for, waits for events and hands each to `body`.
    ///
    /// - Parameter isPatient: waits until there is one; else looks only.
    package func wait(isPatient: Bool, _ body: (_ value: UInt64, _ event: SelectorEvent) -> Void) {
        if receivers == 0 {
            if !isQuiet { settleDown(body) }
            isInUse = !isQuiet
            epoll.wait(milliseconds: isPatient && !isInUse ? -1 : 0) { body($0, .ready($1)) }
            return
        }
        if !isEpollWatched {
            isEpollWatched = linux_ring_poll(ring, epoll.number, LINUX_EPOLL_IN, Self.epollKey) == 0
        }
        waitByRing(isPatient: isPatient, body)
        if hasEpollNews {
            hasEpollNews = false
            epoll.waitForAll(body)
        }
    }

    /// Waiting is the ring's: else nothing is received, and the loop waits by the selector that `init` was given.
    package private(set) var isInUse = false

    /// Nothing is under way but what was taken back.
    private var isQuiet: Bool {
        !isEpollWatched && lent.isEmpty && completionCount == 0 && linux_ring_asked(ring) == 0
    }

    /// Nobody receives any more: the ring is emptied.
    private func settleDown(_ body: (_ value: UInt64, _ event: SelectorEvent) -> Void) {
        starved.removeAll()
        if isEpollWatched {
            isEpollWatched = linux_ring_cancel(ring, Self.epollKey, Kind.cancel.rawValue << Self.kindShift) != 0
        }
        waitByRing(isPatient: false, body)
        hasEpollNews = false
    }

    private func waitByRing(isPatient: Bool, _ body: (_ value: UInt64, _ event: SelectorEvent) -> Void) {
        enter(wanted: isPatient && starved.isEmpty && moved.isEmpty ? 1 : 0)
        swap(&lent, &settled)
        var left = completionCount
        while left > 0 {
            left -= 1
            handle(takeCompletion(), body)
        }
        // A call that failed has submitted nothing: what is to be sent is still wanted.
        if isSubmitted {
            for buffer in settled { linux_ring_give(ring, buffer) }
        } else {
            lent.append(contentsOf: settled)
        }
        settled.removeAll(keepingCapacity: true)
        if !starved.isEmpty { askAgain() }
    }

    private var completionCount: Int { moved.count + Int(linux_ring_completed(ring)) }

    private func completion(_ place: Int) -> linux_completion {
        place < moved.count ? moved[place] : linux_ring_completion(ring, UInt32(place - moved.count))
    }

    private func takeCompletion() -> linux_completion {
        searched -= 1
        if !moved.isEmpty { return moved.removeFirst() }
        let completion = linux_ring_completion(ring, 0)
        linux_ring_drop(ring, 1)
        return completion
    }

    private func handle(_ completion: linux_completion, _ body: (UInt64, SelectorEvent) -> Void) {
        let buffer = linux_completion_buffer(completion)
        // Given back when all that is sent of it this turn has gone.
        if buffer >= 0 { lent.append(buffer) }
        if completion.value == Self.epollKey {
            if completion.flags & LINUX_RING_MORE == 0 { isEpollWatched = false }
            hasEpollNews = true
            return
        }
        guard let index = current(completion.value), let kind = Kind(rawValue: completion.value >> Self.kindShift & 7)
        else { return }
        let value = entries[index].value
        switch kind {
        case .write:
            if completion.result < 0 || UInt32(completion.result) & (LINUX_EPOLL_OUT | LINUX_EPOLL_ERR) != 0 {
                if completion.flags & LINUX_RING_MORE != 0 { cancel(.write, index) }
                entries[index].isWriteWatched = false
                report(completion, again: 0, index, value, body)
            } else {
                report(completion, again: LINUX_EPOLL_OUT, index, value, body)
            }
        case .hangUp:
            report(completion, again: LINUX_EPOLL_RDHUP, index, value, body)
        case .receive:
            if completion.result == -ENOBUFS || completion.result == -EINTR {
                starved.append(completion.value)
                return
            }
            entries[index].isReceiving = false
            let count = buffer >= 0 ? max(0, Int(completion.result)) : 0
            let start = count > 0 ? linux_ring_bytes(ring, buffer) : nil
            body(value, .received(UnsafeRawBufferPointer(start: start, count: count)))
        case .send:
            body(value, .refused)
        case .epoll, .cancel: break
        }
    }

    /// Tells of a poll's completion.
    ///
    /// - Parameter again: what to ask for if that was its last one; 0 for nothing.
    private func report(
        _ completion: linux_completion, again events: UInt32, _ index: Int, _ value: UInt64,
        _ body: (UInt64, SelectorEvent) -> Void
    ) {
        // Taken back, and asked for again since.
        if completion.result == -ECANCELED { return }
        if completion.result >= 0, events != 0, completion.flags & LINUX_RING_MORE == 0 {
            _ = linux_ring_poll(ring, Int32(index), events, completion.value)
            entries[index].turn = turn
        }
        body(value, .ready(completion.result < 0 ? LINUX_EPOLL_ERR : UInt32(completion.result)))
    }

    /// Finds the sends that were refused before anything is done that relies on them.
    private func noteRefusals() {
        let count = completionCount
        while searched < count {
            let completion = self.completion(searched)
            searched += 1
            guard completion.value >> Self.kindShift & 7 == Kind.send.rawValue, let index = current(completion.value)
            else { continue }
            entries[index].refusal = completion.result
        }
    }

    /// Reads for which there are buffers now.
    private func askAgain() {
        let keys = starved
        starved.removeAll(keepingCapacity: true)
        for key in keys where current(key) != nil {
            let descriptor = Int32(truncatingIfNeeded: key & Self.indexMask)
            entries[Int(descriptor)].turn = turn
            if linux_ring_receive(ring, descriptor, key) != 0 { starved.append(key) }
        }
    }

    // MARK: - What an event carries

    private static let kindShift: UInt64 = 29
    private static let indexMask: UInt64 = 1 << kindShift - 1
    private static let mostDescriptors: UInt64 = 1 << kindShift
    private static let nobody = UInt64.max - 2
    /// No descriptor is that high.
    private static let epollKey = Kind.epoll.rawValue << kindShift | indexMask

    private func key(_ kind: Kind, _ index: Int) -> UInt64 {
        UInt64(entries[index].generation) << 32 | kind.rawValue << Self.kindShift | UInt64(index)
    }

    /// The entry that an event is for; nil if it is for a former one.
    private func current(_ key: UInt64) -> Int? {
        let index = Int(key & Self.indexMask)
        guard entries.indices.contains(index), entries[index].generation == UInt32(key >> 32) else { return nil }
        return index
    }
}
