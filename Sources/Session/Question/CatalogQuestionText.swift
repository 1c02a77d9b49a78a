import SQLParsing

/// The question as SQL: pure ASCII, the same under every setting of the session's, with nothing in it that search_path
/// or a user's operator could turn into something else. It reads system catalogs only and takes no lock on a table.
///
/// Every row of the answer has the columns of ``CatalogAnswer/Column``, all as text.
struct CatalogQuestionText {
    private var rows: [String] = []
    private var roots: [String] = []
    /// One row of VALUES for each relation that is named: however many there are, the query stays as small to plan.
    private var relations: [String] = []
    private var relationRoots: [String] = []
    private var emptied: [String] = []
    /// CASCADE, or something that owns other things.
    private var reachesFar = false

    /// More rows than these are not sent; the answer then says that it is not complete.
    static let rowLimit = 2000

    static func text(of question: CatalogQuestion) -> String {
        var text = CatalogQuestionText()
        for (index, item) in question.items.enumerated() { text.add(item, index) }
        return text.joined()
    }

    /// The kinds of objects that can be looked up by their name.
    static func canFind(_ kind: ObjectKind) -> Bool {
        switch kind {
        case .table, .view, .materializedView, .foreignTable, .sequence, .index, .schema, .type, .domain, .function,
            .procedure, .aggregate, .extension, .role, .operator, .operatorClass, .operatorFamily, .collation,
            .language, .server, .foreignDataWrapper, .accessMethod, .textSearch:
            true
        case .column, .constraint, .database, .trigger, .eventTrigger, .rule, .policy, .tablespace, .userMapping,
            .publication, .subscription, .cast, .conversion, .statistics, .transform, .largeObject, .setting, .file,
            .program, .other:
            false
        }
    }

    // MARK: - One name

    private mutating func add(_ item: CatalogQuestion.Item, _ index: Int) {
        let object = item.object
        let name = Self.literal(Self.qualified(object))
        if object.kind.isInRelation || (object.part != nil && !item.isTypeAttribute) {
            let schema = object.schema.map(Self.literal) ?? "NULL::pg_catalog.text"
            let own = Self.literal("pg_temp." + Self.quoted(object.name))
            relations.append(
                "(\(index), \(name), \(own), \(Self.literal(object.name)), \(schema), "
                    + "\(object.kind == .index && item.reach == .name))")
        }
        if item.reach == .drop(cascade: true) || (item.reach != .name && !object.kind.isInRelation) {
            reachesFar = true
        }
        switch item.reach {
        case .name: break
        case .truncate(let cascade): emptied.append("(\(index), \(cascade), \(name))")
        case .drop(let cascade) where object.kind.isInRelation:
            relationRoots.append("(\(index), \(cascade), \(name))")
        case .drop(let cascade):
            let (catalog, objects) = Self.root(of: item)
            let columns = object.kind == .role || object.kind == .textSearch ? "o, s, c" : "o, s"
            roots.append("SELECT \(index), \(cascade), \(catalog), r.o, r.s FROM (\(objects)) AS r(\(columns))")
            if item.isTypeAttribute {
                roots.append(Self.typedTables(item, index))
                // Columns of the type lose the attribute's values, with CASCADE or without; they depend on the type.
                roots.append("SELECT \(index), true, \(Self.catalog("pg_type")), \(Self.type(object)), 0")
            }
        }
    }

    /// What the names stand for now. `pg_temp` is this session's own schema of temporary tables: if the name as written
    /// and the name in there are the same relation, it is temporary, and no snapshot can be too old to know it.
    private var relationRows: String {
        """
        SELECT q.i, 'name', c.relkind::pg_catalog.text, n.nspname::pg_catalog.text, \
        c.relname::pg_catalog.text, NULL::pg_catalog.text, q.o \(Self.equals) q.t, q.o::pg_catalog.text, \
        \(Self.rowCount("c")), \(Self.byteCount("c")), EXISTS (\
        SELECT FROM pg_catalog.pg_class AS f WHERE f.relname \(Self.equals) q.name::pg_catalog.name \
        AND f.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char" \
        AND NOT (q.isindex AND f.relkind \(Self.equals) ANY (ARRAY['i', 'I']::pg_catalog."char"[])) \
        AND (q.schema IS NULL OR f.relnamespace \(Self.equals) ANY (ARRAY(SELECT s.oid \
        FROM pg_catalog.pg_namespace AS s WHERE s.nspname \(Self.equals) q.schema::pg_catalog.name)))) \
        FROM (SELECT v.i, pg_catalog.to_regclass(v.written)::pg_catalog.oid, \
        pg_catalog.to_regclass(v.own)::pg_catalog.oid, v.name, v.schema, v.isindex \
        FROM (VALUES \(relations.joined(separator: ", "))) AS v(i, written, own, name, schema, isindex)) \
        AS q(i, o, t, name, schema, isindex) \
        LEFT JOIN pg_catalog.pg_class AS c ON c.oid \(Self.equals) q.o \
        LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid \(Self.equals) c.relnamespace
        """
    }

