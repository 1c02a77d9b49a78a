import Configuration
import Foundation
import Snapshots
import Testing

@testable import Sentinel

@Suite struct `A recovery's plan` {
    static let state = TableName(schema: "public", name: "alembic_version")

    static func tables(_ names: String...) -> [RecoveryTable] {
        names.map { RecoveryTable(schema: "public", name: $0) }
    }

    static func situation(
        _ lost: [RecoveryTable], current: [String] = ["0002"], accepted: [String]? = ["0002"],
        scripts: RecoverySituation.Scripts = .alembic(revisions: ["0001", "0002"], heads: ["0002"]),
        tool: MigrationSettings.Tool = .alembic, isTableThere: Bool = true
    ) -> RecoverySituation {
        var situation = RecoverySituation(watch: "shop", database: "shop", lost: lost, expectedCount: 12)
        situation.migrations = RecoverySituation.Migrations(
            tool: tool, table: state, isTableThere: isTableThere, current: current, accepted: accepted,
            scripts: scripts)
        situation.scratchName = "scratch"
        return situation
    }

    static func snapshot(
        _ id: String, _ names: String..., withoutRows: String? = nil, takenAt: String = "2026-11-26T14:12:10Z"
    ) throws -> SnapshotManifest {
        let tables = names.enumerated().map { place, name in
            """
            {"schema": "public", "name": "\(name)", "qualifiedName": "public.\(name)", "kind": "r", "oid": \(place + 1),
             "rows": 7, "bytes": 8192, "stays": false}
            """
        }
        let reason = withoutRows.map { ", \"withoutRows\": \"\($0)\"" } ?? ""
        return try JSONDecoder().decode(
            SnapshotManifest.self,
            from: Data(
                """
                {"version": 1, "id": "\(id)", "takenAt": "\(takenAt)", "database": "shop", "serverVersion": 150000,
                 "dumpVersion": "15.0", "cause": {"kind": "statement", "command": "DROP TABLE"}, "dependents": [],
                 "needs": [], "leftOut": [], "files": [], "tables": [\(tables.joined(separator: ","))]\(reason)}
                """.utf8))
    }

    /// The steps' kinds, in order.
    static func kinds(_ plan: RecoveryPlan) -> [String] {
        plan.steps.map { step in
            switch step {
            case .makeScratch: "make"
            case .migrateScratch(_, let targets, let areHeads): "scratch \(targets) \(areHeads)"
            case .compare(_, let isStrict): isStrict ? "compare strictly" : "compare"
            case .restore(let id, let tables, let hasRows): "restore \(id) \(tables.map(\.name)) \(hasRows)"
            case .copy(_, let tables): "copy \(tables.map(\.name))"
            case .dropScratch: "drop"
            case .reset: "reset"
            case .migrate(_, let targets, let areHeads): "migrate \(targets) \(areHeads)"
            case .stamp(_, let revisions): "stamp \(revisions)"
            case .validate: "validate"
            case .verify: "verify"
            }
        }
    }

    @Test func `is empty where nothing is missing`() {
        let plan = RecoveryPlanner.plan(Self.situation([]))
        #expect(plan.isEmpty && plan.losses.isEmpty && plan.notes.isEmpty)
        #expect(plan.summary == "watch shop, database shop: no expected table is missing")
    }

