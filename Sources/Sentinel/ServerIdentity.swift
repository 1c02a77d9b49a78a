/// Which server answered, and since when it is the one that it is.
package struct ServerIdentity: Sendable, Hashable, Codable {
    /// Made with the cluster; the same on its standbys and in its backups.
    package var systemIdentifier: String
    /// One more with each promotion.
    package var timeline: Int
    /// As the server writes it.
    package var startTime: String
    /// Every transaction before this one has a number; it only grows, unless the server goes back in time.
    package var nextTransaction: UInt64
    package var isStandby: Bool

    package init(
        systemIdentifier: String, timeline: Int, startTime: String, nextTransaction: UInt64, isStandby: Bool
    ) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.startTime = startTime
        self.nextTransaction = nextTransaction
        self.isStandby = isStandby
    }

    /// What happened between two rounds, the gravest alone: another cluster, one that went back in time, a promotion, a
    /// start.
    ///
    /// - Parameter consequences: what else the round found that the one before had not, in a sentence.
    static func finding(
        from former: ServerIdentity, to now: ServerIdentity, consequences: String
    ) -> WatchFinding? {
        if former.systemIdentifier != now.systemIdentifier {
            return WatchFinding(
                .serverReplaced, .server, now.systemIdentifier,
                "another cluster answers: system identifier \(now.systemIdentifier), not \(former.systemIdentifier). "
                    + "If that is meant, accept it: holdfast watch --accept. \(consequences)")
        }
        let promotion = former.timeline == now.timeline ? "" : ", timeline \(former.timeline) became \(now.timeline)"
        // A standby's view is as old as what it has replayed.
        if now.nextTransaction < former.nextTransaction, !now.isStandby || former.isStandby {
            return WatchFinding(
                .serverRestored, .server, "\(now.startTime) \(now.timeline)",
                "the server went back in time: its next transaction is \(now.nextTransaction) and was "
                    + "\(former.nextTransaction)\(promotion). It was restored from a backup, or a standby took over that had "
                    + "not received everything. \(consequences)")
        }
        if former.timeline != now.timeline {
            return WatchFinding(
                .serverFailedOver, .server, "\(now.timeline)",
                "another server took over: timeline \(former.timeline) became \(now.timeline), started "
                    + "\(now.startTime). \(consequences)")
        }
        if former.startTime != now.startTime, former.isStandby == now.isStandby {
            return WatchFinding(
                .serverRestarted, .server, now.startTime,
                "the server was started again at \(now.startTime). \(consequences)")
        }
        return nil
    }
}
