/// A parameter's value, as SQL that stands for it while the statement is judged. Never shown and never recorded.
package enum ParameterValue: Sendable, Hashable {
    /// The parameter is left as it is.
    case unknown
    /// An expression, in characters that read the same under all settings.
    case expression([UInt8])

    /// Longer values are not put in: no bound or pattern that matters is as long.
    private static let byteLimit = 256
    /// A text that becomes longer is not judged with its values.
    private static let textLimit = 256 << 10

    /// A value as Bind brings it.
    ///
    /// - Parameters:
    ///   - bytes: nil for NULL.
    ///   - type: the type's OID that Parse declared; 0 if it left the type to the server.
    package init(_ bytes: UnsafeRawBufferPointer?, isBinary: Bool, type: UInt32) {
        guard let bytes else {
            self = .expression(Array("NULL".utf8))
            return
        }
        self = isBinary ? Self.binary(bytes, type: type) : Self.text(bytes)
    }

    // MARK: - Forms

    private static func binary(_ bytes: UnsafeRawBufferPointer, type: UInt32) -> ParameterValue {
        switch (type, bytes.count) {
        case (16, 1): return .expression(Array((bytes[0] == 0 ? "false" : "true").utf8))
        // int2, int4, int8 by their lengths; oid.
        case (20, 8), (21, 2), (23, 4): return integer(bytes)
        case (26, 4): return number("\(UInt32(truncatingIfNeeded: bits(bytes)))")
        case (700, 4): return number("'\(Float(bitPattern: UInt32(truncatingIfNeeded: bits(bytes))))'")
        case (701, 8): return number("'\(Double(bitPattern: bits(bytes)))'")
        // "char", name, text, unknown, bpchar, varchar.
        case (18, _), (19, _), (25, _), (705, _), (1042, _), (1043, _): return text(bytes)
        case (0, 2), (0, 4), (0, 8): return bytes.allSatisfy { $0 == UInt8(ascii: "%") } ? text(bytes) : integer(bytes)
        // Of no known type, and of no integer's length: text if it looks so.
        case (0, _): return bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7F } ? text(bytes) : .unknown
        default: return .unknown
        }
    }

    /// Two, four or eight bytes, the highest first.
    private static func integer(_ bytes: UnsafeRawBufferPointer) -> ParameterValue {
        let isNegative = bytes.first.map { $0 >= 0x80 } ?? false
        // Above the value's own bits stands its sign.
        let sign = isNegative && bytes.count < 8 ? UInt64.max << UInt64(8 * bytes.count) : 0
        return number("\(Int64(bitPattern: bits(bytes) | sign))")
    }

    private static func bits(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func number(_ text: String) -> ParameterValue { .expression(Array(text.utf8)) }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> ParameterValue {
        if looksLikeInteger(bytes) { return .expression(Array(bytes)) }
        if bytes.count > byteLimit {
            return bytes.allSatisfy { $0 == UInt8(ascii: "%") } ? .expression(Array("'%'".utf8)) : .unknown
        }
        return .expression(quoted(bytes))
    }

    private static func looksLikeInteger(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let digits = bytes.first == UInt8(ascii: "-") ? bytes.dropFirst() : bytes[...]
        return (1...18).contains(digits.count) && digits.allSatisfy { Lexer.isDigit($0) }
    }

    /// A literal that reads the same with standard_conforming_strings on and off, and in all encodings.
    ///
    /// Which character a byte belongs to is not known here, so those that are no ASCII, or may follow one, become others.
    private static func quoted(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var literal = Array("E'".utf8)
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "'"), UInt8(ascii: "\\"): literal += [byte, byte]
            case 0x20..<0x7F, 0x09...0x0D: literal.append(byte)
            default: literal.append(UInt8(ascii: "?"))
            }
        }
        literal.append(UInt8(ascii: "'"))
        return literal
    }

    // MARK: - Putting values in

    /// The text with an expression in place of each `$n` whose value is known.
    ///
    /// - Parameter text: canonical, so that the lexer finds in it what the server found in the original.
    /// - Returns: nil if it becomes too long.
    static func replacing(in text: UnsafeRawBufferPointer, by values: [ParameterValue]) -> [UInt8]? {
        var lexer = Lexer(text)
        var result: [UInt8] = []
        var copied = 0
        while true {
            let token = lexer.next()
            if token.kind == .end { break }
            guard token.kind == .parameter,
                case .expression(let expression) = value(
                    UnsafeRawBufferPointer(rebasing: text[token.range]), of: values)
            else { continue }
            result += text[copied..<token.start]
            // In parentheses, which no operator or name beside them can change, as a parameter cannot be either.
            result += [UInt8(ascii: " "), UInt8(ascii: "(")]
            result += expression
            result += [UInt8(ascii: ")"), UInt8(ascii: " ")]
            copied = token.end
            if result.count > textLimit { return nil }
        }
        result += text[copied...]
        return result.count > textLimit ? nil : result
    }

    /// The value that `$n` stands for.
    private static func value(_ parameter: UnsafeRawBufferPointer, of values: [ParameterValue]) -> ParameterValue {
        var number = 0
        for digit in parameter.dropFirst() {
            number = number * 10 + Int(digit &- UInt8(ascii: "0"))
            if number > values.count { return .unknown }
        }
        return number > 0 ? values[number - 1] : .unknown
    }
}
