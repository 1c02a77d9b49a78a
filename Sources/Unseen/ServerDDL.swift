/// One row of `holdfast.ddl`: something that the server did to its catalog (or a TRUNCATE), as the guard in the database
/// recorded it within the transaction that did it. What was rolled back has no row.
package struct ServerDDL: Sendable, Equatable {
    package enum Phase: String, Sendable {
        /// `ddl_command_end`: created or altered.
        case command
        /// `sql_drop`: gone, as the statement's own victim or along with it.
        case drop
        /// `table_rewrite`: every row was written anew.
        case rewrite
        case truncate
    }

    package var id: Int64
    /// When, by the server's clock: nanoseconds since 1970.
    package var time: Int64
    package var user: String
    package var applicationName: String
    /// The client's address and port as the server saw them; empty for a Unix-domain socket.
    package var client: String
    package var process: Int32
    /// When that process began, by the server's clock. A process's number is used again later.
    package var processStart: Int64
    /// The 64-bit transaction number.
    package var transaction: UInt64
    package var phase: Phase
    /// The command's own tag, also of one that runs within a function (`DROP TABLE`).
    package var tag: String
    /// As `pg_identify_object` names it: `table`, `table column`, `materialized view`.
    package var objectType: String
    package var schema: String?
    /// As `pg_identify_object` writes it: `public."Odd"`, `t on public.orders`. Nil where the server gives none (GRANT).
    package var identity: String?
    package var oid: UInt32
    /// False for what went along with something else.
    package var isOriginal: Bool
    package var isInExtension: Bool
    /// The id of the audit record whose grant let it pass.
    package var auditID: String?

    package init(
        id: Int64, time: Int64, user: String, applicationName: String, client: String, process: Int32,
        processStart: Int64, transaction: UInt64, phase: Phase, tag: String, objectType: String, schema: String?,
        identity: String?, oid: UInt32, isOriginal: Bool, isInExtension: Bool, auditID: String?
    ) {
        self.id = id
        self.time = time
        self.user = user
        self.applicationName = applicationName
        self.client = client
        self.process = process
        self.processStart = processStart
        self.transaction = transaction
        self.phase = phase
        self.tag = tag
        self.objectType = objectType
        self.schema = schema
        self.identity = identity
        self.oid = oid
        self.isOriginal = isOriginal
        self.isInExtension = isInExtension
        self.auditID = auditID
    }

    /// Whether it matters to nobody but its session, or changes no catalog: a temporary object, a REFRESH, which fills
    /// a materialized view anew.
    package var isOfNoConcern: Bool {
        let isTemporary =
            schema == "pg_temp" || schema?.hasPrefix("pg_temp_") == true || identity?.hasPrefix("pg_temp") == true
            || identity?.contains(" on pg_temp") == true || identity?.hasPrefix("for pg_temp") == true
        return isTemporary || tag == "REFRESH MATERIALIZED VIEW"
    }
}
