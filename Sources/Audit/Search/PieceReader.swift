import CZstd
import Foundation

/// Reads pieces of a trail into memory of its own, one at a time: a text is valid until the next is loaded.
final class PieceReader {
    private var packed = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    private var plain = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    private let context = ZSTD_createDCtx()

    deinit {
        packed.deallocate()
        plain.deallocate()
        ZSTD_freeDCtx(context)
    }

    /// - Throws: ``AuditFault``: the piece cannot be read or is damaged.
    func load(_ piece: TrailPiece, of file: TrailFile) throws(AuditFault) -> TrailText {
        Self.grow(&plain, to: piece.textByteCount)
        if file.isPacked || file.isInMemory {
            Self.grow(&packed, to: piece.byteCount)
            try file.bytes(of: piece, into: packed)
            let size = ZSTD_decompressDCtx(
                context, plain.baseAddress, piece.textByteCount, packed.baseAddress, piece.byteCount)
            guard ZSTD_isError(size) == 0 else {
                throw AuditFault(
                    description: "audit trail \(file.path): damaged at byte \(piece.offset): "
                        + String(cString: ZSTD_getErrorName(size)))
            }
            guard size == piece.textByteCount else {
                throw AuditFault(description: "audit trail \(file.path): damaged at byte \(piece.offset)")
            }
        } else {
            try file.bytes(of: piece, into: plain)
        }
        let bytes = UnsafeRawBufferPointer(rebasing: plain[..<piece.textByteCount])
        let text = TrailText(bytes.bindMemory(to: UInt8.self))
        if file.isPacked, piece.textByteCount > 0, bytes.last != UInt8(ascii: "\n"),
            piece.offset != file.pieces.last?.offset
        {
            throw AuditFault(
                description: "audit trail \(file.path): compressed by another program, in parts that do not end with "
                    + "a line; search it as zstdcat \(file.path) | holdfast audit search /dev/stdin")
        }
        return text
    }

    private static func grow(_ buffer: inout UnsafeMutableRawBufferPointer, to byteCount: Int) {
        guard buffer.count < byteCount else { return }
        buffer.deallocate()
        buffer = .allocate(byteCount: byteCount, alignment: 64)
    }
}
