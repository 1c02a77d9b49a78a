/// Follows the structure of a TOML text (tables, arrays of tables, dotted and quoted keys, arrays, inline tables) and
/// notes where everything stands. What numbers, dates and escapes mean is left to TOMLKit.
///
/// It is strict about structure for a second reason: the parser below TOMLKit ends the process with an assertion on some
/// texts that are no TOML (`[=`, or a comma where a value belongs), in release builds too. Such a text must not reach it:
/// a reload would take the proxy down.
struct TOMLScanner {
    /// Byte offsets of keys (for a table: of its header) and of values.
    private(set) var keyOffsets: [TOMLPath: Int] = [:]
    private(set) var valueOffsets: [TOMLPath: Int] = [:]
    /// Where a string escapes the NUL character.
    private(set) var escapedNULs: [Int] = []
    /// The first place where the structure is broken; the scan ends there.
    private(set) var fault: Fault?

    struct Fault {
        var offset: Int
        var message: String
    }

    private let bytes: [UInt8]
    private var offset = 0
    /// How many blocks each array of tables has so far.
    private var blockCounts: [TOMLPath: Int] = [:]
    /// TOMLKit's own limit on nesting; here also on the parts of a dotted key.
    private static let maximumDepth = 256

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func scan() {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
        var table: TOMLPath = []
        while skipBlanksAndLines(), let byte = current {
            if byte == UInt8(ascii: "[") {
                table = header()
            } else {
                entry(in: table, depth: 0)
            }
            endLine()
        }
    }

