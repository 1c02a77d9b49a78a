import Audit

extension UnseenFinding {
    /// What was found, as one sentence for a person who has to decide what it means.
    package var text: String {
        let did = deeds
        switch kind {
        case .otherRoute:
            let row = rows.first
            let client = row?.client ?? ""
            let origin = client.isEmpty ? "a Unix-domain socket or the server itself" : client
            return "\(did) by role \(row?.user ?? "?") from \(origin), application \"\(row?.applicationName ?? "")\", "
                + "server process \(row?.process ?? 0): not through Holdfast"
        case .moreThanShown:
            guard let statement else {
                return "\(did) in a session of Holdfast's, by a statement that the trail does not hold: "
                    + "a function, a trigger or a rule of the database ran it"
            }
            return "\(did) while statement \(statement.id) (\(statement.shown.command)) ran, which does not say so"
        case .neverExecuted:
            let objects = statement.map { Self.names($0.shown.objects.map { "\($0.kind) \($0.name)" }) } ?? ""
            let said =
                statement?.end == .committed
                ? "the server reported success" : "its outcome is not known, and its server process is gone"
            return "\(statement?.shown.command ?? "?") of \(objects) was let through and \(said), "
                + "but the server's log of DDL does not have it"
        }
    }

    /// `dropped table public.a, view public.v; ALTER TABLE table public.t`
    package var deeds: String {
        var groups: [(verb: String, objects: [String])] = []
        // What was meant stands before what went along.
        for row in rows.filter(\.isOriginal) + rows.filter({ !$0.isOriginal }) {
            let verb =
                switch row.phase {
                case .drop: "dropped"
                case .truncate: "emptied"
                case .rewrite: "rewrote"
                case .command: row.tag
                }
            let object = [row.objectType, row.identity ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
            if let index = groups.firstIndex(where: { $0.verb == verb }) {
                if !groups[index].objects.contains(object) { groups[index].objects.append(object) }
            } else {
                groups.append((verb, [object]))
            }
        }
        return groups.map { "\($0.verb) \(Self.names($0.objects))" }.joined(separator: "; ")
    }

    private static func names(_ names: [String]) -> String {
        let shown = names.prefix(6).joined(separator: ", ")
        return names.count > 6 ? "\(shown) and \(names.count - 6) more" : shown
    }

    /// The finding as a record of the trail.
    ///
    /// - Parameters:
    ///   - time: when it was found, by this machine's clock.
    ///   - id: one that no other record has.
    package func record(time: Int64, id: String, database: String) -> AuditRecord {
        let row = rows.first
        let identity =
            session
            ?? AuditRecord.SessionIdentity(
                session: "", client: row?.client ?? "", user: row?.user ?? "", database: database,
                applicationName: row?.applicationName ?? "", tag: "", backendProcessID: row?.process)
        var commands: [String] = []
        for tag in rows.map(\.tag) where !commands.contains(tag) { commands.append(tag) }
        let objects =
            rows.isEmpty
            ? statement?.shown.objects ?? []
            : rows.map { AuditRecord.Object(kind: $0.objectType, name: $0.identity ?? "") }
        return AuditRecord(
            event: .finding, time: time, id: id, session: identity,
            finding: AuditRecord.Finding(
                kind: kind.rawValue, rows: rows.map(\.id), transaction: row?.transaction, executedAt: self.time,
                commands: rows.isEmpty ? [statement?.shown.command ?? ""] : commands, objects: objects,
                statementID: statement?.id, text: text))
    }
}
