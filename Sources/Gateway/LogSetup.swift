import Audit
import CLinux
import Foundation
import Logging
import Synchronization

/// Holdfast's operational log: standard error, one line a message, with a level that a reload can change.
///
/// `2026-11-22T10:11:12.123456Z warning cannot reach the server address="10.0.0.7:5432"`
package enum LogSetup {
    /// The place of the least level that is written, in the order of `Logger.Level`.
    private static let threshold = Atomic<Int>(position(of: .info))

    /// Makes every `Logger` of the process write to standard error. Called once, before the first logger is made.
    ///
    /// `level` is a name of swift-log: trace, debug, info, notice, warning, error or critical.
    package static func bootstrap(level: String) {
        self.level = level
        LoggingSystem.bootstrap { _ in StandardErrorLog() }
    }

    /// The least level that is written, by name; takes effect at once for every logger. Any thread. A name that does
    /// not exist changes nothing.
    package static var level: String {
        get { current.rawValue }
        set {
            guard let level = Logger.Level(rawValue: newValue) else { return }
            threshold.store(position(of: level), ordering: .relaxed)
        }
    }

    static var current: Logger.Level {
        let position = threshold.load(ordering: .relaxed)
        return Logger.Level.allCases.indices.contains(position) ? Logger.Level.allCases[position] : .info
    }

    private static func position(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}

/// Writes each message as one line with one call, so that lines of several threads do not mix.
struct StandardErrorLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    /// A logger's own level, if it was given one; else the process's.
    private var ownLevel: Logger.Level?

    var logLevel: Logger.Level {
        get { ownLevel ?? LogSetup.current }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = self.line(for: event, time: linux_clock_realtime())
        line.append("\n")
        line.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = write(STDERR_FILENO, rest.baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                // There is nowhere to tell that the log cannot be written.
                guard count > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }

    /// The line without its end; `time` in nanoseconds since 1970.
    func line(for event: LogEvent, time: Int64) -> String {
        var line = "\(AuditTime.text(time)) \(event.level.rawValue) "
        Self.append("\(event.message)", to: &line)
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        if let error = event.error { all["error"] = "\(error)" }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += " "
            Self.append(key, to: &line)
            line += "="
            Self.appendValue("\(value)", to: &line)
        }
        return line
    }

    private static func appendValue(_ text: String, to line: inout String) {
        let isPlain = !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "=" }
        if isPlain { return append(text, to: &line) }
        line += "\""
        append(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""), to: &line)
        line += "\""
    }

    /// Adds text whose control characters are written as escapes: a message stays a line, and a client's name cannot
    /// send commands to a terminal.
    private static func append(_ text: String, to line: inout String) {
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: line += "\\n"
            case 0x0D: line += "\\r"
            case 0x09: line += "\\t"
            case ..<0x20, 0x7F..<0xA0, 0x2028, 0x2029: line += "\\u{\(String(scalar.value, radix: 16))}"
            default: line.unicodeScalars.append(scalar)
            }
        }
    }
}
