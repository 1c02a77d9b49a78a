/// What the event triggers and the TRUNCATE triggers call.
enum EventFunctions {
    static let all = [onStart, onDrop, onCommand, onRewrite, isWidening, keepRows]

    /// DETACH PARTITION … CONCURRENTLY commits half of its work before `ddl_command_end` can refuse it. It runs only as a
    /// client's own statement, so the client's text shows it.
    private static let onStart = GuardFunction(
        name: "on_start", returns: "event_trigger", isEntry: true,
        body: """

            BEGIN
                IF current_query() ~* 'detach' AND current_query() ~* 'concurrently' THEN
                    PERFORM pg_stat_clear_snapshot();
                    IF NOT EXISTS (SELECT FROM holdfast.grants() g WHERE g.backend_pid = pg_backend_pid()) THEN
                        PERFORM holdfast.permit(
                            TG_TAG, ARRAY[0::oid], ARRAY['DETACH PARTITION CONCURRENTLY'],
                            'A partitioned table would no longer show the rows of a partition');
                    END IF;
                END IF;
            END
            """)

    private static let onDrop = GuardFunction(
        name: "on_drop", returns: "event_trigger", isEntry: true,
        body: """

            DECLARE
                my_start timestamptz;
                loss record;
                is_dropping_extension boolean;
                dropped_tables oid[];
                bared record;
                used text;
            BEGIN
                -- Ordinary: nothing but temporary objects goes.
                IF NOT EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d WHERE NOT d.is_temporary) THEN
                    RETURN;
                END IF;
                SELECT array_agg(d.objid) INTO dropped_tables
                FROM pg_event_trigger_dropped_objects() d
                WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND NOT d.is_temporary;
                is_dropping_extension := EXISTS (
                    SELECT FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'extension');

                SELECT array_agg(d.objid ORDER BY d.original DESC, d.object_identity) AS relations,
                       array_agg(d.object_identity ORDER BY d.original DESC, d.object_identity) AS names
                INTO loss
                FROM pg_event_trigger_dropped_objects() d LEFT JOIN holdfast.guarded g ON g.relation = d.objid
                WHERE NOT d.is_temporary
                  AND (d.object_type IN ('table', 'foreign table', 'materialized view')
                       OR (d.object_type IN ('table column', 'foreign table column')
                           AND (SELECT keeps_columns FROM holdfast.guard)
                           AND d.objid <> ALL (coalesce(dropped_tables, '{}'))))
                  -- The guard's own tables go with "holdfast guard remove" only.
                  AND (d.schema_name = 'holdfast'
                       OR NOT holdfast.is_exempt(d.schema_name, d.address_names[2]))
                  -- What this transaction created was never there for anybody else.
                  AND g.created_in IS DISTINCT FROM pg_current_xact_id()
                  -- An extension's script may rebuild the extension's own tables.
                  AND NOT (coalesce(g.is_in_extension, false) AND NOT is_dropping_extension);
                IF loss.relations IS NOT NULL THEN
                    used := holdfast.permit(TG_TAG, loss.relations, loss.names, 'Would be lost');
                END IF;

                -- A guarded table that stays keeps its TRUNCATE trigger.
                FOR bared IN
                    SELECT g.relation, g.is_arming, format('%I.%I', g.schema_name, g.table_name) AS name
                    FROM (SELECT DISTINCT to_regclass(format('%I.%I', d.address_names[1], d.address_names[2]))::oid
                          FROM pg_event_trigger_dropped_objects() d
                          WHERE d.object_type = 'trigger' AND NOT d.is_temporary) t(relation)
                         JOIN holdfast.guarded g ON g.relation = t.relation
                LOOP
                    IF bared.is_arming THEN
                        RETURN;
                    END IF;
                    IF NOT holdfast.has_trigger(bared.relation)
                       AND bared.relation <> ALL (coalesce(dropped_tables, '{}')) THEN
                        RAISE EXCEPTION USING
                            ERRCODE = 'insufficient_privilege',
                            MESSAGE = format('holdfast guard refused %s: it would take the guard''s trigger from %s',
                                             TG_TAG, bared.name),
                            DETAIL = 'Without it, TRUNCATE of the table would not be refused.',
                            HINT = 'The owner of the guard can exempt the table with "holdfast guard upgrade --exempt", '
                                   'or take the guard out with "holdfast guard remove".';
                    END IF;
                END LOOP;

                my_start := holdfast.backend_start();
                INSERT INTO holdfast.ddl
                    (backend_start, phase, tag, object_type, schema_name, object_identity, object_oid, original,
                     in_extension, audit_id)
                SELECT my_start, 'drop', TG_TAG, d.object_type, d.schema_name, d.object_identity, d.objid, d.original,
                       coalesce(g.is_in_extension, false),
                       CASE WHEN d.objid = ANY (loss.relations) THEN used END
                FROM pg_event_trigger_dropped_objects() d LEFT JOIN holdfast.guarded g ON g.relation = d.objid
                -- What went along by itself (row types, indexes, TOAST tables) is the table's loss, not one of its own.
                WHERE NOT d.is_temporary
                  AND (d.original OR d.normal OR d.object_type IN
                       ('table', 'foreign table', 'materialized view', 'table column', 'foreign table column'));
                IF dropped_tables IS NOT NULL THEN
                    DELETE FROM holdfast.guarded WHERE relation = ANY (dropped_tables);
                    DELETE FROM holdfast.lineage WHERE child = ANY (dropped_tables) OR parent = ANY (dropped_tables);
                END IF;
            END
            """)

