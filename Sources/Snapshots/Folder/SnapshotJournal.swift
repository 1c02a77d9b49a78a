import CLinux
import Foundation

/// What commands have done with snapshots, for the trail: `holdfast serve` has that open. Each note is a file of its own in the
/// folder of snapshots until serve takes it over, now or at its next start.
package struct SnapshotJournal: Sendable {
    package struct Note: Codable, Sendable, Equatable {
        /// `taken`, `restored`, `removed`, `failed`.
        package var action: String
        package var snapshot: String?
        package var database: String
        /// The operating-system user who ran the command.
        package var user: String
        /// Nanoseconds since 1970.
        package var time: Int64
        package var text: String
        package init(action: String, snapshot: String?, database: String, text: String) {
            self.action = action
            self.snapshot = snapshot
            self.database = database
            user = NSUserName()
            time = linux_clock_realtime()
            self.text = text
        }
    }

    private let folder: SnapshotFolder

    package init(_ folder: SnapshotFolder) { self.folder = folder }

    package func leave(_ note: Note) throws(SnapshotFault) {
        try folder.create()
        let name = "\(folder.path)/.\(note.time)-\(String(linux_random(), radix: 16)).note"
        guard let data = try? JSONEncoder().encode(note) else { throw .file("\(name) cannot be written") }
        try folder.write(data, to: name + ".new")
        guard rename(name + ".new", name) == 0 else {
            throw .file("\(name) cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// All notes, the oldest first; they are gone then.
    package func take() -> [Note] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasPrefix(".") && $0.hasSuffix(".note") }.sorted().compactMap { name in
            let path = "\(folder.path)/\(name)"
            guard let data = FileManager.default.contents(atPath: path) else { return nil }
            unlink(path)
            return try? JSONDecoder().decode(Note.self, from: data)
        }
    }
}
