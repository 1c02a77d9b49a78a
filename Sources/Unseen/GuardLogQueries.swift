/// Every SQL text that reading the log sends. Names are qualified, so that no search_path leads elsewhere.
enum GuardLogQueries {
    static let exists = "SELECT pg_catalog.to_regclass('holdfast.ddl') IS NOT NULL"

    /// Microseconds since 1970.
    static let clock = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8"

    static let finishedBelow = """
        SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text
        """

    /// `$1`: the first transaction; `$2`: microseconds since 1970.
    static let rows = """
        SELECT id, (extract(epoch FROM at) * 1000000)::pg_catalog.int8, session_user_name, application_name,
               pg_catalog.host(client_addr), client_port, backend_pid,
               (extract(epoch FROM backend_start) * 1000000)::pg_catalog.int8, transaction::pg_catalog.text, phase, tag,
               object_type, schema_name, object_identity, object_oid, original, in_extension, audit_id
        FROM holdfast.ddl
        WHERE transaction OPERATOR(pg_catalog.>=) $1::pg_catalog.xid8
           OR at OPERATOR(pg_catalog.>=) pg_catalog.to_timestamp($2::pg_catalog.int8 / 1000000.0)
        ORDER BY id
        """

    static let firstTime =
        "SELECT (extract(epoch FROM pg_catalog.min(at)) * 1000000)::pg_catalog.int8 FROM holdfast.ddl"

    static let liveProcesses = """
        SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
        """

    /// Microseconds since 1970; NULL if no transaction of this database is prepared.
    static let oldestPrepared = """
        SELECT (extract(epoch FROM pg_catalog.min(prepared)) * 1000000)::pg_catalog.int8 FROM pg_catalog.pg_prepared_xacts
        WHERE database OPERATOR(pg_catalog.=) pg_catalog.current_database()
        """

    /// `$1`: OIDs of tables. Those that exist, each with what it is a partition or a child of, however far up.
    static let ancestors = """
        WITH RECURSIVE above(child, parent) AS (
            SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits
            WHERE inhrelid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
            UNION
            SELECT above.child, i.inhparent
            FROM above JOIN pg_catalog.pg_inherits i ON i.inhrelid OPERATOR(pg_catalog.=) above.parent)
        SELECT child, n.nspname, c.relname
        FROM above JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) above.parent
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        UNION ALL
        SELECT oid, NULL, NULL FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
        """
}

extension ServerDDL {
    /// A row of ``GuardLogQueries/rows``; nil if it is none.
    init?(row: [String?]) {
        guard row.count == 18, let id = row[0].flatMap({ Int64($0) }), let time = row[1].flatMap({ Int64($0) }),
            let process = row[6].flatMap({ Int32($0) }), let transaction = row[8].flatMap({ UInt64($0) }),
            let phase = row[9].flatMap({ Phase(rawValue: $0) })
        else { return nil }
        let address = row[4] ?? ""
        let port = row[5] ?? ""
        self.init(
            id: id, time: time &* 1000, user: row[2] ?? "", applicationName: row[3] ?? "",
            client: address.isEmpty ? "" : address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)",
            process: process, processStart: row[7].flatMap { Int64($0) }.map { $0 &* 1000 } ?? 0,
            transaction: transaction,
            phase: phase, tag: row[10] ?? "", objectType: row[11] ?? "", schema: row[12], identity: row[13],
            oid: row[14].flatMap { UInt32($0) } ?? 0, isOriginal: row[15] != "f", isInExtension: row[16] == "t",
            auditID: row[17])
    }
}
