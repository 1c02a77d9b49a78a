import Foundation

/// What is known of the frames of a closed, compressed file, so that a search opens only those that may hold what it wants.
///
/// It stands beside its file: `audit-000017.jsonl.idx` beside `audit-000017.jsonl.zst`. Numbers are little-endian:
///
///     "HFINDEX1", frame count (4), length of the compressed file (8)
///     each frame: offset (8), length (4), length of its text (4), lines (4), its own checksum (4), earliest and latest time
///                 (8, 8), first and last record (8, 8), flags (4), length of its Bloom filter (4)
///     the Bloom filters, SHA-256 of all that
///
/// An index is a hint: one that is torn, of another version, or does not fit its file is left aside, and the file is read
/// whole. It is not sealed: who may write beside the trail can make one that hides records from a search (not from
/// ``AuditVerifier``), and `--no-index` reads without.
struct SearchIndex: Sendable, Equatable {
    struct Frame: Sendable, Equatable {
        var offset: Int
        var byteCount: Int
        var textByteCount: Int
        var lineCount: Int
        /// The last four bytes of the frame: zstd's checksum of its content.
        var checksum: UInt32
        /// Nanoseconds since 1970; `.max` and `.min` where no line has a time.
        var firstTime: Int64
        var lastTime: Int64
        /// Numbers of records; 0 where none has one.
        var firstSequence: Int64
        var lastSequence: Int64
        /// The proxy was started here.
        var holdsStart: Bool
        /// A line of it is not understood: nothing may be concluded from what is not found below.
        var isOpaque: Bool
        /// ``SearchToken``s of its records.
        var tokens: SearchBloom
    }

    /// Why an index is left aside.
    enum Fault: Error, Sendable, Equatable {
        case missing
        case unreadable(Int32)
        /// Not whole, or of another version.
        case damaged
        /// Of another file, or of this one before it was changed.
        case foreign

        var description: String {
            switch self {
            case .missing: "has no index"
            case .unreadable(let number): "has an index that cannot be read (\(String(cString: strerror(number))))"
            case .damaged: "has an index that is damaged or of another version"
            case .foreign: "has an index that is not its own"
            }
        }
    }

    private static let magic = Array("HFINDEX1".utf8)
    private static let frameByteCount = 64
    /// Larger ones are none of ours: an index has about a hundredth of its file's text.
    private static let mostBytes = 1 << 30

    var fileByteCount: Int
    var frames: [Frame]

    /// Where the index of a compressed file stands.
    static func path(of file: String) -> String {
        let ending = AuditFiles.compressedEnding
        return (file.hasSuffix(ending) ? String(file.dropLast(ending.count)) : file) + ".idx"
    }

    // MARK: - As bytes

    var bytes: [UInt8] {
        var bytes = Self.magic
        Self.append(UInt32(truncatingIfNeeded: frames.count), to: &bytes)
        Self.append(UInt64(fileByteCount), to: &bytes)
        for frame in frames {
            Self.append(UInt64(frame.offset), to: &bytes)
            Self.append(UInt32(truncatingIfNeeded: frame.byteCount), to: &bytes)
            Self.append(UInt32(truncatingIfNeeded: frame.textByteCount), to: &bytes)
            Self.append(UInt32(truncatingIfNeeded: frame.lineCount), to: &bytes)
            Self.append(frame.checksum, to: &bytes)
            Self.append(UInt64(bitPattern: frame.firstTime), to: &bytes)
            Self.append(UInt64(bitPattern: frame.lastTime), to: &bytes)
            Self.append(UInt64(bitPattern: frame.firstSequence), to: &bytes)
            Self.append(UInt64(bitPattern: frame.lastSequence), to: &bytes)
            Self.append(UInt32(frame.holdsStart ? 1 : 0) | (frame.isOpaque ? 2 : 0), to: &bytes)
            Self.append(UInt32(truncatingIfNeeded: frame.tokens.bits.count), to: &bytes)
        }
        for frame in frames { bytes += frame.tokens.bits }
        return bytes + AuditHash.sha256(bytes)
    }

