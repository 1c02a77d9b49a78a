/// Reads the `[[audit.sink]]` blocks.
struct AuditSinkReader {
    static let keys = [
        "name", "type", "format", "retry_max", "connection", "table", "create", "address", "tls", "ca", "certificate",
        "key", "server_name", "facility", "hostname", "app_name", "sd_id", "max_size", "path",
    ]
    static let types = ["postgresql", "syslog", "stdout", "file"]
    static let facilities = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
        "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ]
    /// Keys that only blocks of some types have.
    private static let own: [String: [String]] = [
        "postgresql": ["connection", "table", "create"],
        "syslog": [
            "format", "address", "tls", "ca", "certificate", "key", "server_name", "facility", "hostname", "app_name",
            "sd_id", "max_size",
        ],
        "stdout": ["format"], "file": ["format", "path"],
    ]

    private static let (second, hour) = (1000, 3_600_000)
    private static let connectionExample = "host=audit.internal dbname=audit user=holdfast"

    /// Where clients connect: no place for a sink.
    let listeners: [ListenAddress]
    /// `file` under `[audit]`.
    let trailPath: String

    func read(_ audit: SectionReader) -> [AuditSinkSettings] {
        var sinks: [AuditSinkSettings] = []
        for block in audit.blocks("sink") {
            guard let sink = sink(block) else { continue }
            let fileName = sink.name.lowercased()
            if sinks.contains(where: { $0.name.lowercased() == fileName }) {
                block.log.error(
                    at: block.path(of: "name"), "two sinks are called \"\(sink.name)\"",
                    "give each its own name: how far it has come is kept under it")
            }
            if case .stdout = sink.kind, sinks.contains(where: { $0.kind == .stdout }) {
                block.log.error(
                    at: block.path(of: "type"), "two sinks write to standard output", "take one of them away")
            }
            if case .file(let path) = sink.kind, sinks.contains(where: { $0.kind == .file(path: path) }) {
                block.log.error(at: block.path(of: "path"), "two sinks write to \"\(path)\"", "give each its own file")
            }
            sinks.append(sink)
        }
        return sinks
    }

    private func sink(_ block: SectionReader) -> AuditSinkSettings? {
        block.rejectKeys(besides: Self.keys)
        let name = name(block)
        guard block.has("type") else {
            block.log.error(
                atKey: block.path, "the sink has no type",
                "write type = \"postgresql\", \"syslog\", \"stdout\" or \"file\"")
            return nil
        }
        guard let type = block.word("type", among: Self.types) else { return nil }
        let foreign = Set(Self.own.values.joined()).subtracting(Self.own[type] ?? [])
        for key in foreign.sorted() where block.has(key) {
            block.log.error(
                atKey: block.path(of: key), "a sink of the type \"\(type)\" has no \"\(key)\"", "take it away")
        }
        guard let kind = kind(type, block), let name else { return nil }
        var sink = AuditSinkSettings(name: name, kind: kind)
        sink.format =
            block.word("format", among: AuditSinkSettings.Format.allCases.map(\.rawValue))
            .flatMap(AuditSinkSettings.Format.init) ?? .json
        sink.retryMaximum = block.duration("retry_max", in: Self.second...Self.hour, otherwise: 30 * Self.second)
        return sink
    }