    @Test func `runs the migrations in the database itself where nothing else is in it`() {
        var situation = Self.situation(Self.tables("a", "b"))
        #expect(
            Self.kinds(RecoveryPlanner.plan(situation)) == ["reset", "migrate [\"0002\"] true", "verify"])
        situation.migrations?.current = []
        #expect(Self.kinds(RecoveryPlanner.plan(situation)) == ["migrate [\"0002\"] true", "verify"])
    }

    @Test func `makes what is missing in a scratch database where anything else is there`() {
        var situation = Self.situation(Self.tables("a"))
        situation.leftovers = ["type public.mood"]
        let plan = RecoveryPlanner.plan(situation)
        #expect(
            Self.kinds(plan) == [
                "make", "scratch [\"0002\"] true", "compare", "copy [\"a\"]", "drop", "validate", "verify",
            ])
        #expect(plan.losses.map(\.source) == [.migrations])
        #expect(plan.notes.contains { $0.hasPrefix("no rows come back of public.a") })
    }

    @Test func `goes no further than the database had come`() {
        var situation = Self.situation(Self.tables("a"), current: ["0001"])
        situation.leftovers = ["table public.b"]
        #expect(Self.kinds(RecoveryPlanner.plan(situation)).contains("scratch [\"0001\"] false"))
    }

    @Test func `takes each of several heads`() {
        var situation = Self.situation(
            Self.tables("a"), current: ["x", "y"],
            scripts: .alembic(revisions: ["0001", "x", "y"], heads: ["x", "y"]))
        situation.leftovers = ["table public.b"]
        #expect(Self.kinds(RecoveryPlanner.plan(situation)).contains("scratch [\"x\", \"y\"] true"))
        situation.migrations?.current = []
        situation.migrations?.accepted = ["x", "y"]
        #expect(Self.kinds(RecoveryPlanner.plan(situation)).contains("stamp [\"x\", \"y\"]"))
    }

    @Test func `restores the newest snapshot with rows, what was lost last first, before what is made anew`() throws {
        var situation = Self.situation(Self.tables("a", "b", "c", "d"))
        situation.leftovers = ["table public.e"]
        situation.snapshots = [
            try Self.snapshot("5", "a", withoutRows: "late"), try Self.snapshot("4", "b"),
            try Self.snapshot("3", "a", "b"), try Self.snapshot("2", "c", withoutRows: "late"),
        ]
        let plan = RecoveryPlanner.plan(situation)
        #expect(
            Self.kinds(plan) == [
                "make", "scratch [\"0002\"] true", "compare", "restore 4 [\"b\"] true", "restore 3 [\"a\"] true",
                "restore 2 [\"c\"] false", "copy [\"d\"]", "drop", "validate", "verify",
            ])
        #expect(plan.notes.contains("no rows come back of public.c: snapshot 2 has none"))
        #expect(
            plan.losses[0].source
                == .snapshot(id: "3", takenAt: "2026-11-26T14:12:10Z", cause: "DROP TABLE", rows: 7))
    }

    @Test func `needs neither scripts nor a scratch database where snapshots hold everything`() throws {
        var situation = Self.situation(Self.tables("a", "b"), scripts: .absent)
        situation.scratchFault = "no"
        situation.programFault = "no"
        situation.snapshots = [try Self.snapshot("1", "a", "b")]
        let plan = RecoveryPlanner.plan(situation)
        #expect(Self.kinds(plan) == ["restore 1 [\"a\", \"b\"] true", "validate", "verify"])
        #expect(plan.obstacles.isEmpty)
    }

    @Test func `says that a snapshot is older than the accepted state`() throws {
        var situation = Self.situation(Self.tables("a"))
        situation.snapshots = [try Self.snapshot("1", "a")]
        situation.acceptedAt = "2026-11-26T14:12:09.500Z"
        #expect(!RecoveryPlanner.plan(situation).notes.contains { $0.contains("older than the accepted") })
        situation.acceptedAt = "2026-11-26T14:12:11.000Z"
        #expect(RecoveryPlanner.plan(situation).notes.contains { $0.contains("older than the accepted") })
    }

    @Test func `puts a lost state back as it was accepted`() {
        let plan = RecoveryPlanner.plan(Self.situation([], current: [], isTableThere: false))
        #expect(Self.kinds(plan) == ["stamp [\"0002\"]", "verify"])
    }

    @Test func `takes the scripts' heads for a lost state only after a strict comparison`() {
        let plan = RecoveryPlanner.plan(Self.situation([], current: [], accepted: nil))
        #expect(
            Self.kinds(plan) == [
                "make", "scratch [\"0002\"] true", "compare strictly", "drop", "stamp [\"0002\"]", "verify",
            ])
    }

    @Test func `does not stamp what it could not compare`() {
        var situation = Self.situation([], current: [], accepted: nil)
        situation.scratchFault = "role x may not make one"
        let plan = RecoveryPlanner.plan(situation)
        #expect(plan.steps.isEmpty && plan.obstacles.count == 1 && !plan.isEmpty)
    }

    struct Hindrance: CustomTestStringConvertible, Sendable {
        var name: String
        var words: String
        var change: @Sendable (inout RecoverySituation) -> Void
        var testDescription: String { name }
    }

    static let hindrances = [
        Hindrance(name: "no folder", words: "write migrations_folder") { $0.migrations?.scripts = .absent },
        Hindrance(name: "a folder that does not parse", words: "0002.py is no UTF-8") {
            $0.migrations?.scripts = .unreadable("0002.py is no UTF-8 text")
        },
        Hindrance(name: "an unknown revision", words: "alembic_version names revision feed, which no script") {
            $0.migrations?.current = ["feed"]
        },
        Hindrance(name: "no program", words: "alembic is neither in") {
            $0.programFault = "alembic is neither in /x nor in PATH"
        },
        Hindrance(name: "no right to make a database", words: "a scratch database is needed, and role x may not") {
            $0.scratchFault = "role x may not make one"
        },
        Hindrance(name: "no tool", words: "no migration tool is known") { $0.migrations = nil },
        Hindrance(name: "another tool", words: "python manage.py migrate") { $0.migrations?.tool = .django },
    ]

    @Test(arguments: hindrances)
    func `says what is to be done by hand, and restores what it can`(hindrance: Hindrance) throws {
        var situation = Self.situation(Self.tables("a", "b"))
        situation.leftovers = ["table public.c"]
        situation.snapshots = [try Self.snapshot("1", "a")]
        hindrance.change(&situation)
        let plan = RecoveryPlanner.plan(situation)
        #expect(Self.kinds(plan) == ["restore 1 [\"a\"] true", "validate", "verify"])
        #expect(plan.obstacles.count == 1 && plan.obstacles[0].contains(hindrance.words), "\(plan.obstacles)")
        #expect(plan.lines().contains { $0.contains("public.b") && $0.contains("NOT: ") })
    }

    @Test func `is a runbook that names statements and commands`() throws {
        var situation = Self.situation(Self.tables("a", "it|s"), current: [])
        situation.leftovers = ["table public.e"]
        situation.snapshots = [try Self.snapshot("20261126-141210-5d3b0f6f", "a")]
        let plan = RecoveryPlanner.plan(situation)
        let text = RecoveryRunbook.markdown(
            plan, statements: [3: ["CREATE TABLE public.a ();"]], command: [], others: [])
        for part in [
            "# Recovery of shop\n", "| `public.it\\|s` | made anew", "## To be known",
            "### 1. Make the empty scratch database",
            "alembic upgrade head", "CREATE TABLE public.a ();",
            "holdfast snapshot restore 20261126-141210-5d3b0f6f --table",
            "INSERT INTO \"public\".\"alembic_version\" (version_num) VALUES ('0002');", "holdfast watch --watch shop",
        ] { #expect(text.contains(part), "\(part)\n\(text)") }
    }

    @Test func `comes back from its journal as it was`() throws {
        var situation = Self.situation(Self.tables("a", "b"), current: [])
        situation.leftovers = ["table public.e"]
        situation.snapshots = [try Self.snapshot("1", "a")]
        let plan = RecoveryPlanner.plan(situation)
        #expect(try JSONDecoder().decode(RecoveryPlan.self, from: try JSONEncoder().encode(plan)) == plan)
    }
}

