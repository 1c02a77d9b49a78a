/// What a look at a database's guard found.
package struct GuardStatus: Sendable, Encodable {
    /// Whether the guard is there, and as it was installed.
    package enum Condition: String, Sendable, Encodable {
        case whole
        case missing
        case damaged
    }

    package struct OpenGrant: Sendable, Encodable {
        package var number: Int
        package var auditID: String
        package var backend: Int
        /// Names of the tables; nil: any.
        package var tables: [String]?
        package var granter: Int
    }

    package var condition: Condition
    package var database: String
    package var version: Int?
    package var currentVersion = DatabaseGuard.currentVersion
    package var owner = ""
    package var grantingRoles: [String] = []
    package var exempt: [String] = []
    package var keepsColumns = true
    package var keepsValues = true
    package var guardedTables = 0
    package var tablesWithoutTrigger: [String] = []
    package var openGrants: [OpenGrant] = []
    package var ddlRows = 0
    /// What is not as it was installed, in words. Empty: whole.
    package var damages: [String] = []
    /// What else the owner should know.
    package var warnings: [String] = []

    init(missingIn database: String) {
        condition = .missing
        self.database = database
    }
}

extension DatabaseGuard {
    /// Looks at everything that the guard consists of. Changes nothing.
    package func status() throws(GuardFault) -> GuardStatus {
        var status = GuardStatus(missingIn: connection.database)
        guard let version = try installedVersion() else {
            if try value("SELECT pg_catalog.to_regnamespace('holdfast') IS NOT NULL") == "t" {
                status.condition = .damaged
                status.damages = ["schema holdfast is there, but not the table holdfast.guard"]
            }
            return status
        }
        status.version = version
        if version != Self.currentVersion {
            status.damages.append("version \(version) is installed, and this Holdfast brings version \(Self.currentVersion)")
        }
        status.damages += try functionDamages() + triggerDamages()
        try readTables(into: &status)
        status.condition = status.damages.isEmpty ? .whole : .damaged
        return status
    }

    private func functionDamages() throws(GuardFault) -> [String] {
        let rows = try query(
            """
            SELECT p.oid::pg_catalog.regprocedure, p.prosrc, p.prosecdef, pg_catalog.array_to_json(p.proconfig),
                   p.proowner = n.nspowner, r.rolsuper,
                   EXISTS (SELECT FROM pg_catalog.aclexplode(
                               coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
                           WHERE a.grantee = 0),
                   p.proname || '(' || pg_catalog.array_to_string(
                       ARRAY(SELECT pg_catalog.format_type(t, NULL) FROM pg_catalog.unnest(p.proargtypes) t), ', ') || ')'
            FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                 JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
            WHERE n.nspname = 'holdfast'
            """
        ).rows
        var damages: [String] = []
        var installed = Set(rows.compactMap { $0[7] })
        for function in Self.functions {
            let name = "\(function.name)(\(function.argumentTypes))"
            guard let row = rows.first(where: { $0[7] == name }) else {
                damages.append("function holdfast.\(name) is missing")
                continue
            }
            installed.remove(name)
            let settings = function.configuration.map { "\"\($0)\"" }.joined(separator: ",")
            if row[1] != function.body { damages.append("function holdfast.\(name) was replaced") }
            if (row[2] == "t") != function.isEntry || (row[3] ?? "") != (settings.isEmpty ? "" : "[\(settings)]") {
                damages.append("function holdfast.\(name) has other settings")
            }
            if row[4] != "t" || row[5] != "t" { damages.append("function holdfast.\(name) has another owner, or one that is no superuser") }
            if (row[6] == "t") != (function.audience == .everybody) {
                damages.append("function holdfast.\(name) has other permissions")
            }
        }
        return damages + installed.sorted().map { "function holdfast.\($0) is not the guard's" }
    }

