/// How the guard keeps its list of tables, and gives each its TRUNCATE trigger.
enum RegistryFunctions {
    static let all = [columnTypes, takesTrigger, hasTrigger, arm, review, reviewLineage, reviewAll, adoptAll]

    private static let columnTypes = GuardFunction(
        name: "column_types", arguments: "target oid", argumentTypes: "oid", returns: "oid[]", language: .sql,
        body: """
            SELECT ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = target AND a.attnum > 0 ORDER BY a.attnum)
            """)

    /// Foreign tables take TRUNCATE triggers from PostgreSQL 16 on, materialized views never.
    private static let takesTrigger = GuardFunction(
        name: "takes_trigger", arguments: "kind \"char\"", argumentTypes: "\"char\"", returns: "boolean", language: .sql,
        body: """
            SELECT kind IN ('r', 'p')
                OR kind = 'f' AND pg_catalog.current_setting('server_version_num')::integer >= 160000
            """)

    /// The condition that trigger `t` keeps a table's rows: BEFORE (2) TRUNCATE (32), for the statement, unconditional. It
    /// is known by its function, which nobody but the owner may use, and not by its name, which a table's owner can change.
    static let isOurs = """
        t.tgfoid = 'holdfast.keep_rows()'::pg_catalog.regprocedure AND t.tgtype = 34 AND t.tgqual IS NULL
        """

    private static let hasTrigger = GuardFunction(
        name: "has_trigger", arguments: "target oid", argumentTypes: "oid", returns: "boolean", language: .sql,
        body: """
            SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = target AND \(isOurs))
            """)

    /// Sees to it that a table has the trigger, once, and switched on ALWAYS. Switches it on again rather than refusing:
    /// `DISABLE TRIGGER ALL` is what pg_restore and the loaders of test data do.
    private static let arm = GuardFunction(
        name: "arm", arguments: "target oid", argumentTypes: "oid", returns: "void",
        body: """

            DECLARE
                kept record;
                spare record;
                new_name text;
            BEGIN
                SELECT t.oid, t.tgname, t.tgenabled INTO kept
                FROM pg_trigger t WHERE t.tgrelid = target AND \(isOurs) ORDER BY t.oid DESC LIMIT 1;
                IF kept.tgenabled = 'A'
                   AND 1 = (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = target AND \(isOurs)) THEN
                    RETURN;
                END IF;
                -- The event triggers pass over what happens to the table meanwhile.
                UPDATE holdfast.guarded SET is_arming = true WHERE relation = target AND NOT is_arming;
                IF kept.oid IS NULL THEN
                    -- A dump's trigger has another table's number, and so does not meet this one.
                    FOR attempt IN 0..99 LOOP
                        new_name := 'holdfast_keep_rows_' || target || CASE WHEN attempt > 0 THEN '_' || attempt ELSE '' END;
                        EXIT WHEN NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = target AND t.tgname = new_name);
                    END LOOP;
                    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %s FOR EACH STATEMENT '
                                   'EXECUTE FUNCTION holdfast.keep_rows()', new_name, target::regclass);
                    EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', target::regclass, new_name);
                ELSE
                    FOR spare IN SELECT t.tgname FROM pg_trigger t
                                 WHERE t.tgrelid = target AND \(isOurs) AND t.oid <> kept.oid LOOP
                        EXECUTE format('DROP TRIGGER %I ON %s', spare.tgname, target::regclass);
                    END LOOP;
                    IF kept.tgenabled <> 'A' THEN
                        EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', target::regclass, kept.tgname);
                    END IF;
                END IF;
                UPDATE holdfast.guarded SET is_arming = false WHERE relation = target;
            END
            """)

    /// Holds a relation that a command named against the list: takes down what is new, refuses what made a guarded table
    /// vanish under its name. Returns the audit id of the grant that was used.
    private static let review = GuardFunction(
        name: "review", arguments: "target oid, tag text, is_extension boolean", argumentTypes: "oid, text, boolean",
        returns: "text",
        body: """

            DECLARE
                now_seen record;
                was holdfast.guarded;
                used text;
            BEGIN
                SELECT c.relkind AS kind, n.nspname AS schema_name, c.relname AS table_name,
                       holdfast.is_guarded(n.nspname, c.relname, c.relkind, c.relpersistence) AS is_guarded
                INTO now_seen
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target;
                SELECT * INTO was FROM holdfast.guarded g WHERE g.relation = target;
                IF was.relation IS NULL THEN
                    IF NOT coalesce(now_seen.is_guarded, false) THEN
                        RETURN NULL;
                    END IF;
                    INSERT INTO holdfast.guarded
                        (relation, schema_name, table_name, kind, column_types, is_in_extension, created_in, is_arming)
                    VALUES (target, now_seen.schema_name, now_seen.table_name, now_seen.kind,
                            holdfast.column_types(target), is_extension,
                            CASE WHEN tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SCHEMA',
                                              'CREATE MATERIALIZED VIEW', 'CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA')
                                 THEN pg_current_xact_id() END,
                            true);
                ELSIF (now_seen.kind, now_seen.schema_name, now_seen.table_name)
                      IS DISTINCT FROM (was.kind, was.schema_name, was.table_name) THEN
                    IF NOT is_extension AND was.created_in IS DISTINCT FROM pg_current_xact_id() THEN
                        used := holdfast.permit(
                            tag, ARRAY[target], ARRAY[format('%I.%I', was.schema_name, was.table_name)],
                            'A guarded table would no longer be found as what it is');
                    END IF;
                    IF NOT now_seen.is_guarded THEN
                        DELETE FROM holdfast.guarded WHERE relation = target;
                        RETURN used;
                    END IF;
                    UPDATE holdfast.guarded
                    SET schema_name = now_seen.schema_name, table_name = now_seen.table_name, kind = now_seen.kind
                    WHERE relation = target;
                ELSIF was.column_types IS DISTINCT FROM holdfast.column_types(target) THEN
                    UPDATE holdfast.guarded SET column_types = holdfast.column_types(target) WHERE relation = target;
                END IF;
                used := coalesce(holdfast.review_lineage(target, tag, is_extension), used);
                IF holdfast.takes_trigger(now_seen.kind) THEN
                    PERFORM holdfast.arm(target);
                END IF;
                UPDATE holdfast.guarded SET is_arming = false WHERE relation = target AND is_arming;
                RETURN used;
            END
            """)

