import Audit
import Testing

@testable import Unseen

@Suite struct UnseenMatcherTests {
    // MARK: - Another route

    @Test func `DDL of a process that no session had is another route`() {
        var scene = Scene()
        scene.begin(7)
        scene.row(.drop, "DROP TABLE", "table", "public.orders", in: 99)
        scene.row(.drop, "DROP TABLE", "index", "public.orders_pkey", in: 99, original: false)
        #expect(scene.summary() == ["other_route 2"])
        #expect(
            scene.findings().first?.text
                == #"dropped table public.orders, index public.orders_pkey by role alice from "#
                + #"10.0.0.9:5000, application "psql", server process 99: not through Holdfast"#)
    }

    @Test func `A process number that is used again is another process`() {
        var scene = Scene()
        scene.begin(7, at: 0)
        scene.end(7, at: 500)
        scene.row(.drop, "DROP TABLE", "table", "public.later", began: 900, at: 1000)
        scene.row(.drop, "DROP TABLE", "table", "public.earlier", began: -9000, at: -8000, transaction: 90)
        #expect(scene.summary() == ["other_route 1", "other_route 1"])
    }

    @Test func `A process number that two sessions had one after the other is told apart by when the process began`() {
        var scene = Scene()
        scene.begin(7, "s1", at: 0)
        scene.end(7, "s1", at: 500)
        scene.begin(7, "s2", at: 700)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")], in: 7, "s2")
        scene.row(.drop, "DROP TABLE", "table", "public.a", began: 690)
        scene.row(.drop, "DROP TABLE", "table", "public.b", began: -5, at: 300, transaction: 99)
        #expect(scene.findings().map { $0.session?.session } == ["s1"])
    }

    @Test func `A session whose beginning the trail does not hold owns what its process did before`() {
        var scene = Scene()
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")], at: 5000)
        scene.row(.drop, "DROP TABLE", "table", "public.a", at: 5005)
        scene.row(.drop, "DROP TABLE", "table", "public.b", at: 1000, transaction: 99)
        #expect(scene.summary() == ["more_than_shown 1"])
    }

    @Test func `Another transaction is another finding`() {
        var scene = Scene()
        scene.begin(7)
        scene.row(.drop, "DROP TABLE", "table", "public.a", in: 9, transaction: 1)
        scene.row(.drop, "DROP TABLE", "table", "public.b", in: 9, transaction: 1)
        scene.row(.drop, "DROP TABLE", "table", "public.c", in: 9, transaction: 2)
        #expect(scene.summary() == ["other_route 2", "other_route 1"])
    }

    @Test func `Temporary objects and refreshed views concern nobody`() {
        var scene = Scene()
        scene.begin(7)
        for process in [7, 9] as [Int32] {
            scene.row(.command, "CREATE TABLE", "table", "pg_temp.scratch", in: process)
            scene.row(.command, "CREATE INDEX", "index", "pg_temp_3.i", in: process)
            scene.row(.drop, "DROP TABLE", "trigger", "t on pg_temp.scratch", in: process)
            scene.row(.command, "REFRESH MATERIALIZED VIEW", "materialized view", "public.m", in: process)
        }
        #expect(scene.summary() == [])
    }

    // MARK: - More than shown

    @Test func `DDL of a session outside every recorded statement is more than shown`() {
        var scene = Scene()
        scene.begin(7)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")], at: 1000)
        scene.row(.drop, "DROP TABLE", "table", "public.a", at: 1005)
        scene.row(.drop, "DROP TABLE", "table", "public.b", at: 5000, transaction: 101)
        #expect(scene.summary() == ["more_than_shown 1"])
        #expect(scene.findings().first?.statement == nil)
        #expect(scene.findings().first?.text.contains("by a statement that the trail does not hold") == true)
    }

