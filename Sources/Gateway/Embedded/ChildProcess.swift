import Foundation
import Synchronization

/// A program that ends no later than Holdfast does.
///
/// Each has a thread of its own, which starts it, waits for its end and lives exactly as long: the kernel's parent-death
/// signal follows the starting thread, not the process. The program runs in a process group of its own (a terminal's
/// Ctrl-C reaches Holdfast only, which then ends it in order), with default signals; of Holdfast's own descriptors it
/// gets none, since all are close-on-exec. Any thread may use it; not for event loops.
final class ChildProcess: Sendable {
    /// How a program ended.
    enum End: Sendable, Equatable, CustomStringConvertible {
        case exited(code: Int32)
        case killed(signal: Int32)

        var description: String {
            switch self {
            case .exited(let code): "exit code \(code)"
            case .killed(let signal): "signal \(signal)"
            }
        }
    }

    private enum State {
        case starting
        case failed(errorNumber: Int32)
        case running(pid_t)
        case ended(End)
    }

    /// What to start.
    struct Command: Sendable {
        /// The program's path, then its arguments.
        var words: [String]
        var environment: [String]
        /// Becomes standard input; -1 means `/dev/null`.
        var input: Int32 = -1
        /// Becomes standard output and standard error.
        var output: Int32
    }

    private let state = Mutex(State.starting)
    private let started = DispatchSemaphore(value: 0)
    private let running = DispatchGroup()

    private init() {}

    /// Starts a program. The descriptors may be closed when this returns.
    ///
    /// - Throws: the system's error number.
    static func start(_ command: Command) throws(Errno) -> ChildProcess {
        let child = ChildProcess()
        child.running.enter()
        Thread { child.live(command) }.start()
        child.started.wait()
        if case .failed(let errorNumber) = child.state.withLock({ $0 }) { throw Errno(number: errorNumber) }
        return child
    }

    /// The process's id; nil once it has ended.
    var identifier: pid_t? {
        state.withLock { if case .running(let identifier) = $0 { identifier } else { nil } }
    }

    /// Waits for the end, but not for longer than `timeout`; nil if it still runs.
    func wait(timeout: Duration) -> End? {
        let (seconds, attoseconds) = timeout.components
        _ = running.wait(
            timeout: .now() + .seconds(Int(clamping: seconds)) + .nanoseconds(Int(attoseconds / 1_000_000_000)))
        return state.withLock { if case .ended(let end) = $0 { end } else { nil } }
    }

    /// Sends a signal, unless the process has ended.
    func signal(_ number: Int32) {
        // The thread below reaps under the same lock, so the id cannot be another process's.
        state.withLock { if case .running(let identifier) = $0 { _ = kill(identifier, number) } }
    }

    /// Sends SIGINT, after `patience` SIGQUIT, and after as much again SIGKILL to the process and its group; returns
    /// when it has ended.
    func end(patience: Duration) {
        for number in [SIGINT, SIGQUIT] {
            signal(number)
            if wait(timeout: patience) != nil { return }
        }
        state.withLock {
            if case .running(let identifier) = $0 {
                _ = kill(-identifier, SIGKILL)
                _ = kill(identifier, SIGKILL)
            }
        }
        running.wait()
    }

    private func live(_ command: Command) {
        defer { running.leave() }
        let identifier: pid_t
        do {
            identifier = try Self.spawn(command)
        } catch {
            state.withLock { $0 = .failed(errorNumber: error.number) }
            started.signal()
            return
        }
        state.withLock { $0 = .running(identifier) }
        started.signal()
        var information = siginfo_t()
        while waitid(P_PID, id_t(identifier), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        state.withLock {
            var status: Int32 = 0
            while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
            let signal = status & 0x7F
            $0 = .ended(signal == 0 ? .exited(code: status >> 8 & 0xFF) : .killed(signal: signal))
        }
    }

    private static func spawn(_ command: Command) throws(Errno) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if command.input >= 0 {
            posix_spawn_file_actions_adddup2(&actions, command.input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, command.output, 1)
        posix_spawn_file_actions_adddup2(&actions, command.output, 2)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var identifier: pid_t = 0
        let words = command.words.map { strdup($0) } + [nil]
        let environment = command.environment.map { strdup($0) } + [nil]
        defer { for text in words + environment { free(text) } }
        guard let program = words.first ?? nil else { throw Errno(number: EINVAL) }
        let result = posix_spawn(&identifier, program, &actions, &attributes, words, environment)
        guard result == 0 else { throw Errno(number: result) }
        return identifier
    }
}

/// A system call's error number.
struct Errno: Error, Sendable, CustomStringConvertible {
    var number: Int32
    var description: String { String(cString: strerror(number)) }

    /// The calling thread's latest.
    static var current: Errno { Errno(number: errno) }
}
