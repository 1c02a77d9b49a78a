/// One step into a TOML document.
enum TOMLStep: Hashable {
    case key(String)
    case index(Int)
}

/// The way from a document's root to a value.
typealias TOMLPath = [TOMLStep]

/// Where the keys and values of a TOML text stand.
///
/// Found by ``TOMLScanner``, which also says where the text is no TOML.
struct TOMLPositions {
    /// Byte offsets of keys (for a table: of its header) and of values.
    private var keyOffsets: [TOMLPath: Int] = [:]
    private var valueOffsets: [TOMLPath: Int] = [:]
    /// Where a string escapes the NUL character.
    private(set) var escapedNULs: [Int] = []
    /// The first place where the structure is broken.
    private(set) var fault: TOMLScanner.Fault?
    private let bytes: [UInt8]

    init(of text: String) {
        bytes = Array(text.utf8)
        var scanner = TOMLScanner(bytes)
        scanner.scan()
        keyOffsets = scanner.keyOffsets
        valueOffsets = scanner.valueOffsets
        escapedNULs = scanner.escapedNULs
        fault = scanner.fault
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
