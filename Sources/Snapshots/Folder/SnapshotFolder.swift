import CLinux
import Foundation

/// The folder of snapshots: each has a folder of its own, named after its id, that appears whole or not at all. Any thread
/// and any process; blocks.
package struct SnapshotFolder: Sendable {
    package let path: String

    package init(_ path: String) { self.path = path }

    /// A snapshot's folder.
    package func path(of id: String) -> String { "\(path)/\(id)" }

    /// A new id: `20261126-141210-5d3b0f6f`, by UTC. They sort by age: behind the second stand five digits of its
    /// microseconds, then three random ones. Statements that drop one table each take several a second, and a recovery
    /// restores the last one first.
    static func newID(now: Date = Date()) -> String {
        let second = now.timeIntervalSince1970.rounded(.down)
        let microseconds = UInt32((now.timeIntervalSince1970 - second) * 1_000_000)
        let random = UInt32(truncatingIfNeeded: linux_random()) & 0xFFF
        let number = String(min(microseconds, 999_999) << 12 | random, radix: 16)
        let digits = time(Date(timeIntervalSince1970: second)).filter { $0.isNumber }
        return "\(digits.prefix(8))-\(digits.dropFirst(8).prefix(6))-"
            + String(repeating: "0", count: 8 - number.count) + number
    }

    /// RFC 3339, UTC, whole seconds.
    static func time(_ date: Date) -> String {
        let formatter = ISO8601DateFormatter()
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        return formatter.string(from: date)
    }

    static func isID(_ text: String) -> Bool {
        text.utf8.count == 24
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) || $0 == 0x2D }
    }

    /// Makes the folder, if it is not there.
    package func create() throws(SnapshotFault) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .file("the folder of snapshots \(path) cannot be made: \(error.localizedDescription)")
        }
    }

    // MARK: - Reading

    /// All snapshots, the newest first, and what in the folder is none, with the reason.
    package func list() throws(SnapshotFault) -> (snapshots: [SnapshotManifest], broken: [String]) {
        guard access(path, F_OK) == 0 else { return ([], []) }
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: path)
        } catch {
            throw .file("the folder of snapshots \(path) cannot be read: \(error.localizedDescription)")
        }
        var snapshots: [SnapshotManifest] = []
        var broken: [String] = []
        for name in names.filter(Self.isID).sorted(by: >) {
            do throws(SnapshotFault) {
                snapshots.append(try manifest(of: name))
            } catch {
                broken.append("\(name): \(error.description)")
            }
        }
        return (snapshots, broken)
    }

    /// The snapshots that hold a table, the newest first.
    ///
    /// - Parameter table: its name, with or without the schema, as SQL writes it or as it is.
    package func snapshots(of table: String, database: String?) throws(SnapshotFault) -> [SnapshotManifest] {
        try list().snapshots.filter { snapshot in
            (database == nil || snapshot.database == database)
                && snapshot.tables.contains { $0.isCalled(table) }
        }
    }

    package func manifest(of id: String) throws(SnapshotFault) -> SnapshotManifest {
        guard Self.isID(id) else { throw .file("\"\(id)\" is no id of a snapshot: holdfast snapshot list shows them") }
        let file = "\(path(of: id))/\(SnapshotManifest.fileName)"
        guard access(path(of: id), F_OK) == 0 else { throw .file("there is no snapshot \(id) in \(path)") }
        guard let data = FileManager.default.contents(atPath: file) else { throw .file("\(file) cannot be read") }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let manifest: SnapshotManifest
        do {
            manifest = try decoder.decode(SnapshotManifest.self, from: data)
        } catch {
            throw .file("\(file) does not make sense: it was changed, or is of another version of Holdfast")
        }
        guard manifest.version == 1, manifest.id == id else {
            throw .file("\(file) is of a later version of Holdfast, or of another snapshot")
        }
        return manifest
    }

    /// Reads a snapshot's files and says what is not as its manifest says; empty if all is.
    package func faults(of manifest: SnapshotManifest) -> [String] {
        var faults: [String] = []
        for file in manifest.files {
            let path = "\(path(of: manifest.id))/\(file.name)"
            do throws(SnapshotFault) {
                let found = try FileDigest.sha256(of: path)
                if found.byteCount != file.bytes || found.digest != file.sha256 {
                    faults.append("\(path) was changed: it has \(found.byteCount) bytes and SHA-256 \(found.digest)")
                }
            } catch {
                faults.append(error.description)
            }
        }
        return faults
    }

    // MARK: - Writing

    /// A folder for a snapshot that is being taken; ``keep(_:as:)`` or ``discard(_:)`` follows.
    func begin(_ id: String) throws(SnapshotFault) -> String {
        try create()
        let partial = "\(path)/.\(id).partial"
        guard mkdir(partial, 0o700) == 0 else {
            throw .file("\(partial) cannot be made: \(String(cString: strerror(errno)))")
        }
        return partial
    }

    func discard(_ partial: String) { try? FileManager.default.removeItem(atPath: partial) }

    /// The snapshot is whole: its manifest is written, everything flushed, and it appears under its id.
    func keep(_ partial: String, as manifest: SnapshotManifest) throws(SnapshotFault) {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data: Data
        do {
            data = try encoder.encode(manifest)
        } catch {
            throw .file("the manifest of \(manifest.id) cannot be written: \(error)")
        }
        try write(data, to: "\(partial)/\(SnapshotManifest.fileName)")
        for file in manifest.files { try flush("\(partial)/\(file.name)") }
        try flush(partial)
        guard rename(partial, path(of: manifest.id)) == 0 else {
            throw .file("\(path(of: manifest.id)) cannot be made: \(String(cString: strerror(errno)))")
        }
        try flush(path)
    }

    func write(_ data: Data, to file: String) throws(SnapshotFault) {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file("\(file) cannot be written: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let isWritten = data.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count, let start = bytes.baseAddress {
                let count = Glibc.write(descriptor, start + written, bytes.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                written += count
            }
            return fsync(descriptor) == 0
        }
        guard isWritten else { throw .file("\(file) cannot be written: \(String(cString: strerror(errno)))") }
    }

    private func flush(_ path: String) throws(SnapshotFault) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file("\(path) cannot be flushed: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw .file("\(path) cannot be flushed: \(String(cString: strerror(errno)))")
        }
    }

    /// Removes a snapshot: it is gone at once, or not at all.
    package func remove(_ id: String) throws(SnapshotFault) {
        guard Self.isID(id) else { throw .file("\"\(id)\" is no id of a snapshot") }
        let doomed = "\(path)/.\(id).removed"
        guard rename(path(of: id), doomed) == 0 else {
            throw .file("\(path(of: id)) cannot be removed: \(String(cString: strerror(errno)))")
        }
        discard(doomed)
    }

    /// Removes what crashes have left.
    ///
    /// - Parameter age: what is younger may still be written, by another process.
    func sweep(olderThan age: Duration, now: Date = Date()) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        where name.hasPrefix(".") && (name.hasSuffix(".partial") || name.hasSuffix(".removed")) {
            var information = stat()
            guard stat("\(path)/\(name)", &information) == 0 else { continue }
            let seconds = now.timeIntervalSince1970 - Double(information.st_mtim.tv_sec)
            if seconds > Double(age.components.seconds) { discard("\(path)/\(name)") }
        }
    }
}

extension SnapshotManifest.Table {
    /// Whether somebody means this table by the name.
    package func isCalled(_ text: String) -> Bool {
        text == name || text == "\(schema).\(name)" || text == qualifiedName
            || (qualifiedName.hasSuffix("." + text) && text.hasPrefix("\""))
    }
}
