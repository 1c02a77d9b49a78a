import Foundation
import Testing

@testable import Audit

/// The same numbers in every run (SplitMix64).
struct Dice: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

@Suite struct SearchBloomTests {
    @Test(
        "a token that was put in is never denied, and few others are taken for one", arguments: [0, 1, 7, 300, 20_000])
    func noFalseNegatives(_ count: Int) {
        var dice = Dice(state: UInt64(count) + 1)
        let tokens = (0..<count).map { _ in SearchToken.of(.id, String(dice.next(), radix: 16)) }
        let bloom = SearchBloom(tokens)
        #expect(tokens.allSatisfy { bloom.mayHold($0) })
        let wrong = (0..<20_000).count { _ in bloom.mayHold(SearchToken.of(.id, String(dice.next(), radix: 16))) }
        #expect(wrong < 20_000 * 3 / 100)
        // What stands in a file answers the same.
        let read = SearchBloom(bits: bloom.bits)
        #expect(read == bloom)
        #expect(SearchBloom(bits: [UInt8]()) == nil)
    }

    @Test("the same text of another kind is another token")
    func kinds() {
        #expect(SearchToken.of(.user, "alice") != SearchToken.of(.database, "alice"))
        #expect(SearchToken.of(.user, "alice") == SearchToken.of(.user, Array("alice".utf8)))
    }
}

@Suite struct SearchIndexTests {
    /// A closed, compressed file of several frames, with its index.
    private func closedFile(_ folder: TemporaryFolder, count: Int = 6000) throws -> (path: String, ids: [String]) {
        let plain = folder.file("audit-000001.jsonl")
        var bytes: [UInt8] = []
        var ids: [String] = []
        for number in 0..<count {
            let id = "s\(number % 50)-\(number)"
            ids.append(id)
            let sql = "DROP TABLE t" + String(repeating: "x", count: number % 700)
            AuditEncoder.append(Sample.intent(id, sql: sql, time: Int64(number) * 1_000_000_000), to: &bytes)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: plain))
        var builder = SearchIndexBuilder()
        try AuditCompressor.compress(plain) { builder.take(offset: $0, byteCount: $1, lines: $2) }
        let path = plain + ".zst"
        try builder.finish(path: path).write(for: path)
        return (path, ids)
    }

    private func load(_ path: String) throws(SearchIndex.Fault) -> SearchIndex {
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        return try SearchIndex.load(for: path, descriptor: descriptor)
    }

    @Test("what is written is read back, and every record is in the frame that its tokens lead to")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let (path, ids) = try closedFile(folder)
        let index = try load(path)
        #expect(index.frames.count >= 3)
        #expect(try SearchIndex(index.bytes) == index)
        #expect(index.frames.map(\.lineCount).reduce(0, +) == ids.count)
        let file = try TrailFile(path: path, usesIndex: true)
        let reader = PieceReader()
        for (piece, frame) in zip(file.pieces, index.frames) {
            let text = try reader.load(piece, of: file)
            for line in text.lines() {
                let record = try AuditDecoder.decode(text.line(line))
                #expect(frame.tokens.mayHold(SearchToken.of(.id, record.id)))
                #expect(frame.tokens.mayHold(SearchToken.of(.object, "orders")))
                #expect(frame.tokens.mayHold(SearchToken.of(.object, "public.orders")))
                #expect(frame.firstTime <= record.time && record.time <= frame.lastTime)
            }
        }
        // Made anew it is the same.
        #expect(try SearchIndexes.make(for: path, checks: true) == .present)
        #expect(unlink(SearchIndex.path(of: path)) == 0)
        #expect(try SearchIndexes.make(for: path, checks: false) == .made(frameCount: index.frames.count))
        #expect(try load(path) == index)
    }

    @Test("an index that was cut or changed anywhere is refused, and never read outside itself")
    func torn() throws {
        let folder = try TemporaryFolder()
        let (path, _) = try closedFile(folder, count: 2500)
        let bytes = try load(path).bytes
        for length in [0, 1, 7, 8, 19, 20, 51, 52, 83, 84, bytes.count / 2, bytes.count - 33, bytes.count - 1] {
            #expect(throws: SearchIndex.Fault.damaged) { try SearchIndex(Array(bytes[..<length])) }
        }
        var dice = Dice(state: 5)
        for _ in 0..<300 {
            var changed = bytes
            changed[Int.random(in: bytes.indices, using: &dice)] ^= UInt8.random(in: 1...255, using: &dice)
            #expect(throws: SearchIndex.Fault.damaged) { try SearchIndex(changed) }
            // Also where its own hash fits: nothing may trap.
            let body = Array(changed.dropLast(AuditHash.byteCount))
            let read = try? SearchIndex(body + AuditHash.sha256(body))
            #expect(read?.frames.allSatisfy { $0.byteCount <= read?.fileByteCount ?? 0 } ?? true)
        }
    }

    @Test("an index of another file, or of this one before it was changed, is not its own")
    func foreign() throws {
        let folder = try TemporaryFolder()
        let (path, _) = try closedFile(folder, count: 2500)
        #expect(throws: SearchIndex.Fault.self) { try load(folder.file("none.zst")) }
        let index = try load(path)
        // A byte of the last frame's checksum.
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        try handle.seek(toOffset: UInt64(index.fileByteCount - 1))
        try handle.write(contentsOf: [UInt8(truncatingIfNeeded: index.frames[0].checksum) ^ 0x5A])
        try handle.close()
        #expect(throws: SearchIndex.Fault.foreign) { try load(path) }
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: SearchIndex.path(of: path)))
        #expect(throws: SearchIndex.Fault.damaged) { try load(path) }
    }

    @Test("a frame with a line that is no record is always opened")
    func opaque() throws {
        let text = AuditEncoder.line(Sample.intent("a")) + "\nhello\n"
        var builder = SearchIndexBuilder()
        Array(text.utf8).withUnsafeBufferPointer { builder.take(offset: 0, byteCount: 10, lines: $0) }
        let folder = try TemporaryFolder()
        let path = folder.file("x.zst")
        try Data(count: 10).write(to: URL(fileURLWithPath: path))
        let frame = try #require(try builder.finish(path: path).frames.first)
        #expect(frame.isOpaque && frame.lineCount == 2)
        var filter = AuditFilter()
        filter.users = ["nobody"]
        let piece = TrailPiece(frame)
        #expect(SearchPlan(filter).mayHold(piece))
    }
}
