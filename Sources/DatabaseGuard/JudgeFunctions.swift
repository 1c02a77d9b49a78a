/// Where the guard decides: what is guarded, and whether a loss passes.
enum JudgeFunctions {
    static let all = [version, isExempt, isGuarded, backendStart, permit, stamp, wake]

    /// The version of the guard that this program installs.
    static let currentVersion = 1

    /// The proxy finds out with `to_regprocedure('holdfast.guard_version()')` whether a database has a guard.
    private static let version = GuardFunction(
        name: "guard_version", returns: "integer", language: .sql, isEntry: true, audience: .everybody,
        body: "SELECT \(currentVersion)")

    private static let isExempt = GuardFunction(
        name: "is_exempt", arguments: "schema_name text, table_name text", argumentTypes: "text, text",
        returns: "boolean", language: .sql,
        body: """

            SELECT schema_name = 'holdfast' OR EXISTS (
                SELECT FROM holdfast.exempt e
                WHERE schema_name ~ e.schema_expression AND table_name ~ e.name_expression)
            """)

    /// Tables, partitioned tables, foreign tables and materialized views; not the temporary ones, not the system's.
    private static let isGuarded = GuardFunction(
        name: "is_guarded", arguments: "schema_name text, table_name text, kind \"char\", persistence \"char\"",
        argumentTypes: "text, text, \"char\", \"char\"", returns: "boolean", language: .sql,
        body: """

            SELECT kind IN ('r', 'p', 'f', 'm') AND persistence <> 't'
               AND schema_name NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
               AND NOT holdfast.is_exempt(schema_name, table_name)
            """)

    private static let backendStart = GuardFunction(
        name: "backend_start", returns: "timestamptz", language: .sql,
        body: """
            SELECT a.backend_start FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a
            """)

    /// Returns the audit id of the grant that lets the loss pass, or raises the refusal.
    ///
    /// `names` and `relations` belong together; `consequence` is what the loss amounts to.
    private static let permit = GuardFunction(
        name: "permit", arguments: "tag text, relations oid[], names text[], consequence text",
        argumentTypes: "text, oid[], text[], text", returns: "text",
        body: """

            DECLARE
                me integer := pg_backend_pid();
                granted record;
                was_used boolean := false;
                reason text;
            BEGIN
                IF EXISTS (SELECT FROM pg_locks l
                           WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
                             AND l.classid::bigint = me) THEN
                    -- What this transaction remembers of the server's sessions may be older than the grant.
                    PERFORM pg_stat_clear_snapshot();
                    FOR granted IN
                        SELECT g.grant_number, g.audit_id FROM holdfast.grants() g
                        WHERE g.backend_pid = me
                          AND g.backend_start = (extract(epoch FROM holdfast.backend_start()) * 1000000)::bigint
                          AND (g.relations IS NULL OR NOT EXISTS (
                                  -- A grant for a table is one for its partitions.
                                  SELECT FROM unnest(permit.relations) r(relation)
                                  WHERE NOT r.relation = ANY (g.relations) AND NOT EXISTS (
                                      WITH RECURSIVE above(parent) AS (
                                          SELECT l.parent FROM holdfast.lineage l WHERE l.child = r.relation
                                          UNION
                                          SELECT l.parent
                                          FROM above JOIN holdfast.lineage l ON l.child = above.parent)
                                      SELECT FROM above WHERE above.parent = ANY (g.relations))))
                        ORDER BY g.grant_number
                    LOOP
                        IF holdfast.claim(granted.grant_number, granted.audit_id) THEN
                            RETURN granted.audit_id;
                        END IF;
                        was_used := true;
                    END LOOP;
                END IF;
                reason := CASE WHEN was_used THEN 'the grant for it was used by another transaction'
                               ELSE 'no grant covers it' END;
                RAISE EXCEPTION USING
                    ERRCODE = 'insufficient_privilege',
                    MESSAGE = format(
                        'holdfast guard refused %s %s%s: %s', tag, names[1],
                        CASE WHEN cardinality(names) > 1 THEN format(' and %s more', cardinality(names) - 1) END,
                        reason),
                    DETAIL = format(
                        '%s: %s%s. The command came as %s from session user %s%s.', consequence,
                        array_to_string(names[1:20], ', '),
                        CASE WHEN cardinality(names) > 20 THEN ', ...' END, tag, session_user,
                        CASE WHEN current_setting('application_name') <> ''
                             THEN format(' (%s)', current_setting('application_name')) END),
                    HINT = 'Run it through the Holdfast proxy, where its rules allow it. The owner of the guard can '
                           'take it out of this database with "holdfast guard remove".';
            END
            """)

    /// OIDs that a copy of the guard, restored from a dump, does not share.
    private static let stamp = GuardFunction(
        name: "stamp_now", returns: "oid[]", language: .sql,
        body: """
            SELECT ARRAY['holdfast.guarded'::pg_catalog.regclass::oid, 'holdfast.ddl'::pg_catalog.regclass::oid,
                         'holdfast.keep_rows()'::pg_catalog.regprocedure::oid]
            """)

    /// In a database restored from a dump: takes the tables down anew before the first DDL is judged.
    private static let wake = GuardFunction(
        name: "wake", returns: "void",
        body: """

            BEGIN
                IF (SELECT g.stamp FROM holdfast.guard g) IS DISTINCT FROM holdfast.stamp_now() THEN
                    PERFORM holdfast.adopt_all();
                END IF;
            END
            """)
}
