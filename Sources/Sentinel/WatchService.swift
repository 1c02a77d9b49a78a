import CLinux
import Configuration
import Foundation
import Logging
import Synchronization

/// Runs all watches for as long as the proxy does: a few threads of its own (libpq and files block), none of them a
/// loop's.
///
/// Rounds are spread over the interval. Each opens a connection and closes it: five hundred databases hold no five
/// hundred places on their servers, and none is kept from being dropped.
package final class WatchService: Sendable {
    private struct Entry: Sendable {
        let runner: WatchRunner
        var due: ContinuousClock.Instant
        var isRunning = false
        /// Where the last round was; empty before the first.
        var database = ""
        /// DDL has passed since the last round began: since when.
        var changedAt: ContinuousClock.Instant?
    }

    private struct State: Sendable {
        var entries: [Entry]
        var isStopping = false
    }

    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)
    private let workers = DispatchGroup()
    private let lock: StateFolder.Lock
    private let workerCount: Int
    private let deliveries: DeliveryThread
    private let told: @Sendable (WatchNotice) -> Void
    private let recovered: @Sendable ([RecoveryEvent]) -> Void
    private let notes: RecoveryNotes
    private let logger: Logger

    /// DDL comes in bursts: a round waits until there has been none for this long …
    private static let calm: Duration = .seconds(1)
    /// … but not for longer than this.
    private static let patience: Duration = .seconds(10)

    /// - Parameters:
    ///   - resolve: makes a path of proxy.conf absolute.
    ///   - recovered: takes what recoveries have done, for the trail. Called on the service's threads.
    ///   - told: takes what each round raises and clears, for the trail. Called on the service's threads.
    /// - Throws: the folder of what is remembered cannot be made, or another process watches with it.
    package init(
        _ watches: [WatchSettings], _ watching: WatchingSettings, resolve: (String) -> String, logger: Logger,
        recovered: @escaping @Sendable ([RecoveryEvent]) -> Void = { _ in },
        told: @escaping @Sendable (WatchNotice) -> Void
    ) throws(StateFolder.Fault) {
        let store = StateFolder(resolve(watching.statePath))
        try store.create()
        guard let lock = try store.lock() else {
            throw StateFolder.Fault(
                description:
                    "another process watches with the folder \(store.path): give each its own, [watching] state")
        }
        self.lock = lock
        let running = watches.filter { $0.interval != nil }
        let start = ContinuousClock.now
        let entries = running.enumerated().map { index, settings in
            let spread = min(settings.interval ?? .seconds(5), .seconds(5)) * index / max(1, running.count)
            return Entry(runner: WatchRunner(settings, store: store, resolve: resolve), due: start + spread)
        }
        state = Mutex(State(entries: entries))
        workerCount = min(watching.workerCount, max(1, running.count))
        deliveries = DeliveryThread(watching, logger: logger)
        self.told = told
        self.recovered = recovered
        notes = RecoveryNotes(store)
        self.logger = logger
    }

    package func start() {
        deliveries.start()
        for runner in state.withLock({ $0.entries.map(\.runner) }) where !runner.pending.isEmpty {
            deliveries.deliver(runner)
        }
        for index in 0..<workerCount {
            workers.enter()
            let thread = Thread { [self] in
                linux_name_thread("watch-\(index)")
                work()
                workers.leave()
            }
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    /// DDL has passed the proxy: look soon. Any thread, never waits for a round.
    package func ddlPassed(on database: String) {
        let now = ContinuousClock.now
        let isAwaited = state.withLock { state in
            var isAwaited = false
            for index in state.entries.indices where state.entries[index].database == database {
                let since = state.entries[index].changedAt ?? now
                state.entries[index].changedAt = since
                state.entries[index].due = min(now + Self.calm, since + Self.patience)
                isAwaited = true
            }
            return isAwaited
        }
        if isAwaited { wake.signal() }
    }

    /// Ends the threads; waits for rounds that are under way, but not for long. What is remembered has been written.
    package func stop() {
        let runners = state.withLock { state in
            state.isStopping = true
            return state.entries.map(\.runner)
        }
        for _ in 0..<workerCount { wake.signal() }
        deliveries.stop()
        _ = workers.wait(timeout: .now() + .seconds(2))
        for runner in runners { runner.close() }
    }

    private enum Task {
        case round(Int, WatchRunner)
        case wait(Duration)
        case stop
    }

    private func nextTask() -> Task {
        let now = ContinuousClock.now
        return state.withLock { state in
            if state.isStopping { return .stop }
            var first: Int?
            for index in state.entries.indices where !state.entries[index].isRunning {
                if let known = first, state.entries[known].due <= state.entries[index].due { continue }
                first = index
            }
            guard let first else { return .wait(.seconds(60)) }
            let due = state.entries[first].due
            guard due <= now else { return .wait(due - now) }
            state.entries[first].isRunning = true
            state.entries[first].changedAt = nil
            return .round(first, state.entries[first].runner)
        }
    }

    private func work() {
        while true {
            switch nextTask() {
            case .stop: return
            case .wait(let duration):
                let nanoseconds = min(duration.milliseconds, 60_000) * 1_000_000 + 1_000_000
                _ = wake.wait(timeout: .now() + .nanoseconds(Int(nanoseconds)))
            case .round(let index, let runner):
                let events = notes.take()
                if !events.isEmpty { recovered(events) }
                let outcome = runner.look(records: true, channels: deliveries.channels)
                tell(outcome, of: runner)
                end(index, of: runner, database: outcome.report.database)
            }
        }
    }

    private func end(_ index: Int, of runner: WatchRunner, database: String) {
        let now = ContinuousClock.now
        state.withLock { state in
            state.entries[index].isRunning = false
            if !database.isEmpty { state.entries[index].database = database }
            // DDL during the round has set when the next one is due.
            guard state.entries[index].changedAt == nil else { return }
            let next = state.entries[index].due + (runner.settings.interval ?? .seconds(60))
            state.entries[index].due = max(next, now)
            if next < now { state.entries[index].due = now + (runner.settings.interval ?? .seconds(60)) }
        }
        // Another worker may sleep until something later.
        wake.signal()
    }

    private func tell(_ outcome: WatchRunner.Outcome, of runner: WatchRunner) {
        let watch = runner.settings.name
        if let fault = outcome.fault {
            logger.error("\(fault): after a restart findings will be raised again", metadata: ["watch": "\(watch)"])
        }
        if let notice = outcome.notice {
            for open in notice.raised {
                logger.warning("watch: \(open.finding.text)", metadata: Self.metadata(open, notice))
            }
            for open in notice.cleared {
                logger.notice("watch: no longer so: \(open.finding.text)", metadata: Self.metadata(open, notice))
            }
            told(notice)
        }
        if !runner.pending.isEmpty { deliveries.deliver(runner) }
    }

    private static func metadata(_ open: WatchState.Open, _ notice: WatchNotice) -> Logger.Metadata {
        [
            "watch": "\(notice.watch)", "database": "\(notice.database)", "finding": "\(open.finding.kind.rawValue)",
            "subject": "\(open.finding.subject)",
        ]
    }
}
