import Foundation

/// Why the private server does not run.
package struct EmbeddedServerError: Error, Sendable, Equatable {
    /// What was being done.
    package enum Step: String, Sendable, CaseIterable {
        case programs = "finding PostgreSQL's programs"
        case account = "finding the account to run PostgreSQL"
        case folder = "preparing the data folder"
        case lock = "locking the data folder"
        case previousServer = "ending the previous private server"
        case initialise = "initialising the private server"
        case demonstration = "creating the demonstration databases"
        case launch = "starting the private server"
    }

    package var step: Step
    package var reason: String
    /// What to do about it: a sentence.
    package var remedy: String
    /// The server's log, if it got that far, and its last lines.
    package var logFile: String?
    package var logLines: [String]

    init(_ step: Step, _ reason: String, remedy: String, log: ServerLog? = nil) {
        self.step = step
        self.reason = reason
        self.remedy = remedy
        logFile = log?.path
        logLines = log?.lastLines(20) ?? []
    }

    /// For people: step, reason, remedy, then the log's last lines, each on a line of its own.
    package var description: String {
        var text = "server = \"embedded\": \(step.rawValue) failed: \(reason). \(remedy)"
        if let logFile {
            text += "\nThe log \(logFile)" + (logLines.isEmpty ? " is empty." : " ends with:")
            for line in logLines { text += "\n    " + line }
        }
        return text
    }
}

/// The file that the private server and the programs that prepare it write to.
struct ServerLog: Sendable {
    let path: String
    /// Where this start's lines begin.
    private let start: UInt64

    /// Opens the log to append, making it (0600) if missing. A log over 16 MiB becomes `….old` first.
    ///
    /// - Throws: the system's error number.
    static func open(path: String) throws(Errno) -> (log: ServerLog, descriptor: Int32) {
        var information = stat()
        if lstat(path, &information) == 0, information.st_size > 16 << 20 { _ = rename(path, path + ".old") }
        let descriptor = Foundation.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .current }
        guard fstat(descriptor, &information) == 0 else {
            let error = Errno.current
            close(descriptor)
            throw error
        }
        return (ServerLog(path: path, start: UInt64(clamping: information.st_size)), descriptor)
    }

    /// The last lines that were written since this start; of a long log only the end is read.
    func lastLines(_ count: Int) -> [String] {
        guard let file = FileHandle(forReadingAtPath: path) else { return [] }
        defer { try? file.close() }
        guard let end = try? file.seekToEnd() else { return [] }
        let wanted: UInt64 = 16 << 10
        let from = max(start, end > wanted ? end - wanted : 0)
        guard from < end, (try? file.seek(toOffset: from)) != nil, let data = try? file.readToEnd() else { return [] }
        return String(decoding: data, as: UTF8.self).split(separator: "\n").suffix(count).map(String.init)
    }
}