    private func name(_ block: SectionReader) -> String? {
        guard let entry = block.string("name", example: "siem") else {
            if !block.has("name") {
                block.log.error(atKey: block.path, "the sink has no name", "write name = \"siem\"")
            }
            return nil
        }
        let isGood = entry.text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isGood, (1...32).contains(entry.text.utf8.count) else {
            block.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no name for a sink",
                "write 1 to 32 letters, digits, \"_\" or \"-\": a file and counters are named after it")
            return nil
        }
        return entry.text
    }

    private func kind(_ type: String, _ block: SectionReader) -> AuditSinkSettings.Kind? {
        switch type {
        case "postgresql": postgresql(block)
        case "syslog": syslog(block).map { .syslog($0) }
        case "file": file(block)
        default: .stdout
        }
    }

    // MARK: - Types

    private func postgresql(_ block: SectionReader) -> AuditSinkSettings.Kind? {
        let table = table(block)
        guard let entry = block.string("connection", example: Self.connectionExample), !entry.text.isEmpty else {
            if (block.text("connection") ?? "").isEmpty, !block.has("connection") || block.text("connection") == "" {
                block.log.error(
                    atKey: block.has("connection") ? block.path(of: "connection") : block.path,
                    "the sink has no connection", "write connection = \"\(Self.connectionExample)\"")
            }
            return nil
        }
        if let listener = listeners.first(where: { ConnectionPlace(entry.text).isListener($0) }) {
            block.log.error(
                at: entry.path, "this connection leads to Holdfast's own port (listen = \"\(listener.text)\")",
                "name the server itself: what is written through Holdfast would be recorded again")
        }
        guard let table else { return nil }
        return .postgresql(
            connection: entry.text, schema: table.schema, table: table.name, creates: block.boolean("create") ?? false)
    }

    private func table(_ block: SectionReader) -> (schema: String, name: String)? {
        guard let entry = block.string("table", example: "holdfast_audit.trail") else {
            return block.has("table") ? nil : ("holdfast_audit", "trail")
        }
        let parts = entry.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, parts.allSatisfy({ (1...48).contains($0.utf8.count) && !$0.contains("\0") }) else {
            block.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" does not name a table with its schema",
                "write both, each of at most 48 bytes, as PostgreSQL stores them and without quotes: "
                    + "table = \"holdfast_audit.trail\"")
            return nil
        }
        return (parts[0], parts[1])
    }

    private func syslog(_ block: SectionReader) -> AuditSinkSettings.Syslog? {
        guard let entry = block.string("address", example: "siem.internal:6514") else {
            if !block.has("address") {
                block.log.error(
                    atKey: block.path, "the sink has no address",
                    "write address = \"siem.internal:6514\", or \"unix:/dev/log\"")
            }
            return nil
        }
        var settings: AuditSinkSettings.Syslog
        do throws(AddressText.Fault) {
            switch try AddressText.parse(entry.text, examplePort: 6514) {
            case .tcp(let host, let port):
                guard port > 0 else {
                    block.log.error(
                        at: entry.path, "0 is no port to connect to", "write 6514 for TLS, 514 or 601 without")
                    return nil
                }
                settings = AuditSinkSettings.Syslog(address: .tcp(host: host, port: port))
            case .unix(let path): settings = AuditSinkSettings.Syslog(address: .unix(path: path))
            }
        } catch {
            block.log.error(at: entry.path, error.message, error.remedy)
            return nil
        }
        settings.usesTLS = block.boolean("tls") ?? false
        settings.authorityPath = block.filePath("ca", example: "siem-ca.crt")?.text ?? ""
        settings.certificatePath = block.filePath("certificate", example: "holdfast.crt")?.text ?? ""
        settings.keyPath = block.filePath("key", example: "holdfast.key")?.text ?? ""
        settings.serverName = block.string("server_name", example: "siem.internal")?.text ?? ""
        checkTLS(settings, block)
        settings.facility = block.word("facility", among: Self.facilities) ?? "local0"
        settings.hostName = headerField("hostname", in: block, most: 255) ?? ""
        settings.applicationName = headerField("app_name", in: block, most: 48) ?? "holdfast"
        settings.structuredDataID = structuredDataID(block)
        settings.maximumByteCount = block.size("max_size", in: 1024...1 << 24, otherwise: 8192)
        return settings
    }

    private func checkTLS(_ settings: AuditSinkSettings.Syslog, _ block: SectionReader) {
        if settings.certificatePath.isEmpty != settings.keyPath.isEmpty {
            let (given, missing) = settings.keyPath.isEmpty ? ("certificate", "key") : ("key", "certificate")
            block.log.error(
                at: block.path(of: given), "a \"\(given)\" is of no use without a \"\(missing)\"",
                "write both, or neither")
        }
        if settings.usesTLS {
            if case .unix = settings.address {
                block.log.error(at: block.path(of: "tls"), "a Unix-domain socket has no TLS", "take tls away")
            }
            return
        }
        for key in ["ca", "certificate", "key", "server_name"] where !(block.text(key) ?? "").isEmpty {
            block.log.error(at: block.path(of: key), "\"\(key)\" is of no use without TLS", "write tls = true")
        }
    }

    /// RFC 5424, section 6: printable ASCII without spaces.
    private func headerField(_ key: String, in block: SectionReader, most: Int) -> String? {
        guard let entry = block.string(key, example: "holdfast") else { return nil }
        guard (1...most).contains(entry.text.utf8.count), entry.text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            block.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" cannot stand in a syslog header",
                "write 1 to \(most) printable ASCII characters without spaces")
            return nil
        }
        return entry.text
    }

    /// RFC 5424, section 6.3.2: a name, `@`, and a private enterprise number.
    private func structuredDataID(_ block: SectionReader) -> String {
        let fallback = "holdfast@32473"
        guard let text = headerField("sd_id", in: block, most: 32) else { return fallback }
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        let isGood =
            parts.count == 2 && !parts[0].isEmpty && !parts[1].isEmpty
            && parts[0].allSatisfy { $0 != "=" && $0 != "]" && $0 != "\"" }
            && parts[1].allSatisfy { ("0"..."9").contains($0) || $0 == "." }
        guard isGood else {
            block.log.error(
                at: block.path(of: "sd_id"), "\"\(SectionReader.shown(text))\" is no id of structured data",
                "write a name, @ and your private enterprise number: sd_id = \"\(fallback)\"")
            return fallback
        }
        return text
    }

    private func file(_ block: SectionReader) -> AuditSinkSettings.Kind? {
        let example = "var/siem.jsonl"
        guard let entry = block.filePath("path", example: example), !entry.text.isEmpty else {
            block.log.error(
                atKey: block.has("path") ? block.path(of: "path") : block.path, "the sink has no path",
                "write path = \"\(example)\"")
            return nil
        }
        if entry.text == trailPath {
            block.log.error(at: entry.path, "this is the trail's own file", "name another one: path = \"\(example)\"")
        }
        return .file(path: entry.text)
    }
}