    /// The catalog that the object is in, as an OID, and a query for its OID and its column's number.
    private static func root(of item: CatalogQuestion.Item) -> (catalog: String, objects: String) {
        let object = item.object
        let name = "\(literal(object.name))::pg_catalog.name"
        switch object.kind {
        case .column:
            guard let part = object.part else { return (catalog("pg_class"), none) }
            let owner = item.isTypeAttribute ? typeRelation(object) : relation(object)
            return (
                catalog("pg_class"),
                "SELECT a.attrelid, a.attnum::pg_catalog.int4 FROM pg_catalog.pg_attribute AS a WHERE a.attrelid "
                    + "\(equals) \(owner) AND a.attname \(equals) \(literal(part))::pg_catalog.name"
            )
        case .constraint:
            guard let part = object.part else { return (catalog("pg_constraint"), none) }
            return (
                catalog("pg_constraint"),
                "SELECT k.oid, 0 FROM pg_catalog.pg_constraint AS k WHERE k.conrelid \(equals) \(relation(object)) "
                    + "AND k.conname \(equals) \(literal(part))::pg_catalog.name"
            )
        case .table, .view, .materializedView, .foreignTable, .sequence, .index:
            // All in one (``relationRoots``).
            return (catalog("pg_class"), none)
        case .type, .domain:
            return (catalog("pg_type"), "SELECT \(type(object)), 0")
        case .schema: return named("pg_namespace", "nspname", name)
        case .extension: return named("pg_extension", "extname", name)
        case .language: return named("pg_language", "lanname", name)
        case .server: return named("pg_foreign_server", "srvname", name)
        case .foreignDataWrapper: return named("pg_foreign_data_wrapper", "fdwname", name)
        case .accessMethod: return named("pg_am", "amname", name)
        case .function, .procedure, .aggregate: return named("pg_proc", "proname", name)
        case .operator: return named("pg_operator", "oprname", name)
        case .operatorClass: return named("pg_opclass", "opcname", name)
        case .operatorFamily: return named("pg_opfamily", "opfname", name)
        case .collation: return named("pg_collation", "collname", name)
        case .textSearch:
            let catalogs = [
                ("pg_ts_config", "cfgname"), ("pg_ts_dict", "dictname"), ("pg_ts_parser", "prsname"),
                ("pg_ts_template", "tmplname"),
            ]
            let found = catalogs.map { table, column in
                "SELECT x.oid, 0, \(catalog(table)) FROM pg_catalog.\(table) AS x WHERE x.\(column) \(equals) \(name)"
            }
            return ("r.c", found.joined(separator: " UNION ALL "))
        case .role: return ("r.c", owned(by: object.name))
        case .database, .trigger, .eventTrigger, .rule, .policy, .tablespace, .userMapping, .publication,
            .subscription, .cast, .conversion, .statistics, .transform, .largeObject, .setting, .file, .program,
            .other:
            return (catalog("pg_class"), none)
        }
    }

    private static let none = "SELECT NULL::pg_catalog.oid, 0"

    /// Every object of that name, in whatever schema and with whatever arguments: more than is meant, never less.
    private static func named(_ table: String, _ column: String, _ name: String) -> (String, String) {
        (catalog(table), "SELECT x.oid, 0 FROM pg_catalog.\(table) AS x WHERE x.\(column) \(equals) \(name)")
    }

