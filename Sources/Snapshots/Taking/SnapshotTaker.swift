import Configuration
import Foundation
import ServerLink

/// Takes a snapshot: everything that a statement may lose, as it is committed now, in a form that brings it back.
///
/// A connection of Holdfast's own opens a transaction and exports its snapshot; the catalog is asked in it what the tables
/// are and what hangs on them, and two runs of pg_dump read the same: the definitions of the whole database, and the tables.
/// Only what pg_dump has an entry for counts as held. Blocks, for as long as `timeout` allows; any thread.
package struct SnapshotTaker: Sendable {
    package let settings: SnapshotSettings
    package let folder: SnapshotFolder
    /// libpq connection string.
    let connection: String

    /// - Parameters:
    ///   - folder: absolute.
    ///   - connection: libpq connection string of a role that may read the tables.
    package init(_ settings: SnapshotSettings, folder: SnapshotFolder, connection: String) {
        self.settings = settings
        self.folder = folder
        self.connection = connection
    }

    /// Takes it.
    ///
    /// - Parameter interruption: asked often; a reason ends the attempt.
    /// - Returns: nil if nothing of it is visible from outside: it was made in a transaction that has not ended, and nothing
    ///   committed is lost with it.
    /// - Throws: why there is no snapshot. Nothing is left of it then.
    package func take(
        _ wish: SnapshotWish, interruption: @escaping @Sendable () -> SnapshotFault? = { nil }
    ) throws(SnapshotFault) -> SnapshotManifest? {
        let watch = SnapshotWatch(settings, backend: wish.backend, interruption: interruption)
        for _ in 1..<Self.attempts {
            do throws(SnapshotFault) {
                return try attempt(wish, watch)
            } catch {
                guard error.isRace else { throw error }
                try watch.look()
            }
        }
        return try attempt(wish, watch)
    }

    /// While others drop tables all the time.
    private static let attempts = 10

    private func attempt(_ wish: SnapshotWish, _ watch: SnapshotWatch) throws(SnapshotFault) -> SnapshotManifest? {
        watch.reset()
        let link: ServerConnection
        let reading: SnapshotReading
        do throws(ServerFault) {
            link = try ServerConnection(connection, database: wish.database, purpose: "snapshots")
            try link.run(script: SnapshotQueries.begin, within: watch.left)
        } catch {
            throw .server(error.description)
        }
        let programs = try DumpPrograms(configured: settings.dumpProgram, serverVersion: link.serverVersion)
        do throws(ServerFault) {
            reading = try SnapshotReading(wish, link, patience: watch.left)
        } catch {
            throw .server(error.description)
        }
        if !reading.unknownNames.isEmpty {
            throw .beyondReach(
                "there is no \(reading.unknownNames.joined(separator: ", ")) in database \(link.database)")
        }
        try reading.require()
        guard !reading.relations.isEmpty else { return nil }
        let id = SnapshotFolder.newID()
        let partial = try folder.begin(id)
        do throws(SnapshotFault) {
            var manifest = manifest(id, wish, reading, link, programs)
            try dump(into: partial, &manifest, reading, link, programs, watch)
            for index in manifest.files.indices {
                let found = try FileDigest.sha256(of: "\(partial)/\(manifest.files[index].name)")
                manifest.files[index].bytes = found.byteCount
                manifest.files[index].sha256 = found.digest
            }
            try folder.keep(partial, as: manifest)
            return manifest
        } catch {
            folder.discard(partial)
            throw error
        }
    }

    private func manifest(
        _ id: String, _ wish: SnapshotWish, _ reading: SnapshotReading, _ link: ServerConnection,
        _ programs: DumpPrograms
    ) -> SnapshotManifest {
        SnapshotManifest(
            id: id, takenAt: SnapshotFolder.time(Date()), database: link.database, serverVersion: link.serverVersion,
            dumpVersion: programs.version, cause: wish.cause, tables: reading.relations,
            dependents: reading.dependents, needs: reading.needs,
            leftOut: reading.leftOut.map(\.qualifiedName), withoutRows: nil, files: [])
    }

    private func dump(
        into partial: String, _ manifest: inout SnapshotManifest, _ reading: SnapshotReading, _ link: ServerConnection,
        _ programs: DumpPrograms, _ watch: SnapshotWatch
    ) throws(SnapshotFault) {
        // A name that the monitoring query finds, short enough not to be cut.
        let application = "holdfast snapshot \(manifest.id)"
        let environment = DumpPrograms.environment(of: link, application: application)
        let common = [
            "--format=custom", "--no-password", "--snapshot=\(reading.exported)",
            // Beyond what is watched here: that has the better words.
            "--lock-wait-timeout=\(settings.lockTimeout.milliseconds + 2000)",
        ]
        watch.begin(link, application: application, folder: partial)

        var words = [programs.dump] + common + ["--schema-only"]
        words += reading.leftOut.map { "--exclude-table=\(Self.pattern($0.schema, $0.name))" }
        try run(words + ["--file=\(partial)/\(SnapshotManifest.definitions)"], environment, watch)
        manifest.files.append(SnapshotManifest.File(name: SnapshotManifest.definitions, bytes: 0, sha256: ""))
        let definitions = try Self.contents(of: "\(partial)/\(SnapshotManifest.definitions)", programs)
        try Self.require(manifest, in: definitions)

        let held = reading.relations.filter { $0.kind != "v" }
        guard !held.isEmpty else { return }
        words = [programs.dump] + common + ["--strict-names"]
        words += held.map { "--table=\(Self.pattern($0.schema, $0.name))" }
        let file = "\(partial)/\(SnapshotManifest.tables)"
        do throws(SnapshotFault) {
            try run(words + ["--file=\(file)"], environment, watch)
        } catch {
            guard error.isBeyondLimits, settings.beyond == .schemaOnly else { throw error }
            unlink(file)
            manifest.withoutRows = error.description
            return
        }
        manifest.files.append(SnapshotManifest.File(name: SnapshotManifest.tables, bytes: 0, sha256: ""))
        let tables = try Self.contents(of: file, programs)
        for table in held where table.kind == "r" && tables.number(catalog: 0, oid: table.oid) == nil {
            throw .beyondReach("pg_dump left out the rows of \(table.qualifiedName)")
        }
    }

    private func run(_ words: [String], _ environment: [String], _ watch: SnapshotWatch) throws(SnapshotFault) {
        let end = try ProgramRun(words: words, environment: environment).run { () throws(SnapshotFault) in
            try watch.look()
        }
        guard end.code == 0 else {
            if end.complaint.contains("statement timeout") { throw .lockTimeout(end.lastWords) }
            throw .program("pg_dump failed: \(end.lastWords)")
        }
        try watch.look()
    }

    /// Everything that goes has an entry of its own in the archive.
    private static func require(_ manifest: SnapshotManifest, in contents: ArchiveContents) throws(SnapshotFault) {
        let known = Set(contents.entries.map { UInt64($0.catalog) << 32 | UInt64($0.oid) })
        let relation: UInt32 = 1259
        for table in manifest.tables where !known.contains(UInt64(relation) << 32 | UInt64(table.oid)) {
            throw .beyondReach("pg_dump left out \(table.kindName) \(table.qualifiedName)")
        }
        for thing in manifest.dependents
        where thing.isEntry && !known.contains(UInt64(thing.catalog) << 32 | UInt64(thing.oid)) {
            let reason =
                manifest.leftOut.isEmpty ? "" : " (not readable now: \(manifest.leftOut.joined(separator: ", ")))"
            throw .beyondReach("pg_dump left out \(thing.text)\(reason)")
        }
    }

    static func contents(of archive: String, _ programs: DumpPrograms) throws(SnapshotFault) -> ArchiveContents {
        let end = try ProgramRun(
            words: [programs.restore, "--list", "--verbose", archive], environment: DumpPrograms.environment
        ).run()
        guard end.code == 0 else { throw .program("pg_restore cannot read \(archive): \(end.lastWords)") }
        return ArchiveContents(listing: end.output)
    }

    /// A pattern of pg_dump's that matches this name only.
    private static func pattern(_ schema: String, _ name: String) -> String {
        func quoted(_ text: String) -> String { "\"" + text.replacing("\"", with: "\"\"") + "\"" }
        return quoted(schema) + "." + quoted(name)
    }
}

extension Duration {
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(clamping: seconds) &* 1000 &+ Int(attoseconds / 1_000_000_000_000_000)
    }
}
