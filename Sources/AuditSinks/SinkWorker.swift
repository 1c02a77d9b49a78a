import Audit
import CLinux
import Foundation
import Logging
import Synchronization

/// One sink at work, on a thread of its own.
final class SinkWorker: Sendable {
    let settings: SinkSettings
    private let signal = SinkSignal()
    private let ended = DispatchSemaphore(value: 0)
    private let state: Mutex<SinkState>
    private let following: AuditFollowing

    /// What a worker needs besides its settings.
    struct Surroundings: Sendable {
        var livePath: String
        var following: AuditFollowing
        /// Where clients connect to this Holdfast: no place for a sink.
        var ownAddresses: [String]
        var logger: Logger
        /// No sink of this name has run since Holdfast was started.
        var isFirst = true
    }

    /// Starts the thread.
    init(_ settings: SinkSettings, _ surroundings: Surroundings) {
        self.settings = settings
        following = surroundings.following
        let path = SinkPosition.path(livePath: surroundings.livePath, sink: settings.name)
        var position: SinkPosition?
        do throws(SinkFault) {
            position = try SinkPosition.load(path)
        } catch {
            surroundings.logger.warning(
                "the position of the sink \"\(settings.name)\" is not known: \(error); all that the trail has is sent")
        }
        let known = position
        state = Mutex(SinkState(status: SinkStatus(name: settings.name)))
        let signal = signal
        following.add(settings.name, neededFile: position?.file ?? 0) { signal.wake() }
        let ended = ended
        let thread = Thread { [self] in
            linux_name_thread("sink-\(settings.name)")
            SinkLoop(
                settings, surroundings, target: Self.target(settings, surroundings, signal), signal: signal,
                position: known, positionPath: path, report: { change in self.state.withLock { change(&$0) } }
            ).run()
            ended.signal()
        }
        thread.start()
    }

    private static func target(
        _ settings: SinkSettings, _ surroundings: Surroundings, _ signal: SinkSignal
    ) -> any SinkTarget {
        switch settings.kind {
        case .postgresql(let postgres): PostgresTarget(postgres, ownAddresses: surroundings.ownAddresses)
        case .syslog(let syslog): SyslogTarget(syslog, format: settings.format, signal: signal)
        case .stdout: OutputTarget(STDOUT_FILENO, format: settings.format, signal: signal)
        case .file(let path): FileTarget(path: path, format: settings.format)
        }
    }

    /// How it stands; any thread.
    var status: SinkStatus { state.withLock { $0.status(readable: following.readableSequence) } }

    /// Files are opened anew, and a target that is down is tried at once.
    func reopen() { signal.reopen() }

    /// Has the thread deliver what there is, and end.
    func beginToStop() { signal.stop() }

    /// Waits for the thread, but no longer than that; a target that takes no more keeps it, and what it has not taken is
    /// delivered by the next run.
    func awaitEnd(until deadline: DispatchTime) -> Bool { ended.wait(timeout: deadline) == .success }
}

/// What the worker's thread shows to others.
struct SinkState: Sendable {
    var status: SinkStatus
    var instance: String?
    var sequence: Int64 = 0
    /// When all that the trail had was delivered.
    var caughtUp = ContinuousClock.now

    func status(readable: Int64) -> SinkStatus {
        var status = status
        status.behind = max(0, readable - sequence)
        if status.behind > 0 { status.behindSeconds = Int64(caughtUp.duration(to: .now) / .seconds(1)) }
        return status
    }
}
