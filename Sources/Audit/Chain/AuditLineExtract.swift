/// Finds a record in a line that something else was put around: a syslog server's prefix, the frame of a table, CSV.
enum AuditLineExtract {
    private static let event = Array(#""event":"checkpoint""#.utf8)

    /// The line of a checkpoint that stands in a line; nil if none does. Pure.
    ///
    /// What stands before the first `{"v":` and behind the last `"}` is left out; where quotation marks are doubled (CSV), or
    /// stand behind backslashes (JSON in JSON), they are taken back.
    static func checkpoint(in line: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        let text = Array(line)
        for form in [text, undoubled(text), unescaped(text)] {
            guard let start = first(Array(#"{"v":"#.utf8), in: form[...]) else { continue }
            guard first(event, in: form[start...]) != nil, let end = end(of: form[start...]) else { return nil }
            return Array(form[start...end])
        }
        return nil
    }

    /// A sealed line ends two bytes behind its code; lines of `checkpoints` have none and end with the last brace.
    private static func end(of text: ArraySlice<UInt8>) -> Int? {
        if let code = first(SealedLine.tail, in: text) {
            let end = code + SealedLine.tail.count + 2 * AuditHash.byteCount + 1
            return end < text.endIndex && text[end] == UInt8(ascii: "}") ? end : nil
        }
        return text.lastIndex(of: UInt8(ascii: "}"))
    }

    private static func first(_ wanted: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
        var index = text.startIndex
        while index + wanted.count <= text.endIndex {
            if text[index] == wanted[0], text[index...].starts(with: wanted) { return index }
            index += 1
        }
        return nil
    }

    private static func undoubled(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var isSecond = false
        for byte in text {
            let isQuote = byte == UInt8(ascii: "\"")
            if !isSecond || !isQuote { result.append(byte) }
            isSecond = isQuote && !isSecond
        }
        return result
    }

    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: "\\"), index + 1 < text.count, text[index + 1] == UInt8(ascii: "\"") { continue }
            result.append(byte)
        }
        return result
    }
}
