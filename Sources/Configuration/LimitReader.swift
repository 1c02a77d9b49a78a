import Policy

/// Reads `[limits]` and the `[[limit]]` blocks.
struct LimitReader {
    /// The tags that sessions can have.
    let tags: Set<String>

    static let sectionKeys = ["max_logins", "connect_rate", "connect_burst", "session_memory"]
    static let keys = [
        "name", "tags", "users", "databases", "clients", "each", "idle_timeout", "idle_in_transaction_timeout",
        "query_timeout",
    ]
    static let effects = ["clients", "idle_timeout", "idle_in_transaction_timeout", "query_timeout"]

    private static let (second, hour) = (1000, 3_600_000)
    private static let (megabyte, gigabyte) = (1 << 20, 1 << 30)

    /// What a session needs to have a statement of the longest kind judged: the message, in a buffer that has grown, and
    /// what is remembered of it.
    static func leastMemory(maximumStatementBytes: Int) -> Int { 4 * maximumStatementBytes }

    func read(_ root: SectionReader, maximumStatementBytes: Int) -> LimitSettings {
        let section = root.section("limits")
        section.rejectKeys(besides: Self.sectionKeys)
        let least = Self.leastMemory(maximumStatementBytes: maximumStatementBytes)
        let memory = section.size(
            "session_memory", in: Self.megabyte...64 * Self.gigabyte, otherwise: max(256 * Self.megabyte, least))
        if memory < least, section.has("session_memory") {
            section.log.error(
                at: section.path(of: "session_memory"),
                "session_memory is less than a statement of max_statement needs",
                "write at least four times max_statement: session_memory = \"\(Quantity.text(bytes: least))\"")
        }
        return LimitSettings(
            maximumLogins: section.integer("max_logins", in: 0...100_000, otherwise: 0),
            connectRate: connectRate(section), sessionMemory: memory, blocks: blocks(root))
    }

    private func connectRate(_ section: SectionReader) -> ConnectRate? {
        let burst = section.integer("connect_burst", in: 0...1_000_000, otherwise: 0)
        guard let entry = section.string("connect_rate", example: "50/s"), entry.text != "off" else {
            if burst > 0 {
                section.log.error(
                    at: section.path(of: "connect_burst"), "\"connect_burst\" is given without a connect_rate",
                    "write connect_rate = \"50/s\", or take connect_burst away")
            }
            return nil
        }
        guard let rate = Quantity.rate(entry.text) else {
            section.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no rate",
                "write a number of 1 to 1000000 connections and a time (s, m, h): connect_rate = \"50/s\", or \"off\"")
            return nil
        }
        return ConnectRate(
            interval: Int64(rate.milliseconds) * 1_000_000 / Int64(rate.count), burst: burst > 0 ? burst : rate.count)
    }

    private func blocks(_ root: SectionReader) -> [SessionLimit] {
        var limits: [SessionLimit] = []
        for block in root.blocks("limit") {
            guard let limit = read(block) else { continue }
            if limits.contains(where: { $0.name == limit.name }) {
                block.log.error(
                    at: block.path(of: "name"), "two limits are called \"\(limit.name)\"",
                    "give each its own name: whoever is turned away is shown it")
            }
            limits.append(limit)
        }
        return limits
    }

    private func read(_ block: SectionReader) -> SessionLimit? {
        block.rejectKeys(besides: Self.keys)
        let name = PatternReader.name(
            of: block, kind: "limit", example: "reports", reason: "whoever is turned away is shown it")?.text
        if !Self.effects.contains(where: block.has) {
            block.log.error(
                atKey: block.path, "a [[limit]] block limits nothing",
                "give one of \(Self.effects.joined(separator: ", "))")
        }
        let each = block.word("each", among: SessionLimit.Part.allCases.map(\.rawValue))
            .flatMap(SessionLimit.Part.init)
        if each != nil, !block.has("clients") {
            block.log.error(
                atKey: block.path(of: "each"), "\"each\" says what clients are counted by, and no number is given",
                "write clients = 20")
        }
        let clients = block.has("clients") ? block.integer("clients", in: 0...1_000_000, otherwise: 20) : nil
        let limit = SessionLimit(
            name: name ?? "", tags: PatternReader.tags("tags", in: block, known: tags),
            users: globs("users", in: block, example: "app"), databases: globs("databases", in: block, example: "shop"),
            maximumClients: clients, each: each, idleTimeout: timeout("idle_timeout", in: block, example: "10m"),
            idleInTransactionTimeout: timeout("idle_in_transaction_timeout", in: block, example: "1m"),
            queryTimeout: timeout("query_timeout", in: block, example: "30s"))
        return name == nil ? nil : limit
    }

    private func globs(_ key: String, in block: SectionReader, example: String) -> [Glob] {
        (block.strings(key, example: example) ?? []).compactMap { PatternReader.glob($0, log: block.log) }
    }

    /// In nanoseconds; `"off"` is 0.
    private func timeout(_ key: String, in block: SectionReader, example: String) -> Int64? {
        guard block.has(key) else { return nil }
        if block.text(key) == "off" { return 0 }
        guard let milliseconds = Quantity.milliseconds(example) else { return nil }
        let (seconds, attoseconds) = block.duration(key, in: 100...24 * Self.hour, otherwise: milliseconds).components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
