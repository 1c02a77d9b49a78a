/// The table that records go to, and every text that Holdfast sends about it.
///
/// A table partitioned by months, a table of positions, and a function that makes the partition of a month. The function runs
/// with its owner's rights: so the sink's own role needs nothing but to insert.
package struct PostgresTrailTable: Sendable, Hashable {
    package var schema: String
    package var name: String

    /// The longest name, in bytes: partitions and the like have it with something behind it, and PostgreSQL cuts names off at
    /// 63 bytes.
    package static let mostNameBytes = 48

    package init(schema: String, name: String) {
        self.schema = schema
        self.name = name
    }

    /// Both parts as `proxy.conf` has them.
    package var text: String { "\(schema).\(name)" }

    /// Columns besides `instance`, `seq`, `at`, `kind` and `line`: each with its type, and what it is of the record `r`.
    private static let columns: [(name: String, type: String, value: String)] = [
        ("id", "text", "r->>'id'"), ("session", "text", "r->>'session'"), ("client", "text", "r->>'client'"),
        ("os_user", "text", "r->>'os_user'"), ("username", "text", "r->>'user'"),
        ("database", "text", "r->>'database'"),
        ("application_name", "text", "r->>'application_name'"), ("tag", "text", "r->>'tag'"),
        ("backend_pid", "bigint", "(r->>'backend_pid')::bigint"), ("command", "text", "r->>'command'"),
        ("verdict", "text", "r->>'verdict'"), ("rule", "text", "r->>'rule'"),
        ("classes", "text[]", texts("classes", "x #>> '{}'")),
        ("objects", "text[]", texts("objects", "concat_ws(' ', x->>'kind', x->>'name')")),
        ("outcome", "text", "r->>'transaction'"), ("command_tag", "text", "r->>'command_tag'"),
        ("sqlstate", "text", "r->>'sqlstate'"), ("rows", "bigint", "(r->>'rows')::bigint"),
        ("duration_us", "bigint", "(r->>'duration_us')::bigint"),
    ]

    private static func texts(_ key: String, _ value: String) -> String {
        "CASE WHEN jsonb_typeof(r->'\(key)') = 'array' THEN ARRAY(SELECT \(value) FROM jsonb_array_elements(r->'\(key)') AS x) END"
    }

    /// All columns' names.
    static let columnNames = ["instance", "seq", "at", "kind"] + columns.map(\.name) + ["record", "line"]

    private static func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
    private static func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
    private func path(_ ending: String = "") -> String { Self.quoted(schema) + "." + Self.quoted(name + ending) }

    /// What makes the table. It may be run again.
    ///
    /// - Parameter role: who is let in to insert; nil for nobody but the owner.
    package func script(for role: String?) -> String {
        let columns = Self.columns.map { "    \(Self.quoted($0.name)) \($0.type)" }.joined(separator: ",\n")
        var text = """
            CREATE SCHEMA IF NOT EXISTS \(Self.quoted(schema));

            CREATE TABLE IF NOT EXISTS \(path()) (
                "instance" text NOT NULL,
                "seq" bigint NOT NULL,
                "at" timestamptz NOT NULL,
                "kind" text NOT NULL,
            \(columns),
                "record" jsonb NOT NULL,
                "line" text NOT NULL,
                PRIMARY KEY ("instance", "seq", "at")
            ) PARTITION BY RANGE ("at");
            CREATE INDEX IF NOT EXISTS \(Self.quoted(name + "_at")) ON \(path()) ("at");
            CREATE INDEX IF NOT EXISTS \(Self.quoted(name + "_id")) ON \(path()) ("id");
            CREATE INDEX IF NOT EXISTS \(Self.quoted(name + "_session")) ON \(path()) ("session");

            -- The last record of each trail that the table has.
            CREATE TABLE IF NOT EXISTS \(path("_position")) (
                "instance" text PRIMARY KEY,
                "seq" bigint NOT NULL,
                "changed" timestamptz NOT NULL DEFAULT now()
            );

            -- Makes the partition of the month that a moment lies in, if there is none.
            CREATE OR REPLACE FUNCTION \(path("_partition"))(moment timestamptz) RETURNS void
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $function$
            DECLARE
                month CONSTANT timestamptz := date_trunc('month', moment);
                partition CONSTANT text := \(Self.literal(name + "_")) || to_char(month, 'YYYYMM');
            BEGIN
                PERFORM pg_advisory_xact_lock(\(lockNumber));
                IF to_regclass(format('%I.%I', \(Self.literal(schema)), partition)) IS NULL THEN
                    EXECUTE format('CREATE TABLE %I.%I PARTITION OF %I.%I FOR VALUES FROM (%L) TO (%L)',
                        \(Self.literal(schema)), partition, \(Self.literal(schema)), \(Self.literal(name)), month, month + interval '1 month');
                END IF;
            END
            $function$;
            REVOKE ALL ON FUNCTION \(path("_partition"))(timestamptz) FROM PUBLIC;

            """
        if let role {
            text += """

                GRANT USAGE ON SCHEMA \(Self.quoted(schema)) TO \(Self.quoted(role));
                GRANT INSERT ON \(path()) TO \(Self.quoted(role));
                GRANT SELECT, INSERT, UPDATE ON \(path("_position")) TO \(Self.quoted(role));
                GRANT EXECUTE ON FUNCTION \(path("_partition"))(timestamptz) TO \(Self.quoted(role));

                """
        }
        return text
    }

    /// The script, for a server that others may be making the same at.
    var making: String { "BEGIN; SELECT pg_advisory_xact_lock(\(lockNumber));\n\(script(for: nil))COMMIT" }

    /// FNV-1a of the name: the same for everybody who means this table.
    private var lockNumber: Int64 {
        let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return Int64(bitPattern: hash)
    }

    /// Answers the names of what is missing of the table, one a row. Columns count as missing only if there is the table.
    var missing: String {
        let names = Self.columnNames.map(Self.literal).joined(separator: ", ")
        return """
            SELECT \(Self.literal("table " + text)) WHERE to_regclass(\(Self.literal(path()))) IS NULL
            UNION ALL SELECT \(Self.literal("table " + text + "_position"))
                WHERE to_regclass(\(Self.literal(path("_position")))) IS NULL
            UNION ALL SELECT \(Self.literal("function " + text + "_partition(timestamptz)"))
                WHERE to_regprocedure(\(Self.literal(path("_partition") + "(timestamptz)"))) IS NULL
            UNION ALL SELECT 'column ' || c FROM unnest(ARRAY[\(names)]) AS c
                WHERE to_regclass(\(Self.literal(path()))) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute
                    WHERE attrelid = to_regclass(\(Self.literal(path()))) AND attname = c AND NOT attisdropped)
            """
    }

    static let staging = """
        CREATE TEMPORARY TABLE IF NOT EXISTS holdfast_batch (instance text, seq bigint, record text, line text)
            ON COMMIT DELETE ROWS
        """
    static let copying = "COPY pg_temp.holdfast_batch (instance, seq, record, line) FROM STDIN"

    /// Moves what was copied into the table. What is there stays as it is.
    var moving: String {
        let names = Self.columnNames.map(Self.quoted).joined(separator: ", ")
        let values = Self.columns.map(\.value).joined(separator: ", ")
        return """
            INSERT INTO \(path()) (\(names))
            SELECT instance, seq, coalesce((r->>'time')::timestamptz, 'epoch'), coalesce(r->>'event', 'unreadable'),
                \(values), r, line
            FROM (SELECT instance, seq, record::jsonb AS r, line FROM pg_temp.holdfast_batch) AS batch
            ON CONFLICT DO NOTHING
            """
    }

    /// Makes the partition of the moment `$1`.
    var partition: String { "SELECT \(path("_partition"))($1::timestamptz)" }

    /// The last record of the trail `$1`.
    var position: String { "SELECT seq FROM \(path("_position")) WHERE instance = $1" }

    /// Sets the last record of the trail `$1` to `$2`.
    var positioning: String {
        """
        INSERT INTO \(path("_position")) AS p (instance, seq) VALUES ($1, $2::bigint)
        ON CONFLICT (instance) DO UPDATE SET seq = excluded.seq, changed = now()
        """
    }
}
