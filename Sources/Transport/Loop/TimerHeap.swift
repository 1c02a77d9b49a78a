/// Deadlines of one loop, earliest first. Deadlines are never taken back: who gets one checks that it still holds.
package struct TimerHeap {
    package struct Timer: Sendable, Hashable {
        /// Nanoseconds of the monotonic clock.
        package var deadline: Int64
        /// Whose it is.
        package var owner: UInt64
    }

    private var timers: [Timer] = []

    package init() {}

    package var isEmpty: Bool { timers.isEmpty }

    /// The earliest.
    package var first: Timer? { timers.first }

    package mutating func add(deadline: Int64, owner: UInt64) {
        timers.append(Timer(deadline: deadline, owner: owner))
        var child = timers.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard timers[child].deadline < timers[parent].deadline else { break }
            timers.swapAt(child, parent)
            child = parent
        }
    }

    /// Throws out what nobody waits for any more, and gives its memory back.
    ///
    /// - Parameter isWaitedFor: whether a timer still matters.
    package mutating func compact(_ isWaitedFor: (Timer) -> Bool) {
        // Sorted is a heap, too.
        timers = timers.filter(isWaitedFor).sorted { $0.deadline < $1.deadline }
    }

    package var count: Int { timers.count }

    /// Takes the earliest out.
    package mutating func removeFirst() {
        guard let last = timers.popLast(), !timers.isEmpty else { return }
        timers[0] = last
        sink()
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < timers.count {
                if timers[child].deadline < timers[smallest].deadline { smallest = child }
            }
            if smallest == parent { return }
            timers.swapAt(parent, smallest)
            parent = smallest
        }
    }
}
