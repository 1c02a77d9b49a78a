import PostgresWire

/// Messages as a line of a transcript writes them: `Parse s1 SELECT 1`, `ErrorResponse 42501 holdfast refused …`.
///
/// Words are separated by blanks; the last field takes the rest of the line. `''` is the empty name. `\n` in a text is a
/// line break, `{5000*x}` is 5,000 times x. `ParseTyped 21,0 s1 SELECT $1` declares parameters' types; a Bind's values stand
/// behind its names: `Bind p1 s1 -1 NULL x'ffff'`.
enum WireText {
    static func clientMessage(_ line: String) -> [UInt8]? {
        let (type, rest) = split(line)
        switch type {
        case "Query": return message("Q", cstring(text(rest)))
        case "Parse":
            let (name, sql) = split(rest)
            return message("P", cstring(self.name(name)) + cstring(text(sql)) + [0, 0])
        case "ParseTyped":
            let (types, named) = split(rest)
            let (name, sql) = split(named)
            let oids = types.split(separator: ",").map { int32(UInt32($0) ?? 0) }
            return message("P", cstring(self.name(name)) + cstring(text(sql)) + int16(oids.count) + oids.joined())
        case "Bind":
            let fields = rest.split(separator: " ").map(String.init)
            let names = (0..<2).map { cstring(name($0 < fields.count ? fields[$0] : "")) }.joined()
            let values = fields.dropFirst(2).map { self.value($0) }
            let formats = values.contains { $0.isBinary } ? values.map { int16($0.isBinary ? 1 : 0) } : []
            return message(
                "B",
                names + int16(formats.count) + formats.joined() + int16(values.count)
                    + values.map(\.bytes).joined() + int16(0))
        case "Describe": return message("D", [UInt8(ascii: "P")] + cstring(name(rest)))
        case "Execute": return message("E", cstring(name(rest)) + [0, 0, 0, 0])
        case "Close":
            let (kind, closed) = split(rest)
            return message("C", [kind.utf8.first ?? 0] + cstring(name(closed)))
        case "FunctionCall":
            return message("F", int32(UInt32(rest) ?? 0) + [0, 0, 0, 0, 0, 0])
        case "Sync": return message("S", [])
        case "Flush": return message("H", [])
        case "CopyData": return message("d", Array(rest.utf8))
        case "CopyDone": return message("c", [])
        case "CopyFail": return message("f", cstring(rest))
        case "Password": return message("p", cstring(rest))
        case "Terminate": return message("X", [])
        default: return nil
        }
    }

    static func serverMessage(_ line: String) -> [UInt8]? {
        let (type, rest) = split(line)
        switch type {
        case "ReadyForQuery": return message("Z", Array(rest.utf8))
        case "CommandComplete": return message("C", cstring(rest))
        case "ErrorResponse", "FatalResponse":
            let (state, text) = split(rest)
            let severity = type == "FatalResponse" ? "FATAL" : "ERROR"
            return WireWriter.errorResponse(ErrorFields(severity: severity, sqlState: state, message: text))
        case "NoticeResponse":
            return WireWriter.noticeResponse(ErrorFields(severity: "NOTICE", sqlState: "00000", message: rest))
        case "ParameterStatus":
            let (name, value) = split(rest)
            return message("S", cstring(name) + cstring(value))
        case "ParseComplete": return message("1", [])
        case "BindComplete": return message("2", [])
        case "CloseComplete": return message("3", [])
        case "NoData": return message("n", [])
        case "RowDescription": return message("T", [0, 0])
        case "ParameterDescription": return message("t", [0, 0])
        case "DataRow": return message("D", [0, 0])
        case "Row":
            let values = rest.split(separator: " ").map { $0.replacing("\u{A0}", with: " ") }
            let columns = values.map {
                $0 == "NULL" ? int32(UInt32.max) : int32(UInt32($0.utf8.count)) + Array($0.utf8)
            }
            return message("D", int16(values.count) + columns.joined())
        case "EmptyQueryResponse": return message("I", [])
        case "PortalSuspended": return message("s", [])
        case "CopyInResponse": return message("G", [0, 0, 0])
        case "CopyOutResponse": return message("H", [0, 0, 0])
        case "CopyBothResponse": return message("W", [0, 0, 0])
        case "CopyData": return message("d", Array(rest.utf8))
        case "CopyDone": return message("c", [])
        case "FunctionCallResponse": return message("V", [0, 0, 0, 0])
        case "NotificationResponse": return message("A", [0, 0, 0, 1] + cstring(rest) + cstring(""))
        case "AuthenticationOk": return message("R", [0, 0, 0, 0])
        case "BackendKeyData": return message("K", [0, 0, 0, 1, 0, 0, 0, 2])
        default: return nil
        }
    }

