import Testing

@testable import SQLParsing

@Suite("Routine bodies are read")
struct RoutineBodyTests {
    private static func block(_ body: String) -> String { "DO $body$ \(body) $body$" }

    static let rows: [ClassRow] = [
        ClassRow("BEGIN DROP TABLE t; END", .dropTable, objects: ["t"]),
        ClassRow("BEGIN DROP /* x */ TABLE -- y\n t; END", .dropTable),
        ClassRow("BEGIN IF EXISTS (SELECT FROM t) THEN DROP TABLE t; END IF; END", .dropTable),
        ClassRow("BEGIN BEGIN RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN DROP TABLE t; END; END", .dropTable),
        ClassRow("BEGIN CASE 1 WHEN 1 THEN NULL; ELSE TRUNCATE t; END CASE; END", .truncate),
        ClassRow("<<a>> BEGIN LOOP DELETE FROM t; EXIT a; END LOOP; END", .deleteAll),
        ClassRow("BEGIN WHILE true LOOP UPDATE t SET a = CASE WHEN b THEN 1 ELSE 2 END; END LOOP; END", .updateAll),
        ClassRow("BEGIN FOR r IN DELETE FROM t RETURNING * LOOP NULL; END LOOP; END", .deleteAll),
        ClassRow("BEGIN RETURN QUERY DELETE FROM t RETURNING a; END", .deleteAll),
        ClassRow("BEGIN PERFORM lo_unlink(1); END", .dangerousFunction),
        ClassRow("DECLARE a int := lo_unlink(1); BEGIN END", .dangerousFunction),
        ClassRow("BEGIN IF lo_unlink(1) = 1 THEN NULL; END IF; END", .dangerousFunction),
        ClassRow("BEGIN EXECUTE 'DROP TABLE t'; END", .dropTable, objects: ["t"]),
        ClassRow("BEGIN EXECUTE 'DR' || 'OP TA' || 'BLE t'; END", .dropTable, objects: ["t"]),
        ClassRow("BEGIN EXECUTE 'DROP TABLE ' || quote_ident(x); END", .dropTable, objects: []),
        ClassRow("BEGIN EXECUTE 'DROP TABLE ' || x; END", .dropTable, .dynamicSQL),
        ClassRow("BEGIN EXECUTE format('DROP TABLE %I.%I', 's', 't'); END", .dropTable, objects: ["s.t"]),
        ClassRow("BEGIN EXECUTE format('%s %s %I', 'DROP', 'TABLE', 't'); END", .dropTable),
        ClassRow("BEGIN EXECUTE format('%2$s %1$s t', 'TABLE', 'DROP'); END", .dropTable),
        ClassRow("BEGIN EXECUTE concat('DROP ', 'TABLE t'); END", .dropTable),
        ClassRow("DECLARE q text := 'DROP TABLE t'; BEGIN EXECUTE q; END", .dropTable),
        ClassRow("DECLARE q text; BEGIN q := 'TABLE t'; EXECUTE 'DROP ' || q; END", .dropTable),
        ClassRow("DECLARE q text := 'x'; BEGIN SELECT a INTO q FROM t; EXECUTE q; END", .dynamicSQL),
        ClassRow("BEGIN EXECUTE current_setting('a.b'); END", .dynamicSQL),
        ClassRow("BEGIN EXECUTE x USING 1; END", .dynamicSQL),
        ClassRow("BEGIN RETURN QUERY EXECUTE 'DELETE FROM t'; END", .deleteAll),
        ClassRow("BEGIN FOR r IN EXECUTE 'DELETE FROM t RETURNING 1' LOOP NULL; END LOOP; END", .deleteAll),
        ClassRow("BEGIN OPEN c FOR EXECUTE 'DELETE FROM t RETURNING 1'; END", .deleteAll),
        ClassRow(
            "DECLARE r record; BEGIN FOR r IN (SELECT tablename FROM pg_tables) LOOP "
                + "EXECUTE 'DROP TABLE IF EXISTS ' || quote_ident(r.tablename) || ' CASCADE'; END LOOP; END",
            .dropTable, .cascade),
        ClassRow("BEGIN EXECUTE coalesce(NULL, 'DROP TABLE t'); END", .dropTable),
        ClassRow("BEGIN EXECUTE coalesce(quote_ident(x), 'DROP TABLE t'); END", .dynamicSQL),
        ClassRow("BEGIN EXECUTE format('%s DROP TABLE t', quote_ident(x)); END", .dropTable, .dynamicSQL),
        ClassRow("DECLARE q evil.uuid := x; BEGIN EXECUTE 'SELECT 1' || q; END", .dynamicSQL),
        ClassRow("<<b>> DECLARE q text := 'SELECT 1'; BEGIN b.q := 'x'; EXECUTE q; END", .dynamicSQL),
        ClassRow("DECLARE q text := 'SELECT 1'; BEGIN SELECT a INTO b.q FROM t; EXECUTE q; END", .dynamicSQL),
        // Harmless ones.
        ClassRow("BEGIN RAISE NOTICE 'DROP TABLE t'; END"),
        ClassRow(
            "DECLARE n int; BEGIN SELECT count(*) INTO n FROM t; INSERT INTO t VALUES (n) RETURNING a INTO STRICT n; END"
        ),
        ClassRow("BEGIN FOR i IN 1..3 LOOP EXECUTE 'SELECT ' || i; END LOOP; END"),
        ClassRow("BEGIN UPDATE t SET a = CASE WHEN b THEN 1 ELSE 2 END WHERE id = 1; END"),
        ClassRow("BEGIN EXECUTE 'INSERT INTO t VALUES ($1)' USING 1; END"),
        ClassRow("DECLARE c CURSOR FOR SELECT 1; BEGIN OPEN c; FETCH c INTO x; CLOSE c; END"),
        ClassRow("#variable_conflict use_column\nBEGIN NULL; END"),
        ClassRow("BEGIN GET DIAGNOSTICS n = ROW_COUNT; RETURN; END"),
    ]

