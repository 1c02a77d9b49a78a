import Policy

/// Reads the text of `proxy.conf` (TOML) into a ``ProxyConfiguration``. Pure: no file is touched.
package struct ConfigurationReader {
    private let root: SectionReader
    private let log: IssueLog

    /// Reads and validates a whole file.
    ///
    /// - Parameters:
    ///   - file: the file's name for messages.
    ///   - folder: where its relative paths start, absolute.
    ///   - version: the version of the rules: one more with every reload.
    /// - Throws: `ConfigurationError` with everything that is wrong, when any of it is an error.
    package static func read(
        _ text: String, file: String, folder: String = "", version: Int
    ) throws(ConfigurationError) -> ProxyConfiguration {
        let document: TOMLDocument
        do throws(TOMLFault) {
            document = try TOMLDocument(text)
        } catch {
            throw ConfigurationError(issues: [
                ConfigurationIssue(
                    file: file, position: error.position, message: "not valid TOML: \(error.message)",
                    remedy: "texts stand in double quotes, lists in [ ], and each key has a line of its own")
            ])
        }
        let log = IssueLog(file: file, positions: document.positions)
        guard case .table(let members) = document.root else { throw ConfigurationError(issues: []) }
        let reader = ConfigurationReader(root: SectionReader(members, path: [], log: log), log: log)
        var configuration = reader.configuration(version: version)
        let issues = log.issues.sorted { $0.position < $1.position }
        if issues.contains(where: { $0.severity == .error }) { throw ConfigurationError(issues: issues) }
        configuration.folder = folder
        configuration.source = text
        configuration.warnings = issues
        return configuration
    }

    private static let keys = [
        "listen", "server", "target", "probe", "probe_interval", "dns_refresh", "upstream", "loops", "selector",
        "busy_poll",
        "max_clients", "drain_timeout", "connect_timeout", "login_timeout", "max_statement", "auth", "users",
        "client_tls", "server_tls", "embedded", "catalog", "log", "audit", "guard", "limits", "limit", "send_proxy",
        "proxy_protocol", "tcp", "tag", "rule", "watch", "watching", "marker", "snapshots",
    ]

    private static let (second, minute, hour) = (1000, 60_000, 3_600_000)
    private static let (kilobyte, megabyte) = (1 << 10, 1 << 20)

    private func configuration(version: Int) -> ProxyConfiguration {
        root.rejectKeys(besides: Self.keys)
        let listeners = listeners()
        let audit = root.section("audit")
        let maximumStatementBytes = root.size(
            "max_statement", in: 64 * Self.kilobyte...1023 * Self.megabyte, otherwise: 16 * Self.megabyte)
        let rules = ruleSet(listeners: listeners, audit: audit, version: version)
        let tags = Set(rules.tagRules.map(\.tag)).union([Tag.production])
        let upstreams = UpstreamReader()
        let standard = upstreams.standard(root)
        var configuration = ProxyConfiguration(
            listeners: listeners, upstream: standard, embedded: embedded(),
            loopCount: root.integer("loops", in: 0...256, otherwise: 0),
            maximumClients: root.integer("max_clients", in: 1...1_000_000, otherwise: 1000),
            drainTimeout: root.duration("drain_timeout", in: 0...24 * Self.hour, otherwise: 30 * Self.second),
            connectTimeout: root.duration("connect_timeout", in: 100...10 * Self.minute, otherwise: 10 * Self.second),
            loginTimeout: root.duration("login_timeout", in: Self.second...Self.hour, otherwise: Self.minute),
            maximumStatementBytes: maximumStatementBytes,
            catalog: catalogSettings(), log: logSettings(), audit: auditSettings(audit), guardSettings: guardSettings(),
            rules: rules, limits: LimitReader(tags: tags).read(root, maximumStatementBytes: maximumStatementBytes))
        configuration.auditSinks = AuditSinkReader(
            listeners: listeners, trailPath: configuration.audit.path
        ).read(audit)
        configuration.selector =
            root.word("selector", among: SelectorChoice.allCases.map(\.rawValue)).flatMap(SelectorChoice.init) ?? .auto
        configuration.busyPoll = .microseconds(root.integer("busy_poll", in: 0...1000, otherwise: 0))
        configuration.upstreams = upstreams.blocks(root)
        if configuration.catalog.connection == nil {
            for block in root.blocks("upstream") where !(block.text("catalog") ?? "").isEmpty {
                log.error(
                    at: block.path(of: "catalog"), "no catalog is read: [catalog] has no connection",
                    "write connection = \"host=localhost user=holdfast\" in [catalog]: it is for the top-level server")
            }
        }
        configuration.dnsRefresh = root.duration(
            "dns_refresh", in: Self.second...Self.hour, otherwise: 30 * Self.second)
        configuration.authentication = AuthenticationReader.settings(root)
        configuration.clientTLS = TLSReader.clientSide(root.section("client_tls"))
        configuration.serverTLS = TLSReader.serverSide(root.section("server_tls"))
        warnOfLentCertificate(configuration)
        configuration.proxyProtocol = TransportReader.proxyProtocol(root.section("proxy_protocol"))
        configuration.sendsProxy = TransportReader.sendsProxy(root, isEmbedded: configuration.isEmbedded)
        configuration.tcp = TransportReader.tcp(root.section("tcp"))
        configuration.marker = MarkerSettings.read(root)
        configuration.watches = WatchReader.watches(root)
        configuration.watching = WatchReader.watching(root.section("watching"))
        let snapshots = root.section("snapshots")
        configuration.snapshots = SnapshotReader.settings(snapshots, tags: tags)
        SnapshotReader.requireConnection(configuration, snapshots)
        return configuration
    }

    /// Where pg_hba.conf lets certificates in, Holdfast's own would do for whoever comes.
    private func warnOfLentCertificate(_ configuration: ProxyConfiguration) {
        guard !configuration.serverTLS.certificatePath.isEmpty, configuration.authentication.method == .passThrough,
            configuration.clientTLS.clientCertificates != .verifyRole
        else { return }
        log.warning(
            at: [.key("server_tls"), .key("certificate")],
            "clients that show no certificate of their role can log in with Holdfast's, where pg_hba.conf says \"cert\"",
            "write client_certificates = \"verify-full\" in [client_tls], or auth = \"scram\"")
    }

    private func listeners() -> [ListenAddress] {
        let standard = ListenAddress.tcp(host: "127.0.0.1", port: 6543)
        guard let entries = root.strings("listen", example: standard.text) else { return [standard] }
        var listeners: [ListenAddress] = []
        for entry in entries {
            do throws(AddressText.Fault) {
                let address: ListenAddress =
                    switch try AddressText.parse(entry.text, examplePort: 6543) {
                    case .tcp(let host, let port): .tcp(host: host, port: port)
                    case .unix(let path): .unix(path: path)
                    }
                if listeners.contains(address), !address.letsKernelChoose {
                    log.error(at: entry.path, "\"\(address.text)\" stands in the list twice", "take one away")
                } else {
                    listeners.append(address)
                }
            } catch {
                log.error(at: entry.path, error.message, error.remedy)
            }
        }
        return listeners
    }

    private func embedded() -> EmbeddedServerSettings {
        let section = root.section("embedded")
        section.rejectKeys(besides: ["data", "user", "bin"])
        return EmbeddedServerSettings(
            dataDirectory: path("data", in: section, otherwise: "var/embedded"),
            user: nonEmpty("user", in: section, otherwise: "postgres"),
            binaryDirectory: section.has("bin")
                ? path("bin", in: section, otherwise: "", example: "/usr/lib/postgresql/15/bin", mayBeEmpty: true) : "")
    }

    private func catalogSettings() -> CatalogSettings {
        let section = root.section("catalog")
        section.rejectKeys(besides: ["connection", "refresh", "wait", "missing"])
        let connection = section.string("connection", example: "host=localhost user=holdfast")?.text
        return CatalogSettings(
            connection: connection == "off" || connection == "" ? nil : connection, isOff: connection == "off",
            refresh: section.duration("refresh", in: Self.second...24 * Self.hour, otherwise: Self.minute),
            patience: section.duration("wait", in: 0...Self.minute, otherwise: 5 * Self.second),
            missing: section.word("missing", among: CatalogSettings.Missing.allCases.map(\.rawValue))
                .flatMap(CatalogSettings.Missing.init) ?? .opaque)
    }

    private func logSettings() -> LogSettings {
        let section = root.section("log")
        section.rejectKeys(besides: ["level"])
        let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
        return LogSettings(level: section.word("level", among: levels) ?? "info")
    }

    private func auditSettings(_ section: SectionReader) -> AuditSettings {
        section.rejectKeys(besides: [
            "file", "durability", "record", "key_file", "signing_key", "rotate_size", "rotate_interval", "keep_files",
            "checkpoints", "checkpoint_interval", "sessions", "max_text", "parameters", "sink",
        ])
        var settings = AuditSettings(
            path: path("file", in: section, otherwise: "var/audit.jsonl"),
            durability: section.word("durability", among: AuditSettings.Durability.allCases.map(\.rawValue))
                .flatMap(AuditSettings.Durability.init) ?? .fsync)
        settings.keyPath = path("key_file", in: section, otherwise: "")
        settings.signingKeyPath = path("signing_key", in: section, otherwise: "")
        settings.rotateByteCount = section.size("rotate_size", in: 1 << 16...1 << 40, otherwise: 256 << 20)
        settings.rotateInterval =
            section.text("rotate_interval") == "off"
            ? nil
            : section.duration("rotate_interval", in: Self.second...366 * 24 * Self.hour, otherwise: 24 * Self.hour)
        settings.keptFileCount = section.integer("keep_files", in: 0...1_000_000, otherwise: 0)
        let checkpoints =
            section.listIsEmpty("checkpoints") ? [] : section.strings("checkpoints", example: "/mnt/heads")
        settings.checkpointPaths = (checkpoints ?? []).map(\.text)
        settings.checkpointInterval = section.duration(
            "checkpoint_interval", in: Self.second...24 * Self.hour, otherwise: 60 * Self.second)
        settings.sessions =
            section.word("sessions", among: AuditSettings.Sessions.allCases.map(\.rawValue))
            .flatMap(AuditSettings.Sessions.init) ?? .active
        settings.maximumTextBytes = section.size("max_text", in: 1 << 10...1 << 30, otherwise: Self.megabyte)
        return settings
    }

    private func guardSettings() -> GuardSettings {
        let section = root.section("guard")
        section.rejectKeys(besides: ["connection", "databases", "watch"])
        let databases = section.listIsEmpty("databases") ? [] : section.strings("databases", example: "shop") ?? []
        for entry in databases where entry.text.isEmpty {
            log.error(at: entry.path, "a database's name is empty", "write it as the server spells it")
        }
        let example = "host=localhost user=holdfast dbname=shop"
        let connection = section.has("connection") ? section.string("connection", example: example)?.text ?? "" : ""
        if connection.isEmpty, !databases.isEmpty {
            log.error(
                at: section.path(of: "databases"), "\"databases\" are named and no connection that reaches them",
                "write connection = \"\(example)\"")
        }
        let isOff = section.text("watch") == "off"
        return GuardSettings(
            connection: connection, databases: databases.map(\.text),
            watchInterval: isOff
                ? nil : section.duration("watch", in: 100...24 * Self.hour, otherwise: 10 * Self.second))
    }

    /// - Parameter audit: the table `[audit]`.
    private func ruleSet(listeners: [ListenAddress], audit: SectionReader, version: Int) -> RuleSet {
        let tagReader = TagReader(listeners: listeners)
        let tagRules = root.blocks("tag").compactMap(tagReader.read)
        let ruleReader = RuleReader(tags: Set(tagRules.map(\.tag)).union([Tag.production]))
        var rules: [Rule] = []
        var paths: [TOMLPath] = []
        for block in root.blocks("rule") {
            guard let rule = ruleReader.read(block) else { continue }
            if rules.contains(where: { $0.name == rule.name }) {
                log.error(
                    at: block.path(of: "name"), "two rules are called \"\(rule.name)\"",
                    "give each its own name: refusals and the audit trail show it")
            }
            rules.append(rule)
            paths.append(block.path)
        }
        warnOfIdleRules(rules, paths: paths)
        // An empty list is an answer here: record nothing beyond what is always recorded.
        let audited = audit.listIsEmpty("record") ? [] : RuleReader.classes("record", in: audit)
        var set = RuleSet(
            version: version, tagRules: tagRules, rules: rules,
            auditedClasses: audited ?? RuleSet.defaultAuditedClasses)
        set.recordsParameters = audit.boolean("parameters") ?? false
        warnIfUnguarded(set)
        return set
    }

    /// Rules that can never decide anything, because those above leave nothing for them.
    private func warnOfIdleRules(_ rules: [Rule], paths: [TOMLPath]) {
        for (index, rule) in rules.enumerated() {
            var left = rule.classes
            for above in rules[..<index] where above.decidesEverything(for: rule.tags) {
                left.subtract(above.classes)
                if left.isEmpty, !rule.classes.isEmpty {
                    log.warning(
                        atKey: paths[index],
                        "the rule \"\(rule.name)\" never applies: \"\(above.name)\" stands above it",
                        "for each effect the first rule that matches decides; move the narrower rule up")
                    break
                }
            }
        }
    }

    private func warnIfUnguarded(_ set: RuleSet) {
        let isGuarded = set.rules.contains { $0.action == .block && $0.tags.matches(Tag.production) }
        // Among errors this could be the consequence of one.
        if !isGuarded, !log.issues.contains(where: { $0.severity == .error }) {
            log.warning(
                atKey: [], "no rule blocks anything on \"production\": Holdfast will refuse nothing there",
                "take the [[rule]] blocks over from the shipped proxy.conf")
        }
    }

    private func path(
        _ key: String, in section: SectionReader, otherwise fallback: String, example: String? = nil,
        mayBeEmpty: Bool = false
    ) -> String {
        guard let entry = section.filePath(key, example: example ?? fallback) else { return fallback }
        if entry.text.isEmpty, !mayBeEmpty {
            log.error(at: entry.path, "\"\(key)\" is empty", "write a path: \(key) = \"\(example ?? fallback)\"")
            return fallback
        }
        return entry.text
    }

    private func nonEmpty(_ key: String, in section: SectionReader, otherwise fallback: String) -> String {
        guard let entry = section.string(key, example: fallback) else { return fallback }
        guard !entry.text.isEmpty else {
            log.error(at: entry.path, "\"\(key)\" is empty", "write \(key) = \"\(fallback)\"")
            return fallback
        }
        return entry.text
    }
}

extension ListenAddress {
    fileprivate var letsKernelChoose: Bool {
        switch self {
        case .tcp(_, let port): port == 0
        case .unix: false
        }
    }
}
