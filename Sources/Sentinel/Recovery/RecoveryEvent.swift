import CLinux
import Foundation

/// What a recovery does, for the trail: `holdfast serve` has that open. Notes wait in the watches' folder, a file each, until
/// serve takes them over, now or at its next start.
package struct RecoveryEvent: Codable, Sendable, Equatable {
    package enum Action: String, Codable, Sendable, CaseIterable {
        case begun
        /// A step begins.
        case step
        /// A statement, or a program's command line, is about to be run.
        case statement
        /// A step is done.
        case done
        /// A step failed; the recovery stands.
        case failed
        /// The recovery is over.
        case finished
        /// Somebody gave it up.
        case abandoned
    }

    package var action: Action
    package var watch: String
    package var recovery: String
    package var database: String
    /// The operating-system user who runs it.
    package var user: String
    /// Counted from 1; 0 for the recovery as such.
    package var step: Int
    package var statement: String?
    package var text: String
    /// Nanoseconds since 1970.
    package var time: Int64
}

package struct RecoveryNotes: Sendable {
    private let folder: StateFolder

    package init(_ folder: StateFolder) { self.folder = folder }

    /// Statements are shown up to this length.
    private static let maximumStatementBytes = 1 << 16

    package func leave(_ events: [RecoveryEvent]) throws(StateFolder.Fault) {
        guard !events.isEmpty else { return }
        let cut = events.map { event in
            var event = event
            if let text = event.statement, text.utf8.count > Self.maximumStatementBytes {
                let start = String(decoding: text.utf8.prefix(Self.maximumStatementBytes), as: UTF8.self)
                event.statement = start + " … (\(text.utf8.count) bytes)"
            }
            return event
        }
        let time = String(linux_clock_realtime())
        try folder.write(cut, to: "\(folder.path)/.\(time)-\(String(linux_random(), radix: 16)).recovery")
    }

    /// All notes, the oldest first; they are gone then.
    package func take() -> [RecoveryEvent] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasPrefix(".") && $0.hasSuffix(".recovery") }.sorted().flatMap { name in
            let path = "\(folder.path)/\(name)"
            guard let data = FileManager.default.contents(atPath: path) else { return [RecoveryEvent]() }
            unlink(path)
            return (try? JSONDecoder().decode([RecoveryEvent].self, from: data)) ?? []
        }
    }
}