/// Where a connection string of libpq's leads, as far as its text says.
struct ConnectionPlace {
    private var hosts: [String] = []
    private var ports: [String] = []

    init(_ text: String) {
        if let scheme = text.firstRange(of: "://"), text.hasPrefix("postgres") {
            let authority = text[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
            let places = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
            for place in places.split(separator: ",", omittingEmptySubsequences: false) {
                let colon = place.lastIndex(of: ":").flatMap { place[$0...].contains("]") ? nil : $0 }
                hosts.append(place[..<(colon ?? place.endIndex)].filter { $0 != "[" && $0 != "]" })
                ports.append(colon.map { String(place[place.index(after: $0)...]) } ?? "5432")
            }
            return
        }
        var host = ""
        var port = "5432"
        for word in text.split(whereSeparator: \.isWhitespace) {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let value = parts[1].filter { $0 != "'" }
            if parts[0] == "host" || parts[0] == "hostaddr" { host = value }
            if parts[0] == "port" { port = value }
        }
        hosts = host.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        ports = port.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    func isListener(_ listener: ListenAddress) -> Bool {
        zip(hosts, hosts.indices).contains { host, index in
            let port = ports.indices.contains(index) ? ports[index] : ports.last ?? "5432"
            switch listener {
            case .tcp(let bound, let number):
                let isAny = bound == "0.0.0.0" || bound == "::"
                let isLocal = host == "localhost" || host.hasPrefix("127.") || host == "::1"
                let isBoundLocally = bound == "localhost" || bound.hasPrefix("127.") || bound == "::1"
                return number > 0 && port == String(number) && (host == bound || (isLocal && (isAny || isBoundLocally)))
            case .unix(let path): return host.hasPrefix("/") && path == "\(host)/.s.PGSQL.\(port)"
            }
        }
    }
}
