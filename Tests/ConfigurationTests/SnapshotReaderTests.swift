import Policy
import SQLParsing
import Testing

@testable import Configuration

@Suite struct `Snapshots in proxy.conf` {
    private func read(_ text: String) throws -> ProxyConfiguration {
        try ConfigurationReader.read(text, file: "proxy.conf", version: 1)
    }

    @Test func `are read as they are written`() throws {
        let configuration = try read(
            """
            [snapshots]
            folder = "var/snapshots"
            connection = "host=db user=dumper"
            databases = ["shop_*"]
            tags = "production"
            classes = ["drop_table", "data_loss"]
            max_size = "2GB"
            timeout = "10m"
            lock_timeout = "250ms"
            beyond = "schema-only"
            unknown = "database"
            keep_count = 5
            keep_age = "48h"
            keep_size = "10GB"
            pg_dump = "/usr/lib/postgresql/15/bin/pg_dump"
            """)
        let snapshots = configuration.snapshots
        #expect(snapshots.folder == "var/snapshots" && snapshots.areOn)
        #expect(configuration.snapshotConnection == "host=db user=dumper")
        #expect(snapshots.classes == ClassSet(.dropTable).union(ClassGroup.dataLoss.classes))
        #expect(snapshots.maximumByteCount == 2 << 30)
        #expect(snapshots.timeout == .seconds(600) && snapshots.lockTimeout == .milliseconds(250))
        #expect(snapshots.beyond == .schemaOnly && snapshots.unknown == .database)
        #expect(snapshots.keptCount == 5 && snapshots.keptAge == .seconds(48 * 3600))
        #expect(snapshots.keptByteCount == 10 << 30)
        #expect(snapshots.dumpProgram == "/usr/lib/postgresql/15/bin/pg_dump")
        #expect(snapshots.concern(tag: "production", database: "shop_1"))
        #expect(!snapshots.concern(tag: "production", database: "other"))
        #expect(!snapshots.concern(tag: "test", database: "shop_1"))
    }

    @Test func `are off, and cautious, where nothing is said`() throws {
        let snapshots = try read("").snapshots
        let plain = try read("[snapshots]\nfolder = \"s\"\nconnection = \"host=a\"").snapshots
        #expect(plain.concern(tag: "production", database: "x") && !plain.concern(tag: "test", database: "x"))
        #expect(!snapshots.areOn && !snapshots.concern(tag: "production", database: "shop"))
        #expect(snapshots.beyond == .refuse && snapshots.unknown == .refuse)
        #expect(snapshots.keptAge == nil && snapshots.keptCount == 0 && snapshots.keptByteCount == 0)
    }

    @Test func `use the connection of the guard, else of the catalog`() throws {
        let guarded = "[guard]\nconnection = \"host=guard\"\n"
        let catalog = "[catalog]\nconnection = \"host=catalog\"\n"
        let snapshots = "[snapshots]\nfolder = \"s\"\n"
        #expect(try read(guarded + catalog + snapshots).snapshotConnection == "host=guard")
        #expect(try read(catalog + snapshots).snapshotConnection == "host=catalog")
    }

    static let mistakes = [
        Mistake(
            text: "server = \"db:5432\"\n[snapshots]\nfolder = \"s\"", line: 3,
            says: "no connection takes the snapshots"),
        Mistake(text: "[snapshots]\nfolder = \"~/s\"\nconnection = \"host=a\"", line: 2, says: "\"~\" is not expanded"),
        Mistake(text: "[snapshots]\nfoldr = \"s\"", line: 2, says: "unknown key"),
        Mistake(text: "[snapshots]\nbeyond = \"ignore\"", line: 2, says: "no value of \"beyond\""),
        Mistake(text: "[snapshots]\nunknown = \"schema-only\"", line: 2, says: "no value of \"unknown\""),
        Mistake(text: "[snapshots]\nclasses = [\"drop_tabel\"]", line: 2, says: "no class or group"),
        Mistake(text: "[snapshots]\npg_dump = \"pg_dump\"", line: 2, says: "no absolute path"),
        Mistake(text: "[snapshots]\ntimeout = \"10ms\"", line: 2, says: "out of range"),
        Mistake(text: "[snapshots]\nmax_size = \"much\"", line: 2, says: "no size"),
        Mistake(text: "[snapshots]\nkeep_age = \"1m\"", line: 2, says: "out of range"),
        Mistake(text: "[snapshots]\ntags = []", line: 2, says: "is empty"),
        Mistake(text: "[snapshots]\ndatabases = [\"\"]", line: 2, says: "empty pattern"),
    ]

    @Test(arguments: mistakes) func `that are wrong are named`(mistake: Mistake) throws { try mistake.isNamed() }
}