    private static let onCommand = GuardFunction(
        name: "on_command", returns: "event_trigger", isEntry: true,
        body: """

            DECLARE
                my_start timestamptz := holdfast.backend_start();
                command record;
                target oid;
                used text;
            BEGIN
                FOR command IN
                    SELECT c.classid, c.objid, c.objsubid, c.command_tag, c.object_type, c.schema_name,
                           c.object_identity, c.in_extension
                    FROM pg_event_trigger_ddl_commands() c
                    WHERE c.schema_name IS DISTINCT FROM 'pg_temp'
                LOOP
                    used := NULL;
                    target := CASE command.classid
                        WHEN 'pg_class'::regclass THEN command.objid
                        WHEN 'pg_trigger'::regclass THEN
                            (SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = command.objid)
                        WHEN 'pg_rewrite'::regclass THEN
                            (SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = command.objid)
                        END;
                    IF target IS NOT NULL THEN
                        CONTINUE WHEN EXISTS (SELECT FROM holdfast.guarded g WHERE g.relation = target AND g.is_arming)
                            OR EXISTS (SELECT FROM pg_class c WHERE c.oid = target AND c.relpersistence = 't');
                        PERFORM holdfast.wake();
                        used := holdfast.review(target, command.command_tag, command.in_extension);
                        -- ON INSERT (3): rows would vanish as they come.
                        IF command.classid = 'pg_rewrite'::regclass
                           AND EXISTS (SELECT FROM holdfast.guarded g WHERE g.relation = target)
                           AND EXISTS (SELECT FROM pg_rewrite r
                                       WHERE r.oid = command.objid AND r.ev_type = '3' AND r.is_instead
                                         AND pg_get_ruledef(r.oid) LIKE '%INSTEAD NOTHING;') THEN
                            used := holdfast.permit(
                                command.command_tag, ARRAY[target], ARRAY[command.object_identity],
                                'Rows inserted into the table would vanish');
                        END IF;
                    ELSIF command.command_tag IN ('ALTER SCHEMA', 'ALTER EXTENSION') THEN
                        PERFORM holdfast.wake();
                        used := holdfast.review_all(command.command_tag);
                    END IF;
                    INSERT INTO holdfast.ddl
                        (backend_start, phase, tag, object_type, schema_name, object_identity, object_oid, original,
                         in_extension, audit_id)
                    VALUES (my_start, 'command', command.command_tag, command.object_type, command.schema_name,
                            command.object_identity, command.objid, true, command.in_extension, used);
                END LOOP;
            END
            """)

