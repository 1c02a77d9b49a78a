/// One step into a TOML document.
enum TOMLStep: Hashable {
    case key(String)
    case index(Int)
}

/// The way from a document's root to a value.
typealias TOMLPath = [TOMLStep]

/// Where the keys and values of a TOML text stand.
///
/// A scanner over text that TOMLKit has already accepted: it follows tables, arrays of tables, dotted and quoted keys,
/// arrays and inline tables, and takes the rest on trust. On text that is no TOML it finds nonsense, but ends.
struct TOMLPositions {
    /// Byte offsets of keys (for a table: of its header) and of values.
    private var keyOffsets: [TOMLPath: Int] = [:]
    private var valueOffsets: [TOMLPath: Int] = [:]
    /// Where a string escapes the NUL character.
    private(set) var escapedNULs: [Int] = []
    private let bytes: [UInt8]

    init(of text: String) {
        bytes = Array(text.utf8)
        var scanner = TOMLScanner(bytes)
        scanner.scan()
        keyOffsets = scanner.keyOffsets
        valueOffsets = scanner.valueOffsets
        escapedNULs = scanner.escapedNULs
    }

    /// Where the key stands that the path ends with, or the nearest one above it.
    func key(_ path: TOMLPath) -> SourcePosition { position(of: nearest(path, in: keyOffsets, or: valueOffsets)) }

    /// Where the value stands that the path leads to, or the nearest above it.
    func value(_ path: TOMLPath) -> SourcePosition { position(of: nearest(path, in: valueOffsets, or: keyOffsets)) }

    func position(of offset: Int) -> SourcePosition { Self.position(of: offset, in: bytes) }

    static func position(of offset: Int, in bytes: [UInt8]) -> SourcePosition {
        var position = SourcePosition(line: 1, column: 1)
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                position.line += 1
                position.column = 1
            } else if byte & 0xC0 != 0x80 {
                position.column += 1
            }
        }
        return position
    }

    private func nearest(_ path: TOMLPath, in first: [TOMLPath: Int], or second: [TOMLPath: Int]) -> Int {
        var path = path
        while !path.isEmpty {
            if let offset = first[path] ?? second[path] { return offset }
            path.removeLast()
        }
        return 0
    }
}

/// The scanner behind ``TOMLPositions``.
private struct TOMLScanner {
    var keyOffsets: [TOMLPath: Int] = [:]
    var valueOffsets: [TOMLPath: Int] = [:]
    var escapedNULs: [Int] = []
    private let bytes: [UInt8]
    private var offset = 0
    /// How many blocks each array of tables has so far.
    private var blockCounts: [TOMLPath: Int] = [:]
    /// TOMLKit's own limit on nesting.
    private static let maximumDepth = 256

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func scan() {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
        var table: TOMLPath = []
        while skipBlanks(newlinesToo: true), let byte = current {
            let start = offset
            if byte == UInt8(ascii: "[") {
                offset += 1
                let isArray = current == UInt8(ascii: "[")
                if isArray { offset += 1 }
                table = open(header: keys(), isArray: isArray, at: start)
                skipLine()
            } else {
                entry(in: table, depth: 0)
                skipLine()
            }
            // Whatever stood there, go on behind it: text that is no TOML must not hold us.
            if offset == start { offset += 1 }
        }
    }

    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    /// Enters `[a.b]` or `[[a.b]]`: names on the way that are arrays of tables mean their latest block.
    private mutating func open(header: [String], isArray: Bool, at start: Int) -> TOMLPath {
        var path: TOMLPath = []
        for (index, key) in header.enumerated() {
            path.append(.key(key))
            if isArray, index == header.count - 1 {
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
        guard skipBlanks(newlinesToo: false), current == UInt8(ascii: "=") else { return }
        offset += 1
        value(at: path, depth: depth)
    }

    private mutating func value(at path: TOMLPath, depth: Int) {
        guard depth <= Self.maximumDepth, skipBlanks(newlinesToo: false), let byte = current else { return }
        valueOffsets[path] = offset
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            _ = quoted()
        case UInt8(ascii: "["):
            offset += 1
            var index = 0
            while skipBlanks(newlinesToo: true), let next = current {
                let start = offset
                if next == UInt8(ascii: "]") {
                    offset += 1
                    return
                }
                if next == UInt8(ascii: ",") {
                    offset += 1
                } else {
                    value(at: path + [.index(index)], depth: depth + 1)
                    index += 1
                }
                if offset == start { return }
            }
        case UInt8(ascii: "{"):
            offset += 1
            while skipBlanks(newlinesToo: true), let next = current {
                let start = offset
                if next == UInt8(ascii: "}") {
                    offset += 1
                    return
                }
                if next == UInt8(ascii: ",") {
                    offset += 1
                } else {
                    entry(in: path, depth: depth + 1)
                }
                if offset == start { return }
            }
        default:
            while let next = current, !Self.endsBareValue.contains(next) { offset += 1 }
        }
    }

    private static let endsBareValue = Set(",]}#\r\n".utf8)

    /// A dotted key's parts.
    private mutating func keys() -> [String] {
        var found: [String] = []
        while found.count <= Self.maximumDepth, skipBlanks(newlinesToo: false), let byte = current {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                found.append(quoted())
            } else {
                let start = offset
                while let next = current, Self.isBareKey(next) { offset += 1 }
                guard offset > start else { return found }
                found.append(String(decoding: bytes[start..<offset], as: UTF8.self))
            }
            guard skipBlanks(newlinesToo: false), current == UInt8(ascii: ".") else { return found }
            offset += 1
        }
        return found
    }

    private static func isBareKey(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), 0x80...:
            true
        default: false
        }
    }

    /// A string of any of the four forms, its escapes left as they are but `\"` and `\\` (enough for keys).
    private mutating func quoted() -> String {
        guard let quote = current else { return "" }
        let isMultiline = bytes[offset...].starts(with: [quote, quote, quote])
        let fence = isMultiline ? 3 : 1
        offset += fence
        var content: [UInt8] = []
        while let byte = current {
            if byte == quote, !isMultiline || bytes[offset...].starts(with: [quote, quote, quote]) {
                offset += fence
                // """"quoted"""" : up to two quotes may stand before the closing three.
                while isMultiline, current == quote { offset += 1 }
                break
            }
            if byte == UInt8(ascii: "\n"), !isMultiline { break }
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                noteEscapedNUL()
                offset += 1
                guard let escaped = current else { break }
                content.append(escaped)
                offset += 1
                continue
            }
            content.append(byte)
            offset += 1
        }
        return String(decoding: content, as: UTF8.self)
    }

    private mutating func noteEscapedNUL() {
        let rest = bytes[offset...]
        if rest.starts(with: #"\u0000"#.utf8) || rest.starts(with: #"\U00000000"#.utf8)
            || rest.starts(with: #"\x00"#.utf8)
        {
            escapedNULs.append(offset)
        }
    }

    /// Skips blanks and, between entries, newlines and comments.
    ///
    /// - Returns: whether anything is left.
    private mutating func skipBlanks(newlinesToo: Bool) -> Bool {
        while let byte = current {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): offset += 1
            case UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                guard newlinesToo else { return true }
                offset += 1
            case UInt8(ascii: "#"):
                guard newlinesToo else { return true }
                skipLine()
            default: return true
            }
        }
        return false
    }

    private mutating func skipLine() {
        while let byte = current, byte != UInt8(ascii: "\n") { offset += 1 }
    }
}
