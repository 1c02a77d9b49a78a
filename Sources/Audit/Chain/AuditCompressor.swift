import CZstd
import Foundation

/// Compresses closed files of a trail: zstd, in frames of whole lines that can each be read by themselves; `zstdcat` reads
/// the file as one.
package enum AuditCompressor {
    /// A frame holds whole lines of at most so many bytes, or one longer line.
    package static let frameByteCount = 1 << 20

    /// Makes `path.zst` of `path` and then removes `path`. The new file is on the disk, whole, before it has its name, and has
    /// its name before the old one goes: a crash leaves one whole file of the two, or both.
    ///
    /// - Parameters:
    ///   - frameByteCount: how much a frame holds at most, but for one longer line.
    ///   - frame: is told of each frame: where it begins in the compressed file, its length there, its lines.
    /// - Throws: ``AuditFault``: the plain file is still there.
    package static func compress(
        _ path: String, frameByteCount: Int = frameByteCount,
        frame: (_ offset: Int, _ byteCount: Int, _ lines: UnsafeBufferPointer<UInt8>) -> Void = { _, _, _ in }
    ) throws(AuditFault) {
        let source = open(path, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { throw AuditFault(path: path, call: "open", errorNumber: errno) }
        defer { close(source) }
        let finished = path + AuditFiles.compressedEnding
        let unfinished = finished + ".part"
        let target = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard target >= 0 else { throw AuditFault(path: unfinished, call: "open", errorNumber: errno) }
        defer { close(target) }
        guard let context = ZSTD_createCCtx() else {
            throw AuditFault(path: unfinished, call: "ZSTD_createCCtx", errorNumber: ENOMEM)
        }
        defer { ZSTD_freeCCtx(context) }
        _ = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        var held: [UInt8] = []
        var packed: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 256 << 10)
        var offset = 0
        var isAtEnd = false
        while !isAtEnd || !held.isEmpty {
            while !isAtEnd, held.count < frameByteCount {
                let count = read(source, &chunk, chunk.count)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw AuditFault(path: path, call: "read", errorNumber: errno) }
                isAtEnd = count == 0
                held += chunk[..<count]
            }
            guard !held.isEmpty else { break }
            // Up to the last line end within the frame, or the first one behind it.
            var end = held.prefix(frameByteCount).lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }
            if end == nil { end = held.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } }
            if end == nil, !isAtEnd {
                let count = read(source, &chunk, chunk.count)
                guard count >= 0 || errno == EINTR else {
                    throw AuditFault(path: path, call: "read", errorNumber: errno)
                }
                isAtEnd = count == 0
                held += chunk[..<max(0, count)]
                continue
            }
            let lines = end ?? held.count
            let needed = ZSTD_compressBound(lines)
            if packed.count < needed { packed = [UInt8](repeating: 0, count: needed) }
            let size = ZSTD_compress2(context, &packed, packed.count, held, lines)
            guard ZSTD_isError(size) == 0 else {
                throw AuditFault(description: "audit trail \(unfinished): \(String(cString: ZSTD_getErrorName(size)))")
            }
            try AuditFile.write(packed[..<size], to: target, path: unfinished)
            held.withUnsafeBufferPointer { frame(offset, size, UnsafeBufferPointer(rebasing: $0[..<lines])) }
            offset += size
            held.removeFirst(lines)
        }
        guard fsync(target) == 0 else { throw AuditFault(path: unfinished, call: "fsync", errorNumber: errno) }
        guard rename(unfinished, finished) == 0 else {
            throw AuditFault(path: finished, call: "rename", errorNumber: errno)
        }
        let folder = AuditFile.folder(of: path)
        AuditFiles.syncFolder(folder)
        _ = unlink(path)
        AuditFiles.syncFolder(folder)
    }
}

/// Takes a compressed file apart as it is read.
final class AuditDecompressor {
    private let stream: OpaquePointer
    private var input: [UInt8]
    private var start = 0
    private var end = 0

    /// The first bytes of a zstd frame (RFC 8878, 3.1.1).
    static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

    init?() {
        guard let stream = ZSTD_createDStream() else { return nil }
        self.stream = stream
        input = [UInt8](repeating: 0, count: ZSTD_DStreamInSize())
    }

    deinit { ZSTD_freeDStream(stream) }

    /// Fills some of the space; 0 at the end.
    ///
    /// - Parameter more: reads from the file, as read(2).
    /// - Throws: ``AuditFault`` if the file cannot be read, is damaged or ends within a frame.
    func read(
        into space: UnsafeMutableRawBufferPointer, path: String, _ more: (UnsafeMutableRawBufferPointer) -> Int
    ) throws(AuditFault) -> Int {
        var output = ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
        while output.pos == 0 {
            if start == end {
                let count = input.withUnsafeMutableBytes(more)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw AuditFault(path: path, call: "read", errorNumber: errno) }
                if count == 0 {
                    guard isBetweenFrames else {
                        throw AuditFault(description: "audit trail \(path): cut off within a compressed part")
                    }
                    return 0
                }
                (start, end) = (0, count)
            }
            let result = input.withUnsafeBytes { bytes in
                var given = ZSTD_inBuffer(src: bytes.baseAddress, size: end, pos: start)
                let result = ZSTD_decompressStream(stream, &output, &given)
                start = given.pos
                return result
            }
            guard ZSTD_isError(result) == 0 else {
                throw AuditFault(
                    description: "audit trail \(path): damaged: \(String(cString: ZSTD_getErrorName(result)))")
            }
            isBetweenFrames = result == 0
        }
        return output.pos
    }

    private var isBetweenFrames = true
}
