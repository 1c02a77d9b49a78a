import CLinux
import Foundation
import Policy
import Synchronization

/// Reads texts that take long, so that no loop has to: a DO of 8 MB takes seconds. Any thread may give an order.
///
/// A session has one order out at most, and waits for it; the texts of all are bounded by ``byteLimit``.
package final class JudgingThreads: Sendable {
    /// What becomes of an order.
    enum Acceptance {
        case taken
        /// Too much waits already: `roomMade` is called when there is room.
        case full
    }

    private struct Entry: Sendable {
        var order: FactsOrder
        var delivered: @Sendable (FactsDelivery) -> Void
    }

    private struct State {
        var entries: [Entry] = []
        /// Of the texts that wait or are being read.
        var byteCount = 0
        var waiting: [@Sendable () -> Void] = []
        var isStopping = false
        var sleepingThreads = 0
    }

    /// So many bytes wait or are being read at most; one order is taken whatever its size.
    private let byteLimit: Int
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let running = DispatchGroup()

    /// Starts the threads.
    package init(count: Int, byteLimit: Int = 64 << 20) {
        self.byteLimit = byteLimit
        for index in 0..<max(1, count) {
            running.enter()
            let thread = Thread { [self] in
                linux_name_thread("judge-\(index)")
                var judge = StatementJudge()
                while let entry = take() {
                    entry.delivered(judge.deliver(entry.order))
                    finished(entry.order.text.count)
                }
                running.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    /// Has a text read.
    ///
    /// - Parameters:
    ///   - delivered: called on one of the threads, at once or later, unless they stop before.
    ///   - roomMade: called once if the answer is `full`; the order may then be given again.
    func submit(
        _ order: FactsOrder, delivered: @escaping @Sendable (FactsDelivery) -> Void,
        roomMade: @escaping @Sendable () -> Void
    ) -> Acceptance {
        let (acceptance, wakes) = state.withLock { state -> (Acceptance, Bool) in
            guard state.byteCount == 0 || order.text.count <= byteLimit - state.byteCount else {
                state.waiting.append(roomMade)
                return (.full, false)
            }
            state.entries.append(Entry(order: order, delivered: delivered))
            state.byteCount += order.text.count
            guard state.sleepingThreads > 0 else { return (.taken, false) }
            state.sleepingThreads -= 1
            return (.taken, true)
        }
        if wakes { wake.signal() }
        return acceptance
    }

    /// Ends the threads when each has finished what it is reading; what waits is dropped. No session is left.
    package func stop() {
        let sleeping = state.withLock { state in
            state.isStopping = true
            defer { state.sleepingThreads = 0 }
            return state.sleepingThreads
        }
        for _ in 0..<sleeping { wake.signal() }
    }

    /// The oldest order; waits for one. nil when it is time to end.
    private func take() -> Entry? {
        while true {
            let (entry, isOver) = state.withLock { state -> (Entry?, Bool) in
                if state.isStopping { return (nil, true) }
                if state.entries.isEmpty {
                    state.sleepingThreads += 1
                    return (nil, false)
                }
                return (state.entries.removeFirst(), false)
            }
            if entry != nil || isOver { return entry }
            wake.wait()
        }
    }

    private func finished(_ byteCount: Int) {
        let waiting = state.withLock { state -> [@Sendable () -> Void] in
            state.byteCount -= byteCount
            guard state.byteCount <= byteLimit / 2 else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for roomMade in waiting { roomMade() }
    }
}

/// The session's part: it waits, as it does for the trail, while its text is read elsewhere.
extension SessionDriver {
    /// Has another thread read the text at the front.
    func order(_ order: FactsOrder) {
        guard let threads = loop.context.judging else { return }
        toServer.isPaused = true
        awaitedOrder = order.number
        let (mailbox, owner, number) = (loop.mailbox, owner, order.number)
        _ = threads.submit(order) { delivery in
            mailbox.post(.factsDelivered(owner: owner, order: number, delivery))
        } roomMade: {
            mailbox.post(.factsDelivered(owner: owner, order: number, nil))
        }
    }

    /// The text at the front has been read; or it can be ordered now that there is room.
    func factsDelivered(_ delivery: FactsDelivery?, order: UInt64) {
        guard phase == .relaying, awaitedOrder == order else { return }
        awaitedOrder = nil
        if let delivery { machine?.value.factsDelivered(delivery) } else { machine?.value.orderRejected() }
        toServer.isPaused = false
        toServer.needed = 1
        advance()
    }
}
