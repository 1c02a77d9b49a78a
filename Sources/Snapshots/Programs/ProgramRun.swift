import CLinux
import Foundation

/// A program (PostgreSQL's, a migration tool) that is run to its end: an argument list, no shell, in a process group of its own, with
/// default signals. Blocks; any thread, not for event loops.
package struct ProgramRun: Sendable {
    /// The program's path, then its arguments.
    package var words: [String]
    /// `NAME=value`.
    package var environment: [String]
    /// Becomes standard input; -1 means `/dev/null`.
    var input: Int32 = -1
    /// Becomes standard output; -1: what it says is returned.
    var output: Int32 = -1
    /// Where it is run; empty: where Holdfast was.
    package var folder = ""

    init(words: [String], environment: [String], input: Int32 = -1, output: Int32 = -1) {
        self.words = words
        self.environment = environment
        self.input = input
        self.output = output
    }

    /// - Parameter folder: where it is run.
    package init(words: [String], environment: [String], folder: String) {
        self.init(words: words, environment: environment)
        self.folder = folder
    }

    /// What it said.
    package struct End: Sendable {
        /// 0 if it went well.
        package var code: Int32
        /// The signal that ended it; 0 if none did.
        package var signal: Int32
        package var output: String
        package var complaint: String

        /// Its last words on one line.
        package var lastWords: String {
            let lines = complaint.split(whereSeparator: \.isNewline).suffix(4).joined(separator: " / ")
            let text = lines.count > 600 ? "…" + lines.suffix(600) : lines
            if !text.isEmpty { return text }
            return signal == 0 ? "exit code \(code)" : "signal \(signal)"
        }
    }

    /// Runs it.
    ///
    /// - Parameter look: called about fifty times a second while it runs; what it throws ends the program (SIGTERM, which has
    ///   PostgreSQL's programs cancel what they run on the server, two seconds later SIGKILL), and is thrown on.
    package func run(look: () throws(SnapshotFault) -> Void = {}) throws(SnapshotFault) -> End {
        let name = words.first ?? ""
        let said = linux_memory_file("holdfast-output")
        let complained = linux_memory_file("holdfast-complaint")
        defer {
            for descriptor in [said, complained] where descriptor >= 0 { close(descriptor) }
        }
        guard said >= 0, complained >= 0 else {
            throw .program("\(name) cannot be started: \(String(cString: strerror(-min(said, complained))))")
        }
        let process = try spawn(output: output >= 0 ? output : said, complaint: complained)
        var status: Int32 = 0
        var fault: SnapshotFault?
        var pause: UInt32 = 1000
        var killAt = DispatchTime.distantFuture
        while true {
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process { break }
            if ended < 0, errno != EINTR { throw .program("\(name) is no child of this process any more") }
            if fault == nil {
                do throws(SnapshotFault) {
                    try look()
                } catch {
                    fault = error
                    kill(-process, SIGTERM)
                    killAt = .now() + .seconds(2)
                }
            } else if DispatchTime.now() > killAt {
                kill(-process, SIGKILL)
            }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
        if let fault { throw fault }
        let signal = status & 0x7F
        return End(
            code: signal == 0 ? status >> 8 & 0xFF : -1, signal: signal, output: Self.text(said),
            complaint: Self.text(complained))
    }

    private func spawn(output: Int32, complaint: Int32) throws(SnapshotFault) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if input >= 0 {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        if !folder.isEmpty { _ = linux_spawn_in(&actions, folder) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, complaint, 2)
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
        var process: pid_t = 0
        let arguments = words.map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        guard let program = arguments.first ?? nil else { throw .program("no program is named") }
        let result = posix_spawn(&process, program, &actions, &attributes, arguments, variables)
        guard result == 0 else {
            throw .program("\(words[0]) cannot be started: \(String(cString: strerror(result)))")
        }
        return process
    }

    /// What a file holds, up to 64 MiB.
    private static func text(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < 64 << 20 {
            let count = pread(descriptor, &buffer, buffer.count, off_t(bytes.count))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
