import SQLParsing

/// The bytes of an input, read from the front as choices, the rest as what is tested.
struct FuzzInput {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    /// The next byte; 0 behind the end.
    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    /// A number below `limit`; the character `0` stands for 0, `1` for 1, so that seeds can be read.
    mutating func choice(below limit: Int) -> Int { Int(byte() &- UInt8(ascii: "0")) % limit }

    /// A lexical setting: `0` is what most sessions have, `1` has standard_conforming_strings off.
    mutating func settings() -> LexicalSettings {
        let choice = choice(below: 2 * ClientEncoding.allCases.count)
        return LexicalSettings(
            standardConformingStrings: choice & 1 == 0, encoding: ClientEncoding.allCases[choice >> 1])
    }

    /// So many bytes, or as many as there are.
    mutating func bytes(_ count: Int) -> [UInt8] {
        let end = min(position + count, bytes.count)
        defer { position = end }
        return Array(bytes[position..<end])
    }

    /// All that is left.
    mutating func rest() -> [UInt8] { bytes(bytes.count) }

    /// All that is left, up to its first NUL: a text as a message holds it.
    mutating func text() -> [UInt8] { Array(rest().prefix { $0 != 0 }) }
}

/// A text as a find's message shows it.
func shown(_ bytes: some Collection<UInt8>) -> String {
    bytes.prefix(400).reduce(into: "") { text, byte in
        let scalar = Unicode.Scalar(byte)
        text += scalar.isASCII ? scalar.escaped(asASCII: true) : "\\x" + String(byte, radix: 16)
    }
}

extension Array where Element == UInt8 {
    /// Runs `body` on a copy that has nothing behind its end, so that a sanitizer sees a read beyond it.
    func withExactBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: Swift.max(count, 1), alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: self)
        return body(UnsafeRawBufferPointer(rebasing: copy[0..<count]))
    }
}
