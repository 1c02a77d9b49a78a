/// The statements that a watch sends.
enum WatchQueries {
    /// Every statement of a round stands in a transaction that cannot write and does not wait long.
    ///
    /// - Parameter catalogAlone: names of types and functions come out whole, whatever the role's settings say.
    static func begin(statement: Int64, lock: Int64, catalogAlone: Bool) -> String {
        """
        BEGIN READ ONLY; SET LOCAL statement_timeout = \(statement); SET LOCAL lock_timeout = \(lock);
        SET LOCAL idle_in_transaction_session_timeout = 60000; SET LOCAL jit = off\
        \(catalogAlone ? "; SET LOCAL search_path = pg_catalog" : "")
        """
    }

    static let end = "ROLLBACK"

    /// All that a round wants to know of the catalog, by one statement. The first row tells the server: database,
    /// start, system identifier, timeline, next transaction, whether it is a standby, and the SHA-256 of all tables'
    /// shapes. If that is not $1 a row for each table follows: schema, name, kind, persistence, whether it is a
    /// partition, columns as JSON.
    ///
    /// On a primary the timeline is that of the file being written: the control file's follows at the next checkpoint.
    ///
    /// To write a default down PostgreSQL locks its table for a moment (AccessShareLock). Where somebody keeps that
    /// locked, `leavesOutLocked` leaves those defaults out, as JSON's null.
    static func catalog(leavesOutLocked: Bool) -> String {
        let expression = "coalesce(pg_get_expr(d.adbin, d.adrelid), '')"
        return catalog(
            expression: leavesOutLocked
                ? """
                CASE WHEN d.adrelid IN (
                    SELECT l.relation FROM pg_locks l
                     WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
                       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
                THEN NULL ELSE \(expression) END
                """ : expression)
    }

    private static func catalog(expression: String) -> String {
        """
        WITH relation AS MATERIALIZED (
            SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
                   c.relpersistence::text AS persistence, c.relispartition AS partition
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
               AND n.nspname NOT IN ('information_schema', 'holdfast', 'holdfast_mark')
        ), attribute AS (
            SELECT a.attrelid,
                   json_agg(json_build_array(
                       a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                       a.attidentity::text || a.attgenerated::text,
                       \(expression)) ORDER BY a.attnum)::text AS columns
              FROM pg_attribute a
              LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid IN (SELECT oid FROM relation) AND a.attnum > 0 AND NOT a.attisdropped
             GROUP BY a.attrelid
        ), shape AS MATERIALIZED (
            SELECT r.schema, r.name, r.kind, r.persistence, r.partition, coalesce(a.columns, '[]') AS columns
              FROM relation r LEFT JOIN attribute a ON a.attrelid = r.oid
        ), digest AS MATERIALIZED (
            SELECT encode(sha256(convert_to(coalesce(string_agg(
                       json_build_array(schema, name, kind, persistence, partition)::text || columns, ','
                       ORDER BY schema COLLATE "C", name COLLATE "C"), ''), 'UTF8')), 'hex') AS value
              FROM shape
        )
        SELECT 0 AS place, current_database()::text,
               to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               (SELECT system_identifier::text FROM pg_control_system()),
               CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id::text FROM pg_control_checkpoint())
                    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int::text END,
               pg_snapshot_xmax(pg_current_snapshot())::text, pg_is_in_recovery()::text, digest.value
          FROM digest
        UNION ALL
        SELECT 1, shape.schema, shape.name, shape.kind, shape.persistence, shape.partition::text, shape.columns, ''
          FROM shape, digest WHERE digest.value <> $1
         ORDER BY 1
        """
    }

    static func count(_ table: String) -> String { "SELECT count(*) FROM \(table)" }
}
