import Foundation
import Synchronization
import Testing

@testable import Audit

/// A trail that is written, and a follower of its files.
@Suite struct `A follower of the trail` {
    private let folder: TemporaryFolder
    private let following = AuditFollowing()
    private var live: String { folder.file("audit.jsonl") }

    init() throws { folder = try TemporaryFolder() }

    private func writer(
        rotateByteCount: Int = 1 << 16, kept: Int = 0, durability: AuditDurability = .write,
        flush: @escaping AuditFile.Flush = { fdatasync($0) }
    ) throws -> AuditWriter {
        var chain = AuditChainSettings(beside: live)
        chain.rotateByteCount = rotateByteCount
        chain.keptFileCount = kept
        // None by the clock: on a busy machine a test may take minutes.
        chain.checkpointInterval = .seconds(86_400)
        return try AuditWriter(
            path: live, durability: durability, limits: AuditLimits(), chain: chain, following: following, flush: flush,
            healthChanged: nil)
    }

    private func follower(_ instance: String? = nil, after sequence: Int64 = 0) -> AuditFollower {
        AuditFollower(livePath: live, following: following, instance: instance, after: sequence)
    }

    private func rest(_ follower: AuditFollower, byteCount: Int = 1 << 14) throws -> [AuditFollowed] {
        var all: [AuditFollowed] = []
        while true {
            let records = try follower.next(byteCount: byteCount)
            if records.isEmpty { return all }
            all += records
        }
    }

    private func fill(_ writer: AuditWriter, _ ids: Range<Int>) async {
        for id in ids {
            let sql = "CREATE TABLE t\(id) -- " + String(repeating: "x", count: 400)
            _ = await writer.commit([Sample.intent("i\(id)", sql: sql), Sample.outcome("i\(id)")])
        }
    }

    /// The lines of all files, as their readers see them.
    private func lines() throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for member in AuditFiles(livePath: live).members() {
            var reader = try AuditReader(path: member.path)
            try reader.readLines { _, line in if let line { lines.append(Array(line)) } }
        }
        return lines
    }

    @Test(arguments: [1, 1 << 14, 1 << 20]) func `hands out every record of every file, once and in order`(
        _ byteCount: Int
    )
        async throws
    {
        let writer = try writer()
        let follower = follower()
        var found: [AuditFollowed] = []
        for round in 0..<6 {
            await fill(writer, round * 50..<round * 50 + 50)
            found += try rest(follower, byteCount: byteCount)
        }
        writer.close()
        found += try rest(follower, byteCount: byteCount)
        #expect(AuditFiles(livePath: live).members().count >= 3)
        #expect(found.map(\.line) == (try lines()))
        #expect(found.map(\.sequence) == (1...Int64(found.count)).map(\.self))
        #expect(Set(found.map(\.instance)).count == 1 && follower.missingCount == 0)
    }

    @Test func `goes on after any record`() async throws {
        let writer = try writer()
        await fill(writer, 0..<120)
        writer.close()
        let all = try rest(follower())
        let instance = try #require(all.first?.instance)
        for sequence in stride(from: Int64(0), through: Int64(all.count), by: 7) {
            let follower = follower(instance, after: sequence)
            #expect(try rest(follower).map(\.sequence) == all.map(\.sequence).filter { $0 > sequence }, "\(sequence)")
            #expect(follower.missingCount == 0)
        }
    }

    @Test func `of another trail is given all of this one`() async throws {
        let writer = try writer()
        await fill(writer, 0..<3)
        writer.close()
        #expect(try rest(follower("somebody else's", after: 1000)).first?.sequence == 1)
    }

    @Test func `says how many records are in no file`() async throws {
        let writer = try writer()
        await fill(writer, 0..<250)
        writer.close()
        let all = try rest(follower())
        let members = AuditFiles(livePath: live).members()
        try #require(members.count >= 4)
        let first = follower(all.first?.instance, after: 1)
        _ = try first.next(byteCount: 1)
        try FileManager.default.removeItem(atPath: members[1].path)
        let gone = try #require(try AuditFileContents.start(of: members[2].path)?.headSequence)
        let start = try #require(try AuditFileContents.start(of: members[0].path)?.headSequence ?? 0)
        let left = try rest(first)
        #expect(first.missingCount > 0 && Int64(left.count) + first.missingCount == Int64(all.count) - 2)
        #expect(start == 0 && left.contains { $0.sequence == gone + 1 })
    }

    @Test func `is shown nothing that is not on the disk yet`() async throws {
        let writer = try writer(durability: .fsync)
        let follower = follower()
        _ = await writer.commit([Sample.intent("a")])
        let before = try rest(follower)
        #expect(before.last?.sequence == following.readableSequence && before.count == 2)
        // Nobody waits for it: it reaches the disk later.
        writer.append([Sample.outcome("a")])
        _ = await writer.commit([Sample.intent("b")])
        #expect(try rest(follower).map(\.sequence) == [3, 4])
        writer.close()
    }

    @Test func `does not see what a failed flush took back`() async throws {
        let isFailing = Flag()
        let writer = try writer(durability: .fsync) { descriptor in
            if isFailing.value {
                errno = EIO
                return -1
            }
            return fdatasync(descriptor)
        }
        let follower = follower()
        _ = await writer.commit([Sample.intent("a")])
        isFailing.value = true
        let failed = await writer.commit([Sample.intent("never", sql: "DROP TABLE never")])
        #expect(throws: AuditFault.self) { try failed.get() }
        let first = try rest(follower)
        isFailing.value = false
        _ = await writer.commit([Sample.intent("b", sql: "DROP TABLE another_name_of_another_length")])
        writer.close()
        let all = first + (try rest(follower))
        #expect(all.map(\.line) == (try lines()))
        #expect(!all.contains { String(decoding: $0.line, as: UTF8.self).contains("never\"") })
    }

    @Test func `passes over what a crash has torn`() async throws {
        let first = try writer()
        await fill(first, 0..<3)
        first.close()
        let handle = try #require(FileHandle(forWritingAtPath: live))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(#"{"v":2,"seq":9,"time"#.utf8))
        try handle.close()
        let follower = follower()
        let before = try rest(follower)
        let second = try writer()
        await fill(second, 3..<6)
        second.close()
        let all = before + (try rest(follower))
        #expect(all.map(\.sequence) == (1...Int64(all.count)).map(\.self))
        #expect(try lines().count == all.count + 1)
    }

    @Test func `keeps the files that it needs`() async throws {
        let writer = try writer(kept: 1)
        following.add("siem", neededFile: 2) {}
        await fill(writer, 0..<300)
        let kept = AuditFiles(livePath: live).members().compactMap(\.number)
        #expect(kept.first == 2 && kept.count > 2 && following.heldFileCount > 0)
        following.remove("siem")
        await fill(writer, 300..<400)
        writer.close()
        #expect(AuditFiles(livePath: live).members().compactMap(\.number).count <= 1 && following.heldFileCount == 0)
    }

    @Test func `is woken by what is written`() async throws {
        let wakes = Inbox<Bool>()
        let writer = try writer()
        following.add("siem", neededFile: 0) { wakes.post(true) }
        _ = await writer.commit([Sample.intent("a")])
        #expect(await wakes.next() == true)
        writer.close()
    }
}

/// A switch that another thread looks at.
private final class Flag: Sendable {
    private let content = Mutex(false)
    var value: Bool {
        get { content.withLock { $0 } }
        set { content.withLock { $0 = newValue } }
    }
}
