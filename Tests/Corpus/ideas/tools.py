"""What tools ask a server about itself: psql's backslash commands, drivers' metadata calls, ORM reflection, GUIs.

The queries are our own, written in the manner of these tools: catalog joins with casts to reg-types, OPERATOR() syntax,
COLLATE, set-returning functions, arrays of columns, and the words of DROP among their texts.
"""

from .case import Case, Topic
from .wire import SYNC, Message, bind, describe, exchange, execute, parse

PSQL = Topic("psql", "H11")
METADATA = Topic("driver-metadata", "H11")
REFLECTION = Topic("orm-reflection", "H11")
WINDOWS = Topic("gui", "H11")

VISIBLE = "pg_catalog.pg_table_is_visible(c.oid)"
RELATIONS = (
    "SELECT n.nspname AS \"Schema\", c.relname AS \"Name\", CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view'"
    " WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'p' THEN 'partitioned"
    " table' END AS \"Type\", pg_catalog.pg_get_userbyid(c.relowner) AS \"Owner\" FROM pg_catalog.pg_class c LEFT JOIN"
    " pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ({kinds}) AND n.nspname !~ '^pg_toast' AND"
    " n.nspname <> 'information_schema' AND n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog' ORDER BY 1, 2;"
)
LEADS = (
    "(SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(leads)$'"
    " COLLATE pg_catalog.default)"
)