    /// What DROP OWNED drops: the role's objects in this database (`shdepDropOwned`, pg_shdepend.c).
    private static func owned(by role: String) -> String {
        let name = "\(literal(role))::pg_catalog.name"
        let keyword =
            ["current_role": "CURRENT_USER", "current_user": "CURRENT_USER", "session_user": "SESSION_USER"][role]
        let other = keyword.map { " OR u.rolname \(equals) \($0)" } ?? ""
        return """
            SELECT d.objid, d.objsubid, d.classid FROM pg_catalog.pg_shdepend AS d, pg_catalog.pg_roles AS u, \
            pg_catalog.pg_database AS b WHERE d.refclassid \(equals) \(catalog("pg_authid")) \
            AND d.refobjid \(equals) u.oid AND d.dbid \(equals) b.oid \
            AND b.datname \(equals) pg_catalog.current_database() \
            AND d.deptype \(equals) 'o'::pg_catalog."char" AND (u.rolname \(equals) \(name)\(other))
            """
    }

    /// Tables of a composite type (CREATE TABLE … OF) lose the column that the type loses; no row of pg_depend says so.
    private static func typedTables(_ item: CatalogQuestion.Item, _ index: Int) -> String {
        let part = literal(item.object.part ?? "")
        return """
            SELECT \(index), true, \(catalog("pg_class")), a.attrelid, a.attnum::pg_catalog.int4 \
            FROM pg_catalog.pg_class AS c, pg_catalog.pg_attribute AS a WHERE c.reloftype \(equals) \(type(item.object)) \
            AND a.attrelid \(equals) c.oid AND a.attname \(equals) \(part)::pg_catalog.name
            """
    }

    // MARK: - The whole

    private func joined() -> String {
        var tables: [String] = []
        var rows = rows
        var roots = roots
        if !relations.isEmpty { rows.append(relationRows) }
        if !relationRoots.isEmpty {
            roots.append(
                "SELECT v.i, v.cascade, \(Self.catalog("pg_class")), pg_catalog.to_regclass(v.name)::pg_catalog.oid, 0 "
                    + "FROM (VALUES \(relationRoots.joined(separator: ", "))) AS v(i, cascade, name)")
        }
        if !roots.isEmpty {
            tables.append("going(i, cascade, c, o, s, isroot) AS (\(Self.closure(roots)))")
            rows.append(Self.relationsGoing)
        }
        // Without CASCADE a relation takes its partitions and sequences along, no more: the rest need not be planned.
        if !roots.isEmpty, reachesFar {
            rows.append(Self.columnsGoing)
            rows.append(Self.others("pg_proc", "proname", "pronamespace", kind: "function"))
            rows.append(
                Self.others(
                    "pg_type", "typname", "typnamespace", kind: "type",
                    where: "x.typrelid \(Self.equals) 0::pg_catalog.oid AND x.typelem \(Self.equals) 0::pg_catalog.oid")
            )
            rows.append(Self.constraintsGoing)
        }
        if !emptied.isEmpty {
            tables.append("emptied(i, cascade, o) AS (\(Self.referencing(emptied)))")
            rows.append(Self.tablesEmptied)
        }
        let with = tables.isEmpty ? "" : "WITH RECURSIVE \(tables.joined(separator: ", ")) "
        let isolation = "pg_catalog.current_setting('transaction_isolation')"
        rows.insert(
            "SELECT -1, 'session'::pg_catalog.text, \(isolation), NULL::pg_catalog.text, NULL::pg_catalog.text, "
                + "NULL::pg_catalog.text, false, pg_catalog.pg_backend_pid()::pg_catalog.text, "
                + "NULL::pg_catalog.text, NULL::pg_catalog.text, false", at: 0)
        return "/* holdfast: what do these names mean? */ " + with
            + rows.map { "(\($0))" }.joined(separator: " UNION ALL ") + " LIMIT \(Self.rowLimit + 1)"
    }

