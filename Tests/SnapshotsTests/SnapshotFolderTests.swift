import Configuration
import Foundation
import Testing

@testable import Snapshots

private func manifest(_ id: String, at time: String, bytes: Int = 100) -> SnapshotManifest {
    SnapshotManifest(
        id: id, takenAt: time, database: "shop", serverVersion: 150_018, dumpVersion: "15.18",
        cause: SnapshotManifest.Cause(
            kind: .statement, intent: "a-1", user: "migrator", tag: "production", command: "DROP TABLE"),
        tables: [
            SnapshotManifest.Table(
                schema: "public", name: "odd \"name", qualifiedName: "public.\"odd \"\"name\"", kind: "r", oid: 16_400,
                rows: 7,
                bytes: 8192, stays: false)
        ], dependents: [], needs: [], leftOut: [], withoutRows: nil,
        files: [SnapshotManifest.File(name: SnapshotManifest.definitions, bytes: bytes, sha256: "")])
}

@Suite struct `The folder of snapshots` {
    private let folder = SnapshotFolder(
        FileManager.default.temporaryDirectory.path + "/holdfast-snapshots-\(UInt64.random(in: 0...UInt64.max))")

    private func keep(_ id: String, text: String = "archive", time: String = "2026-11-26T14:00:00Z") throws {
        let partial = try folder.begin(id)
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(partial)/\(SnapshotManifest.definitions)"))
        var manifest = manifest(id, at: time)
        let found = try FileDigest.sha256(of: "\(partial)/\(SnapshotManifest.definitions)")
        manifest.files = [
            SnapshotManifest.File(name: SnapshotManifest.definitions, bytes: found.byteCount, sha256: found.digest)
        ]
        try folder.keep(partial, as: manifest)
    }

    private func remove() { try? FileManager.default.removeItem(atPath: folder.path) }

    @Test func `that does not exist holds none`() throws {
        #expect(try folder.list().snapshots.isEmpty)
    }

    @Test func `lists the newest first, and finds those of a table by any spelling`() throws {
        defer { remove() }
        try keep("20261126-140000-00000001")
        try keep("20261126-150000-00000002")
        #expect(try folder.list().snapshots.map(\.id) == ["20261126-150000-00000002", "20261126-140000-00000001"])
        for spelling in ["odd \"name", "public.odd \"name", "public.\"odd \"\"name\"", "\"odd \"\"name\""] {
            #expect(try folder.snapshots(of: spelling, database: "shop").count == 2, "\(spelling)")
        }
        #expect(try folder.snapshots(of: "odd", database: nil).isEmpty)
        #expect(try folder.snapshots(of: "odd \"name", database: "other").isEmpty)
    }

    @Test func `shows nothing of a snapshot that is being taken`() throws {
        defer { remove() }
        let partial = try folder.begin("20261126-140000-00000001")
        #expect(try folder.list().snapshots.isEmpty)
        folder.discard(partial)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test func `knows a file that was changed, cut or taken away`() throws {
        defer { remove() }
        let id = "20261126-140000-00000001"
        try keep(id)
        let snapshot = try folder.manifest(of: id)
        #expect(folder.faults(of: snapshot).isEmpty)
        let file = "\(folder.path(of: id))/\(SnapshotManifest.definitions)"
        for text in ["archivE", "archiv", ""] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            #expect(folder.faults(of: snapshot).count == 1, "\(text)")
        }
        try FileManager.default.removeItem(atPath: file)
        #expect(folder.faults(of: snapshot).count == 1)
    }

    @Test func `names what is broken and goes on`() throws {
        defer { remove() }
        try keep("20261126-140000-00000001")
        try keep("20261126-150000-00000002")
        try Data("{".utf8).write(
            to: URL(fileURLWithPath: "\(folder.path(of: "20261126-150000-00000002"))/\(SnapshotManifest.fileName)"))
        let (snapshots, broken) = try folder.list()
        #expect(snapshots.map(\.id) == ["20261126-140000-00000001"])
        #expect(broken.count == 1)
    }

    @Test(arguments: ["", "../../etc", "20261126-140000-0000000g", "20261126-140000-000000011"])
    func `takes no path for an id`(id: String) {
        #expect(throws: SnapshotFault.self) { try folder.manifest(of: id) }
        #expect(throws: SnapshotFault.self) { try folder.remove(id) }
    }

    @Test func `hands each note of a command over once`() throws {
        defer { remove() }
        let journal = SnapshotJournal(folder)
        try journal.leave(.init(action: "restored", snapshot: "x", database: "shop", text: "public.t"))
        #expect(journal.take().map(\.action) == ["restored"])
        #expect(journal.take().isEmpty)
    }

    @Test func `gives ids that sort by time and that it takes`() {
        let early = SnapshotFolder.newID(now: Date(timeIntervalSince1970: 1_790_000_000))
        let between = SnapshotFolder.newID(now: Date(timeIntervalSince1970: 1_790_000_000.001))
        let late = SnapshotFolder.newID(now: Date(timeIntervalSince1970: 1_790_000_001))
        #expect(early < between && between < late && SnapshotFolder.isID(between))
        #expect(early < late)
        #expect(SnapshotFolder.isID(early) && SnapshotFolder.isID(late))
    }
}

@Suite struct `What is kept of snapshots` {
    private static let now = ISO8601DateFormatter().date(from: "2026-11-26T12:00:00Z") ?? Date()

    private struct Row {
        var title: String
        var count = 0
        var hours: Int?
        var bytes = 0
        var gone: [String]
    }

    /// Taken half an hour, two, 30 and 60 hours ago, 100 bytes each.
    private static let snapshots = [
        manifest("d", at: "2026-11-26T11:30:00Z"), manifest("c", at: "2026-11-26T10:00:00Z"),
        manifest("b", at: "2026-11-25T06:00:00Z"), manifest("a", at: "2026-11-24T00:00:00Z"),
    ]

    private static let rows = [
        Row(title: "everything", gone: []),
        Row(title: "by number", count: 2, gone: ["a", "b"]),
        Row(title: "by age", hours: 24, gone: ["a", "b"]),
        Row(title: "by size", bytes: 350, gone: ["a"]),
        Row(title: "the last hour's stay", count: 1, hours: 1, bytes: 50, gone: ["a", "b", "c"]),
    ]

    @Test func `follows from number, age and size`() {
        for row in Self.rows {
            var settings = SnapshotSettings()
            settings.keptCount = row.count
            settings.keptAge = row.hours.map { .seconds($0 * 3600) }
            settings.keptByteCount = row.bytes
            let gone = SnapshotRetention.doomed(among: Self.snapshots, settings, now: Self.now).map(\.id)
            #expect(gone == row.gone, "\(row.title)")
        }
    }
}
