import Policy

/// Reads `[[watch]]` blocks and `[watching]`.
enum WatchReader {
    static let keys = [
        "name", "connection", "tables", "from", "ignore", "unexpected", "migrations", "migrations_table",
        "migrations_folder", "migrations_command", "migrations_variable", "migrations_scheme", "migrations_timeout",
        "recover_connection", "scratch_connection", "heads", "check", "interval", "statement_timeout", "lock_timeout",
        "connect_timeout",
    ]
    static let checkKeys = ["name", "table", "min_rows", "max_fall", "query"]
    static let watchingKeys = [
        "state", "workers", "webhook", "webhook_headers", "command", "timeout", "retries",
    ]

    private static let (second, minute, hour) = (1000, 60_000, 3_600_000)

    static func watches(_ root: SectionReader) -> [WatchSettings] {
        var watches: [WatchSettings] = []
        for block in root.blocks("watch") {
            guard let watch = watch(block) else { continue }
            if watches.contains(where: { $0.name == watch.name }) {
                block.log.error(
                    at: block.path(of: "name"), "two watches are called \"\(watch.name)\"",
                    "give each its own name: findings and the files of its state carry it")
            }
            watches.append(watch)
        }
        return watches
    }

    private static func watch(_ block: SectionReader) -> WatchSettings? {
        block.rejectKeys(besides: keys)
        let name = name(of: block)
        let example = "host=db.internal user=holdfast dbname=shop"
        let connection = block.string("connection", example: example)
        if connection == nil, !block.has("connection") {
            block.log.error(
                atKey: block.path, "a [[watch]] block has no connection",
                "write connection = \"\(example)\", or connection = \"service=shop\"")
        } else if let connection, connection.text.isEmpty {
            block.log.error(at: connection.path, "\"connection\" is empty", "write connection = \"\(example)\"")
        }
        guard let name, let connection, !connection.text.isEmpty else { return nil }
        var watch = WatchSettings(name: name, connection: connection.text)
        let origin = block.word("from", among: ["baseline", "tables"])
        watch.tables = patterns("tables", in: block)
        watch.usesBaseline = origin.map { $0 == "baseline" } ?? !block.has("tables")
        if origin == "tables", !block.has("tables") {
            block.log.error(
                at: block.path(of: "from"), "from = \"tables\", and no tables are named",
                "write tables = [\"public.orders\"], or from = \"baseline\"")
        }
        watch.ignored = block.listIsEmpty("ignore") ? [] : patterns("ignore", in: block)
        watch.reportsUnexpected = block.boolean("unexpected") ?? watch.usesBaseline
        watch.migrations = migrations(block)
        watch.recovery = recovery(block)
        watch.checks = checks(block)
        watch.interval =
            block.text("interval") == "off"
            ? nil : block.duration("interval", in: second...24 * hour, otherwise: minute)
        watch.statementTimeout = block.duration(
            "statement_timeout", in: 100...hour, otherwise: 10 * second)
        watch.lockTimeout = block.duration("lock_timeout", in: 10...hour, otherwise: 2 * second)
        watch.connectTimeout = block.duration("connect_timeout", in: 2 * second...10 * minute, otherwise: 5 * second)
        return watch
    }

