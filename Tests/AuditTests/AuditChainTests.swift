import Foundation
import Testing

@testable import Audit

@Suite("The trail's chain")
struct AuditChainTests {
    /// A trail in a folder of its own.
    private final class Trail {
        let folder: TemporaryFolder
        var settings: AuditChainSettings
        let warnings = Inbox<String>()

        init() throws {
            folder = try TemporaryFolder()
            settings = AuditChainSettings(beside: folder.file("audit.jsonl"))
            // None by the clock: on a busy machine a test may take minutes.
            settings.checkpointInterval = .seconds(86_400)
        }

        var livePath: String { folder.file("audit.jsonl") }
        var files: AuditFiles { AuditFiles(livePath: livePath) }

        func open(_ durability: AuditDurability = .write) throws -> AuditWriter {
            try AuditWriter(
                path: livePath, durability: durability, chain: settings, warn: { [warnings] in warnings.post($0) })
        }

        func verify() throws -> AuditVerifier.Result {
            var verifier = AuditVerifier(keys: try AuditKeys.load(settings.keyPath, creates: false), publicKey: nil)
            for member in files.members() { verifier.take(member.path) }
            return verifier.finish()
        }

        func records() throws -> [AuditRecord] {
            var records: [AuditRecord] = []
            for member in files.members() {
                var reader = try AuditReader(path: member.path)
                try reader.read { if case .success(let record) = $0.content { records.append(record) } }
            }
            return records
        }
    }

    @Test("records are numbered from 1 on, sealed, and verify")
    func sealed() async throws {
        let trail = try Trail()
        let writer = try trail.open()
        for id in 1...50 { _ = await writer.commit([Sample.intent("\(id)"), Sample.outcome("\(id)")]) }
        writer.close()
        let result = try trail.verify()
        #expect(result.isWhole)
        #expect(result.firstSequence == 1)
        // A beginning, two for each statement, a checkpoint at the end.
        #expect(result.lastSequence == 102)
        #expect(try trail.records().filter { $0.event == .intent }.map(\.id) == (1...50).map(String.init))
    }

    @Test("a file that has grown is closed and compressed, and the chain goes on in the next")
    func rotation() async throws {
        let trail = try Trail()
        trail.settings.rotateByteCount = 4096
        let writer = try trail.open()
        for id in 1...100 { _ = await writer.commit([Sample.intent("\(id)")]) }
        writer.close()
        let closed = trail.files.members().filter { $0.number != nil }
        #expect(closed.count >= 5)
        #expect(closed.map(\.number) == (1...closed.count).map(Int64.init))
        #expect(closed.allSatisfy { $0.path.hasSuffix(".jsonl.zst") })
        #expect(try trail.verify().isWhole)
        #expect(try trail.records().filter { $0.event == .intent }.map(\.id) == (1...100).map(String.init))
    }

    @Test("what a killed writer has left plain is compressed by the next, and a half made file is made anew")
    func leftovers() async throws {
        let trail = try Trail()
        trail.settings.rotateByteCount = 4096
        var writer = try trail.open()
        for id in 1...30 { _ = await writer.commit([Sample.intent("\(id)")]) }
        writer.close()
        let first = try #require(trail.files.members().first)
        let plain = String(first.path.dropLast(4))
        var reader = try AuditReader(path: first.path)
        var text = ""
        try reader.readLines { _, line in
            text += String(decoding: line ?? .init(start: nil, count: 0), as: UTF8.self) + "\n"
        }
        try Data(text.utf8).write(to: URL(fileURLWithPath: plain))
        try Data("half".utf8).write(to: URL(fileURLWithPath: first.path + ".part"))
        try FileManager.default.removeItem(atPath: first.path)
        #expect(try trail.verify().isWhole)
        writer = try trail.open()
        writer.close()
        #expect(access(plain, F_OK) != 0 && access(first.path, F_OK) == 0)
        #expect(try trail.verify().isWhole)
    }

