import CLinux
import Glibc
import Testing
import Transport

private let hasRings: Bool = {
    do {
        try RingSelector(EpollSelector()).begin()
        return true
    } catch {
        return false
    }
}()

/// Real sockets on a real ring: where the kernel has none, a loop waits by epoll, and these tests have nothing to test.
@Suite("A ring reads and writes for its sockets", .enabled(if: hasRings))
struct RingSelectorTests {
    /// A ring in use by this thread, and what it tells.
    private final class Waiter {
        let ring: RingSelector
        private let epoll: EpollSelector
        private(set) var received: [UInt64: [UInt8]] = [:]
        private(set) var ended: Set<UInt64> = []
        private(set) var refused: [UInt64] = []
        private(set) var bits: [UInt64: UInt32] = [:]

        init(_ change: (inout RingSelector.Layout) -> Void = { _ in }) throws {
            var layout = RingSelector.Layout()
            change(&layout)
            epoll = try EpollSelector()
            ring = try RingSelector(epoll, layout)
            try ring.begin()
        }

        func look(isPatient: Bool = false) {
            ring.wait(isPatient: isPatient) { value, event in
                switch event {
                case .ready(let bits): self.bits[value, default: 0] |= bits
                case .received(let bytes) where bytes.isEmpty: ended.insert(value)
                case .received(let bytes): received[value, default: []] += bytes
                case .refused: refused.append(value)
                }
            }
        }

        func add(_ descriptor: Int32, value: UInt64, watchesWrites: Bool) throws {
            try epoll.add(descriptor, value: value, watchesWrites: watchesWrites)
        }

        func forgetBits() { bits = [:] }

        /// Waits until what is asked for has come.
        func wait(until isThere: (Waiter) -> Bool) {
            while !isThere(self) { look(isPatient: true) }
        }
    }

    /// Two connected sockets, closed at the end.
    private final class Pair {
        let near: Int32
        let far: Int32
        private var isFarOpen = true
        private var isNearOpen = true

        init() throws {
            var ends: [Int32] = [0, 0]
            let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
            (near, far) = (ends[0], ends[1])
        }

        deinit {
            closeFar()
            closeNear()
        }

        func closeFar() {
            if isFarOpen { _ = close(far) }
            isFarOpen = false
        }

        func closeNear() {
            if isNearOpen { _ = close(near) }
            isNearOpen = false
        }

        func write(_ bytes: [UInt8]) { #expect(Glibc.send(far, bytes, bytes.count, 0) == bytes.count) }

        /// What has come to the far end; nil at its end.
        func read() -> [UInt8]? {
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = recv(far, &buffer, buffer.count, 0)
                // A peer that closes with something unread resets (unix(7)): that is an end, too.
                if bytes.isEmpty, count == 0 || (count < 0 && errno == ECONNRESET) { return nil }
                guard count > 0 else { return bytes }
                bytes += buffer[..<count]
            }
        }
    }

    private func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("a polled socket is reported as it becomes readable, writable and ended")
    func polled() throws {
        let (waiter, pair) = (try Waiter(), try Pair())
        try waiter.add(pair.near, value: 8, watchesWrites: true)
        waiter.wait { $0.bits[8] ?? 0 & LINUX_EPOLL_OUT != 0 }
        pair.write(text("x"))
        waiter.wait { $0.bits[8, default: 0] & LINUX_EPOLL_IN != 0 }
        pair.closeFar()
        waiter.wait { $0.bits[8, default: 0] & LINUX_EPOLL_RDHUP != 0 }
        waiter.ring.remove(pair.near)
    }

    @Test("what is asked for comes as bytes, each time once, and then the end")
    func receives() throws {
        let (waiter, pair) = (try Waiter(), try Pair())
        try waiter.add(pair.near, value: 8, watchesWrites: true)
        #expect(waiter.ring.beginReceiving(pair.near, value: 8))
        waiter.ring.receive(pair.near)
        pair.write(text("one"))
        waiter.wait { $0.received[8] == text("one") }
        pair.write(text("two"))
        // Nobody has asked.
        waiter.look()
        #expect(waiter.received[8] == text("one"))
        waiter.ring.receive(pair.near)
        waiter.wait { $0.received[8] == text("onetwo") }
        pair.closeFar()
        waiter.ring.receive(pair.near)
        waiter.wait { $0.ended.contains(8) }
        waiter.ring.remove(pair.near)
    }