    @Test("a DO block has the effects of its body", arguments: rows)
    func blocks(row: ClassRow) {
        let found = facts(Self.block(row.sql))
        #expect(found.classes.subtracting(ClassSet(.doBlock)).names == ClassSet(row.classes).names)
        #expect(found.classes.contains(.doBlock))
        if let objects = row.objects {
            let named = found.statements.flatMap { $0.effects.compactMap { $0.object?.qualifiedName } }
            #expect(named == objects)
        }
    }

    static let functions: [ClassRow] = [
        ClassRow(
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE t; END $$", .create, .dropTable),
        ClassRow("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT 1; TRUNCATE t'", .create, .truncate),
        ClassRow("CREATE FUNCTION f() RETURNS void LANGUAGE 'sql' AS E'DROP \\x54ABLE t'", .create, .dropTable),
        ClassRow("CREATE PROCEDURE p() BEGIN ATOMIC DELETE FROM t; SELECT 1; END", .create, .deleteAll),
        ClassRow("CREATE FUNCTION f() RETURNS int RETURN lo_unlink(1)", .create, .dangerousFunction),
        ClassRow("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT $1 + a'", .create),
        // A parameter keeps its own value; a body runs under a setting of later.
        ClassRow(
            "CREATE FUNCTION f(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF a THEN q := 'SELECT 1'; END IF; "
                + "EXECUTE q; END $$", .create, .dynamicSQL),
        ClassRow(
            #"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM 'x\' , '; DROP TABLE t; --'; END $$"#,
            .create, .dropTable),
        ClassRow(
            #"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT replace(a, '\', '/') || E'\n' FROM t $$"#,
            .create),
        ClassRow("DO LANGUAGE plpython3u 'x'", .doBlock, .untrustedLanguage),
        ClassRow("DO LANGUAGE plperl 'x'", .doBlock, .opaque),
        ClassRow("DO 'BEGIN DO ''BEGIN DROP TABLE t; END''; END'", .doBlock, .dropTable),
    ]

    @Test("other routines and languages", arguments: functions)
    func routines(row: ClassRow) {
        #expect(facts(row.sql).classes.names == ClassSet(row.classes).names)
    }

    /// EXECUTE of these, with a value `v` from a table: the value can be more than a name or a literal.
    static let spoiled = [
        "'SELECT 1 /* ' || quote_ident(v) || ' */'", "'SELECT 1 -- ' || quote_ident(v)", "format('SELECT 1 -- %L', v)",
        "'SELECT $a$' || quote_literal(v) || '$a$'", "format('SELECT $$%I$$', v)", "format('SELECT ''%I''', v)",
        "'SELECT ''x' || quote_literal(v) || ''''", "'SELECT 1 AS \"' || quote_literal(v) || '\"'",
        "'SELECT E' || quote_literal(v)", "'SELECT U&' || quote_literal(v)", "'SELECT ' || quote_ident(v) || '''a'''",
        "'SELECT ' || quote_literal(v)::varchar(2) || ' || ' || quote_literal(v)",
        "'SELECT * FROM ' || quote_ident(v)::name", "upper('SELECT $A$ ' || quote_literal(v))",
        "format('DO %L', v)", "'DO LANGUAGE plpgsql ' || quote_literal(v)",
        "format('CREATE FUNCTION g() RETURNS void LANGUAGE sql AS %L; SELECT g()', v)",
        "format('CREATE FUNCTION g() RETURNS void LANGUAGE sql AS ''SELECT %s''', length(v))",
        "format('SELECT dblink_exec(%L, %L)', v, v)", "format('SELECT query_to_xml(%L, true, true, '''')', v)",
        "format('SELECT %I(%L)', v, v)", "format('SET %I = %L', v, v)",
        "format('SELECT set_config(%L, ''a'', true)', v)",
        "format('ALTER TABLE leads %I TO zz', v)", "'ALTER TABLE leads ' || quote_ident(v) || ' note'",
        "format('DROP VIEW a, b %I', v)", "format('%I TABLE leads', v)", "format('ALTER DATABASE d %I false', v)",
        "format('EXPLAIN (%I) DELETE FROM leads', v)", "format('SELECT -%s', length(v))",
        "format('SELECT $a%s$ x $a1$', length(v))", "format('SELECT 1 /*%s/', length(v))",
        "format('SELECT E''\\%s''', length(v))", "evil.quote_ident(v)", "'SELECT ' OPERATOR(evil.||) quote_ident(v)",
        "concat_ws('/*', 'SELECT 1', quote_ident(v))",
    ]

    @Test("a quoted value counts as one only where it is a token of its own that the grammar takes", arguments: spoiled)
    func spoiledHoles(expression: String) {
        let body = "DECLARE v text; BEGIN SELECT what INTO v FROM audit_log; EXECUTE \(expression); END"
        #expect(!facts("DO $body$ \(body) $body$").classes.intersection(guarded).isEmpty)
    }

    static let whole = [
        "format('CREATE TABLE IF NOT EXISTS %I PARTITION OF days FOR VALUES FROM (%L) TO (%L)', v, v, v)",
        "'GRANT SELECT ON ' || quote_ident(v) || ' TO rt_ro'", "format('ALTER TABLE %I.%I ADD COLUMN a text', v, v)",
        "format('INSERT INTO %I(what) VALUES (%L)', v, v)", "format('SELECT count(*) FROM leads WHERE %I = %L', v, v)",
        "format('CREATE INDEX IF NOT EXISTS %I ON %I(%I)', v, v, v)",
        "format('SELECT %L /* it''s kept */', v) || ' -- end'",
        "format('CREATE TABLE p_%s PARTITION OF p FOR VALUES FROM (''%s'') TO (''%s'')', length(v), d, length(v))",
        "format('SELECT count(*) FROM %s', v::regclass)", "format('SET search_path TO %I', v)",
        #"format('UPDATE %I SET a = replace(a, ''\'', ''/'') WHERE id = 1', v)"#,
        "format('ALTER SEQUENCE %I RESTART WITH %s', v, length(v))", "format('COMMENT ON TABLE %I IS %L', v, v)",
    ]

    @Test("ordinary dynamic statements pass", arguments: whole)
    func wholeHoles(expression: String) {
        let body = "DECLARE v text; d date; BEGIN SELECT what INTO v FROM audit_log; EXECUTE \(expression); END"
        #expect(facts("DO $body$ \(body) $body$").classes.intersection(guarded).names == [])
    }

    static let readAgain = [
        #"SET standard_conforming_strings = off; EXECUTE $x$SELECT 'x\' , '; DROP TABLE leads; --'$x$;"#,
        #"EXECUTE 'SET standard_conforming_strings = off'; EXECUTE $x$SELECT 'x\' , '; DROP TABLE leads; --'$x$;"#,
        #"PERFORM set_config(a, 'off', true); EXECUTE $x$SELECT 'x\' , '; DROP TABLE leads; --'$x$;"#,
        #"DECLARE q text; BEGIN q := 'SELECT ''\x27; DROP TABLE leads; --'''; EXECUTE q; END;"#,
        #"PERFORM 'a\'; DECLARE q text; BEGIN q := 'SELECT ''\x27; DROP TABLE leads; --'''; EXECUTE q; END;"#,
        #"PERFORM 'a\'; PERFORM $y$'$y$, 'x\' , '; DROP TABLE leads; --';"#,
    ]

    @Test("what a block runs is read under both settings of standard_conforming_strings", arguments: readAgain)
    func readBothWays(body: String) {
        #expect(facts("DO $do$ BEGIN \(body) END $do$").classes.contains(.dropTable))
        #expect(facts("DO $do$ BEGIN \(body) END $do$", standardConformingStrings: false).classes.contains(.dropTable))
    }

    /// Dictionaries have another order in each process: many names find what depends on it.
    @Test("a text made of variables that are made of others is found, whatever their names", arguments: 0..<40)
    func chainedVariables(number: Int) {
        let (first, second, third) = ("a\(number)", "b\(number)", "c\(number)")
        let body = """
            DECLARE \(third) text; \(second) text; \(first) text;
            BEGIN \(first) := 'DROP '; \(second) := \(first) || 'TABLE '; \(third) := \(second) || 'lea';
            EXECUTE \(third) || 'ds'; END
            """
        #expect(facts(Self.block(body)).classes == ClassSet([.dropTable, .doBlock]))
    }

    @Test("a remark says where the loss stands")
    func remark() {
        let remarks = facts(Self.functions[0].sql).statements.first?.remarks
        #expect(remarks == ["in the body of function f: DROP TABLE t"])
    }
}