# Backslash command, and the queries behind it.
COMMANDS = [
    ("dt", [RELATIONS.format(kinds="'r', 'p', ''")]),
    ("di", [RELATIONS.format(kinds="'i', 'I'")]),
    ("dv-dm-ds", [RELATIONS.format(kinds=f"'{kind}'") for kind in "vmS"]),
    ("d-leads", [
        f"SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ="
        f" c.relnamespace WHERE c.oid = {LEADS} AND {VISIBLE}",
        "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin,"
        " d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND"
        " a.atthasdef), a.attnotnull, a.attidentity, a.attgenerated FROM pg_catalog.pg_attribute a WHERE a.attrelid ="
        " 'leads'::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        "SELECT c2.relname, i.indisprimary, i.indisunique, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),"
        " pg_catalog.pg_get_constraintdef(con.oid, true) FROM pg_catalog.pg_class c, pg_catalog.pg_class c2,"
        " pg_catalog.pg_index i LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid ="
        " i.indexrelid AND contype IN ('p', 'u', 'x')) WHERE c.oid = 'leads'::regclass AND c.oid = i.indrelid AND"
        " i.indexrelid = c2.oid ORDER BY i.indisprimary DESC, c2.relname",
        "SELECT pol.polname, CASE WHEN pol.polroles = '{0}' THEN NULL ELSE array_to_string(array(SELECT rolname FROM"
        " pg_roles WHERE oid = ANY (pol.polroles) ORDER BY 1), ',') END FROM pg_policy pol WHERE pol.polrelid ="
        " 'leads'::regclass",
        "SELECT inhparent::pg_catalog.regclass, pg_get_expr(c.relpartbound, c.oid), inhdetachpending FROM pg_class c"
        " JOIN pg_inherits i ON c.oid = inhrelid WHERE c.oid = 'events_2023'::regclass"]),
    ("df", ["SELECT p.proname, pg_catalog.pg_get_function_result(p.oid), pg_catalog.pg_get_function_arguments(p.oid),"
            " CASE p.prokind WHEN 'a' THEN 'agg' WHEN 'w' THEN 'window' WHEN 'p' THEN 'proc' ELSE 'func' END FROM"
            " pg_catalog.pg_proc p WHERE p.proname ~ '^(drop_|truncate|lo_unlink)' AND"
            " pg_catalog.pg_function_is_visible(p.oid)"]),
    ("sf", ["SELECT pg_catalog.pg_get_functiondef('pg_catalog.ts_debug(regconfig,"
            " text)'::pg_catalog.regprocedure::pg_catalog.oid) IS NULL"]),
    ("sv", ["SELECT nspname, relname, relkind, pg_catalog.pg_get_viewdef(c.oid, true),"
            " pg_catalog.array_remove(pg_catalog.array_remove(c.reloptions, 'check_option=local'),"
            " 'check_option=cascaded') FROM pg_class c JOIN pg_namespace n ON relnamespace = n.oid WHERE c.oid ="
            " 'v_customers'::regclass"]),
    ("du", ["SELECT r.rolname, r.rolsuper, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN"
            " pg_catalog.pg_roles b ON m.roleid = b.oid WHERE m.member = r.oid) AS memberof FROM pg_catalog.pg_roles"
            " r WHERE r.rolname = 'rt_app'"]),
    ("dp", ["SELECT c.relname, pg_catalog.array_to_string(c.relacl, E'\\n'), pg_catalog.array_to_string(ARRAY(SELECT"
            " attname || E':\\n  ' || array_to_string(attacl, E'\\n  ') FROM pg_attribute a WHERE attrelid = c.oid"
            " AND attacl IS NOT NULL), E'\\n') FROM pg_class c WHERE c.relname = 'leads'"]),
    ("dn-dx", ["SELECT n.nspname, obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE n.nspname !~"
               " '^pg_' ORDER BY 1",
               "SELECT e.extname, e.extversion, c.description FROM pg_extension e LEFT JOIN pg_description c ON"
               " c.objoid = e.oid AND c.classoid = 'pg_catalog.pg_extension'::pg_catalog.regclass"]),
    ("dT-dD", ["SELECT format_type(t.oid, NULL), array_to_string(ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE"
               " e.enumtypid = t.oid ORDER BY e.enumsortorder), E'\\n') FROM pg_type t WHERE t.typname = 'mood'",
               "SELECT t.typname, array_to_string(ARRAY(SELECT pg_get_constraintdef(r.oid, true) FROM pg_constraint r"
               " WHERE t.oid = r.contypid), ' ') FROM pg_type t WHERE t.typtype = 'd' AND t.typname = 'email_dom'"]),
    ("dy-dRp", ["SELECT evtname, evtevent, array_to_string(array(SELECT x FROM pg_catalog.unnest(evttags) AS t(x)),"
                " ', ') FROM pg_event_trigger WHERE evtname ~ 'drop'",
                "SELECT pubname, puballtables, pubinsert, pubdelete, pubtruncate FROM pg_catalog.pg_publication ORDER"
                " BY 1"]),
    ("dconfig", ["SELECT s.name, pg_catalog.current_setting(s.name) FROM pg_catalog.pg_settings s WHERE s.name"
                 " OPERATOR(pg_catalog.~) '^(allow_system_table_mods|standard_conforming_strings)$'"]),
    ("l-plus", ["SELECT d.datname, pg_encoding_to_char(d.encoding), CASE WHEN has_database_privilege(d.datname,"
                " 'CONNECT') THEN pg_size_pretty(pg_database_size(d.datname)) IS NOT NULL END FROM pg_database d"
                " WHERE d.datname = 'postgres'"]),
    ("dF-do-dC", ["SELECT cfgname FROM pg_ts_config WHERE cfgname = 'simple'",
                  "SELECT o.oprname, format_type(o.oprleft, NULL) FROM"
                  " pg_operator o WHERE o.oprname IN ('--', '/*', '||') ORDER BY o.oid",
                  "SELECT format_type(castsource, NULL) FROM"
                  " pg_cast WHERE casttarget = 'regclass'::regtype ORDER BY castsource"]),
    ("completion", ["SELECT c.relname, NULL::pg_catalog.text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND"
                    " (c.relname) LIKE 'lea%' AND pg_table_is_visible(c.oid) UNION ALL SELECT NULL, n.nspname || '.'"
                    " FROM pg_namespace n WHERE n.nspname LIKE 'lea%' LIMIT 1000"]),
    ("gdesc", ["SELECT name AS \"Column\", pg_catalog.format_type(tp, tpm) AS \"Type\" FROM (VALUES ('drop',"
               " 23::pg_catalog.oid, -1)) s(name, tp, tpm)"]),
]  # fmt: skip