    @Test func `What a trigger did behind a statement is more than shown, and the statement is named`() {
        var scene = Scene()
        scene.begin(7)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")])
        scene.row(.drop, "DROP TABLE", "table", "public.a")
        scene.row(.drop, "DROP TABLE", "table", "public.b")
        scene.row(.drop, "DROP TABLE", "index", "public.b_pkey", original: false)
        #expect(scene.summary() == ["more_than_shown 1"])
        #expect(scene.findings().first?.statement?.id == "i1")
        #expect(
            scene.findings().first?.text
                == "dropped table public.b while statement i1 (DROP TABLE) ran, which does not say so")
    }

    @Test func `The grant that a row used names its statement, however the clocks stand`() {
        var scene = Scene()
        scene.begin(7)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")], at: 1000)
        scene.row(.drop, "DROP TABLE", "table", "public.a", at: 9000, auditID: "i1")
        scene.row(.drop, "DROP TABLE", "table", "public.b", at: 9001, auditID: "i1")
        #expect(scene.findings().map { $0.rows.map(\.id) } == [[2]])
        #expect(scene.findings().first?.statement?.id == "i1")
    }

    @Test func `A clock that is known to be wrong is set right`() {
        var scene = Scene()
        scene.begin(7, at: 0)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")], at: 1000)
        scene.row(.drop, "DROP TABLE", "table", "public.a", began: 59_995, at: 61_005)
        #expect(scene.findings(offset: 60_000).isEmpty)
        #expect(!scene.findings().isEmpty)
    }

    @Test func `Statements close together are told apart by their objects`() {
        var scene = Scene()
        scene.begin(7)
        for (index, name) in ["a", "b", "c", "d"].enumerated() {
            let time = 1000 + Int64(index)
            scene.statement(
                "DROP TABLE \(name)", "DROP TABLE", classes: ["drop_table"], [("table", name)], at: time,
                answeredAfter: 1)
            scene.row(.drop, "DROP TABLE", "table", "public.\(name)", at: time)
        }
        #expect(scene.summary() == [])
    }

    @Test func `The statements of one message are told apart although all began at once`() {
        var scene = Scene()
        scene.begin(7)
        for index in 0..<2000 {
            let time = Int64(index + 1)
            scene.statement(
                "CREATE TABLE t\(index) ()", "CREATE TABLE", classes: ["create"], [("table", "t\(index)")], at: 1000,
                answeredAfter: time)
            scene.row(.command, "CREATE TABLE", "table", "public.t\(index)", at: 1000 + time)
        }
        #expect(scene.summary() == [])
    }

    // MARK: - Never executed

    @Test func `A statement that succeeded and left no row was never executed`() {
        var scene = Scene()
        scene.begin(7)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")])
        #expect(scene.summary() == ["never_executed 0"])
        #expect(
            scene.findings().first?.text == "DROP TABLE of table a was let through and the server reported success, "
                + "but the server's log of DDL does not have it")
    }

    @Test func `A statement without an outcome was never executed once its process is gone`() {
        var scene = Scene()
        scene.begin(7)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")], end: nil)
        #expect(scene.summary() == ["never_executed 0"])
        scene.live = [7]
        #expect(scene.summary() == [])
    }

    @Test func `A statement without an outcome that the server did execute is no finding`() {
        var scene = Scene()
        scene.begin(7)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")], end: nil)
        scene.row(.drop, "DROP TABLE", "table", "public.a", at: 8000)
        #expect(scene.summary() == [])
    }

    struct Silent: CustomTestStringConvertible {
        var testDescription: String
        var sql: String
        var command = "DROP TABLE"
        var object = "a"
        var end = AuditRecord.TransactionEnd.committed
        var failed = false
    }

    @Test(
        "Statements that may leave no row are no finding",
        arguments: [
            Silent(testDescription: "rolled back", sql: "DROP TABLE a", end: .rolledBack),
            Silent(testDescription: "failed", sql: "DROP TABLE a", end: .rolledBack, failed: true),
            Silent(testDescription: "prepared", sql: "DROP TABLE a", end: .prepared),
            Silent(testDescription: "IF EXISTS", sql: "DROP TABLE IF EXISTS a"),
            Silent(testDescription: "temporary", sql: "CREATE TEMP TABLE a ()", command: "CREATE TABLE"),
            Silent(testDescription: "temporary by name", sql: "DROP TABLE pg_temp.a", object: "pg_temp.a"),
            Silent(testDescription: "not of this database", sql: "DROP ROLE a", command: "DROP ROLE"),
        ])
    func silent(row: Silent) {
        var scene = Scene()
        scene.begin(7)
        scene.statement(
            row.sql, row.command, classes: ["drop_table"], [("table", row.object)], end: row.end, failed: row.failed)
        #expect(scene.summary() == [])
    }

    @Test func `A table that the session made for itself leaves no row when it goes`() {
        var scene = Scene()
        scene.begin(7)
        scene.statement("CREATE TEMP TABLE a ()", "CREATE TABLE", classes: ["create"], [("table", "pg_temp.a")])
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_other"], [("table", "a")], at: 2000)
        #expect(scene.summary() == [])
    }

    @Test func `Where the log does not reach nothing was never executed`() {
        var scene = Scene()
        scene.begin(7)
        scene.statement("DROP TABLE a", "DROP TABLE", classes: ["drop_table"], [("table", "a")], at: 1000)
        #expect(scene.findings(logSince: 2000).isEmpty)
        #expect(scene.findings(logSince: nil).isEmpty)
    }

    @Test func `Only the time that was asked for is judged`() {
        var scene = Scene()
        scene.begin(7)
        scene.row(.drop, "DROP TABLE", "table", "public.a", in: 9, at: 1000, transaction: 1)
        scene.row(.drop, "DROP TABLE", "table", "public.b", in: 9, at: 2000, transaction: 2)
        scene.row(.drop, "DROP TABLE", "table", "public.c", in: 9, at: 3000, transaction: 3)
        #expect(scene.findings(since: 1500, until: 2500).map { $0.rows.map(\.id) } == [[2]])
    }
}
