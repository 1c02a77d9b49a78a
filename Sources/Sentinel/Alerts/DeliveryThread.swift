import CLinux
import Configuration
import Foundation
import Logging
import Synchronization

/// Delivers notices one after the other on a thread of its own, so that a webhook that hangs keeps no round waiting.
final class DeliveryThread: Sendable {
    private struct State: Sendable {
        var waiting: [WatchRunner] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let isStarted = Mutex(false)
    private let delivery: NoticeDelivery
    private let logger: Logger

    /// So long nothing more is sent on a channel that failed for good; every watch would wait for it.
    private static let rest: Duration = .seconds(30)
    /// So old a notice is given up, in seconds.
    private static let lifetime: TimeInterval = 24 * 3600

    init(_ settings: WatchingSettings, logger: Logger) {
        let stop = DispatchSemaphore(value: 0)
        stopSignal = stop
        delivery = NoticeDelivery(settings) { duration in
            let seconds = Double(duration.milliseconds) / 1000
            guard stop.wait(timeout: .now() + seconds) == .timedOut else {
                // For whoever pauses next.
                stop.signal()
                return false
            }
            return true
        }
        self.logger = logger
    }

    private let stopSignal: DispatchSemaphore

    var channels: [WatchNotice.Channel] { delivery.channels }

    func start() {
        guard !channels.isEmpty else { return }
        isStarted.withLock { $0 = true }
        Thread { [self] in
            linux_name_thread("notices")
            run()
            ended.signal()
        }.start()
    }

    /// Whatever the watch has to tell goes out soon.
    func deliver(_ runner: WatchRunner) {
        let isNew = state.withLock { state in
            if state.waiting.contains(where: { $0 === runner }) { return false }
            state.waiting.append(runner)
            return true
        }
        if isNew { wake.signal() }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        stopSignal.signal()
        wake.signal()
        if isStarted.withLock({ $0 }) { _ = ended.wait(timeout: .now() + .seconds(2)) }
    }

    private func run() {
        var closedUntil: [WatchNotice.Channel: ContinuousClock.Instant] = [:]
        while true {
            wake.wait()
            let (runner, isStopping) = state.withLock { state in
                (state.waiting.isEmpty ? nil : state.waiting.removeFirst(), state.isStopping)
            }
            if isStopping { return }
            guard let runner else { continue }
            deliverAll(of: runner, closedUntil: &closedUntil)
        }
    }

    /// On each channel in their order: one that fails keeps the later ones for the watch's next round, too.
    private func deliverAll(
        of runner: WatchRunner, closedUntil: inout [WatchNotice.Channel: ContinuousClock.Instant]
    ) {
        for channel in WatchNotice.Channel.allCases {
            for notice in runner.pending where notice.undelivered.contains(channel) {
                if state.withLock({ $0.isStopping }) { return }
                if let until = closedUntil[channel], until > .now { break }
                guard let reason = delivery.deliver(notice, by: channel) else {
                    closedUntil[channel] = nil
                    runner.delivered(notice, by: channel)
                    continue
                }
                if Self.isOld(notice) {
                    logger.error("notice \(notice.id) is given up after a day: \(reason)", metadata: metadata(notice))
                    runner.delivered(notice, by: channel)
                    continue
                }
                closedUntil[channel] = .now + Self.rest
                logger.error(
                    "notice \(notice.id) cannot be delivered and is kept: \(reason)", metadata: metadata(notice))
                break
            }
        }
    }

    private func metadata(_ notice: WatchNotice) -> Logger.Metadata { ["watch": "\(notice.watch)"] }

    private static func isOld(_ notice: WatchNotice) -> Bool {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        guard let date = try? Date(notice.time, strategy: style) else { return true }
        return Date.now.timeIntervalSince(date) > lifetime
    }
}