# Metadata calls of drivers: name, query with parameters, parameters.
CALLS = [
    ("tables", "SELECT NULL AS TABLE_CAT, n.nspname, c.relname, CASE WHEN c.relkind = 'r' THEN 'TABLE' ELSE 'VIEW'"
     " END, d.description FROM pg_catalog.pg_class c JOIN pg_namespace n ON c.relnamespace = n.oid LEFT JOIN"
     " pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass) WHERE"
     " n.nspname LIKE $1 AND c.relname LIKE $2 ORDER BY 3", ["public", "le%"]),
    ("columns", "SELECT * FROM (SELECT c.relname, a.attname, a.atttypid, row_number() OVER (PARTITION BY a.attrelid"
     " ORDER BY a.attnum) AS n, pg_get_expr(def.adbin, def.adrelid) AS adsrc, nullif(a.attgenerated, '') FROM"
     " pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef def ON a.attrelid = def.adrelid AND"
     " a.attnum = def.adnum WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relname LIKE $1) c WHERE true AND attname"
     " LIKE $2 ORDER BY n", ["leads", "%"]),
    ("primary-keys", "SELECT result.a, (result.keys).n FROM (SELECT a.attname AS a,"
     " information_schema._pg_expandarray(i.indkey) AS keys, a.attnum FROM pg_class ct JOIN pg_attribute a ON ct.oid"
     " = a.attrelid JOIN pg_index i ON a.attrelid = i.indrelid WHERE ct.relname = $1 AND i.indisprimary) result WHERE"
     " result.attnum = (result.keys).x", ["order_items"]),
    ("imported-keys", "SELECT con.conname, con.confupdtype, con.confdeltype, pos.n FROM pg_constraint con,"
     " generate_series(1, 32) pos(n) WHERE con.contype = 'f' AND con.conkey[pos.n] IS NOT NULL AND con.conrelid ="
     " $1::text::regclass", ["orders"]),
    ("privileges", "SELECT r.rolname, c.relacl FROM pg_class c JOIN pg_roles r ON c.relowner = r.oid WHERE c.relname"
     " = $1", ["leads"]),
    ("type-info", "SELECT t.typname, t.typcategory, t.typdelim FROM pg_type t WHERE t.oid = $1::oid", ["25"]),
    ("type-by-oid", "SELECT t.typname, t.typtype, t.typelem, (SELECT string_agg(e.enumlabel, ',') FROM pg_enum e"
     " WHERE e.enumtypid = t.oid) FROM pg_type t WHERE t.typname = ANY ($1::text[])", ["{mood,addr}"]),
    ("procedures", "SELECT p.proname, p.prorettype, p.proargtypes, p.proargmodes FROM pg_proc p WHERE p.proname LIKE"
     " $1 ORDER BY p.oid",
     ["lo\\_un%"]),
    ("keywords", "SELECT string_agg(word, ',' ORDER BY word) FROM pg_get_keywords() WHERE word <> ALL ($1::text[])"
     " AND word ~ '^drop|^trunc'",
     ["{select}"]),
    ("is-valid", "", []),
]  # fmt: skip

REFLECTIONS = [
    ("has-table", ["SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE"
                   " pg_table_is_visible(c.oid) AND c.relname = 'leads' AND c.relkind = ANY (ARRAY['r', 'p', 'f',"
                   " 'v', 'm'])"]),
    ("identity-and-sequences", ["SELECT s.relname, json_build_object('always', a.attidentity = 'a', 'start',"
                                " q.seqstart) FROM pg_sequence q JOIN pg_class s ON s.oid = q.seqrelid JOIN pg_depend"
                                " d ON d.objid = s.oid AND d.deptype IN ('i', 'a') JOIN pg_attribute a ON a.attrelid"
                                " = d.refobjid AND a.attnum = d.refobjsubid ORDER BY 1",
                                "SELECT pg_get_serial_sequence('leads', 'id')"]),
    ("indexes", ["SELECT i.relname, ix.indisunique, am.amname, array_agg(a.attname ORDER BY k.ord) FROM pg_index ix"
                 " JOIN pg_class i ON i.oid = ix.indexrelid JOIN pg_am am ON am.oid = i.relam CROSS JOIN LATERAL"
                 " unnest(ix.indkey) WITH ORDINALITY k(num, ord) LEFT JOIN pg_attribute a ON a.attrelid = ix.indrelid"
                 " AND a.attnum = k.num WHERE ix.indrelid = 'leads'::regclass GROUP BY 1, 2, 3 ORDER BY 1"]),
    ("constraints", ["SELECT kc.constraint_name, kc.column_name, tc.constraint_type, rc.delete_rule FROM"
                     " information_schema.key_column_usage kc JOIN information_schema.table_constraints tc USING"
                     " (constraint_name) LEFT JOIN information_schema.referential_constraints rc USING"
                     " (constraint_name) WHERE kc.table_name = 'order_items' ORDER BY 1, 2"]),
    ("columns", ["SELECT column_name, data_type, is_nullable, column_default, character_maximum_length FROM"
                 " information_schema.columns WHERE table_schema = current_schema() AND table_name = 'leads' ORDER BY"
                 " ordinal_position"]),
    ("introspection", ["SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v'"
                       " ELSE 't' END, obj_description(c.oid, 'pg_class') FROM pg_class c LEFT JOIN pg_namespace n ON"
                       " n.oid = c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN"
                       " ('pg_catalog', 'pg_toast', 'information_schema') ORDER BY 1"]),
    ("server-facts", ["SELECT version() <> ''; SHOW server_version_num; SHOW standard_conforming_strings; SHOW"
                      " transaction isolation level"]),
    ("schema-cache", ["SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid),"
                      " a.attnotnull, a.atttypid, col_description(a.attrelid, a.attnum) FROM pg_attribute a LEFT JOIN"
                      " pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attrelid ="
                      " '\"leads\"'::regclass AND a.attnum > 0 AND NOT a.attisdropped"]),
    ("enums", ["SELECT type.typname AS name, type.OID AS oid, n.nspname AS schema, array_agg(enum.enumlabel ORDER BY"
               " enum.enumsortorder) AS value FROM pg_enum AS enum JOIN pg_type AS type ON (type.oid ="
               " enum.enumtypid) JOIN pg_namespace n ON type.typnamespace = n.oid WHERE n.nspname = ANY"
               " (current_schemas(false)) AND type.typname = 'mood' GROUP BY type.OID, n.nspname, type.typname"
               ]),
    ("test-rollback", ["BEGIN; SAVEPOINT sa_savepoint_1; INSERT INTO audit_log (what) VALUES ('x'); ROLLBACK TO"
                       " SAVEPOINT sa_savepoint_1; ROLLBACK"]),
    ("bulk-insert", ["INSERT INTO audit_log (what) SELECT p0::text FROM (VALUES ('a', 0), ('DROP TABLE leads', 1)) AS"
                     " s(p0, n) ORDER BY n RETURNING what"]),
    ("page", ["SELECT anon_1.id FROM (SELECT leads.id AS id, row_number() OVER (ORDER BY id) AS r FROM leads) AS"
              " anon_1 WHERE r BETWEEN 1 AND 2"]),
]  # fmt: skip

