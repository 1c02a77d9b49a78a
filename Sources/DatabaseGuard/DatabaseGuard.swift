import ServerLink

/// The second wall: the guard inside one database.
///
/// Every change is one transaction. Blocks: never on a loop's thread.
package struct DatabaseGuard {
    let connection: ServerConnection

    /// What `install` or `upgrade` found and did.
    package enum Change: Sendable, Equatable {
        case installed(version: Int)
        case alreadyInstalled(version: Int)
        case upgraded(from: Int, to: Int)
    }

    package init(_ connection: ServerConnection) { self.connection = connection }

    /// The version of the guard that this program carries.
    package static var currentVersion: Int { JudgeFunctions.currentVersion }

    static let functions = EventFunctions.all + JudgeFunctions.all + RegistryFunctions.all + GrantFunctions.all

    /// The version that is installed; nil: none.
    package func installedVersion() throws(GuardFault) -> Int? {
        guard try value("SELECT pg_catalog.to_regclass('holdfast.guard') IS NOT NULL") == "t" else { return nil }
        return try value("SELECT version FROM holdfast.guard").flatMap { Int($0) }
    }

    /// Puts the guard in; does nothing where one is.
    ///
    /// - Parameter allowsPublication: also where a publication FOR ALL TABLES would carry the guard's tables.
    package func install(_ choices: GuardChoices, allowsPublication: Bool) throws(GuardFault) -> Change {
        try checkServer()
        var found: Int?
        try transaction { () throws(GuardFault) in
            found = try installedVersion()
            guard found == nil else { return }
            if try value("SELECT pg_catalog.to_regnamespace('holdfast') IS NOT NULL") == "t" { throw .foreignSchema }
            if !allowsPublication {
                let names = try column("SELECT pubname FROM pg_catalog.pg_publication WHERE puballtables ORDER BY 1")
                guard names.isEmpty else { throw .published(names) }
            }
            try checkRoles(choices)
            try build(choices, isNew: true)
        }
        return found.map { .alreadyInstalled(version: $0) } ?? .installed(version: Self.currentVersion)
    }

    /// Puts everything back as this version has it, and takes new choices over. The log, the grants that were used and what
    /// was chosen before stay.
    package func upgrade(_ choices: GuardChoices) throws(GuardFault) -> Change {
        try checkServer()
        guard let version = try installedVersion() else { throw .notInstalled(database: connection.database) }
        guard version <= Self.currentVersion else { throw .newer(installed: version, known: Self.currentVersion) }
        try checkOwner()
        try checkRoles(choices)
        try transaction { () throws(GuardFault) in try build(choices, isNew: false) }
        return .upgraded(from: version, to: Self.currentVersion)
    }

    /// Takes the guard out, its log included, without a trace.
    package func remove() throws(GuardFault) {
        guard try installedVersion() != nil else { throw .notInstalled(database: connection.database) }
        try checkOwner()
        try transaction { () throws(GuardFault) in
            try run(GuardEventTrigger.all.map { "DROP EVENT TRIGGER IF EXISTS \($0.name);" }.joined(separator: "\n"))
            // The tables' triggers go with their function.
            try run("DROP SCHEMA holdfast CASCADE")
        }
    }

    /// Deletes what the log holds from before that many days ago.
    ///
    /// - Returns: how many rows went.
    package func prune(olderThanDays days: Int) throws(GuardFault) -> Int {
        guard try installedVersion() != nil else { throw .notInstalled(database: connection.database) }
        let limit = "(pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => $1::pg_catalog.int4))"
        let deleted = try query(
            "DELETE FROM holdfast.ddl WHERE at OPERATOR(pg_catalog.<) \(limit)", [String(days)])
        try query("DELETE FROM holdfast.grant_use WHERE used_at OPERATOR(pg_catalog.<) \(limit)", [String(days)])
        return deleted.commandTag.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }

    // MARK: - Steps

    private func build(_ choices: GuardChoices, isNew: Bool) throws(GuardFault) {
        // The guard does not judge its own making.
        try run(GuardEventTrigger.all.map { "DROP EVENT TRIGGER IF EXISTS \($0.name);" }.joined(separator: "\n"))
        try run(GuardTables.script)
        for function in Self.functions { try run(function.script) }
        try run("REVOKE ALL ON SCHEMA holdfast FROM PUBLIC; GRANT USAGE ON SCHEMA holdfast TO PUBLIC")
        if isNew {
            try query(
                """
                INSERT INTO holdfast.guard (version, keeps_columns, keeps_values, stamp)
                VALUES ($1::integer, $2::boolean, $3::boolean, '{}')
                """,
                [
                    String(Self.currentVersion), String(choices.keepsColumns ?? true),
                    String(choices.keepsValues ?? true),
                ])
        } else {
            try query(
                """
                UPDATE holdfast.guard
                SET version = $1::integer, keeps_columns = coalesce($2::boolean, keeps_columns),
                    keeps_values = coalesce($3::boolean, keeps_values)
                """,
                [String(Self.currentVersion), choices.keepsColumns.map(String.init), choices.keepsValues.map(String.init)])
        }
        if let exempt = choices.exempt {
            try run("DELETE FROM holdfast.exempt")
            for pattern in Set(exempt) {
                try query(
                    "INSERT INTO holdfast.exempt VALUES ($1, $2, $3)",
                    [pattern.text, pattern.schemaExpression, pattern.nameExpression])
            }
        }
        if let roles = choices.roles { try permit(roles) }
        // Tables before event triggers: nobody's command finds the list half made.
        try query("SELECT holdfast.adopt_all()")
        for trigger in GuardEventTrigger.all { try run(trigger.script) }
    }

    /// Makes these roles, and no others, the ones that may open grants.
    private func permit(_ roles: [String]) throws(GuardFault) {
        let functions = Self.functions.filter { $0.audience == .grantingRoles }.map(\.signature).joined(separator: ", ")
        for role in try grantingRoles() {
            try run("REVOKE ALL ON FUNCTION \(functions) FROM \(quoted(role)); REVOKE ALL ON holdfast.ddl FROM \(quoted(role))")
        }
        for role in roles {
            try run(
                """
                GRANT EXECUTE ON FUNCTION \(functions) TO \(quoted(role));
                GRANT SELECT ON holdfast.ddl TO \(quoted(role))
                """)
        }
    }

    /// The roles that were given `open_grant`.
    func grantingRoles() throws(GuardFault) -> [String] {
        try column(
            """
            SELECT DISTINCT r.rolname
            FROM pg_catalog.pg_proc p
                 CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
            WHERE p.oid = 'holdfast.open_grant(integer, oid[], text)'::pg_catalog.regprocedure
              AND a.grantee <> p.proowner
            ORDER BY 1
            """)
    }

    // MARK: - Checks

    private func checkServer() throws(GuardFault) {
        guard connection.serverVersion >= 150_000 else { throw .serverTooOld(connection.serverVersion) }
        if try value("SELECT pg_catalog.pg_is_in_recovery()") == "t" { throw .serverIsReplica }
        guard
            try value("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER") == "t"
        else { throw .notSuperuser(user: connection.user) }
    }

    private func checkOwner() throws(GuardFault) {
        let owner = try value(
            "SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'holdfast'") ?? ""
        guard try value("SELECT CURRENT_USER") == owner else { throw .notOwner(user: connection.user, owner: owner) }
    }

    private func checkRoles(_ choices: GuardChoices) throws(GuardFault) {
        for role in choices.roles ?? [] {
            guard try value("SELECT true FROM pg_catalog.pg_roles WHERE rolname = $1", [role]) == "t" else {
                throw .missingRole(role)
            }
        }
    }

    // MARK: - The connection

    /// Waits for other changes of the guard, but not long for a table's lock: writers queue up behind it.
    private func transaction(_ body: () throws(GuardFault) -> Void) throws(GuardFault) {
        try run(
            """
            BEGIN;
            SET LOCAL search_path = pg_catalog, pg_temp;
            SET LOCAL session_replication_role = origin;
            SELECT pg_advisory_xact_lock(1214606444, 0);
            SET LOCAL lock_timeout = '10s'
            """)
        do throws(GuardFault) {
            try body()
        } catch {
            if connection.isAlive { try run("ROLLBACK") }
            throw error
        }
        try run("COMMIT")
    }

    func value(_ sql: String, _ parameters: [String?] = []) throws(GuardFault) -> String? {
        try query(sql, parameters).value
    }

    /// The first column's values.
    func column(_ sql: String) throws(GuardFault) -> [String] { try query(sql).rows.compactMap { $0.first ?? nil } }

    @discardableResult
    func query(_ sql: String, _ parameters: [String?] = []) throws(GuardFault) -> ServerRows {
        do throws(ServerFault) { return try connection.query(sql, parameters) } catch { throw .server(error) }
    }

    private func run(_ script: String) throws(GuardFault) {
        do throws(ServerFault) { try connection.run(script: script) } catch { throw .server(error) }
    }
}
