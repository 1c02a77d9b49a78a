import Configuration
import Testing

@testable import Sentinel

@Suite struct `Alembic's scripts` {
    static func script(
        _ id: String, _ down: String, _ more: String = ""
    ) -> (file: String, text: String) {
        ("\(id).py", "revision = '\(id)'\ndown_revision = \(down)\n\(more)\n")
    }

    static func state(_ revisions: [String]) -> MigrationState {
        MigrationState(
            tool: .alembic, table: TableName(schema: "public", name: "alembic_version"),
            entries: revisions.map { MigrationState.Entry(version: $0) })
    }

    static let branched = AlembicFolder(scripts: [
        script("base", "None"), script("left", "'base'"), script("right", "'base'", "branch_labels = ('r',)"),
    ])
    static let merged = AlembicFolder(scripts: [
        script("base", "None"), script("left", "'base'"), script("right", "'base'"), script("one", "('left', 'right')"),
    ])

    @Test func `have the heads that no other builds on`() {
        #expect(Self.branched.heads == ["left", "right"])
        #expect(Self.merged.heads == ["one"])
        #expect(Self.merged.faults.isEmpty)
    }

    @Test func `count what a merge and a dependency bring along as applied`() {
        #expect(Self.merged.applied(["one"]).count == 4)
        #expect(Self.merged.applied(["left"]) == ["base", "left"])
        let folder = AlembicFolder(scripts: [
            Self.script("a1", "None", "branch_labels = 'a'"), Self.script("b1", "None"),
            Self.script("b2", "'b1'", "depends_on = 'a'"),
        ])
        #expect(folder.faults.isEmpty)
        #expect(folder.heads == ["a1", "b2"])
        // Alembic stores b2 alone: a1 is implied.
        #expect(folder.applied(["b2"]) == ["a1", "b1", "b2"])
    }

    @Test func `that do not fit together are named`() {
        let folder = AlembicFolder(scripts: [
            Self.script("a", "'gone'"), ("copy.py", "revision = 'a'\ndown_revision = None"), ("empty.py", "x = 1"),
            ("open.py", "revision = NAME\ndown_revision = None"),
        ])
        #expect(
            folder.faults == [
                "revision a stands in a.py and in copy.py", "empty.py has no line revision = \"…\"",
                "open.py: revision is not a plain text and cannot be read without running it",
                "a.py: no script has the revision gone that it builds on",
            ])
    }

    @Test func `in a circle are a fault and end`() {
        let folder = AlembicFolder(scripts: [Self.script("a", "'b'"), Self.script("b", "'a'")])
        #expect(folder.faults == ["the revisions build on each other in a circle"])
        #expect(folder.applied(["a"]) == ["a", "b"])
    }

    @Test func `leave nothing to say about a database at their head`() {
        var comparison = MigrationComparison(Self.state(["one"]), scripts: .alembic(Self.merged), headCount: 1)
        comparison.compare(missing: [], expectedCount: 4)
        #expect(comparison.findings.isEmpty)
        #expect(comparison.summary.pendingCount == 0)
    }

    @Test func `say by how much a database is behind`() {
        let comparison = MigrationComparison(Self.state(["left"]), scripts: .alembic(Self.merged), headCount: 1)
        #expect(comparison.findings.map(\.kind) == [.migrationBehind])
        #expect(comparison.findings.first?.text.contains("2 revisions behind the head one") == true)
    }

    @Test func `are not held against an unknown revision: how far it is behind nobody knows`() {
        let comparison = MigrationComparison(Self.state(["x"]), scripts: .alembic(Self.merged), headCount: 1)
        #expect(comparison.findings.map(\.kind) == [.migrationUnknown])
        #expect(comparison.summary.pendingCount == nil)
    }

    @Test func `that are not known leave what the database alone says`() {
        var comparison = MigrationComparison(Self.state(["a", "b"]), scripts: nil, headCount: 1)
        comparison.compare(missing: ["public.t"], expectedCount: 3)
        #expect(comparison.findings.map(\.kind) == [.migrationHeads, .migrationDisagrees])
        #expect(comparison.findings.last?.text.contains("says a, b, and 1 of 3 expected tables is missing") == true)
    }

    @Test func `of an empty database with no state are no finding`() {
        var comparison = MigrationComparison(Self.state([]), scripts: .alembic(Self.merged), headCount: 1)
        comparison.compare(missing: ["public.t"], expectedCount: 1)
        #expect(comparison.findings.isEmpty)
    }
}