    @Test("an intent that is open when a file is closed is named at the next one's beginning")
    func openIntents() async throws {
        let trail = try Trail()
        trail.settings.rotateByteCount = 4096
        var writer = try trail.open()
        _ = await writer.commit([Sample.intent("open")])
        for id in 1...30 { _ = await writer.commit([Sample.intent("\(id)"), Sample.outcome("\(id)")]) }
        writer.close()
        let starts = try trail.records().filter { $0.event == .fileStart }
        #expect(starts.count > 1)
        #expect(starts.dropFirst().allSatisfy { $0.mark?.openIntents?.contains("open") == true })
        writer = try trail.open()
        _ = await writer.commit([Sample.intent("later")])
        writer.close()
        let unknown = try trail.records().filter { $0.outcome?.transaction == .unknown }
        #expect(unknown.map(\.id) == ["open"])
        writer = try trail.open()
        _ = await writer.commit([Sample.outcome("later")])
        writer.close()
        #expect(try trail.records().filter { $0.outcome?.transaction == .unknown }.map(\.id) == ["open", "later"])
        #expect(try trail.verify().isWhole)
    }

    @Test("what is open when the writer is killed between two files is said at the next start, too")
    func killedBetweenFiles() async throws {
        let trail = try Trail()
        var writer = try trail.open()
        _ = await writer.commit([Sample.intent("open"), Sample.intent("done"), Sample.outcome("done")])
        writer.close()
        #expect(rename(trail.livePath, trail.folder.file("audit-000001.jsonl")) == 0)
        writer = try trail.open()
        _ = await writer.commit([Sample.intent("next"), Sample.outcome("next")])
        writer.close()
        let records = try trail.records()
        #expect(records.filter { $0.outcome?.transaction == .unknown }.map(\.id) == ["open"])
        #expect(records.filter { $0.event == .fileStart }.map(\.mark?.openIntents) == [[], ["open"]])
        #expect(try trail.verify().isWhole)
    }

    @Test("a file whose very first line was torn begins anew, and says so")
    func tornBeginning() async throws {
        let trail = try Trail()
        var writer = try trail.open()
        _ = await writer.commit([Sample.intent("open")])
        writer.close()
        #expect(rename(trail.livePath, trail.folder.file("audit-000001.jsonl")) == 0)
        try Data(#"{"v":2,"seq":4,"ti"#.utf8).write(to: URL(fileURLWithPath: trail.livePath))
        writer = try trail.open()
        _ = await writer.commit([Sample.intent("next"), Sample.outcome("next")])
        writer.close()
        let start = try #require(try trail.records().last { $0.event == .fileStart })
        #expect(start.mark?.file == 2 && start.mark?.tornByteCount == 18)
        #expect(try trail.verify().isWhole)
    }

    @Test("nothing that failed to be written has a number")
    func failures() async throws {
        let trail = try Trail()
        let broken = Flag()
        let writer = try AuditWriter(
            path: trail.livePath, durability: .fsync, limits: AuditLimits(), chain: trail.settings,
            flush: { _ in
                errno = EIO
                return broken.isSet ? -1 : 0
            }, healthChanged: nil)
        _ = await writer.commit([Sample.intent("1")])
        broken.isSet = true
        let refused = await writer.commit([Sample.intent("2")])
        #expect(throws: AuditFault.self) { try refused.get() }
        broken.isSet = false
        _ = await writer.commit([Sample.intent("3")])
        writer.close()
        #expect(try trail.records().filter { $0.event == .intent }.map(\.id) == ["1", "3"])
        #expect(try trail.verify().isWhole)
    }

    private final class Flag: @unchecked Sendable {
        // Changed only while the writer waits for something to do.
        var isSet = false
    }

    @Test("with async nobody waits, and all is there once the writer is closed")
    func async() async throws {
        let trail = try Trail()
        let writer = try trail.open(.async)
        for id in 1...100 {
            let result = await writer.commit([Sample.intent("\(id)")])
            #expect(throws: Never.self) { try result.get() }
        }
        writer.close()
        #expect(try trail.records().filter { $0.event == .intent }.count == 100)
        #expect(try trail.verify().isWhole)
    }

    @Test("a key file that others may read, or that is damaged, is refused with what to do")
    func keyFiles() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("keys")
        let made = try AuditKeys.load(path, creates: true)
        #expect(try AuditKeys.load(path, creates: false) == made)
        let added = try AuditKeys.addKey(path)
        let both = try AuditKeys.load(path, creates: true)
        #expect(both.keys.count == 2 && both.newest?.id == added && both.keys.first == made.newest)
        chmod(path, 0o644)
        #expect(throws: AuditFault.self) { try AuditKeys.load(path, creates: true) }
        chmod(path, 0o600)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for damaged in [text.replacing(added, with: "0123456789abcdef"), "", String(text.prefix(60)), text + "more\n"] {
            try Data(damaged.utf8).write(to: URL(fileURLWithPath: path))
            chmod(path, 0o600)
            #expect(throws: AuditFault.self) { try AuditKeys.load(path, creates: true) }
        }
    }