    /// - Throws: ``Fault``: `damaged`.
    init(_ bytes: [UInt8]) throws(Fault) {
        let headByteCount = Self.magic.count + 12
        let end = bytes.count - AuditHash.byteCount
        guard end >= headByteCount, bytes.starts(with: Self.magic),
            bytes.withUnsafeBufferPointer({ AuditHash.sha256(UnsafeBufferPointer(rebasing: $0[..<end])) })
                == Array(bytes[end...])
        else { throw .damaged }
        var place = Self.magic.count
        let count = Int(Self.number(4, in: bytes, &place))
        guard let fileByteCount = Int(exactly: Self.number(8, in: bytes, &place)),
            count <= (end - headByteCount) / Self.frameByteCount
        else { throw .damaged }
        self.fileByteCount = fileByteCount
        frames = []
        frames.reserveCapacity(count)
        var filter = headByteCount + count * Self.frameByteCount
        var expected = 0
        for _ in 0..<count {
            guard let offset = Int(exactly: Self.number(8, in: bytes, &place)), offset == expected else {
                throw .damaged
            }
            let byteCount = Int(Self.number(4, in: bytes, &place))
            let textByteCount = Int(Self.number(4, in: bytes, &place))
            let lineCount = Int(Self.number(4, in: bytes, &place))
            let checksum = UInt32(truncatingIfNeeded: Self.number(4, in: bytes, &place))
            let times = (Self.signed(in: bytes, &place), Self.signed(in: bytes, &place))
            let sequences = (Self.signed(in: bytes, &place), Self.signed(in: bytes, &place))
            let flags = Self.number(4, in: bytes, &place)
            let filterByteCount = Int(Self.number(4, in: bytes, &place))
            guard byteCount > 0, byteCount <= fileByteCount - offset, filterByteCount <= end - filter,
                textByteCount <= TrailPiece.mostTextBytes,
                let tokens = SearchBloom(bits: bytes[filter..<filter + filterByteCount])
            else { throw .damaged }
            filter += filterByteCount
            expected = offset + byteCount
            frames.append(
                Frame(
                    offset: offset, byteCount: byteCount, textByteCount: textByteCount, lineCount: lineCount,
                    checksum: checksum, firstTime: times.0, lastTime: times.1, firstSequence: sequences.0,
                    lastSequence: sequences.1, holdsStart: flags & 1 != 0, isOpaque: flags & 2 != 0, tokens: tokens))
        }
        guard expected == fileByteCount, filter == end else { throw .damaged }
    }

    init(fileByteCount: Int, frames: [Frame]) {
        self.fileByteCount = fileByteCount
        self.frames = frames
    }

    private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
    }

    private static func number(_ byteCount: Int, in bytes: [UInt8], _ place: inout Int) -> UInt64 {
        var value: UInt64 = 0
        for index in (0..<byteCount).reversed() { value = value << 8 | UInt64(bytes[place + index]) }
        place += byteCount
        return value
    }

    private static func signed(in bytes: [UInt8], _ place: inout Int) -> Int64 {
        Int64(bitPattern: number(8, in: bytes, &place))
    }

    // MARK: - As a file

    /// The index beside a compressed file, if it is the index of that file: of its length, and each frame with its checksum.
    ///
    /// - Throws: ``Fault``.
    static func load(for path: String, descriptor: Int32) throws(Fault) -> SearchIndex {
        let own = open(Self.path(of: path), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard own >= 0 else { throw errno == ENOENT ? .missing : .unreadable(errno) }
        defer { close(own) }
        var information = stat()
        guard fstat(own, &information) == 0 else { throw .unreadable(errno) }
        guard information.st_mode & S_IFMT == S_IFREG, information.st_size <= mostBytes,
            let bytes = TrailFile.bytes(of: own, at: 0, count: Int(information.st_size))
        else { throw .damaged }
        let index = try SearchIndex(bytes)
        var file = stat()
        guard fstat(descriptor, &file) == 0, Int(file.st_size) == index.fileByteCount else { throw .foreign }
        for frame in index.frames {
            guard checksum(at: frame.offset + frame.byteCount, of: descriptor) == frame.checksum else {
                throw .foreign
            }
        }
        return index
    }

    /// The four bytes before that place.
    static func checksum(at end: Int, of descriptor: Int32) -> UInt32? {
        guard end >= 4, let bytes = TrailFile.bytes(of: descriptor, at: end - 4, count: 4) else { return nil }
        return bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Puts it beside its file, whole or not at all.
    ///
    /// - Throws: ``AuditFault``: the index cannot be written; there is the one that there was.
    func write(for path: String) throws(AuditFault) {
        let finished = Self.path(of: path)
        let unfinished = finished + ".part"
        let target = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard target >= 0 else { throw AuditFault(path: unfinished, call: "open", errorNumber: errno) }
        defer { close(target) }
        do throws(AuditFault) {
            try AuditFile.write(bytes[...], to: target, path: unfinished)
        } catch {
            _ = unlink(unfinished)
            throw error
        }
        guard fsync(target) == 0, rename(unfinished, finished) == 0 else {
            throw AuditFault(path: finished, call: "rename", errorNumber: errno)
        }
    }
}
