import CZstd
import Foundation

/// A part of a file of the trail that can be read by itself: whole lines.
struct TrailPiece: Sendable {
    /// A frame that claims more than this, or a line that is longer, is none of Holdfast's (``AuditReader``).
    static let mostTextBytes = AuditReader.maximumLineByteCount + AuditCompressor.frameByteCount
    /// Where a plain file is cut into pieces.
    static let plainByteCount = AuditCompressor.frameByteCount

    /// Where it stands in the file; of a file held in memory the number of the part.
    var offset: Int
    var byteCount: Int
    var textByteCount: Int
    /// What the index knows of it.
    var known: SearchIndex.Frame?
}

/// A file of the trail, taken apart into pieces for a search. It may be being written: what is appended later is not seen.
///
/// Plain files and those that ``AuditCompressor`` has made can be read from any piece on. All others (gzip, other programs'
/// zstd, pipes) are read once, here, and held in memory, compressed.
final class TrailFile: Sendable {
    let path: String
    let descriptor: Int32
    let pieces: [TrailPiece]
    /// The pieces are zstd frames of the file.
    let isPacked: Bool
    /// The pieces are zstd frames in memory.
    private let parts: [[UInt8]]
    /// What is worth to be said of the file.
    let remarks: [String]

    var isInMemory: Bool { !parts.isEmpty }

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - byteCount: so much of it at most: what follows somebody else reads.
    ///   - usesIndex: false: pretend that there is none.
    ///   - pieceByteCount: how long pieces of a plain file, or of one in memory, are about.
    /// - Throws: ``AuditFault`` with path, reason and remedy.
    init(
        path: String, byteCount: Int = .max, usesIndex: Bool, pieceByteCount: Int = TrailPiece.plainByteCount
    ) throws(AuditFault) {
        self.path = path
        let descriptor = try AuditReader.open(path)
        self.descriptor = descriptor
        var isKept = false
        defer { if !isKept { close(descriptor) } }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else {
            throw AuditFault(path: path, call: "fstat", errorNumber: errno)
        }
        let isRegular = information.st_mode & S_IFMT == S_IFREG
        let length = min(byteCount, isRegular ? Int(information.st_size) : 0)
        let magic = isRegular ? Self.bytes(of: descriptor, at: 0, count: min(4, length)) ?? [] : []
        var remarks: [String] = []
        if isRegular, magic == AuditDecompressor.magic {
            var index: SearchIndex?
            if usesIndex {
                do throws(SearchIndex.Fault) {
                    index = try SearchIndex.load(for: path, descriptor: descriptor)
                } catch {
                    remarks.append("\(path) \(error.description): it is read whole (holdfast audit index makes one)")
                }
            }
            if let index {
                (pieces, parts, isPacked) = (index.frames.map(TrailPiece.init), [], true)
            } else if let found = try Self.frames(of: descriptor, length: length, path: path) {
                (pieces, parts, isPacked) = (found, [], true)
            } else {
                (pieces, parts) = try Self.inMemory(path, pieceByteCount)
                isPacked = false
            }
        } else if isRegular, !magic.starts(with: AuditInflater.magic) {
            pieces = try Self.plain(descriptor, length: length, pieceByteCount, path: path)
            (parts, isPacked) = ([], false)
        } else {
            (pieces, parts) = try Self.inMemory(path, pieceByteCount)
            isPacked = false
        }
        self.remarks = remarks
        isKept = true
    }

    deinit { close(descriptor) }

    /// The compressed or plain bytes of a piece.
    ///
    /// - Throws: ``AuditFault``: they cannot be read, or are no longer there.
    func bytes(of piece: TrailPiece, into buffer: UnsafeMutableRawBufferPointer) throws(AuditFault) {
        if isInMemory {
            buffer.copyBytes(from: parts[piece.offset])
            return
        }
        var have = 0
        while have < piece.byteCount {
            let count = pread(
                descriptor, buffer.baseAddress.map { $0 + have }, piece.byteCount - have, off_t(piece.offset + have))
            if count > 0 {
                have += count
            } else if count == 0 {
                throw AuditFault(description: "audit trail \(path): it was cut while it was read")
            } else if errno != EINTR {
                throw AuditFault(path: path, call: "read", errorNumber: errno)
            }
        }
    }

