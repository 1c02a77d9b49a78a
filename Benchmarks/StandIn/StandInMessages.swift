/// The messages that the stand-in sends (manual, "Message Formats").
enum StandInMessages {
    static let sslRequest: [UInt8] = [0, 0, 0, 8, 4, 210, 22, 47]
    static let terminate: [UInt8] = [UInt8(ascii: "X"), 0, 0, 0, 4]
    static let query = message("Q", text("SELECT 1"))
    static let readyForQuery = message("Z", [UInt8(ascii: "I")])
    static let parseComplete = message("1", [])
    static let bindComplete = message("2", [])
    static let closeComplete = message("3", [])
    static let noData = message("n", [])
    static let commandComplete = message("C", text("SELECT 1"))

    /// One row with one column, `1`, and that the server is ready.
    static let answer =
        message("T", [0, 1] + text("?column?") + [0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0])
        + message("D", [0, 1, 0, 0, 0, 1, UInt8(ascii: "1")]) + commandComplete + readyForQuery

    static let startup: [UInt8] = {
        let body = [0, 3, 0, 0] + ["user", "postgres", "database", "bench"].flatMap(text) + [0]
        return number(body.count + 4) + body
    }()

    /// What PostgreSQL 15 says to a client that it lets in.
    static func welcome(process: Int) -> [UInt8] {
        let settings = [
            ("application_name", ""), ("client_encoding", "UTF8"), ("DateStyle", "ISO, MDY"),
            ("default_transaction_read_only", "off"), ("in_hot_standby", "off"), ("integer_datetimes", "on"),
            ("IntervalStyle", "postgres"), ("is_superuser", "on"), ("server_encoding", "UTF8"),
            ("server_version", "15.0"), ("session_authorization", "postgres"),
            ("standard_conforming_strings", "on"), ("TimeZone", "Etc/UTC"),
        ]
        return message("R", [0, 0, 0, 0]) + settings.flatMap { message("S", text($0) + text($1)) }
            + message("K", number(process) + number(process &* 48_271 & 0x7fff_ffff)) + readyForQuery
    }

    private static func message(_ type: Unicode.Scalar, _ body: [UInt8]) -> [UInt8] {
        [UInt8(ascii: type)] + number(body.count + 4) + body
    }

    private static func text(_ value: String) -> [UInt8] { Array(value.utf8) + [0] }

    private static func number(_ value: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: value).bigEndian) { Array($0) }
    }
}

/// Bytes of a stream as they come, cut into messages.
struct MessageCutter {
    private var rest: [UInt8] = []

    /// Hands every whole message to `body`, and keeps what is not whole.
    ///
    /// - Parameters:
    ///   - hasType: asked before each message: whether a type byte stands in front of its length.
    ///   - body: the type (0 for none) and what comes after the length.
    mutating func cut(
        _ bytes: UnsafeRawBufferPointer, hasType: () -> Bool, _ body: (UInt8, UnsafeRawBufferPointer) -> Void
    ) {
        guard rest.isEmpty else {
            var joined = rest
            joined.append(contentsOf: bytes)
            rest = []
            joined.withUnsafeBytes { cut($0, hasType: hasType, body) }
            return
        }
        var position = 0
        while true {
            let prefix = hasType() ? 1 : 0
            guard bytes.count - position >= prefix + 4 else { break }
            let length = bytes.loadUnaligned(fromByteOffset: position + prefix, as: UInt32.self).bigEndian
            let end = position + prefix + max(4, Int(length))
            guard end <= bytes.count else { break }
            body(prefix == 1 ? bytes[position] : 0, .init(rebasing: bytes[(position + prefix + 4)..<end]))
            position = end
        }
        rest = Array(bytes[position...])
    }
}
