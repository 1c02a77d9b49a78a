import Testing

@testable import SQLParsing

@Suite struct `Code in the database` {
    private static func routine(
        _ key: String, _ name: String, _ body: String, _ language: CatalogContents.Language = .plpgsql,
        arguments: Int = 0
    ) -> CatalogContents.Routine {
        var routine = CatalogContents.Routine(key: key, schema: "public", name: name, language: language)
        routine.source = body
        routine.minimumArguments = arguments
        routine.maximumArguments = arguments
        return routine
    }

    private static let drop = routine("f1", "tidy", "begin drop table accounts; end")

    private static func facts(_ sql: String, _ contents: CatalogContents) -> TextFacts {
        var builder = HazardBuilder()
        var analyzer = StatementAnalyzer()
        analyzer.hazards = builder.index(of: contents)
        return Array(sql.utf8).withUnsafeBytes { analyzer.facts(of: $0, settings: LexicalSettings()) }
    }

    private static var withTrigger: CatalogContents {
        var contents = CatalogContents()
        contents.routines = [drop]
        contents.relations = [CatalogContents.Named(key: "r2", schema: "public", name: "orders")]
        contents.edges = [CatalogContents.Edge(from: "r2i", to: "f1", label: "trigger t")]
        return contents
    }

    @Test func `a trigger's path leads from the statement to the loss`() {
        let facts = Self.facts("INSERT INTO orders VALUES (1)", Self.withTrigger)
        #expect(facts.classes == ClassSet(.dropTable))
        #expect(
            facts.statements.first?.remarks == ["INSERT INTO orders → trigger t → function tidy → DROP TABLE accounts"])
        #expect(facts.statements.first?.effects.first?.object?.name == "accounts")
    }

    @Test func `what is done to the table otherwise passes`() {
        for sql in ["SELECT * FROM orders", "DELETE FROM orders WHERE id = 1", "TABLE orders", "SELECT orders FROM x"] {
            #expect(Self.facts(sql, Self.withTrigger).isOrdinary, "\(sql)")
        }
    }

    @Test(arguments: [
        "DO $$ BEGIN INSERT INTO orders VALUES (1); END $$",
        "WITH x AS (INSERT INTO public.orders VALUES (1)) SELECT 1", "COPY orders FROM STDIN",
        "PREPARE p AS INSERT INTO \"orders\" VALUES (1)",
    ])
    func `the trigger is found wherever the statement hides`(_ sql: String) {
        #expect(Self.facts(sql, Self.withTrigger).classes.contains(.dropTable))
    }

    private static var withType: CatalogContents {
        var contents = CatalogContents()
        contents.routines = [drop]
        contents.types = [CatalogContents.Named(key: "t1", schema: "public", name: "mood")]
        contents.relations = [CatalogContents.Named(key: "r2", schema: "public", name: "orders")]
        contents.edges = [
            CatalogContents.Edge(from: "t1", to: "f1", label: "check c"),
            CatalogContents.Edge(from: "r2i", to: "f1", label: "trigger t"),
        ]
        return contents
    }

    /// What does not parse is judged by its tokens; both looks at the tokens must know the same names.
    @Test(arguments: ["mood", "_mood", "MOOD", "_Mood", "\"mood\"", "\"_mood\"", "mood[]"])
    func `an array's type is its element's, in what parses and in what does not`(_ type: String) {
        for sql in [
            "SELECT '{}'::\(type)", "SELECT CAST(x AS \(type))", "SELECT '{}'::\(type) FROM t NEWER SYNTAX 1 2",
        ] {
            #expect(Self.facts(sql, Self.withType).classes.contains(.dropTable), "\(sql)")
        }
    }

    @Test func `an underscore leads to types only, and to those of that name`() {
        for sql in [
            "SELECT 1 FROM _orders NEWER SYNTAX 1 2", "SELECT '{}'::__mood NEWER SYNTAX 1 2",
            "SELECT '{}'::\"_MOOD\" NEWER SYNTAX 1 2",
        ] {
            #expect(!Self.facts(sql, Self.withType).classes.contains(.dropTable), "\(sql)")
        }
    }

    @Test func `names are found with a quote inside, and cut as the server cuts them`() {
        let long = String(repeating: "n", count: 63)
        var contents = CatalogContents()
        contents.routines = [
            Self.routine("f1", "a\"b", "begin drop table accounts; end"),
            Self.routine("f2", long, "begin drop table accounts; end"),
        ]
        for name in ["\"a\"\"b\"", long, long + "more", "\"\(long)more\""] {
            for tail in ["", " NEWER SYNTAX 1 2"] {
                #expect(Self.facts("SELECT \(name)()\(tail)", contents).classes.contains(.dropTable), "\(name)\(tail)")
            }
        }
        #expect(!Self.facts("SELECT \"a\"\"c\"()", contents).classes.contains(.dropTable))
    }

    @Test func `calls are followed, and going round in circles ends`() {
        var contents = CatalogContents()
        contents.routines = [
            Self.drop, Self.routine("f2", "one", "begin perform two(); end"),
            Self.routine("f3", "two", "select one(); select tidy()", .sql),
            Self.routine("f4", "plain", "select 1", .sql),
        ]
        let facts = Self.facts("SELECT one()", contents)
        #expect(facts.classes == ClassSet(.dropTable))
        #expect(
            facts.statements.first?.remarks == ["function one → function two → function tidy → DROP TABLE accounts"])
        #expect(Self.facts("SELECT plain()", contents).isOrdinary)
    }

    @Test func `of overloads those count that take so many arguments`() {
        var contents = CatalogContents()
        contents.routines = [
            Self.routine("f1", "tidy", "begin drop table accounts; end", arguments: 2),
            Self.routine("f2", "tidy", "begin null; end", arguments: 1),
        ]
        #expect(Self.facts("SELECT tidy(1)", contents).isOrdinary)
        #expect(Self.facts("SELECT tidy(1, 2)", contents).classes == ClassSet(.dropTable))
    }

    @Test func `a schema tells routines of one name apart`() {
        var contents = CatalogContents()
        contents.routines = [Self.drop]
        #expect(Self.facts("SELECT other.tidy()", contents).isOrdinary)
        #expect(Self.facts("SELECT public.tidy()", contents).classes == ClassSet(.dropTable))
    }

    @Test func `a plain query is looked at for operators and types`() {
        var contents = CatalogContents()
        contents.routines = [Self.drop]
        contents.operators = [CatalogContents.Named(key: "o5", schema: "public", name: "~>")]
        contents.types = [CatalogContents.Named(key: "t6", schema: "public", name: "mail")]
        contents.edges = [
            CatalogContents.Edge(from: "o5", to: "f1", label: ""),
            CatalogContents.Edge(from: "t6", to: "f1", label: "check"),
        ]
        #expect(Self.facts("SELECT 1 ~> 2", contents).classes == ClassSet(.dropTable))
        #expect(Self.facts("SELECT 'x'::mail", contents).classes == ClassSet(.dropTable))
        #expect(Self.facts("SELECT 'x'::text", contents).isOrdinary)
    }

    @Test func `languages and libraries that cannot be read are opaque, known ones are not`() {
        var contents = CatalogContents()
        var known = Self.routine("f1", "similarity", "similarity", .c)
        known.library = "$libdir/pg_trgm"
        var unknown = Self.routine("f2", "own", "own", .c)
        unknown.library = "/opt/own"
        var renamed = Self.routine("f3", "ask", "dblink_exec", .c)
        renamed.library = "$libdir/dblink"
        contents.routines = [known, unknown, renamed, Self.routine("f4", "py", "pass", .other("plpython3u"))]
        #expect(Self.facts("SELECT similarity()", contents).isOrdinary)
        #expect(Self.facts("SELECT own()", contents).classes == ClassSet(.opaque))
        #expect(Self.facts("SELECT ask()", contents).classes == ClassSet(.dangerousFunction))
        #expect(Self.facts("SELECT py()", contents).classes == ClassSet(.opaque))
    }

    @Test func `planning computes what is not volatile`() {
        var contents = CatalogContents()
        contents.routines = [Self.drop]
        #expect(Self.facts("EXPLAIN SELECT tidy()", contents).isOrdinary)
        contents.routines[0].isVolatile = false
        #expect(Self.facts("EXPLAIN SELECT tidy()", contents).classes == ClassSet(.dropTable))
    }

    @Test func `naming a dangerous function in a definition has its classes, replacing or dropping it has not`() {
        var contents = CatalogContents()
        contents.routines = [Self.drop]
        for sql in [
            "CREATE TRIGGER t AFTER INSERT ON orders EXECUTE FUNCTION tidy()", "ALTER FUNCTION tidy() RENAME TO calm",
            "CREATE CAST (text AS mail) WITH FUNCTION tidy(text)",
        ] {
            #expect(Self.facts(sql, contents).classes.contains(.dropTable), "\(sql)")
        }
        for sql in ["DROP FUNCTION tidy()", "CREATE OR REPLACE FUNCTION tidy() RETURNS int LANGUAGE sql AS 'select 1'"]
        {
            #expect(!Self.facts(sql, contents).classes.contains(.dropTable), "\(sql)")
        }
    }

    @Test func `without a catalog only PostgreSQL's own functions are known`() {
        var analyzer = StatementAnalyzer()
        analyzer.hazards = HazardIndex().withUnknownCalls(as: .opaque)
        func classes(_ sql: String) -> ClassSet {
            Array(sql.utf8).withUnsafeBytes { analyzer.facts(of: $0, settings: LexicalSettings()).classes }
        }
        #expect(classes("SELECT lower('A'), now()") == [])
        #expect(classes("SELECT own()") == ClassSet(.opaque))
        #expect(classes("SELECT public.lower('A')") == ClassSet(.opaque))
    }
}
