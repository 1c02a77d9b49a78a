/// Reads where the servers are: the top-level keys `server`, `target`, `probe` and `probe_interval`, and `[[upstream]]`.
struct UpstreamReader {
    static let topLevelKeys = ["server", "target", "probe", "probe_interval"]
    private static let keys = [
        "name", "databases", "server", "target", "probe", "probe_interval", "tls", "catalog", "send_proxy",
    ]
    private static let example = "localhost:5432"

    /// What sessions get whose database no block claims.
    func standard(_ root: SectionReader) -> UpstreamSettings {
        let servers = servers(in: root, mayBeEmbedded: true) ?? [.embedded]
        return upstream(named: "server", servers: servers, in: root)
    }

    func blocks(_ root: SectionReader) -> [UpstreamSettings] {
        var blocks: [UpstreamSettings] = []
        for section in root.blocks("upstream") {
            section.rejectKeys(besides: Self.keys)
            let name = section.string("name", example: "billing")
            if name == nil, !section.has("name") {
                section.log.error(atKey: section.path, "an [[upstream]] block has no name", "write name = \"billing\"")
            }
            if let name, name.text.isEmpty || name.text == "server" || blocks.contains(where: { $0.name == name.text })
            {
                section.log.error(
                    at: name.path, "\"\(SectionReader.shown(name.text))\" cannot be the name of this block",
                    "give each [[upstream]] a name of its own, and none \"server\"")
            }
            let databases = (section.strings("databases", example: "billing") ?? []).compactMap {
                PatternReader.glob($0, log: section.log)
            }
            if !section.has("databases") {
                section.log.error(
                    atKey: section.path, "an [[upstream]] block does not say whose sessions it gets",
                    "write databases = [\"billing\"]; the rest goes to the top-level server")
            }
            let servers = servers(in: section, mayBeEmbedded: false)
            if !section.has("server") {
                section.log.error(
                    atKey: section.path, "an [[upstream]] block has no server", "write server = \"\(Self.example)\"")
            }
            var settings = upstream(named: name?.text ?? "", servers: servers ?? [], in: section)
            settings.databases = databases
            if section.has("tls") { settings.tls = TLSReader.serverSide(section.section("tls")) }
            if let catalog = section.string("catalog", example: "host=db.example user=holdfast"), !catalog.text.isEmpty
            {
                settings.catalogConnection = catalog.text
            }
            settings.sendsProxy = section.boolean("send_proxy")
            blocks.append(settings)
        }
        return blocks
    }

    private func upstream(named name: String, servers: [ServerAddress], in section: SectionReader) -> UpstreamSettings {
        let target =
            section.word("target", among: UpstreamSettings.Target.allCases.map(\.rawValue))
            .flatMap(UpstreamSettings.Target.init) ?? .any
        let probe = section.string("probe", example: "user=holdfast dbname=postgres")
        let interval = section.duration("probe_interval", in: 100...3_600_000, otherwise: 2000)
        if target != .any, (probe?.text ?? "").isEmpty {
            section.log.error(
                at: section.path(of: "target"),
                "target = \"\(target.rawValue)\" needs a role that asks the servers what they are",
                "write probe = \"user=holdfast dbname=postgres\": a libpq connection string without host and port; "
                    + "the role needs no privileges, and its password belongs into the password file")
        }
        if let probe, probe.text.contains("://") || Self.placeWords.contains(where: { names($0, in: probe.text) }) {
            section.log.error(
                at: probe.path, "\"probe\" says where a server is, and it is for each of the servers in turn",
                "leave host, hostaddr and port out: probe = \"user=holdfast dbname=postgres\"")
        }
        if target == .any, let probe, !probe.text.isEmpty {
            section.log.warning(
                at: probe.path, "\"probe\" is not used: any of the servers will do", "write target = \"primary\"")
        }
        if target != .any, servers.contains(.embedded) {
            section.log.error(
                at: section.path(of: "target"), "the embedded server is alone", "leave \"target\" and \"probe\" out")
        }
        return UpstreamSettings(
            name: name, servers: servers, target: target, probe: probe?.text ?? "", probeInterval: interval)
    }

    private static let placeWords = ["host", "hostaddr", "port", "service"]

    /// Whether a connection string gives the keyword.
    private func names(_ keyword: String, in connection: String) -> Bool {
        connection.ranges(of: keyword).contains { range in
            let before = connection[..<range.lowerBound].last
            let after = connection[range.upperBound...].drop(while: \.isWhitespace).first
            return before?.isWhitespace != false && after == "="
        }
    }

    private func servers(in section: SectionReader, mayBeEmbedded: Bool) -> [ServerAddress]? {
        guard let entries = section.strings("server", example: Self.example) else { return nil }
        var servers: [ServerAddress] = []
        for entry in entries {
            guard let address = address(entry, isAlone: entries.count == 1, mayBeEmbedded: mayBeEmbedded, section.log)
            else { continue }
            if servers.contains(address) {
                section.log.error(at: entry.path, "\"\(address.text)\" stands in the list twice", "take one away")
            } else {
                servers.append(address)
            }
        }
        return servers.isEmpty ? nil : servers
    }

    private func address(
        _ entry: SectionReader.Entry, isAlone: Bool, mayBeEmbedded: Bool, _ log: IssueLog
    ) -> ServerAddress? {
        if entry.text == "embedded" {
            if isAlone, mayBeEmbedded { return .embedded }
            log.error(
                at: entry.path, "the embedded server cannot be one of several",
                "write addresses only, or server = \"embedded\" at the top and nothing else")
            return nil
        }
        do throws(AddressText.Fault) {
            switch try AddressText.parse(entry.text, examplePort: 5432) {
            case .unix(let path): return .unix(path: path)
            case .tcp(_, 0):
                log.error(at: entry.path, "port 0 cannot be connected to", "write the server's port, usually 5432")
            case .tcp(let host, let port): return .tcp(host: host, port: port)
            }
        } catch {
            let isNearlyEmbedded = Nearest.name(to: entry.text, among: ["embedded"]) != nil
            log.error(at: entry.path, error.message, isNearlyEmbedded ? "did you mean \"embedded\"?" : error.remedy)
        }
        return nil
    }
}