    /// `findDependentObjects` (dependency.c), from above: what depends on an object goes with it; what belongs to another
    /// object, or to an extension, takes that along.
    private static func closure(_ roots: [String]) -> String {
        """
        SELECT r.i, r.cascade, r.c, r.o, r.s, true FROM (\(roots.joined(separator: " UNION ALL "))) \
        AS r(i, cascade, c, o, s) WHERE r.o IS NOT NULL UNION \
        SELECT g.i, g.cascade, n.c, n.o, n.s, false FROM going AS g CROSS JOIN LATERAL (\
        SELECT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend AS d WHERE d.refclassid \(equals) g.c \
        AND d.refobjid \(equals) g.o AND (g.s \(equals) 0 OR d.refobjsubid \(equals) g.s) \
        AND (g.cascade OR d.deptype OPERATOR(pg_catalog.<>) 'n'::pg_catalog."char") UNION ALL \
        SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend AS d WHERE NOT g.isroot \
        AND d.classid \(equals) g.c AND d.objid \(equals) g.o AND d.objsubid \(equals) g.s \
        AND d.deptype \(equals) ANY (ARRAY['i'::pg_catalog."char", 'e'::pg_catalog."char"])) AS n(c, o, s)
        """
    }

    /// `heap_truncate_find_FKs` (heap.c) and the children.
    private static func referencing(_ names: [String]) -> String {
        """
        SELECT v.i, v.cascade, pg_catalog.to_regclass(v.name)::pg_catalog.oid \
        FROM (VALUES \(names.joined(separator: ", "))) AS v(i, cascade, name) UNION SELECT t.i, t.cascade, e.o FROM emptied AS t, (\
        SELECT k.conrelid, k.confrelid, true FROM pg_catalog.pg_constraint AS k \
        WHERE k.contype \(equals) 'f'::pg_catalog."char" UNION ALL \
        SELECT h.inhrelid, h.inhparent, false FROM pg_catalog.pg_inherits AS h) AS e(o, p, isreference) \
        WHERE e.p \(equals) t.o AND (t.cascade OR NOT e.isreference)
        """
    }

    private static let kept =
        "c.relkind \(equals) ANY (ARRAY['r', 'p', 'm', 'f', 'v', 'S']::pg_catalog.\"char\"[])"

    private static var relationsGoing: String {
        """
        SELECT DISTINCT g.i, 'goes', c.relkind::pg_catalog.text, n.nspname::pg_catalog.text, \
        c.relname::pg_catalog.text, NULL, \(isOwn("n")), c.oid::pg_catalog.text, \(rowCount("c")), \
        \(byteCount("c")), false FROM going AS g, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS n \
        WHERE g.c \(equals) \(catalog("pg_class")) AND g.s \(equals) 0 AND c.oid \(equals) g.o \
        AND n.oid \(equals) c.relnamespace AND \(kept)
        """
    }

    /// Columns of relations that stay.
    private static var columnsGoing: String {
        """
        SELECT DISTINCT g.i, 'goes', CASE WHEN c.relkind \(equals) 'c'::pg_catalog."char" THEN 'attribute' \
        ELSE 'column' END, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
        a.attname::pg_catalog.text, \(isOwn("n")), c.oid::pg_catalog.text, \(rowCount("c")), NULL, false \
        FROM going AS g, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS n, pg_catalog.pg_attribute AS a \
        WHERE g.c \(equals) \(catalog("pg_class")) AND g.s OPERATOR(pg_catalog.>) 0 AND c.oid \(equals) g.o \
        AND c.relkind \(equals) ANY (ARRAY['r', 'p', 'f', 'c', 'm']::pg_catalog."char"[]) \
        AND n.oid \(equals) c.relnamespace AND a.attrelid \(equals) c.oid \
        AND a.attnum::pg_catalog.int4 \(equals) g.s AND NOT EXISTS (SELECT FROM going AS w WHERE w.i \(equals) g.i \
        AND w.c \(equals) g.c AND w.o \(equals) g.o AND w.s \(equals) 0)
        """
    }

    private static func others(
        _ table: String, _ name: String, _ schema: String, kind: String, where condition: String = "true"
    ) -> String {
        """
        SELECT DISTINCT g.i, 'goes', '\(kind)', n.nspname::pg_catalog.text, x.\(name)::pg_catalog.text, NULL, false, \
        x.oid::pg_catalog.text, NULL, NULL, false FROM going AS g, pg_catalog.\(table) AS x, \
        pg_catalog.pg_namespace AS n WHERE g.c \(equals) \(catalog(table)) AND x.oid \(equals) g.o \
        AND n.oid \(equals) x.\(schema) AND NOT g.isroot AND \(condition)
        """
    }

