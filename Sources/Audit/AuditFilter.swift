import Policy

/// Which statements, and other records, are wanted. An empty list asks for nothing in particular; the values of one list are
/// alternatives, the lists must all agree.
package struct AuditFilter: Sendable, Equatable {
    /// How a statement, and its transaction, ended.
    package enum End: Sendable, Equatable, Hashable {
        /// The server executed it.
        case ok
        /// The server refused it.
        case error
        /// With this SQLSTATE, or one of this class if it has two characters only (`42`).
        case sqlState(String)
        /// Its transaction's end: `committed`, `rolled_back`, `rolled_back_to_savepoint`, `prepared`, `lost`, `unknown`.
        case transaction(AuditRecord.TransactionEnd)
        /// There is no outcome, so far or for ever.
        case none
    }

    /// Nanoseconds since 1970: the first moment that is wanted.
    package var since: Int64?
    /// The first moment that is not wanted any more.
    package var until: Int64?
    package var users: [String] = []
    package var databases: [String] = []
    package var clients: [ClientPattern] = []
    package var applications: [String] = []
    package var tags: [String] = []
    package var sessions: [String] = []
    package var ids: [String] = []
    package var events: Set<AuditRecord.Event> = []
    /// Of these one at least.
    package var classes: Set<String> = []
    package var objects: [ObjectGlob] = []
    package var verdicts: [String] = []
    package var rules: [String] = []
    package var fingerprints: [String] = []
    package var ends: [End] = []
    /// Part of a text of the record or of its outcome, large and small letters alike.
    package var texts: [FoldedText] = []
    package init() {}

    /// Whether only records with a statement (intents, refusals) can be wanted; or a finding, which has objects.
    var asksForStatement: Bool {
        !classes.isEmpty || !verdicts.isEmpty || !objects.isEmpty || !rules.isEmpty
            || !fingerprints.isEmpty
    }

    /// Whether the record by itself is wanted: when, whose, and what. Its event, its outcome and its texts are left aside.
    func accepts(_ record: AuditRecord) -> Bool {
        if let since, record.time < since { return false }
        if let until, record.time >= until { return false }
        return acceptsIdentity(record) && acceptsStatement(record)
    }

    func acceptsIdentity(_ record: AuditRecord) -> Bool {
        let session = record.session
        return Self.matches(users, session.user) && Self.matches(databases, session.database)
            && Self.matches(applications, session.applicationName) && Self.matches(tags, session.tag)
            && Self.matches(sessions, session.session) && Self.matches(ids, record.id)
            && (clients.isEmpty || Self.matches(clients, client: session.client))
    }

    func acceptsStatement(_ record: AuditRecord) -> Bool {
        guard asksForStatement else { return true }
        if !objects.isEmpty {
            let named = record.statement?.objects ?? record.finding?.objects ?? []
            guard named.contains(where: { object in objects.contains { $0.matches(object) } }) else { return false }
        }
        guard !classes.isEmpty || !verdicts.isEmpty || !rules.isEmpty || !fingerprints.isEmpty else { return true }
        guard let statement = record.statement else { return false }
        return Self.matches(verdicts, statement.verdict)
            && (classes.isEmpty || statement.classes.contains { classes.contains($0) })
            && (rules.isEmpty || statement.rule.map { rules.contains($0) } ?? false)
            && (fingerprints.isEmpty || statement.fingerprint.map { fingerprints.contains($0) } ?? false)
    }

    func accepts(_ event: AuditRecord.Event) -> Bool { events.isEmpty || events.contains(event) }

    /// Whether the statement ended as it is wanted. What never ran (a refusal) and what is no statement did not end.
    func acceptsEnd(of row: AuditRow) -> Bool {
        guard !ends.isEmpty else { return true }
        guard let outcome = row.outcome else {
            guard row.record.event == .intent else { return false }
            return ends.contains(.none) || (row.state == .inDoubt && ends.contains(.transaction(.unknown)))
        }
        return accepts(outcome)
    }

    func accepts(_ outcome: AuditRecord.Outcome) -> Bool {
        ends.contains { end in
            switch end {
            case .ok: outcome.commandTag != nil && outcome.sqlState == nil
            case .error: outcome.sqlState != nil
            case .sqlState(let code):
                code.utf8.count == 2 ? outcome.sqlState?.hasPrefix(code) ?? false : outcome.sqlState == code
            case .transaction(let end): outcome.transaction == end
            case .none: false
            }
        }
    }

    /// Whether the row's events and its end are wanted.
    func acceptsShape(of row: AuditRow) -> Bool {
        let isWanted = accepts(row.record.event) || (row.outcome != nil && accepts(.outcome))
        return isWanted && acceptsEnd(of: row)
    }

    private static func matches(_ wanted: [String], _ value: String) -> Bool {
        wanted.isEmpty || wanted.contains(value)
    }

    private static func matches(_ wanted: [ClientPattern], client: String) -> Bool {
        if client == "unix" { return wanted.contains { $0.matches(nil) } }
        guard let address = NetworkAddress(Self.host(of: client)) else { return false }
        return wanted.contains { $0.matches(address) }
    }

    /// `10.0.0.1` of `10.0.0.1:4711`, `fd00::1` of `[fd00::1]:4711`.
    static func host(of client: String) -> String {
        guard let colon = client.lastIndex(of: ":") else { return client }
        let host = client[..<colon]
        return host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : String(host)
    }
}
