import Audit

/// Something that the server's log and the trail do not agree on.
package struct UnseenFinding: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// The server did it for a connection that did not go through the proxy.
        case otherRoute = "other_route"
        /// The server did it for a session of the proxy's, and no statement that the trail holds says so.
        case moreThanShown = "more_than_shown"
        /// The trail holds a statement that should have left a row, and the log has none.
        case neverExecuted = "never_executed"
    }

    package var kind: Kind
    /// When: the first row's time, or the intent's, by the trail's clock.
    package var time: Int64
    /// In the log's order; none for what was never executed.
    package var rows: [ServerDDL]
    /// The statement that did it, as far as one can be made out, or that was never executed.
    package var statement: TrailStatement?
    /// The proxy's session, if it was one.
    package var session: AuditRecord.SessionIdentity?

    package init(
        kind: Kind, time: Int64, rows: [ServerDDL], statement: TrailStatement?, session: AuditRecord.SessionIdentity?
    ) {
        self.kind = kind
        self.time = time
        self.rows = rows
        self.statement = statement
        self.session = session
    }
}