@Suite struct `Alembic is led to a database` {
    @Test func `by a URL with everything in it escaped`() {
        #expect(
            AlembicProgram.url(
                scheme: "postgresql+psycopg", user: "a@b", password: "p:/ %", host: "db", port: "5432", database: "x/y")
                == "postgresql+psycopg://a%40b:p%3A%2F%20%25@db:5432/x%2Fy")
        #expect(
            AlembicProgram.url(
                scheme: "postgresql", user: "u", password: nil, host: "/run/pg", port: "5433", database: "d")
                == "postgresql://u@/d?host=%2Frun%2Fpg&port=5433")
        #expect(
            AlembicProgram.url(scheme: "postgresql", user: "u", password: nil, host: "::1", port: "1", database: "d")
                == "postgresql://u@[::1]:1/d")
    }

    @Test func `by a copy of its settings`() {
        let text = """
            # note
            [alembic]
            script_location = %(here)s/migrations
            sqlalchemy.url = postgresql+asyncpg://old
                ?more
            prepend_sys_path = .
            [loggers]
            keys = root
            """
        #expect(
            AlembicProgram.settings(text, url: "postgresql://u:a%40@h/d", folder: "/srv/100%")
                == """
                # note
                [alembic]
                sqlalchemy.url = postgresql://u:a%%40@h/d
                script_location = /srv/100%%/migrations
                prepend_sys_path = .
                [loggers]
                keys = root

                """)
        #expect(AlembicProgram.scheme(environment: nil, settings: text) == "postgresql+asyncpg")
        #expect(AlembicProgram.scheme(environment: "postgresql+psycopg2://x", settings: text) == "postgresql+psycopg2")
        #expect(AlembicProgram.scheme(environment: "mysql://x", settings: "") == "postgresql")
    }
}

@Suite struct `Notes of a recovery` {
    @Test func `are taken once, in order, long statements cut`() throws {
        let folder = StateFolder(
            FileManager.default.temporaryDirectory.path + "/holdfast-notes-\(UInt64.random(in: 0...UInt64.max))")
        try folder.create()
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        let notes = RecoveryNotes(folder)
        func event(_ step: Int, _ statement: String?) -> RecoveryEvent {
            RecoveryEvent(
                action: .statement, watch: "shop", recovery: "1", database: "shop", user: "u", step: step,
                statement: statement, text: "t", time: 1)
        }
        try notes.leave([event(1, nil), event(1, "SELECT 1")])
        try notes.leave([event(2, String(repeating: "x", count: 70_000))])
        let taken = notes.take()
        #expect(taken.map(\.step) == [1, 1, 2] && taken[1].statement == "SELECT 1")
        #expect(taken[2].statement?.hasSuffix("x … (70000 bytes)") == true)
        #expect(notes.take().isEmpty)
    }

    @Test func `and its journal say where it stands`() throws {
        let folder = StateFolder(
            FileManager.default.temporaryDirectory.path + "/holdfast-journal-\(UInt64.random(in: 0...UInt64.max))")
        try folder.create()
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        #expect(try folder.recovery("shop") == nil)
        var plan = RecoveryPlan(watch: "shop", database: "shop", expectedCount: 1)
        plan.steps = [.makeScratch(database: "s"), .verify]
        var journal = RecoveryJournal(id: "1", begunAt: "now", server: nil, plan: plan)
        journal.fault = "no space"
        try folder.write(journal, "shop")
        #expect(try folder.recovery("shop") == journal)
        #expect(
            journal.standing
                == "the recovery begun at now stands at step 1 of 2 (make the empty scratch database s): no space")
        let lock = try folder.lockRecovery("shop")
        #expect(lock != nil)
        #expect(try folder.lockRecovery("shop") == nil)
    }
}
