import Testing
import Transport

@Suite struct `A loop's deadlines` {
    /// In an order that is neither sorted nor reversed, with doubles.
    private static let deadlines = (0..<1000).map { Int64($0 * 7919 % 499) }

    private static func heap(_ deadlines: [Int64]) -> TimerHeap {
        var heap = TimerHeap()
        for (owner, deadline) in deadlines.enumerated() { heap.add(deadline: deadline, owner: UInt64(owner)) }
        return heap
    }

    /// Takes all out.
    private static func order(_ heap: TimerHeap) -> [TimerHeap.Timer] {
        var heap = heap
        var timers: [TimerHeap.Timer] = []
        while let first = heap.first {
            timers.append(first)
            heap.removeFirst()
        }
        #expect(heap.isEmpty)
        return timers
    }

    @Test func `come out earliest first, each once`() {
        let timers = Self.order(Self.heap(Self.deadlines))
        #expect(timers.map(\.deadline) == Self.deadlines.sorted())
        #expect(Set(timers.map(\.owner)) == Set(0..<UInt64(Self.deadlines.count)))
        for timer in timers { #expect(Self.deadlines[Int(timer.owner)] == timer.deadline) }
    }

    @Test(arguments: [1, 2, 3, 10, 1001])
    func `are thrown out when nobody waits for them, and the rest keep their order`(every: UInt64) {
        var heap = Self.heap(Self.deadlines)
        let all = Self.order(heap)
        heap.compact { $0.owner % every == 0 }
        #expect(heap.count == all.count { $0.owner % every == 0 })
        let kept = Self.order(heap)
        #expect(kept.map(\.deadline) == all.filter { $0.owner % every == 0 }.map(\.deadline))
        #expect(Set(kept) == Set(all.filter { $0.owner % every == 0 }))
    }

    @Test func `that are added after a compaction find their place`() {
        var heap = Self.heap(Self.deadlines)
        heap.compact { $0.deadline % 2 == 0 }
        for deadline in [-1, 250, 251, 10_000] as [Int64] { heap.add(deadline: deadline, owner: 5000) }
        let expected = Self.deadlines.filter { $0 % 2 == 0 } + [-1, 250, 251, 10_000]
        #expect(Self.order(heap).map(\.deadline) == expected.sorted())
    }

    @Test func `may be none at all`() {
        var heap = TimerHeap()
        heap.removeFirst()
        heap.compact { _ in true }
        #expect(heap.isEmpty)
        #expect(heap.first == nil)
        heap.add(deadline: 5, owner: 1)
        heap.compact { _ in false }
        #expect(heap.isEmpty)
    }
}
