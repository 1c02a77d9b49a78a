import CGrammar
import Glibc

/// What PostgreSQL 15's own lexer and grammar, in libpg_query, make of a canonical text.
enum GrammarText {
    /// Where each token begins, or nil if the lexer fails on the text.
    ///
    /// - Parameter text: without comments, of which libpg_query makes tokens.
    static func tokenStarts(of text: [UInt8]) -> [Int]? {
        var size = 0
        guard let scanned = withCString(text, { grammar_scan($0, &size) }) else { return nil }
        defer { free(scanned) }
        return starts(inScanResult: UnsafeRawBufferPointer(start: scanned, count: size))
    }

    /// How many statements the grammar sees, or nil if it rejects the text.
    static func statementCount(of text: [UInt8]) -> Int? {
        let count = withCString(text) { grammar_statement_count($0) }
        return count < 0 ? nil : Int(count)
    }

    private static func withCString<Result>(_ text: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (text + [0]).map { CChar(bitPattern: $0) }.withUnsafeBufferPointer { buffer in
            // The array holds at least its NUL, so it has an address.
            buffer.baseAddress.map(body) ?? body("")
        }
    }

    /// `ScanResult { int32 version = 1; repeated ScanToken tokens = 2 }`, `ScanToken { int32 start = 1; … }`.
    private static func starts(inScanResult bytes: UnsafeRawBufferPointer) -> [Int] {
        var starts: [Int] = []
        var fields = ProtobufFields(bytes)
        while let field = fields.next() {
            guard field.number == 2, let token = field.bytes else { continue }
            // A number that is 0 is left out.
            var start = 0
            var parts = ProtobufFields(token)
            while let part = parts.next() {
                if part.number == 1 { start = Int(truncatingIfNeeded: part.value) }
            }
            starts.append(start)
        }
        return starts
    }
}

/// The fields of a protobuf message: numbers and nested bytes, which is all that a ScanResult has.
private struct ProtobufFields {
    struct Field {
        var number: Int
        var value: UInt64
        var bytes: UnsafeRawBufferPointer?
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func next() -> Field? {
        guard position < bytes.count else { return nil }
        let key = varint()
        let value = varint()
        guard key & 7 == 2 else { return Field(number: Int(key >> 3), value: value, bytes: nil) }
        let end = min(bytes.count, position + Int(value))
        defer { position = end }
        return Field(
            number: Int(key >> 3), value: value, bytes: UnsafeRawBufferPointer(rebasing: bytes[position..<end]))
    }

    private mutating func varint() -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 { break }
        }
        return value
    }
}
