import Synchronization

/// Where the trail's writer and those who read its files after it meet. Any thread; nobody waits here for anybody.
///
/// The writer tells how far the trail may be read, and asks which closed files are still wanted. A follower tells which file
/// it needs next, and is woken when there is more.
package final class AuditFollowing: Sendable {
    private struct Follower {
        /// The oldest file that it has not read to its end; 0: all that are there.
        var neededFile: Int64
        var wake: @Sendable () -> Void
    }

    private let sequence = Atomic<Int64>(0)
    private let followers = Mutex<[String: Follower]>([:])
    private let held = Atomic<Int>(0)
    private let start = Atomic<Int64>(-1)
    private let count = Atomic<Int>(0)

    package init() {}

    /// Records up to this number are in the file, and on the disk if the trail's durability is that: no power cut takes
    /// them back, no failed write has them written anew. 0 until this run's first record is written.
    package var readableSequence: Int64 { sequence.load(ordering: .acquiring) }

    /// The last record that the trail had when this run began to write; -1 until it has.
    package var startSequence: Int64 { start.load(ordering: .acquiring) }

    /// Closed files that `keep_files` would have deleted, had they been read; as of the last time that one was closed.
    package var heldFileCount: Int { held.load(ordering: .relaxed) }

    /// Adds a follower, or changes it.
    ///
    /// - Parameters:
    ///   - neededFile: as ``need(_:by:)``.
    ///   - wake: called on the writer's thread when there is more to read; it must only post.
    package func add(_ name: String, neededFile: Int64, wake: @escaping @Sendable () -> Void) {
        followers.withLock { followers in
            followers[name] = Follower(neededFile: neededFile, wake: wake)
            count.store(followers.count, ordering: .relaxed)
        }
    }

    /// Takes a follower out: no file is kept for it any more.
    package func remove(_ name: String) {
        followers.withLock { followers in
            followers[name] = nil
            count.store(followers.count, ordering: .relaxed)
        }
    }

    /// The oldest file that the follower has not read to its end.
    package func need(_ file: Int64, by name: String) {
        followers.withLock { followers in
            guard followers[name] != nil else { return }
            followers[name]?.neededFile = file
        }
    }

    /// Whether there is anybody to read.
    var isFollowed: Bool { count.load(ordering: .relaxed) > 0 }

    /// Writer's thread: records of this run come behind that one. Counts once.
    func begin(after sequence: Int64) {
        _ = start.compareExchange(expected: -1, desired: sequence, ordering: .acquiringAndReleasing)
    }

    /// Writer's thread: the trail may be read up to this record.
    func publish(_ sequence: Int64) {
        guard sequence > self.sequence.load(ordering: .relaxed) else { return }
        self.sequence.store(sequence, ordering: .releasing)
        let wakes = followers.withLock { $0.values.map(\.wake) }
        for wake in wakes { wake() }
    }

    /// Writer's thread: who still needs a file of this number or below; nil if nobody does.
    func whoNeeds(_ file: Int64) -> String? {
        followers.withLock { followers in
            followers.filter { $0.value.neededFile <= file }.keys.min()
        }
    }

    func countHeld(_ count: Int) { held.store(count, ordering: .relaxed) }
}