    @Test("a frame holds whole lines, and a line longer than a frame has one of its own")
    func frames() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("audit-000001.jsonl")
        let long = String(repeating: "x", count: 3 * AuditCompressor.frameByteCount)
        let lines =
            (0..<40_000).map { "line \($0) " + String(repeating: "y", count: $0 % 90) } + [long, "after", "no end"]
        let text = lines.joined(separator: "\n")
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        var read = ""
        var frames = 0
        var nextOffset = 0
        try AuditCompressor.compress(path) { offset, byteCount, lines in
            #expect(offset == nextOffset)
            nextOffset += byteCount
            frames += 1
            read += String(decoding: lines, as: UTF8.self)
            #expect(lines.count <= AuditCompressor.frameByteCount || lines.dropLast().allSatisfy { $0 != 10 })
        }
        #expect(read == text && frames > 3)
        #expect(access(path, F_OK) != 0)
        var reader = try AuditReader(path: path + ".zst")
        var again: [String] = []
        try reader.readLines { _, line in
            again.append(String(decoding: line ?? .init(start: nil, count: 0), as: UTF8.self))
        }
        if let rest = reader.takeRest() { again.append(String(decoding: rest, as: UTF8.self)) }
        #expect(again == lines)
    }

    @Test("a checkpoint is signed, and a change of any part of it is noticed")
    func signatures() throws {
        let folder = try TemporaryFolder()
        let signer = try AuditSigner.load(folder.file("key"), creates: true)
        let checkpoint = AuditCheckpoint(
            instance: "i", file: 3, sequence: 17, code: "ab", time: 1_700_000_000_000_000_000)
        let signature = try #require(signer.sign(checkpoint))
        let key = try AuditSigner.load(folder.file("key"), creates: false).publicKey
        #expect(AuditSigner.verifies(checkpoint, signature: signature, publicKey: key))
        let changes: [(inout AuditCheckpoint) -> Void] = [
            { $0.instance = "j" }, { $0.file = 4 }, { $0.sequence = 18 }, { $0.code = "ac" }, { $0.time += 1_000 },
        ]
        for change in changes {
            var changed = checkpoint
            change(&changed)
            #expect(!AuditSigner.verifies(changed, signature: signature, publicKey: key))
        }
        #expect(!AuditSigner.verifies(checkpoint, signature: signature, publicKey: String(repeating: "ab", count: 32)))
        #expect(!AuditSigner.verifies(checkpoint, signature: "", publicKey: key))
    }

    @Test(
        "what is no sealed line is none",
        arguments: [
            "", "{}", #"{"v":2,"seq":1,"mac":""}"#, #"{"v":1,"seq":1,"mac":"\#(String(repeating: "a", count: 64))"}"#,
            #"{"v":2,"seq":,"x":1,"mac":"\#(String(repeating: "G", count: 64))"}"#,
            #"{"v":2,"seq":99999999999999999999,"x":1,"mac":"\#(String(repeating: "a", count: 64))"}"#,
        ])
    func foreign(_ line: String) {
        #expect(Array(line.utf8).withUnsafeBufferPointer { SealedLine($0) } == nil)
    }
}
