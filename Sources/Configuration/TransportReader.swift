import Policy

/// Reads `[proxy_protocol]`, `send_proxy` and `[tcp]`.
enum TransportReader {
    static let proxyKeys = ["from"]
    static let tcpKeys = ["keepalive_idle", "keepalive_interval", "keepalive_count", "user_timeout"]

    private static let (second, hour) = (1000, 3_600_000)
    /// `MAX_TCP_KEEPIDLE`, `MAX_TCP_KEEPINTVL` and `MAX_TCP_KEEPCNT` (include/net/tcp.h).
    private static let (longestKeepalive, mostKeepalives) = (32_767, 127)

    static func proxyProtocol(_ section: SectionReader) -> ProxyProtocolSettings {
        section.rejectKeys(besides: proxyKeys)
        guard !section.listIsEmpty("from") else { return ProxyProtocolSettings() }
        let entries = section.strings("from", example: "10.0.0.0/8") ?? []
        var sources: [ClientPattern] = []
        for entry in entries {
            guard let source = PatternReader.client(entry, log: section.log) else { continue }
            sources.append(source)
            if source.matchesEverything {
                section.log.warning(
                    at: entry.path, "\"\(entry.text)\" lets every client say that it comes from any address",
                    "write the addresses of the load balancers")
            }
        }
        return ProxyProtocolSettings(sources: sources)
    }

    /// - Parameter isEmbedded: the server is PostgreSQL itself, which takes a header for a malformed startup packet.
    static func sendsProxy(_ root: SectionReader, isEmbedded: Bool) -> Bool {
        guard root.boolean("send_proxy") == true else { return false }
        if isEmbedded {
            root.log.error(
                at: root.path(of: "send_proxy"), "the embedded server does not understand the PROXY protocol",
                "take send_proxy away; it is for a server behind another Holdfast or a load balancer")
        }
        return true
    }

    static func tcp(_ section: SectionReader) -> TCPSettings {
        section.rejectKeys(besides: tcpKeys)
        let standard = TCPSettings()
        return TCPSettings(
            keepaliveIdle: seconds("keepalive_idle", in: section, otherwise: standard.keepaliveIdle),
            keepaliveInterval: seconds("keepalive_interval", in: section, otherwise: standard.keepaliveInterval),
            keepaliveCount: section.integer(
                "keepalive_count", in: 0...mostKeepalives, otherwise: standard.keepaliveCount),
            userTimeout: milliseconds(
                "user_timeout", in: section, range: 0...24 * hour, otherwise: standard.userTimeout))
    }

    /// Whole seconds: the kernel counts no finer.
    private static func seconds(_ key: String, in section: SectionReader, otherwise fallback: Int) -> Int {
        let value = milliseconds(
            key, in: section, range: 0...longestKeepalive * second, otherwise: fallback * second)
        guard value % second == 0 else {
            section.log.error(
                at: section.path(of: key), "\"\(key)\" is not in whole seconds",
                "write \(key) = \"\(fallback)s\"; the kernel counts seconds")
            return fallback
        }
        return value / second
    }

    private static func milliseconds(
        _ key: String, in section: SectionReader, range: ClosedRange<Int>, otherwise fallback: Int
    ) -> Int {
        let (seconds, attoseconds) = section.duration(key, in: range, otherwise: fallback).components
        return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