    /// The byte at hand; nil at the end of the text and after a fault.
    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    /// Notes a fault and ends the scan.
    private mutating func fail(_ message: String) {
        if fault == nil { fault = Fault(offset: offset, message: message) }
        offset = bytes.count
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    /// `[a.b]` or `[[a.b]]`: names on the way that are arrays of tables mean their latest block.
    private mutating func header() -> TOMLPath {
        let start = offset
        offset += 1
        let isArray = take("[")
        let names = keys()
        skipBlanks()
        guard take("]"), !isArray || take("]") else {
            fail("\(isArray ? "]]" : "]") is expected here")
            return []
        }
        var path: TOMLPath = []
        for (index, name) in names.enumerated() {
            path.append(.key(name))
            if isArray, index == names.count - 1 {
                let count = blockCounts[path, default: 0]
                blockCounts[path] = count + 1
                if count == 0 { keyOffsets[path] = start }
                path.append(.index(count))
            } else if let count = blockCounts[path] {
                path.append(.index(count - 1))
            }
        }
        keyOffsets[path] = start
        return path
    }

    /// `key.key = value`
    private mutating func entry(in table: TOMLPath, depth: Int) {
        let start = offset
        var path = table
        for key in keys() {
            path.append(.key(key))
            if keyOffsets[path] == nil { keyOffsets[path] = start }
        }
        skipBlanks()
        guard take("=") else { return fail("= is expected here") }
        skipBlanks()
        value(at: path, depth: depth)
    }

    private mutating func value(at path: TOMLPath, depth: Int) {
        guard depth <= Self.maximumDepth else { return fail("values nest too deeply") }
        valueOffsets[path] = offset
        switch current {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): _ = quoted()
        case UInt8(ascii: "["): array(at: path, depth: depth)
        case UInt8(ascii: "{"): inlineTable(at: path, depth: depth)
        default: bareValue()
        }
    }

    private mutating func array(at path: TOMLPath, depth: Int) {
        offset += 1
        var index = 0
        while skipBlanksAndLines() {
            if take("]") { return }
            value(at: path + [.index(index)], depth: depth + 1)
            index += 1
            guard skipBlanksAndLines() else { break }
            if take("]") { return }
            guard take(",") else { return fail(", or ] is expected here") }
        }
        fail("a list has no end")
    }

    private mutating func inlineTable(at path: TOMLPath, depth: Int) {
        offset += 1
        skipBlanks()
        if take("}") { return }
        while current != nil {
            skipBlanks()
            entry(in: path, depth: depth + 1)
            skipBlanks()
            if take("}") { return }
            guard take(",") else { return fail(", or } is expected here") }
        }
        fail("a table has no end")
    }

    /// A number, a date, `true` or `false`: as far as its characters go.
    private mutating func bareValue() {
        let start = offset
        while let byte = current, Self.isBareValue(byte) { offset += 1 }
        guard offset > start, bytes[start] != UInt8(ascii: "_"), bytes[start] != UInt8(ascii: ":") else {
            return fail("a value is expected here (a text stands in double quotes)")
        }
        // A date and a time may be separated by one blank.
        let digit = UInt8(ascii: "0")...UInt8(ascii: "9")
        if current == UInt8(ascii: " "), offset + 1 < bytes.count, digit.contains(bytes[offset + 1]) {
            offset += 1
            while let byte = current, Self.isBareValue(byte) { offset += 1 }
        }
    }

    private static func isBareValue(_ byte: UInt8) -> Bool {
        isBareKey(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":")
    }

    /// A dotted key's parts.
    private mutating func keys() -> [String] {
        var found: [String] = []
        repeat {
            skipBlanks()
            if current == UInt8(ascii: "\"") || current == UInt8(ascii: "'") {
                found.append(quoted())
            } else {
                let start = offset
                while let byte = current, Self.isBareKey(byte) { offset += 1 }
                guard offset > start, found.count < Self.maximumDepth else {
                    fail("a key is expected here (letters, digits, _ and -; anything else in quotes)")
                    return found
                }
                found.append(String(decoding: bytes[start..<offset], as: UTF8.self))
            }
            skipBlanks()
        } while take(".")
        return found
    }

    private static func isBareKey(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// A string of any of the four forms, its escapes left as they are but `\"` and `\\` (enough for keys).
    private mutating func quoted() -> String {
        guard let quote = current else { return "" }
        let isMultiline = bytes[offset...].starts(with: [quote, quote, quote])
        offset += isMultiline ? 3 : 1
        var content: [UInt8] = []
        while let byte = current {
            if byte == quote, !isMultiline || bytes[offset...].starts(with: [quote, quote, quote]) {
                offset += isMultiline ? 3 : 1
                // """"quoted"""": up to two quotes may stand in front of the closing three.
                for _ in 0..<2 where isMultiline && current == quote { offset += 1 }
                return String(decoding: content, as: UTF8.self)
            }
            if byte == UInt8(ascii: "\n"), !isMultiline { break }
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                noteEscapedNUL()
                offset += 1
                guard let escaped = current else { break }
                content.append(escaped)
            } else {
                content.append(byte)
            }
            offset += 1
        }
        fail("a text has no end: the closing quote is missing")
        return ""
    }

    private mutating func noteEscapedNUL() {
        let rest = bytes[offset...]
        if rest.starts(with: #"\u0000"#.utf8) || rest.starts(with: #"\U00000000"#.utf8)
            || rest.starts(with: #"\x00"#.utf8)
        {
            escapedNULs.append(offset)
        }
    }

    private mutating func skipBlanks() {
        while let byte = current, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { offset += 1 }
    }

    /// Skips blanks, line ends and comments.
    ///
    /// - Returns: whether anything is left.
    private mutating func skipBlanksAndLines() -> Bool {
        while let byte = current {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): offset += 1
            case UInt8(ascii: "#"): skipLine()
            default: return true
            }
        }
        return false
    }

    private mutating func skipLine() {
        while let byte = current, byte != UInt8(ascii: "\n") { offset += 1 }
    }

    /// After a header or an entry only a comment may follow.
    private mutating func endLine() {
        skipBlanks()
        switch current {
        case nil, UInt8(ascii: "\n"), UInt8(ascii: "\r"): break
        case UInt8(ascii: "#"): skipLine()
        case .some: fail("the line should end here")
        }
    }
}
