/// Grants: the permission for one backend to lose named tables, in one transaction.
///
/// A grant is nothing but advisory locks that the granter's session holds. So it needs no disk, ends with the granter's
/// connection whatever kills it, and is seen from within any transaction, however old its snapshot (a row would not be).
/// A client can take the same locks; they count only if the session that holds them belongs to a role that may call
/// `open_grant`, and that is looked up in the server's own list of sessions.
///
/// The locks of grant `n` for backend `b`:
/// - the key pair `(b, n)`: the grant's head, taken last and let go first;
/// - the 64-bit keys `(n << 32) | oid`: the tables; oid 0: any;
/// - the 64-bit keys `(1 << 63) | (n << 32) | (i << 24) | three bytes`: a text of when the backend began, in microseconds since
///   1970, a space, and the audit id. Chunk 0 holds the text's length.
enum GrantFunctions {
    static let all = [openGrant, closeGrant, release, grants, claim]

    private static let openGrant = GuardFunction(
        name: "open_grant", arguments: "backend integer, relations oid[], audit_id text",
        argumentTypes: "integer, oid[], text", returns: "bigint", isEntry: true, audience: .grantingRoles,
        body: """

            DECLARE
                started timestamptz;
                number bigint;
                content bytea;
                is_held boolean;
            BEGIN
                IF audit_id IS NULL OR octet_length(audit_id) NOT BETWEEN 1 AND 200 THEN
                    RAISE EXCEPTION 'an audit id has 1 to 200 bytes' USING ERRCODE = 'invalid_parameter_value';
                END IF;
                IF cardinality(relations) = 0 OR 0 = ANY (relations) OR array_position(relations, NULL) > 0 THEN
                    RAISE EXCEPTION 'a grant names tables by their OIDs, or NULL for any'
                        USING ERRCODE = 'invalid_parameter_value';
                END IF;
                PERFORM pg_stat_clear_snapshot();
                SELECT a.backend_start INTO started
                FROM pg_stat_get_activity(backend) a JOIN pg_database d ON d.oid = a.datid
                WHERE a.pid = backend AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
                  AND d.datname = current_database();
                IF started IS NULL THEN
                    RAISE EXCEPTION 'process % is no client backend of this database', backend
                        USING ERRCODE = 'invalid_parameter_value';
                END IF;
                content := convert_to(
                    (extract(epoch FROM started) * 1000000)::bigint::text || ' ' || audit_id, 'UTF8');
                -- Anybody may hold any advisory lock: a number whose locks are not free is passed over.
                FOR attempt IN 1..16 LOOP
                    number := nextval('holdfast.grant_number');
                    BEGIN
                        SELECT bool_and(pg_try_advisory_lock(k.key)) INTO is_held
                        FROM (SELECT (number << 32) | r::bigint FROM unnest(coalesce(relations, ARRAY[0::oid])) r
                              UNION
                              SELECT (1::bigint << 63) | (number << 32) | octet_length(content)
                              UNION
                              SELECT (1::bigint << 63) | (number << 32) | (i << 24)
                                     | ('x' || encode(substr(content, 3 * i::integer - 2, 3), 'hex'))::bit(24)::integer
                              FROM generate_series(1::bigint, (octet_length(content) + 2) / 3) i) AS k(key);
                        -- Whoever sees the head finds the rest in place.
                        IF is_held AND pg_try_advisory_lock(backend, number::integer) THEN
                            RETURN number;
                        END IF;
                        PERFORM holdfast.release(number);
                    EXCEPTION WHEN OTHERS THEN
                        -- Locks of a session outlive the error.
                        PERFORM holdfast.release(number);
                        RAISE;
                    END;
                END LOOP;
                RAISE EXCEPTION 'other sessions hold the advisory locks that a grant needs'
                    USING ERRCODE = 'lock_not_available';
            END
            """)

    private static let closeGrant = GuardFunction(
        name: "close_grant", arguments: "closed_audit_id text", argumentTypes: "text", returns: "integer", isEntry: true,
        audience: .grantingRoles,
        body: """

            DECLARE
                numbers bigint[];
            BEGIN
                PERFORM pg_stat_clear_snapshot();
                SELECT array_agg(g.grant_number) INTO numbers
                FROM holdfast.grants() g WHERE g.granter_pid = pg_backend_pid() AND g.audit_id = closed_audit_id;
                PERFORM holdfast.release(n) FROM unnest(numbers) n;
                RETURN coalesce(cardinality(numbers), 0);
            END
            """)

