/// Every SQL text that is sent for a snapshot. Nothing in them depends on search_path: it is empty.
enum SnapshotQueries {
    /// One view of the database for the catalog queries and for pg_dump.
    static let begin = """
        SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET row_security = off; \
        SET search_path = ''; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY
        """

    static let export = "SELECT pg_catalog.pg_export_snapshot()"

    /// The relations among OIDs that are there, with what hangs below partitioned tables. $1: an array of OIDs.
    static let relations = """
        WITH RECURSIVE tree(oid, given) AS (
            SELECT c.oid, c.oid FROM pg_class c WHERE c.oid = ANY ($1::oid[])
            UNION
            SELECT i.inhrelid, t.given FROM tree t JOIN pg_class p ON p.oid = t.oid AND p.relkind = 'p'
            JOIN pg_inherits i ON i.inhparent = t.oid)
        SELECT DISTINCT ON (c.oid) c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname), c.relkind,
               greatest(c.reltuples::int8, 0),
               CASE WHEN c.relkind IN ('r', 'm') THEN (
                   -- pg_table_size would wait for whoever has the table locked.
                   SELECT sum(greatest(p.relpages, 0)::int8) * current_setting('block_size')::int8
                   FROM pg_class p WHERE p.oid IN (c.oid, c.reltoastrelid)) ELSE 0 END,
               t.given,
               EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                       AND d.deptype = 'e')
        FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
        ORDER BY c.oid
        """

    /// All tables, views and sequences of the database that are not the system's.
    static let allRelations = """
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND c.relpersistence <> 't' AND c.oid >= 16384
          AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
        """

    /// Relations by their names, with or without the schema, as SQL writes them or as they are. $1: an array of names.
    static let named = """
        SELECT w.name, f.oid FROM unnest($1::text[]) AS w(name) LEFT JOIN (
            SELECT c.oid, ARRAY[c.relname::text, quote_ident(c.relname), n.nspname || '.' || c.relname,
                                format('%I.%I', n.nspname, c.relname)] AS spellings
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND c.relpersistence <> 't' AND c.oid >= 16384
              AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%') f ON w.name = ANY (f.spellings)
        """

    /// What a process has locked against every reader. $1: its number.
    static let locked = """
        SELECT l.relation FROM pg_catalog.pg_locks l
        WHERE l.pid = $1::int4 AND l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
        """

    /// What the definitions can do without: tables that somebody has locked against readers or that may not be read, and the
    /// views and rules over them, since pg_dump has the server take these apart. With their names.
    static let unreadable = """
        WITH RECURSIVE out(oid) AS (
            SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND c.oid >= 16384
              AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
              AND (c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, 'SELECT')
                   OR c.oid IN (SELECT l.relation FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted
                                AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
                                AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())))
            UNION
            SELECT r.ev_class FROM out
            JOIN pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = out.oid
                            AND d.classid = 'pg_catalog.pg_rewrite'::regclass
            JOIN pg_rewrite r ON r.oid = d.objid)
        SELECT c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname)
        FROM out JOIN pg_class c ON c.oid = out.oid JOIN pg_namespace n ON n.oid = c.relnamespace
        """

    /// What goes when these go, by CASCADE too (`findDependentObjects`, dependency.c). $1 catalogs, $2 OIDs: arrays of the
    /// same length.
    static let dependents = """
        WITH RECURSIVE lost(c, o, s, root) AS (
            SELECT v.c, v.o, 0, true FROM unnest($1::oid[], $2::oid[]) AS v(c, o)
            UNION
            SELECT n.c, n.o, n.s, false FROM lost g CROSS JOIN LATERAL (
                SELECT d.classid, d.objid, d.objsubid FROM pg_depend d
                WHERE d.refclassid = g.c AND d.refobjid = g.o AND (g.s = 0 OR d.refobjsubid = g.s)
                UNION ALL
                SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_depend d
                WHERE NOT g.root AND d.classid = g.c AND d.objid = g.o AND d.objsubid = g.s
                  AND d.deptype IN ('i', 'e')) AS n(c, o, s)),
        things AS (SELECT DISTINCT l.c, l.o FROM lost l WHERE l.s = 0)
        SELECT t.c, t.o, a.type, a.object_names, a.object_args, pg_describe_object(t.c, t.o, 0), \(isEntry),
               p.owner, p.statement,
               ARRAY(SELECT DISTINCT d.refobjid FROM pg_depend d WHERE d.classid = t.c AND d.objid = t.o)
        FROM things t CROSS JOIN LATERAL pg_identify_object_as_address(t.c, t.o, 0) a
        LEFT JOIN LATERAL (\(part)) p ON true
        WHERE a.type IS NOT NULL AND a.object_names IS NOT NULL
          AND a.type NOT LIKE 'toast %' AND t.o >= 16384
          AND NOT (t.c = 'pg_catalog.pg_class'::regclass AND a.object_names[1] = 'pg_toast')
        ORDER BY t.c, t.o
        """

