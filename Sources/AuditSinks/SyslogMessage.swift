import Audit

/// What all messages of a syslog sink have in their header (RFC 5424, section 6).
package struct SyslogHeader: Sendable, Hashable {
    /// RFC 5424, table 1: 0 to 23.
    package var facility: Int
    package var hostName: String
    package var applicationName: String
    package var processID: String
    /// The structured data's id: a name, `@`, and the number of an enterprise.
    package var structuredDataID: String
    /// The longest message in bytes, header and all.
    package var maximumByteCount: Int

    package init(
        facility: Int, hostName: String, applicationName: String, processID: String, structuredDataID: String,
        maximumByteCount: Int
    ) {
        self.facility = facility
        self.hostName = hostName
        self.applicationName = applicationName
        self.processID = processID
        self.structuredDataID = structuredDataID
        self.maximumByteCount = maximumByteCount
    }

    /// Facilities by their names in proxy.conf (those of syslog.conf(5)).
    package static let facilities: [String: Int] = [
        "kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
        "authpriv": 10, "ftp": 11, "ntp": 12, "audit": 13, "alert": 14, "clock": 15, "local0": 16, "local1": 17,
        "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
    ]
}

/// Makes syslog messages of records. Pure.
///
///     <134>1 2026-11-22T10:11:12.123456Z db7 holdfast 4711 intent [holdfast@32473 instance="…" seq="17" …] BOM{"v":2,…}
package struct SyslogMessage {
    /// RFC 5424, section 6.2.1.
    enum Severity: Int {
        case error = 3
        case warning = 4
        case notice = 5
        case informational = 6
    }

    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    private let header: SyslogHeader

    package init(_ header: SyslogHeader) { self.header = header }

    /// The message of a record, without framing.
    ///
    /// - Parameters:
    ///   - line: the record's line.
    ///   - text: what is sent of it; UTF-8. Cut off where it is too long, between two characters, and marked with
    ///     `truncated` in the structured data, which has the whole text's length in bytes.
    package func bytes(line: RecordLine, text: [UInt8]) -> [UInt8] {
        var head: [UInt8] = []
        head += "<\(header.facility * 8 + severity(line).rawValue)>1 ".utf8
        head += (line.text("time") ?? "-").utf8
        for word in [
            Self.printable(header.hostName, 255), Self.printable(header.applicationName, 48),
            Self.printable(header.processID, 128), Self.printable(line.event, 32),
        ] {
            head.append(UInt8(ascii: " "))
            head += word.utf8
        }
        head.append(UInt8(ascii: " "))
        var parts = structuredData(line)
        func rest() -> Int {
            let taken = head.count + parts.reduce(0) { $0 + $1.count }
            return header.maximumByteCount - taken - 1 - Self.byteOrderMark.count
        }
        // What identifies the record comes before what describes it.
        if rest() < 128 { parts[2] = [] }
        var shown = text[...]
        if text.count > rest() {
            parts.insert(Array(#" truncated="\#(text.count)""#.utf8), at: 2)
            shown = Self.cut(text, to: max(0, rest()))
        }
        for part in parts { head += part }
        head.append(UInt8(ascii: " "))
        head += Self.byteOrderMark
        head += shown
        return head
    }

    /// With octet counting (RFC 6587, section 3.4.1; RFC 5425, section 4.3).
    package static func framed(_ message: [UInt8]) -> [UInt8] { Array("\(message.count) ".utf8) + message }

    /// What people filter by, in pieces: the beginning, number and instance, the rest, the end.
    private func structuredData(_ line: RecordLine) -> [[UInt8]] {
        var identity: [UInt8] = []
        Self.parameter("instance", line.instance, to: &identity)
        Self.parameter("seq", String(line.sequence), to: &identity)
        var rest: [UInt8] = []
        for key in ["id", "session", "user", "database", "tag", "verdict", "rule", "transaction", "sqlstate"] {
            // A rule's name has at most 100 bytes; names of the server's at most 63, what a client sends may have more.
            if let value = line.text(key), !value.isEmpty {
                Self.parameter(key, String(decoding: Self.cut(Array(value.utf8), to: 256), as: UTF8.self), to: &rest)
            }
        }
        return [Array("[\(header.structuredDataID)".utf8), identity, rest, [UInt8(ascii: "]")]]
    }

    /// ` name="value"`, with `"`, `\` and `]` escaped (RFC 5424, section 6.3.3). Control characters are written as the trail's
    /// line has them.
    static func parameter(_ name: String, _ value: String, to bytes: inout [UInt8]) {
        bytes += " \(name)=\"".utf8
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"", "\\", "]":
                bytes.append(UInt8(ascii: "\\"))
                bytes += String(scalar).utf8
            case "\0"..<" ", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                bytes += (#"\\u"# + String(repeating: "0", count: 4 - digits.count) + digits).utf8
            default: bytes += String(scalar).utf8
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// So many bytes at most, and no part of a character.
    static func cut(_ text: [UInt8], to count: Int) -> ArraySlice<UInt8> {
        guard text.count > count else { return text[...] }
        var end = count
        while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
        return text[..<end]
    }

    /// A field of the header: printable ASCII without spaces, `-` for nothing (RFC 5424, section 6).
    static func printable(_ text: String, _ count: Int) -> String {
        let kept = text.unicodeScalars.map { (0x21...0x7E).contains($0.value) ? Character($0) : "?" }
        return kept.isEmpty ? "-" : String(kept.prefix(count))
    }

    private func severity(_ line: RecordLine) -> Severity {
        switch line.event {
        case "gap": .error
        case "refusal", "finding", "fault", "recovered": .warning
        case "intent": line.text("verdict") == "warn" ? .warning : .notice
        case "outcome":
            line.text("sqlstate") == nil && line.text("transaction") == "committed" ? .informational : .notice
        case "watch": line.text("state") == "raised" ? .warning : .notice
        case "snapshot", "recovery": line.text("action") == "failed" ? .warning : .notice
        case "start", "stop", "reload", "retired": .notice
        default: .informational
        }
    }
}
