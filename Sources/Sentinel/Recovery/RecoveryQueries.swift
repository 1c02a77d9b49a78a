/// The statements of Holdfast's own that a recovery sends.
enum RecoveryQueries {
    /// Whether the role may make databases.
    static let mayMakeDatabases =
        "SELECT r.rolcreatedb OR r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user"

    /// What stands in the way of running all migrations: relations, types and functions of the database's own. $1: the
    /// migration tool's table, in two parts.
    static let leftovers = """
        SELECT d.text FROM (
            SELECT c.oid, 'pg_catalog.pg_class'::pg_catalog.regclass AS catalog, n.nspname,
                   CASE c.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
                        WHEN 'c' THEN 'type ' ELSE 'table ' END || n.nspname || '.' || c.relname AS text
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relpersistence <> 't'
               AND NOT (n.nspname = $1 AND c.relname = $2)
            UNION ALL
            SELECT t.oid, 'pg_catalog.pg_type'::pg_catalog.regclass, n.nspname, 'type ' || n.nspname || '.' || t.typname
              FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
             WHERE t.typtype IN ('d', 'e', 'r')
            UNION ALL
            SELECT p.oid, 'pg_catalog.pg_proc'::pg_catalog.regclass, n.nspname,
                   'function ' || n.nspname || '.' || p.proname
              FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace) d
         WHERE d.nspname !~ '^pg_' AND d.nspname NOT IN ('information_schema', 'holdfast', 'holdfast_mark')
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                            WHERE e.classid = d.catalog AND e.objid = d.oid AND e.deptype = 'e')
         ORDER BY 1 LIMIT 100
        """

    /// How the watched database was made: encoding, collation, character type, search_path as set for it.
    static let traits = """
        SELECT pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
               (SELECT pg_catalog.substr(s.entry, 13) FROM pg_catalog.pg_db_role_setting r,
                       pg_catalog.unnest(r.setconfig) AS s(entry)
                 WHERE r.setdatabase = d.oid AND r.setrole = 0 AND s.entry LIKE 'search\\_path=%')
          FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
        """

    static let schemas = """
        SELECT n.nspname FROM pg_catalog.pg_namespace n
         WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public', 'holdfast', 'holdfast_mark')
         ORDER BY 1
        """

    static let extensions = """
        SELECT e.extname, n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
         WHERE e.extname <> 'plpgsql' ORDER BY e.oid
        """

    /// Foreign keys of, or to, these tables that have not been checked against the rows. $1: an array of names as the catalog
    /// has them, schema and table joined by a dot.
    static let unchecked = """
        SELECT pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', k.conrelid::pg_catalog.regclass, k.conname),
               pg_catalog.format('%s.%I', k.conrelid::pg_catalog.regclass, k.conname)
          FROM pg_catalog.pg_constraint k
         WHERE k.contype = 'f' AND NOT k.convalidated AND EXISTS (
             SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE c.oid IN (k.conrelid, k.confrelid) AND n.nspname || '.' || c.relname = ANY ($1::pg_catalog.text[]))
         ORDER BY 1
        """

    static let relations = """
        SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'f')
        """

    static let databaseExists =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_database d WHERE d.datname = $1)"

    static func identifier(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
    static func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

    /// An array of texts, as a parameter.
    static func array(_ texts: [String]) -> String {
        "{"
            + texts.map { "\"" + $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" }
            .joined(separator: ",") + "}"
    }
}
