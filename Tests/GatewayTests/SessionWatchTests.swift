import Policy
import Testing

@testable import Gateway

@Suite("A session's timeouts") struct SessionWatchTests {
    private static let second: Int64 = 1_000_000_000

    /// Plays what happens on a session against the watch, as a loop would: looks when the deadline has come, wakes it when
    /// something happens.
    private struct Play {
        struct Change {
            var at: Int64
            var state: SessionWatch.State
        }

        struct Found: Equatable {
            var at: Int64
            var verdict: SessionWatch.Verdict
        }

        var watch: SessionWatch
        /// How often the watch has asked for the time.
        var clockCount = 0

        /// - Returns: when the first verdict came, and which.
        mutating func run(_ changes: [Change], until end: Int64) -> Found? {
            var changes = changes[...]
            var state = SessionWatch.State.untimed
            var epoch: UInt64 = 0
            while true {
                let due = watch.deadline ?? .max
                let next = changes.first?.at ?? .max
                guard min(due, next) <= end else { return nil }
                if next <= due, let change = changes.popFirst() {
                    if watch.wantsWake {
                        clockCount += 1
                        watch.wake(now: change.at)
                    }
                    (state, epoch) = (change.state, epoch &+ 1)
                } else {
                    clockCount += 1
                    let verdict = watch.look(now: due, state: state, epoch: epoch)
                    if verdict != .fine { return Found(at: due, verdict: verdict) }
                }
            }
        }
    }

    struct Row: CustomTestStringConvertible {
        var state: SessionWatch.State
        var verdict: SessionWatch.Verdict
        var testDescription: String { "\(verdict)" }
    }

    private static let timeouts = SessionTimeouts(
        idle: 160 * second, idleInTransaction: 80 * second, query: 40 * second)

    @Test(arguments: [
        Row(state: .idle, verdict: .idleTooLong), Row(state: .idleInTransaction, verdict: .idleInTransactionTooLong),
        Row(state: .running, verdict: .runsTooLong),
    ])
    func `end never early, and late by a sixteenth of the shortest at most`(row: Row) throws {
        let limit =
            switch row.state {
            case .idle: Self.timeouts.idle
            case .idleInTransaction: Self.timeouts.idleInTransaction
            case .running, .untimed: Self.timeouts.query
            }
        for begin in stride(from: Self.second, to: 8 * Self.second, by: Int(Self.second / 7)) {
            var play = Play(watch: SessionWatch(Self.timeouts))
            let changes = [
                Play.Change(at: Self.second / 2, state: .untimed), Play.Change(at: begin, state: row.state),
            ]
            let verdict = play.run(changes, until: 1000 * Self.second)
            let found = try #require(verdict)
            #expect(found.verdict == row.verdict)
            #expect(found.at >= begin + limit)
            #expect(found.at <= begin + limit + Self.timeouts.query / 16 + 1)
        }
    }

    @Test func `do not end a session that changes in time`() {
        var play = Play(watch: SessionWatch(Self.timeouts))
        let changes = (1..<500).map { index in
            Play.Change(at: Int64(index) * 30 * Self.second, state: index % 2 == 0 ? .running : .idleInTransaction)
        }
        let verdict = play.run(changes, until: 500 * 30 * Self.second)
        #expect(verdict == nil)
    }

    @Test func `ask for the time a few times in a timeout, however much happens`() {
        var play = Play(watch: SessionWatch(Self.timeouts))
        let changes = (1..<1_000_000).map { index in
            Play.Change(at: Int64(index) * 100_000, state: index % 2 == 0 ? .running : .idle)
        }
        let verdict = play.run(changes, until: 100 * Self.second)
        #expect(verdict == nil)
        #expect(play.clockCount <= 2 * 100 * 16 / 40 + 2)
    }

    @Test func `let nothing wait for a session in which nothing happens and nothing is timed`() {
        let watch = SessionWatch(SessionTimeouts(query: Self.second))
        watch.wake(now: 0)
        _ = watch.look(now: Self.second / 16, state: .idle, epoch: 1)
        _ = watch.look(now: Self.second / 8, state: .idle, epoch: 1)
        #expect(watch.deadline == nil)
        #expect(watch.wantsWake)
    }

    @Test func `have no effect where none is given`() {
        let watch = SessionWatch(.none)
        #expect(!watch.wantsWake)
        watch.wake(now: 5)
        #expect(watch.deadline == nil)
    }

    @Test func `give up on a statement that goes on after it was cancelled`() throws {
        let watch = SessionWatch(SessionTimeouts(query: Self.second))
        watch.wake(now: 0)
        var now: Int64 = 0
        var verdicts: [SessionWatch.Verdict] = []
        while let deadline = watch.deadline, verdicts.count < 10 {
            now = deadline
            verdicts.append(watch.look(now: now, state: .running, epoch: 7))
        }
        #expect(verdicts.filter { $0 != .fine } == [.runsTooLong, .ignoresCancel])
        #expect(now >= Self.second + SessionWatch.grace)
    }

    @Test func `cancel the next statement too if it runs too long`() {
        let watch = SessionWatch(SessionTimeouts(query: Self.second))
        watch.wake(now: 0)
        var cancelled = 0
        var epoch: UInt64 = 0
        while let deadline = watch.deadline, cancelled < 3 {
            if watch.look(now: deadline, state: .running, epoch: epoch) == .runsTooLong {
                cancelled += 1
                epoch += 1
            }
        }
        #expect(cancelled == 3)
    }

    @Test func `hold at once when they are changed, and what has passed counts`() throws {
        let watch = SessionWatch(SessionTimeouts(idle: 3600 * Self.second))
        watch.wake(now: 0)
        _ = watch.look(now: 300 * Self.second, state: .idle, epoch: 1)
        _ = watch.look(now: 600 * Self.second, state: .idle, epoch: 1)
        watch.change(SessionTimeouts(idle: 60 * Self.second), now: 700 * Self.second)
        let deadline = try #require(watch.deadline)
        let verdict = watch.look(now: deadline, state: .idle, epoch: 1)
        #expect(verdict == .idleTooLong)
        #expect(deadline < 710 * Self.second)
    }
}
