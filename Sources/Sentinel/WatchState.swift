import Configuration

/// What is remembered of one watch, across restarts of Holdfast.
package struct WatchState: Sendable, Codable, Equatable {
    /// A finding that stands.
    package struct Open: Sendable, Codable, Equatable {
        package var finding: WatchFinding
        /// RFC 3339.
        package var since: String
    }

    /// Of the file's format.
    package var version = 1
    package var open: [Open] = []
    package var server: ServerIdentity?
    package var counts: [String: Int64] = [:]
    /// The acceptance that the counts and the server come from, or came from at first.
    package var baselineID: String?
    /// What has not been delivered yet, oldest first.
    package var outbox: [WatchNotice] = []

    package init() {}

    /// So many undelivered notices are kept; then the oldest go.
    static let maximumOutbox = 100

    /// What the next round is told.
    package var memory: Watcher.Memory {
        var memory = Watcher.Memory()
        memory.server = server
        memory.counts = counts
        memory.open = Set(open.map(\.finding.key))
        return memory
    }

    /// A newly accepted state is what rounds compare with from now on.
    package mutating func accept(_ baseline: Baseline) {
        guard baselineID != baseline.id else { return }
        baselineID = baseline.id
        server = baseline.server
        counts.merge(baseline.counts) { _, accepted in accepted }
    }

    /// Takes a round's report: what is new is raised, what is gone is cleared, each once. What could not be looked at
    /// stays as it was.
    ///
    /// - Returns: nil if nothing has changed.
    package mutating func take(_ report: WatchReport, memory: Watcher.Memory, noticeID: String) -> WatchNotice? {
        server = memory.server
        counts = memory.counts
        let unseen = Set(report.unseen)
        var raised: [Open] = []
        var cleared: [Open] = []
        var kept: [Open] = []
        var present: [WatchFinding.Key: WatchFinding] = [:]
        for finding in report.findings { present[finding.key] = finding }
        for open in self.open {
            if let finding = present.removeValue(forKey: open.finding.key) {
                kept.append(Open(finding: finding, since: open.since))
            } else if unseen.contains(open.finding.part) {
                kept.append(open)
            } else {
                cleared.append(open)
            }
        }
        for finding in report.findings where present[finding.key] != nil {
            present[finding.key] = nil
            raised.append(Open(finding: finding, since: report.time))
        }
        open = kept + raised
        guard !raised.isEmpty || !cleared.isEmpty else { return nil }
        return WatchNotice(
            id: noticeID, watch: report.watch, database: report.database, time: report.time, raised: raised,
            cleared: cleared, openCount: open.count)
    }

    /// Puts a notice where it is kept until it has been delivered to all of these.
    ///
    /// - Returns: how many older ones had to go.
    package mutating func post(_ notice: WatchNotice, to channels: [WatchNotice.Channel]) -> Int {
        guard !channels.isEmpty else { return 0 }
        var notice = notice
        notice.undelivered = channels
        outbox.append(notice)
        let surplus = max(0, outbox.count - Self.maximumOutbox)
        outbox.removeFirst(surplus)
        return surplus
    }
}

/// What one round has raised and cleared, as somebody is told it.
package struct WatchNotice: Sendable, Codable, Equatable {
    package enum Channel: String, Sendable, Codable, CaseIterable {
        case webhook, command
    }

    /// Unique: whoever gets a notice twice can tell.
    package var id: String
    package var watch: String
    package var database: String
    package var time: String
    package var raised: [WatchState.Open]
    package var cleared: [WatchState.Open]
    /// How many findings stand now.
    package var openCount: Int
    package var undelivered: [Channel] = []
}
