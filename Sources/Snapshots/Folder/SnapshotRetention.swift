import Configuration
import Foundation

/// Which snapshots go when others have come. Pure.
package enum SnapshotRetention {
    /// What was taken so lately stays, whatever proxy.conf says: nobody can drive a snapshot out at once by losing more.
    static let grace: TimeInterval = 3600

    /// - Parameter snapshots: the newest first.
    /// - Returns: ids and the reason, the oldest first.
    package static func doomed(
        among snapshots: [SnapshotManifest], _ settings: SnapshotSettings, now: Date
    ) -> [(id: String, reason: String)] {
        var doomed: [(id: String, reason: String)] = []
        var byteCount = 0
        var keptCount = 0
        let formatter = ISO8601DateFormatter()
        for snapshot in snapshots {
            let age = formatter.date(from: snapshot.takenAt).map { now.timeIntervalSince($0) } ?? 0
            let size = snapshot.byteCount
            var reason: String?
            if age > grace {
                if settings.keptCount > 0, keptCount >= settings.keptCount {
                    reason = "keep_count = \(settings.keptCount)"
                } else if let most = settings.keptAge, age > Double(most.components.seconds) {
                    reason = "keep_age = \(most.components.seconds / 3600)h"
                } else if settings.keptByteCount > 0, byteCount + size > settings.keptByteCount {
                    reason = "keep_size = \(SnapshotManifest.size(settings.keptByteCount))"
                }
            }
            if let reason {
                doomed.append((snapshot.id, reason))
            } else {
                keptCount += 1
                byteCount += size
            }
        }
        return doomed.reversed()
    }
}

extension SnapshotFolder {
    /// Removes what is not to be kept, and what crashes have left.
    ///
    /// - Returns: what has gone.
    package func tidy(
        _ settings: SnapshotSettings, now: Date = Date()
    ) throws(SnapshotFault) -> [(id: String, database: String, reason: String)] {
        sweep(olderThan: settings.timeout + .seconds(600), now: now)
        let snapshots = try list().snapshots
        var gone: [(id: String, database: String, reason: String)] = []
        for doomed in SnapshotRetention.doomed(among: snapshots, settings, now: now) {
            try remove(doomed.id)
            gone.append((doomed.id, snapshots.first { $0.id == doomed.id }?.database ?? "", doomed.reason))
        }
        return gone
    }
}
