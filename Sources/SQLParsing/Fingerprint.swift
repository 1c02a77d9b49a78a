/// A statement's shape: equal for texts that differ only in constants, comments, white space and letter case.
package struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    package let value: UInt64

    /// Sixteen hexadecimal digits.
    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The shape of a text. Lists of constants count as one; quoted names keep their case.
    package init(of text: UnsafeRawBufferPointer, settings: LexicalSettings = LexicalSettings()) {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        var canonical = CanonicalText()
        canonical.load(text, settings: settings)
        let bytes = canonical.bytes
        var lexer = Lexer(bytes)
        // A comma between two constants is held back until what follows it is known.
        var followsConstant = false
        var holdsComma = false
        while true {
            let token = lexer.next()
            if token.kind == .end { break }
            let isConstant = token.isString || [.bitString, .number, .parameter].contains(token.kind)
            if isConstant, holdsComma {
                holdsComma = false
                continue
            }
            if holdsComma {
                add(UInt8(ascii: ","))
                holdsComma = false
            }
            if isConstant {
                add(UInt8(ascii: "?"))
            } else if token.kind == .comma, followsConstant {
                holdsComma = true
                continue
            } else {
                for at in token.range {
                    let byte = bytes[at]
                    let isLetter = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
                    add(token.kind == .word && isLetter ? byte | 0x20 : byte)
                }
            }
            add(UInt8(ascii: " "))
            followsConstant = isConstant
        }
        value = hash
    }
}