    private func triggerDamages() throws(GuardFault) -> [String] {
        let rows = try query(
            """
            SELECT e.evtname, e.evtevent, e.evtenabled, e.evtfoid::pg_catalog.regproc,
                   coalesce(pg_catalog.array_to_string(e.evttags, ','), ''), r.rolsuper
            FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_roles r ON r.oid = e.evtowner
            """
        ).rows
        var damages: [String] = []
        for trigger in GuardEventTrigger.all {
            guard let row = rows.first(where: { $0[0] == trigger.name }) else {
                damages.append("event trigger \(trigger.name) is missing")
                continue
            }
            switch row[2] {
            case "A": break
            case "D": damages.append("event trigger \(trigger.name) is disabled")
            default: damages.append("event trigger \(trigger.name) is not enabled ALWAYS")
            }
            if row[1] != trigger.event || row[3] != "holdfast.\(trigger.function)"
                || row[4] != trigger.tags.joined(separator: ",")
            {
                damages.append("event trigger \(trigger.name) was replaced")
            }
            if row[5] != "t" { damages.append("event trigger \(trigger.name) belongs to a role that is no superuser") }
        }
        if try value("SELECT pg_catalog.current_setting('event_triggers', true)") == "off" {
            damages.append("the setting event_triggers is off: no event trigger fires")
        }
        return damages
    }

    private func readTables(into status: inout GuardStatus) throws(GuardFault) {
        let choices = try query(
            """
            SELECT keeps_columns, keeps_values, stamp IS NOT DISTINCT FROM holdfast.stamp_now(),
                   (SELECT pg_catalog.count(*) FROM holdfast.guarded), (SELECT pg_catalog.count(*) FROM holdfast.ddl),
                   (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'holdfast')
            FROM holdfast.guard
            """
        ).rows.first ?? []
        guard choices.count == 6 else { return }
        status.keepsColumns = choices[0] == "t"
        status.keepsValues = choices[1] == "t"
        status.guardedTables = choices[3].flatMap { Int($0) } ?? 0
        status.ddlRows = choices[4].flatMap { Int($0) } ?? 0
        status.owner = choices[5] ?? ""
        status.grantingRoles = try grantingRoles()
        status.exempt = try column("SELECT pattern FROM holdfast.exempt ORDER BY pattern")
        if choices[2] != "t" {
            status.damages.append("this is a copy restored from a dump: its list of tables is another database's")
        }
        status.tablesWithoutTrigger = try column(
            """
            SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE holdfast.takes_trigger(c.relkind) AND holdfast.is_guarded(n.nspname, c.relname, c.relkind, c.relpersistence)
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                              WHERE t.tgrelid = c.oid AND t.tgenabled = 'A' AND \(RegistryFunctions.isOurs))
            ORDER BY 1
            """)
        if !status.tablesWithoutTrigger.isEmpty {
            status.damages.append("\(status.tablesWithoutTrigger.count) tables have no TRUNCATE trigger of the guard's")
        }
        let unknown = try column(
            """
            SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 LEFT JOIN holdfast.guarded g ON g.relation = c.oid
            WHERE holdfast.is_guarded(n.nspname, c.relname, c.relkind, c.relpersistence)
              AND (g.schema_name, g.table_name) IS DISTINCT FROM (n.nspname, c.relname)
            ORDER BY 1
            """)
        if !unknown.isEmpty {
            status.damages.append("\(unknown.count) tables are not in the guard's list: \(unknown.prefix(5).joined(separator: ", "))")
        }
        status.openGrants = try query(
            """
            SELECT g.grant_number, g.audit_id, g.backend_pid, g.granter_pid, g.relations IS NULL,
                   ARRAY(SELECT r::pg_catalog.regclass::text FROM pg_catalog.unnest(g.relations) r)::text
            FROM holdfast.grants() g ORDER BY 1
            """
        ).rows.map { row in
            GuardStatus.OpenGrant(
                number: row[0].flatMap { Int($0) } ?? 0, auditID: row[1] ?? "", backend: row[2].flatMap { Int($0) } ?? 0,
                tables: row[4] == "t" ? nil : (row[5] ?? "").dropFirst().dropLast().split(separator: ",").map(String.init),
                granter: row[3].flatMap { Int($0) } ?? 0)
        }
        let published = try column("SELECT pubname FROM pg_catalog.pg_publication WHERE puballtables ORDER BY 1")
        if !published.isEmpty {
            status.warnings.append(
                "publication \(published.joined(separator: ", ")) is FOR ALL TABLES and carries the guard's own tables too")
        }
    }
}
