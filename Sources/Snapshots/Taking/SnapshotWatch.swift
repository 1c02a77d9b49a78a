import Configuration
import Foundation
import ServerLink

/// Keeps an eye on a dump while it runs: time, size, and who keeps it waiting.
// Used by the thread that takes the snapshot only.
final class SnapshotWatch {
    private let settings: SnapshotSettings
    private let backend: Int32?
    private let interruption: @Sendable () -> SnapshotFault?
    private let end: ContinuousClock.Instant
    private var link: ServerConnection?
    private var application = ""
    private var folder = ""
    private var askAt = ContinuousClock.now
    private var waitingSince: ContinuousClock.Instant?

    init(
        _ settings: SnapshotSettings, backend: Int32?, interruption: @escaping @Sendable () -> SnapshotFault?
    ) {
        self.settings = settings
        self.backend = backend
        self.interruption = interruption
        end = .now + settings.timeout
    }

    /// What is left of the time.
    var left: Duration { max(.milliseconds(1), end - .now) }

    /// Nothing is dumped yet, or any more.
    func reset() {
        link = nil
        folder = ""
        waitingSince = nil
    }

    /// From here on the server is asked who keeps the dump waiting.
    func begin(_ link: ServerConnection, application: String, folder: String) {
        self.link = link
        self.application = application
        self.folder = folder
    }

    /// - Throws: a limit has been reached.
    func look() throws(SnapshotFault) {
        if let reason = interruption() { throw reason }
        let now = ContinuousClock.now
        guard now < end else { throw .late(milliseconds: settings.timeout.milliseconds) }
        if !folder.isEmpty, byteCount > settings.maximumByteCount { throw .large(limit: settings.maximumByteCount) }
        guard let link, now >= askAt else { return }
        askAt = now + .milliseconds(200)
        try lookAtLocks(link, now)
    }

    /// The client waits for the dump, so the dump must not wait for the client: nobody else sees that deadlock.
    private func lookAtLocks(_ link: ServerConnection, _ now: ContinuousClock.Instant) throws(SnapshotFault) {
        let rows: [[String?]]
        do throws(ServerFault) {
            // The list of sessions is kept for as long as a transaction lasts.
            _ = try link.query("SELECT pg_catalog.pg_stat_clear_snapshot()", [], within: left)
            rows = try link.query(SnapshotQueries.blockers, [application], within: left).rows
        } catch {
            throw .server(error.description)
        }
        guard let first = rows.first else {
            waitingSince = nil
            return
        }
        if let backend, rows.contains(where: { $0.first == String(backend) }) {
            throw .lockedByClient(["a table that the dump has to read"])
        }
        let since = waitingSince ?? now
        waitingSince = since
        guard now - since >= settings.lockTimeout else { return }
        let who = first.map { $0 ?? "" }
        throw .lockTimeout(
            "process \(who[0]) of user \(who.count > 2 ? who[2] : "") holds it "
                + "(\(who.count > 3 && !who[3].isEmpty ? who[3] : "no application_name"))")
    }

    private var byteCount: Int {
        [SnapshotManifest.definitions, SnapshotManifest.tables].reduce(0) { sum, name in
            var information = stat()
            return stat("\(folder)/\(name)", &information) == 0 ? sum + Int(information.st_size) : sum
        }
    }
}
