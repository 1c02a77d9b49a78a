/// What one routine or rule of the database does by itself, and what it names: read once for each text.
struct RoutineReading {
    var effects: [Effect] = []
    /// `DROP TABLE accounts`: what the first remarkable effect is, in words; empty if there is none.
    var summary = ""
    var mentions: Set<Mention> = []
}

extension CatalogContents.Routine {
    /// Reads the routine, as far as its language can be read.
    func reading() -> RoutineReading {
        switch language {
        case .sql, .plpgsql: return RoutineReading(definition: definition, own: name)
        case .internal:
            // CREATE FUNCTION … LANGUAGE internal gives a function of PostgreSQL another name.
            guard source != name, let known = KnownFunction.table[source.lowercased()] else { return RoutineReading() }
            return RoutineReading(known: known, object)
        case .c: return readLibrary()
        case .other(let language):
            return RoutineReading(
                effects: [Effect(.opaque, object)], summary: "a body in \(language), which Holdfast cannot read")
        }
    }

    private var object: ObjectName { ObjectName(isProcedure ? .procedure : .function, schema: schema, name: name) }

    private func readLibrary() -> RoutineReading {
        // The statement's own reading knows it by its name.
        if KnownFunction.table[name.lowercased()] != nil, name == source { return RoutineReading() }
        if let known = KnownFunction.table[source.lowercased()] { return RoutineReading(known: known, object) }
        if KnownLibraries.isHarmless(library) { return RoutineReading() }
        return RoutineReading(
            effects: [Effect(.opaque, object)], summary: "\(source) in the library \(library), which Holdfast does not know")
    }

    /// CREATE FUNCTION with the body: what that would be judged by, the routine is.
    private var definition: String {
        let names = parameters.map { "\"" + $0.replacing("\"", with: "\"\"") + "\" text" }.joined(separator: ", ")
        let head = "CREATE FUNCTION holdfast_body(\(names)) RETURNS text LANGUAGE "
        if let sqlBody { return head + "sql " + sqlBody }
        var tag = "$holdfast$"
        while source.contains(tag) { tag = "$" + tag.dropFirst().dropLast() + "_$" }
        return head + (language == .sql ? "sql" : "plpgsql") + " AS " + tag + source + tag
    }
}

extension RoutineReading {
    init(known: KnownFunction, _ object: ObjectName) {
        var statementClass = known.statementClass
        if case .text(let ifUnknown) = known.runs { statementClass = statementClass ?? ifUnknown }
        guard let statementClass else { return }
        effects = [Effect(statementClass, object)]
        summary = object.name
    }

    /// Reads a definition as the statement that would make it; the making itself is no effect.
    init(definition: String, own name: String) {
        let log = MentionLog()
        var analyzer = StatementAnalyzer()
        analyzer.collectMentions(in: log)
        let bytes = Array(definition.utf8)
        let facts = bytes.withUnsafeBytes { analyzer.facts(of: $0, settings: LexicalSettings()) }
        mentions = log.mentions
        for statement in facts.statements {
            // CREATE itself; and what a routine sets is not in the client's hands.
            effects += statement.effects.filter {
                !($0.statementClass == .create && $0.object?.name == "holdfast_body")
                    && !($0.statementClass == .create && $0.object?.kind == .rule) && $0.statementClass != .sessionSetting
            }
            guard summary.isEmpty, !effects.isEmpty else { continue }
            let place = "in the body of function holdfast_body: "
            summary = statement.remarks.first.map { $0.hasPrefix(place) ? String($0.dropFirst(place.count)) : $0 } ?? ""
        }
        if summary.isEmpty, let first = effects.first {
            summary = ([first.statementClass.name] + [first.object?.qualifiedName].compactMap(\.self)).joined(separator: " ")
        }
    }
}

/// C libraries whose functions do no more than their SQL names say: PostgreSQL's own and those of common extensions.
///
/// Their few dangerous functions are in ``KnownFunction``.
enum KnownLibraries {
    private static let harmless: Set<String> = [
        // contrib of PostgreSQL 15 to 18. Not here: refint (its triggers delete and update rows), basebackup_to_shell.
        "_int", "adminpack", "amcheck", "auth_delay", "auto_explain", "autoinc", "bloom", "bool_plperl", "btree_gin",
        "btree_gist", "citext", "cube", "dblink", "dict_int", "dict_snowball", "dict_xsyn", "earthdistance", "file_fdw",
        "fuzzystrmatch", "hstore", "hstore_plperl", "hstore_plpython3", "insert_username", "isn", "jsonb_plperl",
        "jsonb_plpython3", "lo", "ltree", "ltree_plpython3", "moddatetime", "old_snapshot", "pageinspect",
        "passwordcheck", "pg_buffercache", "pg_freespacemap", "pg_logicalinspect", "pg_overexplain", "pg_prewarm",
        "pg_stat_statements", "pg_surgery", "pg_trgm", "pg_visibility", "pg_walinspect", "pgcrypto", "pgrowlocks",
        "pgstattuple", "pgxml", "plpgsql", "postgres_fdw", "seg", "sepgsql", "sslinfo", "tablefunc", "tcn",
        "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp",
        // Languages' handlers: what they run is judged as their functions' bodies.
        "plperl", "plpython3", "pltcl",
        // Common extensions.
        "postgis", "postgis-3", "postgis_raster-3", "postgis_topology-3", "postgis_sfcgal-3", "address_standardizer-3",
        "pgrouting", "vector", "pg_hint_plan", "hypopg", "pg_stat_kcache", "pg_qualstats", "pg_wait_sampling", "ip4r",
        "rum", "hll", "semver", "pg_uuidv7", "orafce", "prefix", "pgaudit", "unit", "periods", "numeral", "q3c",
        "pg_sphere", "pgsphere", "pgvector", "h3", "h3_postgis", "mysqlcompat", "pg_similarity", "pg_rational", "uint",
        "icu_ext", "roaringbitmap", "topn", "tdigest", "pgsodium", "pg_bigm", "zhparser", "pgpcre", "jsquery",
    ]

    /// - Parameter library: as in `pg_proc.probin`: `$libdir/pg_trgm`, `pg_trgm.so`. One with another folder is unknown.
    static func isHarmless(_ library: String) -> Bool {
        var name = Substring(library)
        if name.hasPrefix("$libdir/") { name = name.dropFirst("$libdir/".count) }
        if name.hasSuffix(".so") { name = name.dropLast(3) }
        return harmless.contains(String(name)) || isConversion(name)
    }

    /// `utf8_and_win` and its like: only the bootstrap makes functions over them.
    private static func isConversion(_ name: Substring) -> Bool {
        !name.contains("/") && (name.contains("_and_") || name == "euc2004_sjis2004")
    }
}