    @Test("more readers than buffers all get their bytes")
    func exhaustion() throws {
        let waiter = try Waiter {
            $0.buffers = 2
            $0.bufferSize = 64
        }
        let pairs = try (0..<20).map { _ in try Pair() }
        for (index, pair) in pairs.enumerated() {
            try waiter.add(pair.near, value: UInt64(index) << 1, watchesWrites: true)
            #expect(waiter.ring.beginReceiving(pair.near, value: UInt64(index) << 1))
            waiter.ring.receive(pair.near)
            pair.write(text("for \(index)"))
        }
        waiter.wait { $0.received.count == pairs.count }
        for index in pairs.indices { #expect(waiter.received[UInt64(index) << 1] == text("for \(index)")) }
        for pair in pairs { waiter.ring.remove(pair.near) }
    }

    @Test("of a send that is not wholly taken the rest is known, and that the socket takes more again")
    func shortSend() throws {
        let (waiter, pair) = (try Waiter(), try Pair())
        try waiter.add(pair.near, value: 8, watchesWrites: true)
        #expect(waiter.ring.beginReceiving(pair.near, value: 8))
        let much = (0..<4_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try much.withUnsafeBytes { bytes in
            var sent = 0
            var arrived: [UInt8] = []
            while sent < bytes.count {
                #expect(waiter.ring.send(pair.near, UnsafeRawBufferPointer(rebasing: bytes[sent...])))
                waiter.ring.submit()
                guard let taken = waiter.ring.takeRefusal(pair.near) else {
                    sent = bytes.count
                    break
                }
                try #require(taken > 0 || taken == -EAGAIN)
                sent += max(0, Int(taken))
                waiter.ring.watchWrites(pair.near, value: 8, true)
                waiter.look()
                arrived += pair.read() ?? []
                waiter.wait { $0.bits[8, default: 0] & LINUX_EPOLL_OUT != 0 }
            }
            arrived += pair.read() ?? []
            #expect(arrived == much)
        }
        #expect(!waiter.refused.isEmpty)
        waiter.ring.remove(pair.near)
    }

    @Test("a send to a socket whose other end is gone is refused with the reason")
    func brokenSend() throws {
        let (waiter, pair) = (try Waiter(), try Pair())
        try waiter.add(pair.near, value: 8, watchesWrites: true)
        #expect(waiter.ring.beginReceiving(pair.near, value: 8))
        pair.closeFar()
        text("x").withUnsafeBytes { bytes in
            #expect(waiter.ring.send(pair.near, bytes))
            waiter.ring.submit()
        }
        #expect(waiter.ring.takeRefusal(pair.near) == -EPIPE)
        #expect(waiter.ring.takeRefusal(pair.near) == nil)
        waiter.ring.remove(pair.near)
    }

    @Test("a read that is taken back loses nothing")
    func takeBack() throws {
        let (waiter, pair) = (try Waiter(), try Pair())
        try waiter.add(pair.near, value: 8, watchesWrites: true)
        #expect(waiter.ring.beginReceiving(pair.near, value: 8))
        waiter.ring.receive(pair.near)
        waiter.look()
        #expect(waiter.ring.endReceiving(pair.near) == nil)
        pair.write(text("still in the socket"))
        waiter.look()
        #expect(waiter.received.isEmpty)
        #expect(waiter.ring.beginReceiving(pair.near, value: 8))
        waiter.ring.receive(pair.near)
        // The kernel reads it, and it is taken back before anybody is told.
        let bytes = waiter.ring.endReceiving(pair.near)
        if let bytes { #expect(Array(bytes) == text("still in the socket")) }
        waiter.look()
        #expect(waiter.received.isEmpty)
        if bytes == nil {
            #expect(waiter.ring.beginReceiving(pair.near, value: 8))
            waiter.ring.receive(pair.near)
            waiter.wait { $0.received[8] == text("still in the socket") }
        }
        waiter.ring.remove(pair.near)
    }

    @Test("a socket goes to the ring and back, and epoll tells of what came meanwhile")
    func andBack() throws {
        let (waiter, pair, other) = (try Waiter(), try Pair(), try Pair())
        try waiter.add(pair.near, value: 8, watchesWrites: false)
        try waiter.add(other.near, value: 10, watchesWrites: false)
        for round in 1...3 {
            #expect(waiter.ring.beginReceiving(pair.near, value: 8))
            waiter.ring.receive(pair.near)
            other.write(text("by epoll, which the ring watches"))
            waiter.wait { $0.bits[10, default: 0] & LINUX_EPOLL_IN != 0 }
            pair.write(text("x"))
            waiter.wait { $0.received[8] == [UInt8](repeating: 0x78, count: round) }
            waiter.ring.receive(pair.near)
            waiter.look()
            #expect(waiter.ring.endReceiving(pair.near) == nil)
            waiter.forgetBits()
            pair.write(text("y"))
            try waiter.add(pair.near, value: 8, watchesWrites: false)
            waiter.wait { $0.bits[8, default: 0] & LINUX_EPOLL_IN != 0 }
            var byte: UInt8 = 0
            #expect(recv(pair.near, &byte, 1, 0) == 1 && byte == 0x79)
            waiter.forgetBits()
        }
    }

    @Test("a socket that is removed and closed is closed for its peer too, and its successor hears nothing of it")
    func removed() throws {
        let waiter = try Waiter()
        for round in 0..<50 {
            let pair = try Pair()
            try waiter.add(pair.near, value: UInt64(round) << 1, watchesWrites: true)
            #expect(waiter.ring.beginReceiving(pair.near, value: UInt64(round) << 1))
            waiter.ring.receive(pair.near)
            waiter.look()
            // What has come is on its way to the former owner.
            pair.write(text("for \(round)"))
            let number = pair.near
            waiter.ring.remove(number)
            // Closes it and gives its number to another in one step: no other test can take the number.
            let successor = try Pair()
            #expect(dup2(successor.near, number) == number)
            try waiter.add(number, value: 1000, watchesWrites: true)
            #expect(waiter.ring.beginReceiving(number, value: 1000))
            waiter.ring.receive(number)
            waiter.look()
            #expect(waiter.received.isEmpty)
            #expect(pair.read() == nil)
            waiter.ring.remove(number)
        }
    }

    @Test("what is sent to a socket that is removed at once still arrives there, and nowhere else")
    func sendAndRemove() throws {
        let (waiter, pair) = (try Waiter(), try Pair())
        try waiter.add(pair.near, value: 8, watchesWrites: true)
        #expect(waiter.ring.beginReceiving(pair.near, value: 8))
        try text("the last words").withUnsafeBytes { bytes in
            #expect(waiter.ring.send(pair.near, bytes))
            waiter.ring.remove(pair.near)
            pair.closeNear()
            let successor = try Pair()
            waiter.look()
            #expect(successor.read() == [])
        }
        #expect(pair.read() == text("the last words"))
    }

    @Test("more events than the queue has room for all come, and a refused send is known before them")
    func overflow() throws {
        let waiter = try Waiter {
            $0.submissions = 4
            $0.completions = 8
        }
        let pairs = try (0..<60).map { _ in try Pair() }
        for (index, pair) in pairs.enumerated() {
            try waiter.add(pair.near, value: UInt64(index) << 1, watchesWrites: true)
        }
        waiter.look()
        let blocked = try Pair()
        try waiter.add(blocked.near, value: 1000, watchesWrites: true)
        #expect(waiter.ring.beginReceiving(blocked.near, value: 1000))
        for pair in pairs { pair.write(text("x")) }
        [UInt8](repeating: 1, count: 4_000_000).withUnsafeBytes { bytes in
            #expect(waiter.ring.send(blocked.near, bytes))
            waiter.ring.submit()
        }
        let taken = try #require(waiter.ring.takeRefusal(blocked.near))
        #expect(taken > 0 && blocked.read()?.count == Int(taken))
        waiter.wait { waiter in
            pairs.indices.allSatisfy { waiter.bits[UInt64($0) << 1, default: 0] & LINUX_EPOLL_IN != 0 }
        }
        #expect(waiter.refused == [1000])
    }
}
