import Testing

@testable import Configuration

@Suite struct `Watches in proxy.conf` {
    private func read(_ text: String) throws -> ProxyConfiguration {
        try ConfigurationReader.read(text, file: "proxy.conf", version: 1)
    }

    @Test func `are read as they are written`() throws {
        let configuration = try read(
            """
            [watching]
            state = "state"
            workers = 8
            webhook = "https://alerts.example.com/x?team=dba"
            webhook_headers = ["Authorization: Bearer abc"]
            command = ["/bin/page", "--now"]
            timeout = "3s"
            retries = 0

            [[watch]]
            name = "shop-1"
            connection = "service=shop"
            tables = ["orders", "public.*", '"odd.schema"."Table"']
            from = "baseline"
            ignore = "tmp_*"
            unexpected = false
            migrations = "alembic"
            migrations_table = "audit.alembic_version"
            migrations_folder = "migrations"
            heads = 2
            migrations_command = ["/srv/shop/.venv/bin/alembic", "-x", "a=b"]
            migrations_variable = "SHOP_DB"
            migrations_scheme = "postgresql+asyncpg"
            migrations_timeout = "5m"
            recover_connection = "service=owner"
            scratch_connection = "service=scratch"
            interval = "5m"
            statement_timeout = "1s"
            lock_timeout = "100ms"
            connect_timeout = "2s"

            [[watch.check]]
            name = "orders"
            table = "public.orders"
            min_rows = 5
            max_fall = 20

            [[watch.check]]
            name = "sum"
            query = "SELECT true"

            [[watch]]
            name = "other"
            connection = "dbname=other"
            interval = "off"
            """)
        let watching = configuration.watching
        #expect(watching.statePath == "state" && watching.workerCount == 8 && watching.retryCount == 0)
        #expect(watching.webhook == "https://alerts.example.com/x?team=dba")
        #expect(watching.webhookHeaders == ["Authorization: Bearer abc"])
        #expect(watching.command == ["/bin/page", "--now"] && watching.timeout == .seconds(3))
        let watch = try #require(configuration.watches.first)
        #expect(watch.name == "shop-1" && watch.connection == "service=shop" && watch.usesBaseline)
        #expect(watch.tables.count == 3 && watch.tables[2].matches(schema: "odd.schema", name: "Table"))
        #expect(!watch.tables[2].matches(schema: "odd.schema", name: "table") && !watch.reportsUnexpected)
        #expect(watch.migrations.choice == .tool(.alembic) && watch.migrations.headCount == 2)
        #expect(watch.migrations.table == TableName(schema: "audit", name: "alembic_version"))
        #expect(watch.recovery.command == ["/srv/shop/.venv/bin/alembic", "-x", "a=b"])
        #expect(watch.recovery.variable == "SHOP_DB" && watch.recovery.scheme == "postgresql+asyncpg")
        #expect(watch.recovery.connection == "service=owner" && watch.recovery.scratchConnection == "service=scratch")
        #expect(watch.recovery.timeout == .seconds(300))
        #expect(watch.interval == .seconds(300) && watch.connectTimeout == .seconds(2))
        #expect(
            watch.checks == [
                DataCheck(
                    name: "orders",
                    test: .rows(table: TableName(schema: "public", name: "orders"), minimum: 5, maximumFall: 20)),
                DataCheck(name: "sum", test: .query("SELECT true")),
            ])
        let other = configuration.watches[1]
        #expect(other.recovery == RecoverySettings() && other.recovery.variable == "DATABASE_URL")
        #expect(other.interval == nil && other.usesBaseline && other.reportsUnexpected && other.tables.isEmpty)
    }

    @Test func `expect named tables alone where nothing else is said`() throws {
        let watch = try #require(
            try read("[[watch]]\nname = \"a\"\nconnection = \"dbname=a\"\ntables = [\"t\"]").watches.first)
        #expect(!watch.usesBaseline && !watch.reportsUnexpected)
    }

    static let block = "[[watch]]\nname = \"a\"\nconnection = \"dbname=a\"\n"

    static let mistakes = [
        Mistake(text: "[[watch]]\nconnection = \"dbname=a\"", line: 1, says: "has no name"),
        Mistake(text: "[[watch]]\nname = \"a/b\"\nconnection = \"dbname=a\"", line: 2, says: "no name for a watch"),
        Mistake(text: "[[watch]]\nname = \"..\"\nconnection = \"dbname=a\"", line: 2, says: "no name for a watch"),
        Mistake(text: "[[watch]]\nname = \"a\"", line: 1, says: "has no connection"),
        Mistake(text: "[[watch]]\nname = \"a\"\nconnection = \"\"", line: 3, says: "is empty"),
        Mistake(text: block + block, line: 5, says: "two watches are called"),
        Mistake(text: block + "tables = [\"a.b.c\"]", line: 4, says: "names no table"),
        Mistake(text: block + "tables = [\"\\\"a\"]", line: 4, says: "names no table"),
        Mistake(text: block + "from = \"tables\"", line: 4, says: "no tables are named"),
        Mistake(text: block + "from = \"heaven\"", line: 4, says: "no value of \"from\""),
        Mistake(text: block + "migrations = \"alembik\"", line: 4, says: "no value of \"migrations\""),
        Mistake(text: block + "migrations_table = \"t\"", line: 4, says: "whose table that is"),
        Mistake(text: block + "migrations_folder = \"~/x\"", line: 4, says: "\"~\" is not expanded"),
        Mistake(text: block + "migrations_command = [\"bin/alembic\"]", line: 4, says: "nor an absolute path"),
        Mistake(text: block + "migrations_variable = \"1X\"", line: 4, says: "no name of an environment variable"),
        Mistake(text: block + "migrations_scheme = \"mysql\"", line: 4, says: "no beginning of a URL"),
        Mistake(text: block + "migrations_timeout = \"1ms\"", line: 4, says: "out of range"),
        Mistake(text: block + "interval = \"10ms\"", line: 4, says: "out of range"),
        Mistake(text: block + "nonsense = 1", line: 4, says: "unknown key"),
        Mistake(text: block + "[[watch.check]]\ntable = \"t\"\nmin_rows = 1", line: 4, says: "has no name"),
        Mistake(text: block + "[[watch.check]]\nname = \"c\"", line: 4, says: "checks nothing"),
        Mistake(text: block + "[[watch.check]]\nname = \"c\"\ntable = \"t\"", line: 4, says: "has no limit"),
        Mistake(
            text: block + "[[watch.check]]\nname = \"c\"\nquery = \"SELECT true\"\nmin_rows = 1", line: 7,
            says: "stand in one check"),
        Mistake(text: block + "[[watch.check]]\nname = \"c\"\ntable = \"t\"\nmax_fall = 100", line: 7, says: "range"),
        Mistake(text: "[watching]\nwebhook = \"ftp://x\"", line: 2, says: "no address of a webhook"),
        Mistake(text: "[watching]\nwebhook = \"http://\"", line: 2, says: "no address of a webhook"),
        Mistake(text: "[watching]\nwebhook_headers = [\"x\"]", line: 2, says: "no HTTP header"),
        Mistake(text: "[watching]\nwebhook_headers = [\"x: a\\r\\nb: c\"]", line: 2, says: "no HTTP header"),
        Mistake(text: "[watching]\ncommand = [\"page\"]", line: 2, says: "no absolute path"),
        Mistake(text: "[watching]\nworkers = 0", line: 2, says: "out of range"),
    ]

    @Test(arguments: mistakes) func `that are wrong are named`(mistake: Mistake) throws { try mistake.isNamed() }
}