GUI_QUERIES = [
    ("activity", "SELECT count(*) >= 0 FROM pg_stat_activity WHERE state = 'active' AND query ILIKE 'DROP TABLE%' AND"
     " pid <> pg_backend_pid()"),
    ("locks", "SELECT count(*) >= 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND"
     " a.query ~* 'truncate|drop'"),
    ("sizes",
     "SELECT relname, pg_size_pretty(pg_total_relation_size(oid)) <> '' FROM pg_class WHERE relname = 'leads'"),
    ("bloat", "SELECT relname, n_live_tup >= 0, last_autovacuum FROM pg_stat_user_tables WHERE relname = 'leads'"),
    ("ddl-source", "SELECT 'CREATE TABLE ' || c.relname || ' (' || string_agg(a.attname || ' ' ||"
     " format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) || '); -- DROP TABLE leads;' FROM pg_class c"
     " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relname = 'leads' GROUP BY c.relname"),
    ("dependencies", "SELECT DISTINCT dependent.relname FROM pg_depend d JOIN pg_rewrite r ON d.objid = r.oid JOIN"
     " pg_class dependent ON r.ev_class = dependent.oid WHERE d.refobjid = 'customers'::regclass ORDER BY 1"),
    ("triggers", "SELECT tgname, pg_get_triggerdef(oid, true), tgenabled FROM pg_trigger WHERE tgrelid ="
     " 'leads'::regclass AND tgtype & 32 = 0"),
    ("explain-json", "EXPLAIN (FORMAT json, COSTS off) SELECT * FROM orders WHERE status = 'DROP TABLE leads'"),
    ("estimate", "SELECT relname, reltuples::bigint >= -1 FROM pg_class WHERE oid = 'leads'::regclass"),
    ("dashboard", "SELECT date_trunc('month', created_at) AS \"drop\", sum(amount) FROM orders WHERE created_at >="
     " '2023-01-01'::timestamptz GROUP BY 1 ORDER BY 1 ASC LIMIT 2000"),
    ("kill-nobody", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE false AND query LIKE 'DROP%'"),
    ("roles-and-grants", "SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_name ="
     " 'leads' AND privilege_type IN ('TRUNCATE', 'DELETE') ORDER BY 1, 2"),
]  # fmt: skip


def metadata_call(text: str, parameters: list[str]) -> list[Message]:
    return [parse(text, "", types=[25 if "$1::oid" not in text else 26] * len(parameters)), bind("", "", *parameters),
            describe("P"), execute(), SYNC]  # fmt: skip


def cases() -> list[Case]:
    return [
        *(PSQL.benign(name, f"queries of psql's backslash commands: {name}", *texts, loose_rows=True) for name,
          texts in COMMANDS),
        *(METADATA.benign(name, f"metadata call of a driver: {name}", *exchange(*metadata_call(text, parameters)))
          for name, text, parameters in CALLS),
        *(REFLECTION.benign(name, f"reflection of an ORM: {name}", *texts) for name, texts in REFLECTIONS),
        *(WINDOWS.benign(name, f"query of a graphical tool: {name}", text) for name, text in GUI_QUERIES),
    ]  # fmt: skip