    /// Bytes of a regular file; nil if they cannot be read or there are fewer.
    static func bytes(of descriptor: Int32, at offset: Int, count: Int) -> [UInt8]? {
        var have = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while have < count {
                let result = pread(
                    descriptor, buffer.baseAddress.map { $0 + have }, count - have, off_t(offset + have))
                if result > 0 {
                    have += result
                } else if result == 0 || errno != EINTR {
                    break
                }
            }
            filled = have
        }
        return have == count ? bytes : nil
    }

    /// The zstd frames of a file, without its index; nil if they are not such as ``AuditCompressor`` makes.
    private static func frames(of descriptor: Int32, length: Int, path: String) throws(AuditFault) -> [TrailPiece]? {
        var pieces: [TrailPiece] = []
        var offset = 0
        var window: [UInt8] = []
        var windowStart = 0
        var wanted = 4 << 20
        while offset < length {
            let have = windowStart + window.count - offset
            var size = 0
            var isCut = true
            if have > 0 {
                let start = offset - windowStart
                let found = window.withUnsafeBytes { bytes -> (Int, UInt64) in
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
                    return (
                        ZSTD_findFrameCompressedSize(rest.baseAddress, rest.count),
                        ZSTD_getFrameContentSize(rest.baseAddress, rest.count)
                    )
                }
                if ZSTD_isError(found.0) == 0 {
                    guard found.1 <= UInt64(TrailPiece.mostTextBytes) else { return nil }
                    (size, isCut) = (found.0, false)
                    pieces.append(TrailPiece(offset: offset, byteCount: size, textByteCount: Int(found.1)))
                }
            }
            if isCut {
                // Either the window ends within the frame, or the file does, or it is damaged: then nothing helps.
                guard windowStart + window.count < length else {
                    throw AuditFault(description: "audit trail \(path): cut off within a compressed part, or damaged")
                }
                if have > 0, windowStart == offset { wanted *= 2 }
                guard wanted <= 2 * TrailPiece.mostTextBytes else { return nil }
                windowStart = offset
                guard let bytes = bytes(of: descriptor, at: offset, count: min(wanted, length - offset)) else {
                    throw AuditFault(description: "audit trail \(path): it cannot be read to its end")
                }
                window = bytes
            }
            offset += size
        }
        return pieces
    }

    /// A plain file, cut behind line ends.
    private static func plain(
        _ descriptor: Int32, length: Int, _ pieceByteCount: Int, path: String
    ) throws(AuditFault) -> [TrailPiece] {
        var pieces: [TrailPiece] = []
        var start = 0
        while start < length {
            var end = min(start + pieceByteCount, length)
            // Goes on to the next line end.
            while end < length, end - start < TrailPiece.mostTextBytes {
                let count = min(64 << 10, length - end)
                guard let bytes = bytes(of: descriptor, at: end - 1, count: count) else {
                    throw AuditFault(description: "audit trail \(path): it cannot be read to its end")
                }
                if let found = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                    end += found
                    break
                }
                end += count
            }
            pieces.append(TrailPiece(offset: start, byteCount: end - start, textByteCount: end - start))
            start = end
        }
        return pieces
    }

    /// What can be read once only.
    private static func inMemory(
        _ path: String, _ pieceByteCount: Int
    ) throws(AuditFault) -> ([TrailPiece], [[UInt8]]) {
        var packer = PartPacker(byteCount: pieceByteCount)
        var reader = try AuditReader(path: path)
        try reader.readLines { _, line in packer.take(line) }
        packer.take(reader.takeRest().map { $0[...] } ?? [])
        packer.finish()
        return (packer.pieces, packer.parts)
    }
}

extension TrailPiece {
    init(_ frame: SearchIndex.Frame) {
        self.init(offset: frame.offset, byteCount: frame.byteCount, textByteCount: frame.textByteCount, known: frame)
    }
}

/// Gathers lines to parts and compresses them.
private struct PartPacker {
    let byteCount: Int
    private(set) var parts: [[UInt8]] = []
    private(set) var pieces: [TrailPiece] = []
    private var held: [UInt8] = []

    init(byteCount: Int) { self.byteCount = byteCount }

    mutating func take(_ line: UnsafeBufferPointer<UInt8>?) {
        // A line that is too long to be held is no record; a mark for it keeps the numbers of the lines right.
        guard let line else { return take([UInt8(ascii: "?")]) }
        held += line
        end()
    }

    mutating func take(_ line: ArraySlice<UInt8>) {
        guard !line.isEmpty else { return }
        held += line
        end()
    }

    private mutating func end() {
        held.append(UInt8(ascii: "\n"))
        if held.count >= byteCount { finish() }
    }

    mutating func finish() {
        guard !held.isEmpty else { return }
        var packed = [UInt8](repeating: 0, count: ZSTD_compressBound(held.count))
        let size = ZSTD_compress(&packed, packed.count, held, held.count, 1)
        packed.removeLast(packed.count - (ZSTD_isError(size) == 0 ? size : 0))
        pieces.append(TrailPiece(offset: parts.count, byteCount: packed.count, textByteCount: held.count))
        parts.append(Array(packed))
        held.removeAll(keepingCapacity: true)
    }
}