    /// Refuses that a table no longer shows the rows of a partition or an inheriting table.
    private static let reviewLineage = GuardFunction(
        name: "review_lineage", arguments: "target oid, tag text, is_extension boolean",
        argumentTypes: "oid, text, boolean", returns: "text",
        body: """

            DECLARE
                lost record;
                used text;
            BEGIN
                FOR lost IN
                    SELECT l.parent, l.child, n.nspname AS schema_name, c.relname AS table_name,
                           EXISTS (SELECT FROM holdfast.guarded g
                                   WHERE g.relation IN (l.parent, l.child) AND g.created_in = pg_current_xact_id())
                               AS is_new
                    FROM (SELECT * FROM holdfast.lineage p WHERE p.parent = target
                          UNION
                          SELECT * FROM holdfast.lineage p WHERE p.child = target) l
                         JOIN pg_class c ON c.oid = l.child JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE NOT EXISTS (SELECT FROM pg_inherits i
                                      WHERE i.inhrelid = l.child AND i.inhparent = l.parent
                                        AND NOT i.inhdetachpending)
                      AND EXISTS (SELECT FROM pg_class p WHERE p.oid = l.parent)
                LOOP
                    IF NOT is_extension AND NOT lost.is_new THEN
                        used := holdfast.permit(
                            tag, ARRAY[lost.child], ARRAY[format('%I.%I', lost.schema_name, lost.table_name)],
                            format('%s would no longer show the rows of', lost.parent::regclass));
                    END IF;
                    DELETE FROM holdfast.lineage WHERE parent = lost.parent AND child = lost.child;
                END LOOP;
                INSERT INTO holdfast.lineage (parent, child)
                SELECT i.inhparent, i.inhrelid
                FROM (SELECT * FROM pg_inherits p WHERE p.inhparent = target
                      UNION
                      SELECT * FROM pg_inherits p WHERE p.inhrelid = target) i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND NOT i.inhdetachpending
                  AND NOT EXISTS (SELECT FROM holdfast.lineage l WHERE l.parent = i.inhparent AND l.child = i.inhrelid);
                RETURN used;
            END
            """)

    /// For commands that rename tables without naming them: ALTER SCHEMA, ALTER EXTENSION.
    private static let reviewAll = GuardFunction(
        name: "review_all", arguments: "tag text", argumentTypes: "text", returns: "text",
        body: """

            DECLARE
                moved record;
                lost oid[];
                names text[];
                used text;
            BEGIN
                SELECT array_agg(g.relation), array_agg(format('%I.%I', g.schema_name, g.table_name))
                INTO lost, names
                FROM holdfast.guarded g JOIN pg_class c ON c.oid = g.relation JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE (c.relname <> g.table_name OR n.nspname <> g.schema_name)
                  AND g.created_in IS DISTINCT FROM pg_current_xact_id();
                IF lost IS NOT NULL THEN
                    used := holdfast.permit(tag, lost, names, 'Guarded tables would no longer be found under their names');
                    FOR moved IN SELECT unnest(lost) AS relation LOOP
                        PERFORM holdfast.review(moved.relation, tag, false);
                    END LOOP;
                END IF;
                -- A table that is no longer its extension's is an ordinary one.
                UPDATE holdfast.guarded g SET is_in_extension = false
                WHERE g.is_in_extension AND NOT EXISTS (
                    SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = g.relation AND d.deptype = 'e');
                RETURN used;
            END
            """)

    /// Takes down every table that is there, forgets the others, and sets every trigger right.
    private static let adoptAll = GuardFunction(
        name: "adopt_all", returns: "void",
        body: """

            DECLARE
                target record;
            BEGIN
                DELETE FROM holdfast.guarded;
                DELETE FROM holdfast.lineage;
                INSERT INTO holdfast.guarded
                    (relation, schema_name, table_name, kind, column_types, is_in_extension, is_arming)
                SELECT c.oid, n.nspname, c.relname, c.relkind, holdfast.column_types(c.oid),
                       EXISTS (SELECT FROM pg_depend d
                               WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'),
                       true
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE holdfast.is_guarded(n.nspname, c.relname, c.relkind, c.relpersistence);
                INSERT INTO holdfast.lineage (parent, child)
                SELECT i.inhparent, i.inhrelid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND NOT i.inhdetachpending;
                UPDATE holdfast.guard SET stamp = holdfast.stamp_now();
                FOR target IN SELECT g.relation FROM holdfast.guarded g WHERE holdfast.takes_trigger(g.kind) LOOP
                    PERFORM holdfast.arm(target.relation);
                END LOOP;
                FOR target IN
                    SELECT t.tgname, t.tgrelid FROM pg_trigger t
                    WHERE t.tgfoid = 'holdfast.keep_rows()'::regprocedure
                      AND NOT EXISTS (SELECT FROM holdfast.guarded g WHERE g.relation = t.tgrelid)
                LOOP
                    EXECUTE format('DROP TRIGGER %I ON %s', target.tgname, target.tgrelid::regclass);
                END LOOP;
                UPDATE holdfast.guarded SET is_arming = false WHERE is_arming;
            END
            """)
}
