import CZstd
import Foundation

/// Makes the index of a compressed file from its frames, one after the other.
struct SearchIndexBuilder {
    private var frames: [SearchIndex.Frame] = []

    init() {}

    /// The next frame: where it stands in the compressed file, and its lines.
    mutating func take(offset: Int, byteCount: Int, lines: UnsafeBufferPointer<UInt8>) {
        var frame = SearchIndex.Frame(
            offset: offset, byteCount: byteCount, textByteCount: lines.count, lineCount: 0, checksum: 0,
            firstTime: .max, lastTime: .min, firstSequence: 0, lastSequence: 0, holdsStart: false, isOpaque: false,
            tokens: SearchBloom([]))
        var tokens: Set<UInt64> = []
        for line in TrailText(lines).lines() {
            frame.lineCount += 1
            let bytes = UnsafeBufferPointer(rebasing: lines[line])
            guard let record = try? AuditDecoder.decode(bytes) else {
                frame.isOpaque = true
                continue
            }
            frame.firstTime = min(frame.firstTime, record.time)
            frame.lastTime = max(frame.lastTime, record.time)
            if record.event == .start { frame.holdsStart = true }
            if let sealed = SealedLine(bytes) {
                if frame.firstSequence == 0 { frame.firstSequence = sealed.sequence }
                frame.lastSequence = max(frame.lastSequence, sealed.sequence)
            }
            SearchToken.insert(record, into: &tokens)
        }
        frame.tokens = SearchBloom(tokens)
        frames.append(frame)
    }

    /// The index of the file whose frames these are.
    ///
    /// - Throws: ``AuditFault``: the file cannot be read.
    func finish(path: String) throws(AuditFault) -> SearchIndex {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw AuditFault(path: path, call: "open", errorNumber: errno) }
        defer { close(descriptor) }
        var index = SearchIndex(fileByteCount: frames.last.map { $0.offset + $0.byteCount } ?? 0, frames: frames)
        for (number, frame) in frames.enumerated() {
            guard let checksum = SearchIndex.checksum(at: frame.offset + frame.byteCount, of: descriptor) else {
                throw AuditFault(description: "audit trail \(path): it is shorter than its frames")
            }
            index.frames[number].checksum = checksum
        }
        return index
    }
}

/// Indexes of closed files: made where they are missing.
package enum SearchIndexes {
    /// What was found beside a file, and done.
    package enum Result: Sendable, Equatable {
        case made(frameCount: Int)
        /// There is one already, and it is right.
        case present
        /// Only files that ``AuditCompressor`` has compressed have one.
        case notCompressed
        /// There was one, but what it said was not so; a new one is in its place.
        case corrected
    }

    /// Makes the index of a closed file, if it has none that fits.
    ///
    /// - Parameter checks: reads the file whole also if there is an index, and compares.
    /// - Throws: ``AuditFault``: the file cannot be read, or the index not be written.
    package static func make(for path: String, checks: Bool) throws(AuditFault) -> Result {
        let file = try TrailFile(path: path, usesIndex: false)
        guard file.isPacked else { return .notCompressed }
        let present = try? SearchIndex.load(for: path, descriptor: file.descriptor)
        if present != nil, !checks { return .present }
        var builder = SearchIndexBuilder()
        let reader = PieceReader()
        for piece in file.pieces {
            let text = try reader.load(piece, of: file)
            builder.take(offset: piece.offset, byteCount: piece.byteCount, lines: text.bytes)
        }
        let index = try builder.finish(path: path)
        if let present, present == index { return .present }
        try index.write(for: path)
        return present == nil ? .made(frameCount: index.frames.count) : .corrected
    }
}
