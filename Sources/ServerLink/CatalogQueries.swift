/// The statements that read which code is in a database. Run together in one REPEATABLE READ transaction, so that they
/// see one catalog.
package enum CatalogQueries {
    /// Begins the transaction. Names come out whole, whatever the role's settings say.
    package static let begin = """
        BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
        SET LOCAL search_path = pg_catalog;
        SET LOCAL statement_timeout = '30s';
        SET LOCAL jit = off
        """

    package static let end = "COMMIT"

    /// The transaction that ``signature`` counts from: every change that this snapshot does not see is a later one's.
    package static let base = "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint & 4294967295)::text"

    /// For each catalog the number of its rows, and over those written since the transaction $1 the sum of a hash of the
    /// writer and of the row's identity: it changes with every row that is added, replaced or removed. ALTER, CREATE OR
    /// REPLACE and DROP write rows; one rolled back leaves none that is seen. (Relation statistics are overwritten in
    /// place and change nothing here.) Half way round the transaction numbers everything counts as changed.
    package static let signature: String = {
        let catalogs: [(String, String)] = [
            ("pg_proc", "oid"), ("pg_class", "oid"), ("pg_trigger", "oid"), ("pg_rewrite", "oid"),
            ("pg_attrdef", "oid"),
            ("pg_constraint", "oid"), ("pg_policy", "oid"), ("pg_operator", "oid"), ("pg_cast", "oid"),
            ("pg_type", "oid"),
            ("pg_index", "indexrelid"), ("pg_inherits", "inhrelid"), ("pg_event_trigger", "oid"),
            ("pg_aggregate", "aggfnoid"), ("pg_amproc", "oid"), ("pg_amop", "oid"), ("pg_opclass", "oid"),
            ("pg_statistic_ext", "oid"), ("pg_namespace", "oid"), ("pg_language", "oid"), ("pg_range", "rngtypid"),
            ("pg_attribute", "attrelid"), ("pg_partitioned_table", "partrelid"),
        ]
        let sums = catalogs.map { catalog, key in
            // PostgreSQL's own rows do not change, but for routines that somebody replaced.
            let rows =
                switch catalog {
                case "pg_proc", "pg_aggregate": catalog
                // A column of PostgreSQL's own types has no code; one more or less is seen in pg_class.
                case "pg_attribute": "pg_attribute WHERE atttypid >= 16384"
                default: "\(catalog) WHERE \(key) >= 16384"
                }
            return """
                (SELECT count(*) || ':' || coalesce(
                            sum(hashint8((xmin::text::bigint << 31) # \(key)::oid::bigint))
                            FILTER (WHERE age(xmin) <= age($1::text::xid)), 0)
                   FROM \(rows))
                """
        }
        return "SELECT (age($1::text::xid) / 1000000000) || ',' || " + sums.joined(separator: " || ',' || ")
    }()

    /// Routines that are not PostgreSQL's own in C, nor those of the guard (a superuser's, in the schema `holdfast`):
    /// key, schema, name, kind, language's handler, source, body in SQL,
    /// library, parameters' names, fewest and most arguments, whether a row may be the first one, and whether it is
    /// volatile.
    package static let routines = """
        SELECT 'f' || p.oid, n.nspname, p.proname, p.prokind,
               CASE l.oid WHEN 12 THEN 'internal' WHEN 13 THEN 'c' WHEN 14 THEN 'sql' ELSE coalesce(h.prosrc, '') END,
               l.lanname, p.prosrc, CASE WHEN p.prosqlbody IS NOT NULL THEN pg_get_function_sqlbody(p.oid) END,
               p.probin, array_to_string(p.proargnames, E'\\x01', ''), p.pronargs - p.pronargdefaults,
               CASE WHEN p.provariadic <> 0 THEN NULL ELSE coalesce(cardinality(p.proallargtypes), p.pronargs) END,
               EXISTS (SELECT FROM pg_type t WHERE t.oid = p.proargtypes[0] AND t.typtype IN ('c', 'p')),
               p.provolatile = 'v'
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
          LEFT JOIN pg_proc h ON h.oid = l.lanplcallfoid
         WHERE (p.oid >= 16384 OR l.oid NOT IN (12, 13))
           AND NOT (n.nspname = 'holdfast' AND to_regclass('holdfast.guard') IS NOT NULL
                    AND EXISTS (SELECT FROM pg_roles r WHERE r.oid = p.proowner AND r.rolsuper))
        """

    /// Tables, views, indexes: key, schema, name.
    package static let relations = """
        SELECT 'r' || c.oid, n.nspname, c.relname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I') AND n.nspname !~ '^pg_(toast|temp)'
        """

    /// Types that are not PostgreSQL's own, and those that a cast of somebody's belongs to.
    package static let types = """
        SELECT 't' || t.oid, n.nspname, t.typname
          FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         WHERE t.oid >= 16384
            OR EXISTS (SELECT FROM pg_cast WHERE castfunc >= 16384 AND t.oid IN (castsource, casttarget))
        """

    package static let operators = """
        SELECT 'o' || o.oid, n.nspname, o.oprname
          FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
         WHERE o.oid >= 16384
        """

    /// Rules and views that are not PostgreSQL's own, as SQL.
    package static let rules = """
        SELECT 'u' || r.oid, CASE WHEN r.ev_type = '1' THEN pg_get_viewdef(r.ev_class) ELSE pg_get_ruledef(r.oid) END
          FROM pg_rewrite r WHERE r.oid >= 16384
        """

    /// Event triggers that fire: name, function, command tags.
    package static let eventTriggers = """
        SELECT evtname, 'f' || evtfoid, array_to_string(evttags, E'\\x01')
          FROM pg_event_trigger WHERE evtenabled <> 'D' AND evtfoid >= 16384
        """

    /// Who uses whom: from, to, by what.
    package static let edges = """
        WITH refs AS MATERIALIZED (
            SELECT classid, objid, objsubid, refobjid,
                   CASE refclassid WHEN 'pg_proc'::regclass THEN 'f' WHEN 'pg_type'::regclass THEN 't'
                                   WHEN 'pg_operator'::regclass THEN 'o' ELSE 'r' END AS kind
              FROM pg_depend
             WHERE refobjid >= 16384 AND (
                   refclassid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass)
                OR (refclassid = 'pg_class'::regclass AND classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass)))
        ), modes(m) AS (VALUES ('s'), ('i'), ('u'), ('d'), ('t'), ('m'), ('x')
        ), changes(m) AS (VALUES ('i'), ('u'), ('m'))
        SELECT DISTINCT * FROM (
        -- Triggers: their function, and what WHEN calls. A disabled one counts when it is enabled.
        SELECT 'r' || g.tgrelid || m, kind || refobjid, 'trigger ' || g.tgname
          FROM pg_trigger g JOIN refs ON classid = 'pg_trigger'::regclass AND objid = g.oid,
               (VALUES ('i', 4), ('d', 8), ('u', 16), ('t', 32), ('e', 0)) v(m, bit)
         WHERE NOT g.tgisinternal AND CASE WHEN m = 'e' THEN true ELSE g.tgtype & bit <> 0 AND g.tgenabled <> 'D' END
        -- Defaults, generated columns, keys of partitions.
        UNION ALL SELECT 'r' || d.adrelid || m, kind || refobjid, 'default of ' || a.attname
          FROM pg_attrdef d JOIN refs ON classid = 'pg_attrdef'::regclass AND objid = d.oid
          JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum, changes
        UNION ALL SELECT 'r' || c.oid || m, kind || refobjid, 'an expression of the table'
          FROM pg_class c JOIN refs ON classid = 'pg_class'::regclass AND objid = c.oid AND kind IN ('f', 'o'), changes
         WHERE c.relkind NOT IN ('i', 'I')
        -- Columns' types.
        UNION ALL SELECT 'r' || c.oid || m, 't' || refobjid, ''
          FROM pg_class c JOIN refs ON classid = 'pg_class'::regclass AND objid = c.oid AND kind = 't', modes
         WHERE c.relkind NOT IN ('i', 'I')
        UNION ALL SELECT 'r' || a.attrelid || m, 't' || a.atttypid, ''
          FROM pg_attribute a, (VALUES ('i'), ('u')) v(m)
         WHERE a.attrelid >= 16384 AND a.attnum > 0
           AND a.atttypid IN (SELECT casttarget FROM pg_cast WHERE castfunc >= 16384 AND castcontext <> 'e')
        -- Indexes: expressions, predicates, operator classes.
        -- A predicate is computed by the planner, too.
        UNION ALL SELECT 'r' || i.indrelid || m, kind || refobjid, 'index ' || c.relname
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          JOIN refs ON classid = 'pg_class'::regclass AND objid = i.indexrelid,
               (VALUES ('s'), ('i'), ('u'), ('d'), ('m')) v(m)
        UNION ALL SELECT 'r' || i.indexrelid || 'm', kind || refobjid, 'index ' || c.relname
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          JOIN refs ON classid = 'pg_class'::regclass AND objid = i.indexrelid
        UNION ALL SELECT 'r' || i.indrelid || m, 'f' || ap.amproc::oid, 'index ' || c.relname
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          CROSS JOIN unnest(i.indclass::oid[]) AS k(opclass) JOIN pg_opclass oc ON oc.oid = k.opclass
          JOIN pg_amproc ap ON ap.amprocfamily = oc.opcfamily AND ap.amproc::oid >= 16384,
               (VALUES ('s'), ('i'), ('u'), ('m')) v(m)
         WHERE i.indrelid >= 16384
        UNION ALL SELECT 't' || amproclefttype, 'f' || amproc::oid, 'an operator class'
          FROM pg_amproc WHERE amproc::oid >= 16384 AND amproclefttype >= 16384
        UNION ALL SELECT 't' || amoplefttype, 'o' || amopopr, 'an operator class'
          FROM pg_amop WHERE amopopr >= 16384 AND amoplefttype >= 16384
        -- Checks of tables and domains, exclusion and foreign keys.
        UNION ALL SELECT 'r' || k.conrelid || m, kind || refobjid, 'constraint ' || k.conname
          FROM pg_constraint k JOIN refs ON classid = 'pg_constraint'::regclass AND objid = k.oid, changes
         WHERE k.conrelid <> 0
        UNION ALL SELECT 'r' || k.confrelid || m, kind || refobjid, 'constraint ' || k.conname
          FROM pg_constraint k JOIN refs ON classid = 'pg_constraint'::regclass AND objid = k.oid,
               (VALUES ('u'), ('d')) v(m)
         WHERE k.confrelid <> 0
        UNION ALL SELECT 't' || k.contypid, kind || refobjid, 'constraint ' || k.conname
          FROM pg_constraint k JOIN refs ON classid = 'pg_constraint'::regclass AND objid = k.oid
         WHERE k.contypid <> 0 AND kind || refobjid <> 't' || k.contypid
        -- What a foreign key does to the rows that refer to the lost or changed one.
        UNION ALL SELECT 'r' || confrelid || 'd', 'r' || conrelid || CASE confdeltype WHEN 'c' THEN 'd' ELSE 'u' END,
               'foreign key ' || conname
          FROM pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')
        UNION ALL SELECT 'r' || confrelid || 'u', 'r' || conrelid || 'u', 'foreign key ' || conname
          FROM pg_constraint WHERE contype = 'f' AND confupdtype IN ('c', 'n', 'd')
        UNION ALL SELECT 'r' || confrelid || 't', 'r' || conrelid || 't', 'foreign key ' || conname
          FROM pg_constraint WHERE contype = 'f'
        -- Policies, for the commands they are for.
        UNION ALL SELECT 'r' || p.polrelid || m,
               CASE kind WHEN 'r' THEN 'r' || refobjid || 's' ELSE kind || refobjid END, 'policy ' || p.polname
          FROM pg_policy p JOIN refs ON classid = 'pg_policy'::regclass AND objid = p.oid,
               (VALUES ('r', 's'), ('a', 'i'), ('w', 'u'), ('d', 'd'), ('*', 'e')) v(command, m)
          JOIN pg_class c ON true
         WHERE c.oid = p.polrelid AND (c.relrowsecurity OR m = 'e') AND (p.polcmd::text IN ('*', v.command) OR m = 'e')
           AND NOT (kind = 'r' AND refobjid = p.polrelid)
        UNION ALL SELECT 'r' || s.stxrelid || 'm', kind || refobjid, 'statistics ' || s.stxname
          FROM pg_statistic_ext s JOIN refs ON classid = 'pg_statistic_ext'::regclass AND objid = s.oid
        -- Rules. A materialized view's runs when it is refreshed; a view passes changes on to its tables.
        UNION ALL SELECT 'r' || r.ev_class
                      || CASE WHEN r.ev_enabled = 'D' THEN 'e' WHEN c.relkind = 'm' THEN 'm'
                              ELSE (ARRAY['s', 'u', 'i', 'd'])[r.ev_type::text::int] END,
               'u' || r.oid, CASE WHEN r.ev_type = '1' THEN '' ELSE 'rule ' || r.rulename END
          FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.oid >= 16384
        UNION ALL SELECT 'u' || r.oid, CASE kind WHEN 'r' THEN 'r' || refobjid || 's' ELSE kind || refobjid END, ''
          FROM pg_rewrite r JOIN refs ON classid = 'pg_rewrite'::regclass AND objid = r.oid
         WHERE r.oid >= 16384 AND (kind <> 'r' OR r.ev_type = '1') AND refobjid <> r.ev_class
        UNION ALL SELECT 'r' || r.ev_class || m, 'r' || refobjid || m, ''
          FROM pg_rewrite r JOIN refs ON classid = 'pg_rewrite'::regclass AND objid = r.oid AND kind = 'r'
          JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v', (VALUES ('i'), ('u'), ('d')) v(m)
         WHERE r.oid >= 16384 AND r.ev_type = '1' AND refobjid <> r.ev_class
        UNION ALL SELECT 'r' || r.ev_class || m, 'u' || r.oid, 'the view''s condition'
          FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v', (VALUES ('i'), ('u'), ('d')) v(m)
         WHERE r.oid >= 16384 AND r.ev_type = '1'
        -- Partitions and heirs. An UPDATE can move a row from one partition to another.
        UNION ALL SELECT 'r' || h.inhparent || 'u', 'r' || h.inhrelid || m, ''
          FROM pg_inherits h JOIN pg_partitioned_table p ON p.partrelid = h.inhparent, (VALUES ('i'), ('d')) v(m)
        UNION ALL SELECT 'r' || inhparent || m, 'r' || inhrelid || m, '' FROM pg_inherits, modes
        UNION ALL SELECT 'r' || h.inhrelid || m, kind || refobjid, 'the partition key'
          FROM pg_inherits h JOIN refs ON classid = 'pg_class'::regclass AND objid = h.inhparent AND objsubid = 0
           AND kind IN ('f', 'o'), changes
        -- Types, casts, operators, and what a function's signature, defaults and body in SQL use.
        UNION ALL SELECT 't' || objid, kind || refobjid, '' FROM refs WHERE classid = 'pg_type'::regclass
        UNION ALL SELECT 't' || oid, 'r' || typrelid || 'x', '' FROM pg_type WHERE typrelid >= 16384
        UNION ALL SELECT 't' || v.type, 'f' || castfunc, 'cast'
          FROM pg_cast, LATERAL (VALUES (castsource), (casttarget)) v(type) WHERE castfunc >= 16384
        UNION ALL SELECT 'o' || objid, kind || refobjid, '' FROM refs WHERE classid = 'pg_operator'::regclass
        UNION ALL SELECT 'f' || objid, kind || refobjid, '' FROM refs WHERE classid = 'pg_proc'::regclass
        ) e
        """
}
