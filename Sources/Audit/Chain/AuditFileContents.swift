import Foundation

/// What a file of the trail holds, as far as who goes on writing it must know. Reads its first line and its end, not all.
struct AuditFileContents: Sendable {
    /// The first line, if it is the record of a file's beginning.
    var start: AuditRecord.Mark?
    var startTime: Int64 = 0
    /// The last record that is sealed.
    var lastSequence: Int64?
    var lastCode: [UInt8] = []
    /// The bytes behind the last line end: their number and SHA-256.
    var tornByteCount = 0
    var tornHash = ""
    var isEmpty = true
    var hasWholeLine = false

    /// An empty file, or none.
    init() {}

    init(of descriptor: Int32, length: off_t) {
        guard length > 0 else { return }
        isEmpty = false
        readStart(descriptor, length: Int(length))
        readEnd(descriptor, length: Int(length))
    }

    /// The same of a closed file, which may be compressed.
    ///
    /// - Throws: ``AuditFault``: it cannot be read.
    init(path: String) throws(AuditFault) {
        var reader = try AuditReader(path: path)
        var contents = AuditFileContents()
        try reader.readLines { number, line in
            contents.isEmpty = false
            guard let line else { return }
            if number == 1 { contents.takeStart(line) }
            if let sealed = SealedLine(line) {
                contents.lastSequence = sealed.sequence
                contents.lastCode = sealed.code
            }
        }
        self = contents
    }

    /// What the first line of a closed file says, which alone is read; nil if it is no beginning.
    ///
    /// - Throws: ``AuditFault``: it cannot be read.
    static func start(of path: String) throws(AuditFault) -> AuditRecord.Mark? {
        var reader = try AuditReader(path: path)
        var contents = AuditFileContents()
        try reader.readFirstLine { contents.takeStart($0) }
        return contents.start
    }

    private mutating func takeStart(_ line: UnsafeBufferPointer<UInt8>) {
        guard let record = try? AuditDecoder.decode(line), record.event == .fileStart else { return }
        start = record.mark
        startTime = record.time
    }

    private mutating func readStart(_ descriptor: Int32, length: Int) {
        // A file's beginning names open intents: few, and short ids.
        var size = 64 << 10
        while true {
            let bytes = Self.read(descriptor, at: 0, count: min(size, length))
            if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                bytes[..<end].withUnsafeBufferPointer { takeStart($0) }
                return
            }
            guard size < min(length, 16 << 20) else { return }
            size *= 2
        }
    }

    /// Goes back from the end until a sealed line is found.
    private mutating func readEnd(_ descriptor: Int32, length: Int) {
        var size = 64 << 10
        while true {
            let offset = max(0, length - size)
            let bytes = Self.read(descriptor, at: offset, count: length - offset)
            var isDone = offset == 0
            if let last = bytes.lastIndex(of: UInt8(ascii: "\n")) {
                hasWholeLine = true
                isDone = takeEnd(bytes[...last]) || isDone
                if isDone { takeTorn(Array(bytes[(last + 1)...])) }
            } else if isDone {
                takeTorn(bytes)
            }
            // One line is at most ``AuditReader/maximumLineByteCount``; beyond that nothing here is Holdfast's.
            guard !isDone, size < AuditReader.maximumLineByteCount else { return }
            size *= 4
        }
    }

    /// Whole lines, the first perhaps not.
    private mutating func takeEnd(_ lines: ArraySlice<UInt8>) -> Bool {
        for line in lines.split(separator: UInt8(ascii: "\n")).reversed() {
            if let sealed = line.withUnsafeBufferPointer({ SealedLine($0) }) {
                lastSequence = sealed.sequence
                lastCode = sealed.code
                return true
            }
        }
        return false
    }

    private mutating func takeTorn(_ bytes: [UInt8]) {
        tornByteCount = bytes.count
        tornHash = AuditHash.hex(AuditHash.sha256(bytes))
    }

    private static func read(_ descriptor: Int32, at offset: Int, count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var have = 0
        while have < count {
            let result = bytes.withUnsafeMutableBytes { bytes in
                pread(descriptor, bytes.baseAddress.map { $0 + have }, count - have, off_t(offset + have))
            }
            if result > 0 {
                have += result
            } else if result == 0 || errno != EINTR {
                break
            }
        }
        return Array(bytes[..<have])
    }
}