    private static let onRewrite = GuardFunction(
        name: "on_rewrite", returns: "event_trigger", isEntry: true,
        body: """

            DECLARE
                target oid := pg_event_trigger_table_rewrite_oid();
                was oid[];
                types oid[] := holdfast.column_types(target);
                is_lossless boolean;
                seen record;
                used text;
            BEGIN
                SELECT n.nspname AS schema_name, c.relname AS table_name, c.relpersistence AS persistence,
                       holdfast.is_guarded(n.nspname, c.relname, c.relkind, c.relpersistence) AS is_guarded
                INTO seen FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target;
                IF seen.persistence = 't' THEN
                    RETURN;
                END IF;
                PERFORM holdfast.wake();
                -- 4: a column's values are computed anew. The other reasons lose nothing.
                IF pg_event_trigger_table_rewrite_reason() & 4 <> 0 AND seen.is_guarded
                   AND (SELECT keeps_values FROM holdfast.guard) THEN
                    SELECT g.column_types INTO was FROM holdfast.guarded g
                    WHERE g.relation = target AND g.created_in IS DISTINCT FROM pg_current_xact_id();
                    -- If no type changed, an expression took the values' place.
                    SELECT coalesce(bool_and(holdfast.is_widening(o.type, n.type, a.atttypmod)), false)
                    INTO is_lossless
                    FROM unnest(was) WITH ORDINALITY o(type, number)
                         JOIN unnest(types) WITH ORDINALITY n(type, number) ON n.number = o.number
                         JOIN pg_attribute a ON a.attrelid = target AND a.attnum = n.number
                    WHERE n.type <> o.type AND n.type <> 0;
                    IF was IS NOT NULL AND NOT is_lossless THEN
                        used := holdfast.permit(
                            TG_TAG, ARRAY[target], ARRAY[format('%I.%I', seen.schema_name, seen.table_name)],
                            'Values of a column could be lost as its type changes');
                    END IF;
                END IF;
                UPDATE holdfast.guarded SET column_types = types WHERE relation = target AND column_types <> types;
                INSERT INTO holdfast.ddl
                    (backend_start, phase, tag, object_type, schema_name, object_identity, object_oid, original,
                     in_extension, audit_id)
                VALUES (holdfast.backend_start(), 'rewrite', TG_TAG, 'table', seen.schema_name,
                        format('%I.%I', seen.schema_name, seen.table_name), target, true, false, used);
            END
            """)

    /// Whether the new type holds every value of the old one.
    private static let isWidening = GuardFunction(
        name: "is_widening", arguments: "old_type oid, new_type oid, modifier integer",
        argumentTypes: "oid, oid, integer", returns: "boolean", language: .sql,
        body: """

            SELECT modifier = -1 AND (
                new_type IN ('text'::pg_catalog.regtype, 'varchar'::pg_catalog.regtype)
                OR pg_catalog.concat(old_type::pg_catalog.regtype, ' to ', new_type::pg_catalog.regtype) IN (
                    'smallint to integer', 'smallint to bigint', 'smallint to numeric', 'integer to bigint',
                    'integer to numeric', 'bigint to numeric', 'smallint to real', 'smallint to double precision',
                    'integer to double precision', 'real to double precision', 'date to timestamp without time zone',
                    'date to timestamp with time zone', 'timestamp without time zone to timestamp with time zone',
                    'timestamp with time zone to timestamp without time zone', 'json to jsonb', 'jsonb to json',
                    'cidr to inet', 'macaddr to macaddr8'))
            """)

    private static let keepRows = GuardFunction(
        name: "keep_rows", returns: "trigger", isEntry: true,
        body: """

            DECLARE
                name text := format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
                kind "char" := (SELECT c.relkind FROM pg_class c WHERE c.oid = TG_RELID);
                me record;
                used text;
            BEGIN
                SELECT a.backend_start, a.backend_type INTO me FROM pg_stat_get_activity(pg_backend_pid()) a;
                -- A partitioned table has no rows of its own. A file without a page has none either, whatever the
                -- transaction's snapshot shows. The server says which of its processes apply a publisher's TRUNCATE.
                IF kind <> 'p' AND NOT (kind = 'r' AND pg_relation_size(TG_RELID) = 0)
                   AND me.backend_type NOT LIKE 'logical replication %'
                   AND NOT holdfast.is_exempt(TG_TABLE_SCHEMA, TG_TABLE_NAME)
                   AND NOT EXISTS (SELECT FROM holdfast.guarded g
                                   WHERE g.relation = TG_RELID AND g.created_in = pg_current_xact_id()) THEN
                    used := holdfast.permit('TRUNCATE', ARRAY[TG_RELID], ARRAY[name], 'All rows would be lost');
                END IF;
                INSERT INTO holdfast.ddl
                    (backend_start, phase, tag, object_type, schema_name, object_identity, object_oid, original,
                     in_extension, audit_id)
                VALUES (me.backend_start, 'truncate', 'TRUNCATE TABLE',
                        CASE kind WHEN 'f' THEN 'foreign table' ELSE 'table' END, TG_TABLE_SCHEMA, name, TG_RELID, true,
                        false, used);
                RETURN NULL;
            END
            """)
}