    private static func name(of block: SectionReader) -> String? {
        let reason = "findings and the files of its state carry it"
        guard let entry = PatternReader.name(of: block, kind: "watch", example: "shop", reason: reason) else {
            return nil
        }
        let isFit =
            entry.text.utf8.allSatisfy { byte in
                switch UInt8(byte) {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
                    true
                default: false
                }
            } && !entry.text.hasPrefix(".")
        guard isFit else {
            block.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no name for a watch",
                "write letters, digits, _, - and . (not first): files are named after it")
            return nil
        }
        return entry.text
    }

    private static func patterns(_ key: String, in block: SectionReader) -> [TablePattern] {
        (block.strings(key, example: "public.orders") ?? []).compactMap { entry in
            guard let pattern = TablePattern(entry.text) else {
                block.log.error(
                    at: entry.path, "\"\(SectionReader.shown(entry.text))\" names no table",
                    "write \"orders\", \"public.orders\" or \"public.*\"; a part with a dot in it in double quotes")
                return nil
            }
            return pattern
        }
    }

    private static func migrations(_ block: SectionReader) -> MigrationSettings {
        var settings = MigrationSettings()
        let tools = MigrationSettings.Tool.allCases.map(\.rawValue)
        switch block.word("migrations", among: ["auto", "off"] + tools) {
        case nil, "auto": settings.choice = .automatic
        case "off": settings.choice = .off
        case .some(let word): settings.choice = MigrationSettings.Tool(rawValue: word).map { .tool($0) } ?? .automatic
        }
        settings.folder = block.filePath("migrations_folder", example: "/srv/shop/migrations")?.text ?? ""
        settings.headCount = block.integer("heads", in: 1...1000, otherwise: 1)
        if let entry = block.string("migrations_table", example: "public.alembic_version") {
            settings.table = TableName(entry.text)
            if settings.table == nil {
                block.log.error(
                    at: entry.path, "\"\(SectionReader.shown(entry.text))\" names no table",
                    "write \"alembic_version\" or \"public.alembic_version\"")
            }
            if case .tool = settings.choice {
            } else {
                block.log.error(
                    at: entry.path, "whose table that is cannot be told", "write the tool: migrations = \"alembic\"")
            }
        }
        return settings
    }

    private static func recovery(_ block: SectionReader) -> RecoverySettings {
        var settings = RecoverySettings()
        settings.connection =
            block.string("recover_connection", example: "host=db.internal user=shop_owner dbname=shop")?.text ?? ""
        settings.scratchConnection =
            block.string("scratch_connection", example: "host=db.internal user=shop_owner dbname=postgres")?.text ?? ""
        if !block.listIsEmpty("migrations_command"),
            let words = block.strings("migrations_command", example: "/srv/shop/.venv/bin/alembic")
        {
            if let program = words.first,
                program.text.isEmpty || program.text.contains("/") && !program.text.hasPrefix("/")
            {
                block.log.error(
                    at: program.path,
                    "\"\(SectionReader.shown(program.text))\" is neither a program's name nor an absolute path",
                    "write the program and its first arguments, each a text: "
                        + "migrations_command = [\"/srv/shop/.venv/bin/alembic\"]")
            }
            settings.command = words.map(\.text)
        }
        if let entry = block.string("migrations_variable", example: settings.variable) {
            settings.variable = entry.text
            let isFit = entry.text.utf8.enumerated().allSatisfy { place, byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
                    true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): place > 0
                default: false
                }
            }
            if !isFit || entry.text.isEmpty {
                block.log.error(
                    at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no name of an environment variable",
                    "write migrations_variable = \"DATABASE_URL\"")
            }
        }
        if let entry = block.string("migrations_scheme", example: "postgresql+psycopg") {
            settings.scheme = entry.text
            let isFit = entry.text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"),
                    UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            if !isFit || !entry.text.hasPrefix("postgres") {
                block.log.error(
                    at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no beginning of a URL of PostgreSQL's",
                    "write what stands before :// in the project's URL: migrations_scheme = \"postgresql+psycopg\"")
            }
        }
        settings.timeout = block.duration("migrations_timeout", in: second...24 * hour, otherwise: 30 * minute)
        return settings
    }

    private static func checks(_ block: SectionReader) -> [DataCheck] {
        var checks: [DataCheck] = []
        for part in block.blocks("check") {
            guard let check = check(part) else { continue }
            if checks.contains(where: { $0.name == check.name }) {
                part.log.error(
                    at: part.path(of: "name"), "two checks of a watch are called \"\(check.name)\"",
                    "give each its own name")
            }
            checks.append(check)
        }
        return checks
    }

    private static func check(_ block: SectionReader) -> DataCheck? {
        block.rejectKeys(besides: checkKeys)
        let name = PatternReader.name(of: block, kind: "watch.check", example: "orders", reason: "findings carry it")?
            .text
        let minimum = block.has("min_rows") ? block.integer("min_rows", in: 0...Int.max >> 1, otherwise: 1) : nil
        let fall = block.has("max_fall") ? block.integer("max_fall", in: 0...99, otherwise: 10) : nil
        if let query = block.string("query", example: "SELECT count(*) > 0 FROM orders") {
            for key in ["table", "min_rows", "max_fall"] where block.has(key) {
                block.log.error(
                    atKey: block.path(of: key), "\"\(key)\" and \"query\" stand in one check",
                    "write two [[watch.check]] blocks")
            }
            guard !query.text.allSatisfy(\.isWhitespace) else {
                block.log.error(
                    at: query.path, "\"query\" is empty", "write query = \"SELECT count(*) > 0 FROM orders\"")
                return nil
            }
            return name.map { DataCheck(name: $0, test: .query(query.text)) }
        }
        guard let entry = block.string("table", example: "public.orders") else {
            if !block.has("table"), !block.has("query") {
                block.log.error(
                    atKey: block.path, "a [[watch.check]] block checks nothing",
                    "write table = \"public.orders\" and min_rows = 1, or a query")
            }
            return nil
        }
        guard let table = TableName(entry.text) else {
            block.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" names no table",
                "write \"orders\" or \"public.orders\"")
            return nil
        }
        if !block.has("min_rows"), !block.has("max_fall") {
            block.log.error(
                atKey: block.path, "a [[watch.check]] block of a table has no limit",
                "write min_rows = 1, or max_fall = 10 (percent), or both")
        }
        return name.map { DataCheck(name: $0, test: .rows(table: table, minimum: minimum, maximumFall: fall)) }
    }

    static func watching(_ section: SectionReader) -> WatchingSettings {
        section.rejectKeys(besides: watchingKeys)
        var settings = WatchingSettings()
        if let state = section.filePath("state", example: settings.statePath)?.text, !state.isEmpty {
            settings.statePath = state
        }
        settings.workerCount = section.integer("workers", in: 1...64, otherwise: settings.workerCount)
        settings.timeout = section.duration("timeout", in: 100...10 * minute, otherwise: 10 * second)
        settings.retryCount = section.integer("retries", in: 0...20, otherwise: settings.retryCount)
        settings.command = command(section)
        webhook(section, into: &settings)
        return settings
    }

    private static func command(_ section: SectionReader) -> [String] {
        let example = "/usr/local/bin/page-somebody"
        guard !section.listIsEmpty("command"), let words = section.strings("command", example: example) else {
            return []
        }
        if let program = words.first, !program.text.hasPrefix("/") {
            section.log.error(
                at: program.path, "\"\(SectionReader.shown(program.text))\" is no absolute path",
                "write the program and its arguments, each a text: command = [\"\(example)\", \"--team\", \"dba\"]")
        }
        return words.map(\.text)
    }

    private static func webhook(_ section: SectionReader, into settings: inout WatchingSettings) {
        let example = "https://alerts.example.com/holdfast"
        if let entry = section.string("webhook", example: example), !entry.text.isEmpty {
            let schemes = ["https://", "http://"]
            let rest = schemes.first(where: entry.text.hasPrefix).map { entry.text.dropFirst($0.count) } ?? ""
            let isPlain = entry.text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value < 0x7F }
            if rest.isEmpty || rest.hasPrefix("/") || rest.hasPrefix(":") || !isPlain {
                section.log.error(
                    at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no address of a webhook",
                    "write webhook = \"\(example)\"")
            }
            settings.webhook = entry.text
        }
        guard !section.listIsEmpty("webhook_headers") else { return }
        for entry in section.strings("webhook_headers", example: "Authorization: Bearer …") ?? [] {
            let parts = entry.text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let nameIsFit =
                parts.count == 2 && !parts[0].isEmpty
                && parts[0].utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"()<>@,;\\\"/[]?={}".utf8.contains($0) }
            guard nameIsFit, entry.text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
                section.log.error(
                    at: entry.path, "this is no HTTP header", "write \"Name: value\" on one line")
                continue
            }
            settings.webhookHeaders.append(entry.text)
        }
        if !settings.webhookHeaders.isEmpty, settings.webhook.hasPrefix("http://") {
            section.log.warning(
                at: section.path(of: "webhook"), "headers are sent to the webhook unencrypted",
                "write https:// if a secret is among them")
        }
    }
}