@Suite struct `Names of migrations` {
    @Test(arguments: [
        ("1", "1"), ("01.02", "1.2"), ("1_2", "1.2"), ("1.0", "1"), ("0", "0"), ("20240101", "20240101"),
    ]) func `of Flyway are one version in every spelling`(text: String, version: String) {
        #expect(NamedMigrations.flywayVersion(text) == version)
    }

    @Test(arguments: ["", ".", "1.", "a", "1..2", "1.x"]) func `of Flyway that are none are not taken`(text: String) {
        #expect(NamedMigrations.flywayVersion(text) == nil)
    }

    @Test func `are ordered as numbers`() {
        #expect(NamedMigrations.precedes("1.9", "1.10"))
        #expect(NamedMigrations.precedes("2", "10"))
        #expect(!NamedMigrations.precedes("1.10", "1.9"))
        #expect(NamedMigrations.precedes("1", "1.1"))
    }
}

@Suite struct `Liquibase's changelogs` {
    typealias ChangeSet = LiquibaseChangelogs.ChangeSet

    @Test func `in XML`() {
        let text = """
            <?xml version="1.0"?><databaseChangeLog xmlns="x">
            <!-- <changeSet id="no" author="no"/> -->
            <changeSet author='ann' id="1 &amp; 2"><sql><![CDATA[ <changeSet id="no"> ]]></sql></changeSet>
            <ext:changeSet
                id = "3" runOnChange="true" author="bob"></ext:changeSet>
            """
        #expect(
            Self.found("a.xml", text) == [ChangeSet(id: "1 & 2", author: "ann"), ChangeSet(id: "3", author: "bob")])
    }

    @Test func `in YAML`() {
        let text = """
            databaseChangeLog:
              - changeSet:
                  id: 1   # the first
                  author: "ann"
                  changes:
                    - createTable:
                        id: no
              - changeSet:
                  author: bob
                  id: '2'
            """
        #expect(Self.found("a.yaml", text) == [ChangeSet(id: "1", author: "ann"), ChangeSet(id: "2", author: "bob")])
    }

    @Test func `in SQL`() {
        let text = "--liquibase formatted sql\n-- changeset ann:1 runOnChange:true\nSELECT 1;\n--changeset bob:two\n"
        #expect(Self.found("a.sql", text) == [ChangeSet(id: "1", author: "ann"), ChangeSet(id: "two", author: "bob")])
    }

    @Test func `that need Liquibase to be read say so`() {
        let read = LiquibaseChangelogs(files: [
            ("a.xml", "<changeSet id=\"${v}\" author=\"a\"/>"), ("b.json", "{\"changeSet\": 1}"),
        ])
        #expect(read.faults.count == 2)
        #expect(read.changeSets.isEmpty)
    }

    @Test(arguments: [
        "<", "<changeSet", "<changeSet id", "<changeSet id=", "<changeSet id='", "<!--", "<x =\"", "< = = >",
    ])
    func `in XML that breaks off end`(text: String) {
        _ = LiquibaseChangelogs(files: [("a.xml", text)])
        _ = LiquibaseChangelogs(files: [("a.xml", text + "<changeSet id='1' author='a'>")])
    }

    private static func found(_ file: String, _ text: String) -> [ChangeSet] {
        LiquibaseChangelogs(files: [(file, text)]).changeSets.keys.sorted { $0.id < $1.id }
    }
}