    /// Lets go this session's locks of one grant, the head first.
    private static let release = GuardFunction(
        name: "release", arguments: "number bigint", argumentTypes: "bigint", returns: "void",
        body: """

            BEGIN
                PERFORM pg_advisory_unlock(l.classid::bigint::integer, number::integer)
                FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.objsubid = 2
                  AND l.objid::bigint = number;
                PERFORM pg_advisory_unlock((l.classid::bigint << 32) | l.objid::bigint)
                FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.objsubid = 1
                  AND l.classid::bigint IN (number, number + 2147483648);
            END
            """)

    /// The open grants, read from the locks. Nothing in here depends on the transaction's snapshot: not the locks, not the
    /// sessions (the caller clears what the transaction remembers of them), not the privilege.
    private static let grants = GuardFunction(
        name: "grants",
        returns: """
            TABLE (grant_number bigint, audit_id text, backend_pid integer, backend_start bigint, relations oid[], \
            granter_pid integer)
            """, language: .sql,
        body: """

            WITH held AS MATERIALIZED (
                SELECT l.pid, l.classid::bigint AS high, l.objid::bigint AS low, l.objsubid AS part
                FROM pg_catalog.pg_locks l
                WHERE l.locktype = 'advisory' AND l.granted
                  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                    WHERE d.datname = pg_catalog.current_database())),
            trusted AS MATERIALIZED (
                SELECT a.pid FROM pg_catalog.pg_stat_get_activity(NULL) a
                WHERE a.pid IN (SELECT h.pid FROM held h) AND a.backend_type = 'client backend'
                  AND pg_catalog.has_function_privilege(
                          a.usesysid, 'holdfast.open_grant(integer, oid[], text)', 'EXECUTE')),
            texts AS (
                SELECT h.pid, h.high - 2147483648 AS number,
                       pg_catalog.min(h.low) FILTER (WHERE h.low >> 24 = 0) AS length,
                       pg_catalog.string_agg(
                           pg_catalog.decode(pg_catalog.lpad(pg_catalog.to_hex(h.low & 16777215), 6, '0'), 'hex'),
                           ''::bytea ORDER BY h.low >> 24) FILTER (WHERE h.low >> 24 > 0) AS content
                FROM held h JOIN trusted t ON t.pid = h.pid
                WHERE h.part = 1 AND h.high >= 2147483648
                GROUP BY h.pid, h.high),
            grants AS (
                SELECT h.low AS number, h.high::integer AS backend, h.pid,
                       pg_catalog.convert_from(pg_catalog.substr(x.content, 1, x.length::integer), 'UTF8') AS content
                FROM held h JOIN texts x ON x.pid = h.pid AND x.number = h.low
                WHERE h.part = 2 AND pg_catalog.octet_length(x.content) = (x.length + 2) / 3 * 3)
            SELECT g.number, pg_catalog.substr(g.content, pg_catalog.strpos(g.content, ' ') + 1), g.backend,
                   pg_catalog.split_part(g.content, ' ', 1)::bigint,
                   CASE WHEN NOT 0 = ANY (t.relations) THEN t.relations END, g.pid
            FROM grants g CROSS JOIN LATERAL (
                SELECT pg_catalog.array_agg(h.low::oid) AS relations FROM held h
                WHERE h.pid = g.pid AND h.part = 1 AND h.high = g.number) t
            WHERE t.relations IS NOT NULL
            """)

    /// Takes a grant for this transaction; false if another one has it. The unique index sees what others committed, and
    /// waits for what they prepared: not for long, for it may be this session's own.
    private static let claim = GuardFunction(
        name: "claim", arguments: "number bigint, granted_audit_id text", argumentTypes: "bigint, text",
        returns: "boolean", settings: [("lock_timeout", "500ms")],
        body: """

            BEGIN
                INSERT INTO holdfast.grant_use (grant_number, audit_id) VALUES (number, granted_audit_id);
                RETURN true;
            EXCEPTION
                WHEN unique_violation THEN
                    RETURN EXISTS (SELECT FROM holdfast.grant_use u
                                   WHERE u.grant_number = number AND u.transaction = pg_current_xact_id());
                WHEN lock_not_available THEN
                    RETURN false;
            END
            """)
}
