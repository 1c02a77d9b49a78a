import CLinux
import Configuration
import Foundation
import Synchronization

/// One watch with what it remembers: looks, compares with former rounds, keeps what has to be told.
///
/// Rounds are one thread's at a time (whoever runs them sees to that); the state, which deliveries change, too, stands
/// behind a lock.
// `watcher`, the baseline and what has been read belong to the thread that runs the round; `state` to its lock.
package final class WatchRunner: @unchecked Sendable {
    package let settings: WatchSettings
    private let store: StateFolder
    private var watcher: Watcher
    private var expected = ExpectedState.notUsed
    private var baselineStamp: String??
    private let state: Mutex<Kept>

    private struct Kept: Sendable {
        var state: WatchState
        /// As it stands in the file.
        var written: WatchState?
        var writtenAt: ContinuousClock.Instant?
        /// Why what was remembered before is lost.
        var loss: String?
        /// Why the file cannot be written.
        var fault: String?
    }

    /// What a round led to.
    package struct Outcome: Sendable {
        package var report: WatchReport
        /// What is raised and cleared; nil if nothing has changed.
        package var notice: WatchNotice?
        /// Why the state cannot be kept; nil if it can.
        package var fault: String?
    }

    /// Reads what is remembered.
    ///
    /// - Parameter resolve: makes a path of proxy.conf absolute.
    package init(_ settings: WatchSettings, store: StateFolder, resolve: (String) -> String) {
        self.settings = settings
        self.store = store
        let folder = settings.migrations.folder
        watcher = Watcher(settings, folder: folder.isEmpty ? "" : resolve(folder))
        var kept = Kept(state: WatchState())
        do throws(StateFolder.Fault) {
            if let state = try store.state(settings.name) {
                kept.state = state
                kept.written = state
            }
        } catch {
            kept.loss = error.description
        }
        state = Mutex(kept)
    }

    /// One round.
    ///
    /// - Parameters:
    ///   - records: whether the round counts: what it finds is raised, what it counted is compared with next time. Else
    ///     it leaves no trace.
    ///   - channels: who is to be told.
    package func look(records: Bool, channels: [WatchNotice.Channel] = []) -> Outcome {
        readBaseline()
        if case .baseline(let baseline) = expected { state.withLock { $0.state.accept(baseline) } }
        var memory = state.withLock { $0.state.memory }
        let time = Self.now
        var report = watcher.round(expected: expected, memory: &memory, time: time)
        return state.withLock { kept in
            if let loss = kept.loss {
                report.findings.append(
                    WatchFinding(
                        .stateLost, .state, "",
                        "what was remembered of this watch cannot be read (\(loss)): findings are raised again, and data is "
                            + "compared with this round's from now on"))
                report.settle()
            }
            guard records else { return Outcome(report: report, notice: nil, fault: nil) }
            if kept.loss != nil { store.setAside(store.statePath(settings.name)) }
            kept.loss = nil
            let notice = kept.state.take(report, memory: memory, noticeID: Self.randomID)
            if let notice { _ = kept.state.post(notice, to: channels) }
            keep(&kept, isUrgent: false)
            return Outcome(report: report, notice: notice, fault: kept.fault)
        }
    }

    /// Accepts what is there now as what is expected.
    ///
    /// - Throws: the server does not tell, or the file cannot be written, in words.
    package func accept() throws(StateFolder.Fault) -> Baseline {
        let baseline: Baseline
        do {
            baseline = try watcher.present(id: Self.randomID, time: Self.now)
        } catch {
            throw StateFolder.Fault(description: "\(error)")
        }
        try store.create()
        try store.write(baseline, settings.name)
        return baseline
    }

    // MARK: - Deliveries

    /// Notices that somebody has not got yet, the oldest first.
    package var pending: [WatchNotice] { state.withLock { $0.state.outbox } }

    /// Somebody has got a notice, or never will.
    package func delivered(_ notice: WatchNotice, by channel: WatchNotice.Channel) {
        state.withLock { kept in
            guard let index = kept.state.outbox.firstIndex(where: { $0.id == notice.id }) else { return }
            kept.state.outbox[index].undelivered.removeAll { $0 == channel }
            if kept.state.outbox[index].undelivered.isEmpty { kept.state.outbox.remove(at: index) }
            keep(&kept, isUrgent: true)
        }
    }

    /// Writes what has not been written yet.
    package func close() { state.withLock { keep(&$0, isUrgent: true) } }

    // MARK: - Private

    /// Findings and notices are written at once; that rows were counted or transactions went by, every few minutes.
    ///
    /// The file is written under the lock: rounds and deliveries of one watch alone meet there, and neither may
    /// overtake the other.
    private func keep(_ kept: inout Kept, isUrgent: Bool) {
        var quiet = kept.state
        if let written = kept.written {
            quiet.counts = written.counts
            if let server = written.server, quiet.server?.startTime == server.startTime,
                quiet.server?.timeline == server.timeline,
                quiet.server?.systemIdentifier == server.systemIdentifier
            {
                quiet.server = server
            }
            let isOld = kept.writtenAt.map { ContinuousClock.now - $0 > .seconds(300) } ?? true
            if quiet == written, !isUrgent, !isOld { return }
            if kept.state == written { return }
        }
        do throws(StateFolder.Fault) {
            try store.write(kept.state, settings.name)
            kept.written = kept.state
            kept.writtenAt = .now
            kept.fault = nil
        } catch {
            kept.fault = error.description
        }
    }

    private func readBaseline() {
        guard settings.usesBaseline else { return }
        let stamp = store.stamp(store.baselinePath(settings.name))
        if let known = baselineStamp, known == stamp { return }
        expected = store.baseline(settings.name)
        baselineStamp = .some(stamp)
    }

    /// RFC 3339, UTC, milliseconds.
    package static var now: String {
        Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    static var randomID: String { String(linux_random(), radix: 16) }
}