    private static var constraintsGoing: String {
        """
        SELECT DISTINCT g.i, 'goes', 'constraint', n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
        k.conname::pg_catalog.text, \(isOwn("n")), k.oid::pg_catalog.text, NULL, NULL, false \
        FROM going AS g, pg_catalog.pg_constraint AS k, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS n \
        WHERE g.c \(equals) \(catalog("pg_constraint")) AND NOT g.isroot AND k.oid \(equals) g.o \
        AND k.contype \(equals) 'f'::pg_catalog."char" AND c.oid \(equals) k.conrelid \
        AND n.oid \(equals) c.relnamespace AND NOT EXISTS (SELECT FROM going AS w WHERE w.i \(equals) g.i \
        AND w.c \(equals) \(catalog("pg_class")) AND w.o \(equals) c.oid AND w.s \(equals) 0)
        """
    }

    private static var tablesEmptied: String {
        """
        SELECT DISTINCT t.i, 'goes', c.relkind::pg_catalog.text, n.nspname::pg_catalog.text, \
        c.relname::pg_catalog.text, NULL, \(isOwn("n")), c.oid::pg_catalog.text, \(rowCount("c")), \
        \(byteCount("c")), false FROM emptied AS t, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS n \
        WHERE c.oid \(equals) t.o AND n.oid \(equals) c.relnamespace
        """
    }

    // MARK: - Pieces

    private static let equals = "OPERATOR(pg_catalog.=)"

    private static func catalog(_ name: String) -> String {
        "'pg_catalog.\(name)'::pg_catalog.regclass::pg_catalog.oid"
    }

    private static func isOwn(_ schema: String) -> String { "\(schema).oid \(equals) pg_catalog.pg_my_temp_schema()" }

    /// The planner's estimate, or before the first ANALYZE the statistics' own count: neither touches the table.
    private static func rowCount(_ table: String) -> String {
        """
        (CASE WHEN \(table).reltuples OPERATOR(pg_catalog.>) 0::pg_catalog.float4 \
        THEN \(table).reltuples::pg_catalog.int8 ELSE pg_catalog.pg_stat_get_live_tuples(\(table).oid) END)\
        ::pg_catalog.text
        """
    }

    private static func byteCount(_ table: String) -> String {
        """
        (\(table).relpages::pg_catalog.int8 OPERATOR(pg_catalog.*) \
        pg_catalog.current_setting('block_size')::pg_catalog.int8)::pg_catalog.text
        """
    }

    private static func relation(_ object: ObjectName) -> String {
        "pg_catalog.to_regclass(\(literal(qualified(object))))::pg_catalog.oid"
    }

    private static func type(_ object: ObjectName) -> String {
        "pg_catalog.to_regtype(\(literal(qualified(object))))::pg_catalog.oid"
    }

    private static func typeRelation(_ object: ObjectName) -> String {
        "ANY (ARRAY(SELECT t.typrelid FROM pg_catalog.pg_type AS t WHERE t.oid \(equals) \(type(object))))"
    }

    private static func qualified(_ object: ObjectName) -> String {
        (object.schema.map { quoted($0) + "." } ?? "") + quoted(object.name)
    }

    private static func quoted(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    /// An escape string: it reads the same whatever standard_conforming_strings and client_encoding are.
    static func literal(_ text: String) -> String {
        var result = "E'"
        for scalar in text.unicodeScalars {
            switch scalar {
            case "'": result += "''"
            case "\\": result += "\\\\"
            case _ where scalar.isASCII: result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                result += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return result + "'"
    }
}

extension ObjectKind {
    /// A relation; its name is looked up in pg_class.
    var isInRelation: Bool {
        switch self {
        case .table, .view, .materializedView, .foreignTable, .sequence, .index: true
        case .column, .constraint, .schema, .database, .type, .domain, .function, .procedure, .aggregate, .trigger,
            .eventTrigger, .rule, .policy, .extension, .role, .tablespace, .language, .server, .foreignDataWrapper,
            .userMapping, .publication, .subscription, .accessMethod, .operator, .operatorClass, .operatorFamily,
            .cast, .collation, .conversion, .statistics, .textSearch, .transform, .largeObject, .setting, .file,
            .program, .other:
            false
        }
    }
}