    /// What these cannot be made without: types, functions, schemas, extensions, other tables. $1 catalogs, $2 OIDs. Members of
    /// extensions stand for their extension; a table that is only referred to is not looked behind.
    static let needs = """
        WITH RECURSIVE given(c, o) AS (SELECT * FROM unnest($1::oid[], $2::oid[])),
        needed(c, o, isgiven) AS (
            SELECT g.c, g.o, true FROM given g
            UNION
            SELECT d.refclassid, d.refobjid, EXISTS (SELECT FROM given g WHERE g.c = d.refclassid AND g.o = d.refobjid)
            FROM needed n JOIN pg_depend d ON d.classid = n.c AND d.objid = n.o
            WHERE d.refobjid >= 16384
              AND (n.isgiven OR n.c <> 'pg_catalog.pg_class'::regclass)
              AND (d.deptype = 'e' OR NOT EXISTS (
                  SELECT FROM pg_depend e WHERE e.classid = n.c AND e.objid = n.o AND e.deptype = 'e')))
        SELECT t.c, t.o, a.type, a.object_names, a.object_args, pg_describe_object(t.c, t.o, 0), \(isEntry), NULL, NULL, NULL
        FROM (SELECT DISTINCT n.c, n.o FROM needed n WHERE NOT n.isgiven) t
        CROSS JOIN LATERAL pg_identify_object_as_address(t.c, t.o, 0) a
        WHERE a.type IS NOT NULL AND a.object_names IS NOT NULL AND a.type NOT LIKE 'toast %'
        ORDER BY t.c, t.o
        """

    /// What pg_dump may write into its table's or domain's definition, though it goes without that: a default by a sequence
    /// that goes, a check by a function that goes. The table, and how the part is made alone.
    private static let part = """
        SELECT f.adrelid AS owner, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s', f.adrelid::regclass, b.attname,
                                          pg_get_expr(f.adbin, f.adrelid)) AS statement
        FROM pg_attrdef f JOIN pg_attribute b ON b.attrelid = f.adrelid AND b.attnum = f.adnum
        WHERE t.c = 'pg_catalog.pg_attrdef'::regclass AND f.oid = t.o AND b.attgenerated = ''
        UNION ALL
        SELECT CASE WHEN k.contypid <> 0 THEN k.contypid ELSE k.conrelid END, format('ALTER %s ADD CONSTRAINT %I %s',
                                  CASE WHEN k.contypid <> 0 THEN 'DOMAIN ' || format_type(k.contypid, NULL)
                                       ELSE 'TABLE ' || k.conrelid::regclass END, k.conname, pg_get_constraintdef(k.oid))
        FROM pg_constraint k
        WHERE t.c = 'pg_catalog.pg_constraint'::regclass AND k.oid = t.o AND k.contype = 'c' AND k.coninhcount = 0
        """

    /// pg_dump has an entry of its own for the thing `t`: it is nothing that comes with another one (an index of a
    /// constraint, a row type, a check that stands in CREATE TABLE, what an extension brings).
    private static let isEntry = """
        CASE t.c
            WHEN 'pg_catalog.pg_class'::regclass THEN (
                SELECT c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                       OR c.relkind IN ('i', 'I') AND NOT EXISTS (
                           SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
                FROM pg_class c WHERE c.oid = t.o)
            WHEN 'pg_catalog.pg_type'::regclass THEN (
                SELECT y.typtype IN ('b', 'd', 'e', 'r') AND NOT (y.typelem <> 0 AND y.typlen = -1 AND y.typcategory = 'A')
                       OR y.typtype = 'c' AND (SELECT c.relkind = 'c' FROM pg_class c WHERE c.oid = y.typrelid)
                FROM pg_type y WHERE y.oid = t.o)
            WHEN 'pg_catalog.pg_constraint'::regclass THEN (
                SELECT k.contype IN ('p', 'u', 'x') OR k.contype = 'f' AND k.conparentid = 0
                FROM pg_constraint k WHERE k.oid = t.o)
            WHEN 'pg_catalog.pg_trigger'::regclass THEN (
                SELECT NOT g.tgisinternal AND g.tgparentid = 0 FROM pg_trigger g WHERE g.oid = t.o)
            WHEN 'pg_catalog.pg_rewrite'::regclass THEN (
                SELECT r.rulename <> '_RETURN' FROM pg_rewrite r WHERE r.oid = t.o)
            ELSE t.c IN (
                'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_statistic_ext'::regclass,
                'pg_catalog.pg_publication_rel'::regclass, 'pg_catalog.pg_event_trigger'::regclass,
                'pg_catalog.pg_cast'::regclass, 'pg_catalog.pg_operator'::regclass, 'pg_catalog.pg_opclass'::regclass,
                'pg_catalog.pg_opfamily'::regclass, 'pg_catalog.pg_namespace'::regclass,
                'pg_catalog.pg_collation'::regclass, 'pg_catalog.pg_extension'::regclass,
                'pg_catalog.pg_publication'::regclass, 'pg_catalog.pg_foreign_server'::regclass,
                'pg_catalog.pg_foreign_data_wrapper'::regclass, 'pg_catalog.pg_language'::regclass)
        END AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = t.c AND e.objid = t.o AND e.deptype = 'e')
        """

    /// Whoever keeps the dump waiting: process, whether for longer than $2 milliseconds, what it does. $1: the dump's
    /// application_name.
    static let blockers = """
        SELECT b.pid, a.wait_event_type = 'Lock', coalesce(b.usename, ''), coalesce(b.application_name, '')
        FROM pg_catalog.pg_stat_activity a
        CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS w(pid)
        LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = w.pid
        WHERE a.application_name = $1
        """
}