    /// A message as text, for comparison with a transcript's line.
    static func describe(_ bytes: [UInt8], fromClient: Bool) -> String {
        let (type, body) = (Character(Unicode.Scalar(bytes[0])), Array(bytes.dropFirst(5)))
        let strings = body.split(separator: 0, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        func shown(_ index: Int) -> String {
            let value = index < strings.count ? strings[index] : ""
            return value.isEmpty ? "''" : value.replacing("\n", with: "\\n")
        }
        if fromClient {
            switch type {
            case "Q": return "Query \(shown(0))"
            case "P": return "Parse \(shown(0)) \(shown(1))"
            case "B": return "Bind \(shown(0)) \(shown(1))\(describeValues(bytes))"
            case "E": return "Execute \(shown(0))"
            case "D": return "Describe \(shown(0).dropFirst().isEmpty ? "''" : String(shown(0).dropFirst()))"
            case "C":
                return
                    "Close \(shown(0).prefix(1)) \(shown(0).dropFirst().isEmpty ? "''" : String(shown(0).dropFirst()))"
            case "F": return "FunctionCall"
            case "S": return "Sync"
            case "H": return "Flush"
            case "d": return "CopyData \(String(decoding: body, as: UTF8.self))"
            case "c": return "CopyDone"
            case "f": return "CopyFail \(shown(0))"
            case "p": return "Password \(shown(0))"
            case "X": return "Terminate"
            default: return "? \(bytes)"
            }
        }
        switch type {
        case "Z": return "ReadyForQuery \(String(decoding: body, as: UTF8.self))"
        case "C": return "CommandComplete \(shown(0))"
        case "E", "N":
            let fields = bytes.withUnsafeBytes { ErrorFields(message: $0) }
            let name = type == "N" ? "NoticeResponse" : fields.isFatal ? "FatalResponse" : "ErrorResponse"
            return type == "N" && fields.sqlState == "00000"
                ? "\(name) \(fields.message)" : "\(name) \(fields.sqlState) \(fields.message)"
        case "S": return "ParameterStatus \(shown(0)) \(shown(1))"
        case "1": return "ParseComplete"
        case "2": return "BindComplete"
        case "3": return "CloseComplete"
        case "n": return "NoData"
        case "T": return "RowDescription"
        case "t": return "ParameterDescription"
        case "D": return "DataRow"
        case "I": return "EmptyQueryResponse"
        case "s": return "PortalSuspended"
        case "G": return "CopyInResponse"
        case "H": return "CopyOutResponse"
        case "W": return "CopyBothResponse"
        case "d": return "CopyData \(String(decoding: body, as: UTF8.self))"
        case "c": return "CopyDone"
        case "V": return "FunctionCallResponse"
        case "A": return "NotificationResponse \(String(decoding: body.dropFirst(4).prefix { $0 != 0 }, as: UTF8.self))"
        case "R": return "AuthenticationOk"
        case "K": return "BackendKeyData"
        default: return "? \(bytes)"
        }
    }

    /// A value of a Bind: `NULL`, `x'ffff'` in binary format, anything else as text; `''` is the empty one, and
    /// `{5000*x}` is 5,000 times x.
    private static func value(_ word: String) -> (isBinary: Bool, bytes: [UInt8]) {
        if word == "NULL" { return (false, int32(UInt32.max)) }
        if word.hasPrefix("x'") {
            let digits = Array(word.dropFirst(2).dropLast())
            let bytes = stride(from: 0, to: digits.count - 1, by: 2).map {
                UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0
            }
            return (true, int32(UInt32(bytes.count)) + bytes)
        }
        let bytes = Array(text(name(word)).utf8)
        return (false, int32(UInt32(bytes.count)) + bytes)
    }

    /// A Bind's values, each behind a blank.
    private static func describeValues(_ bytes: [UInt8]) -> String {
        bytes.withUnsafeBytes { bytes in
            let values = BindMessage(bytes)?.values ?? []
            return values.map { value in
                guard let bytes = value.bytes else { return " NULL" }
                if !value.isBinary { return bytes.isEmpty ? " ''" : " " + bytes.text }
                let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                return " x'\(digits)'"
            }.joined()
        }
    }

    static func split(_ line: String) -> (String, String) {
        guard let blank = line.firstIndex(of: " ") else { return (line, "") }
        return (String(line[..<blank]), String(line[line.index(after: blank)...]).trimmed)
    }

    private static func message(_ type: Character, _ body: [UInt8]) -> [UInt8] {
        [type.asciiValue ?? 0] + int32(UInt32(body.count + 4)) + body
    }

    private static func int32(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
    }

    private static func int16(_ value: Int) -> [UInt8] {
        [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }

    private static func cstring(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }
    private static func name(_ text: String) -> String { text == "''" ? "" : text }

    /// `\n` is a line break, `{5000*x}` so many times x.
    private static func text(_ line: String) -> String {
        line.replacing("\\n", with: "\n").replacing(/\{(\d+)\*([^}]*)\}/) { match in
            String(repeating: String(match.2), count: Int(match.1) ?? 0)
        }
    }
}

extension String {
    var trimmed: String {
        var rest = self[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
