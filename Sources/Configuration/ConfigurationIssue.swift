/// Something wrong in `proxy.conf`: where, what, and what to write instead.
package struct ConfigurationIssue: Sendable, Hashable, CustomStringConvertible {
    package enum Severity: String, Sendable {
        /// The file cannot be used.
        case error
        /// The file works, but hardly as it was meant.
        case warning
    }

    package var severity: Severity
    /// The file's name as it was given.
    package var file: String
    package var position: SourcePosition
    /// What is wrong, without a full stop.
    package var message: String
    /// What to write instead; empty when the message says it.
    package var remedy: String

    package init(
        severity: Severity = .error, file: String, position: SourcePosition, message: String, remedy: String = ""
    ) {
        self.severity = severity
        self.file = file
        self.position = position
        self.message = message
        self.remedy = remedy
    }

    /// `proxy.conf:12:1: error: unknown key "listne": did you mean "listen"?`
    package var description: String {
        let end = remedy.isEmpty ? "" : ": \(remedy)"
        return "\(file):\(position.line):\(position.column): \(severity.rawValue): \(message)\(end)"
    }
}

/// A place in a text, both numbers from 1; columns count characters (Unicode scalars).
package struct SourcePosition: Sendable, Hashable, Comparable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// A file that cannot be used, with everything that is wrong in it (warnings included), in the order of the file.
package struct ConfigurationError: Error, CustomStringConvertible {
    package var issues: [ConfigurationIssue]

    package init(issues: [ConfigurationIssue]) { self.issues = issues }

    /// One issue a line.
    package var description: String { issues.map(\.description).joined(separator: "\n") }
}
