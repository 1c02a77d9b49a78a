/// The texts of a record that `--text` looks into: every string of its line but ids, times, codes and names of kinds.
enum RecordTexts {
    /// What is no text for people, or is asked for by filters of its own.
    private static let leftOut: Set<String> = [
        "v", "seq", "time", "event", "id", "session", "client", "tag", "mac", "head_mac", "instance", "key",
        "torn_sha256", "signature", "verdict", "transaction", "executed_at", "until", "open_intents", "classes", "kind",
        "xid", "until_xid", "intent", "sql_sha256", "config_sha256", "fingerprint", "tls", "since", "version",
        "sessions", "listener", "server", "open_prepared", "recovery",
    ]

    /// Whether one of the line's texts holds that text. False for a line that is no JSON object.
    static func hold(_ wanted: FoldedText, in line: [UInt8]) -> Bool {
        line.withUnsafeBufferPointer { line in
            var scanner = JSONScanner(line)
            return (try? isInObject(wanted, &scanner)) ?? false
        }
    }

    private static func isInObject(
        _ wanted: FoldedText, _ scanner: inout JSONScanner, isInner: Bool = false
    ) throws(JSONScanner.Fault) -> Bool {
        try scanner.expect("{")
        if scanner.take("}") { return false }
        repeat {
            let key = try scanner.string()
            try scanner.expect(":")
            if scanner.peek() == UInt8(ascii: "\""), !leftOut.contains(key) {
                if wanted.isIn(try scanner.string()) { return true }
            } else if scanner.peek() == UInt8(ascii: "["), !isInner, !leftOut.contains(key) {
                if try isInList(wanted, &scanner) { return true }
            } else {
                try scanner.skipValue()
            }
        } while scanner.take(",")
        try scanner.expect("}")
        return false
    }

    /// Strings, or objects of strings: what is deeper is no text of a record.
    private static func isInList(_ wanted: FoldedText, _ scanner: inout JSONScanner) throws(JSONScanner.Fault) -> Bool {
        try scanner.expect("[")
        if scanner.take("]") { return false }
        repeat {
            if scanner.peek() == UInt8(ascii: "\"") {
                if wanted.isIn(try scanner.string()) { return true }
            } else if scanner.peek() == UInt8(ascii: "{") {
                if try isInObject(wanted, &scanner, isInner: true) { return true }
            } else {
                try scanner.skipValue()
            }
        } while scanner.take(",")
        try scanner.expect("]")
        return false
    }
}

extension AuditFilter {
    /// Whether one of the texts stands in the row's record or in its outcome. The row must have its lines.
    func acceptsTexts(of row: AuditRow) -> Bool {
        texts.isEmpty
            || texts.contains { RecordTexts.hold($0, in: row.line) || RecordTexts.hold($0, in: row.outcomeLine) }
    }
}
