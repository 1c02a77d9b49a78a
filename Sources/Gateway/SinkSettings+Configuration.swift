import AuditSinks
import Configuration
import Foundation

extension SinkSettings {
    /// The sinks that proxy.conf names, with absolute paths.
    static func all(of configuration: ProxyConfiguration) -> [SinkSettings] {
        configuration.auditSinks.map { sink in
            SinkSettings(
                name: sink.name, kind: kind(sink.kind, configuration), format: sink.format == .ocsf ? .ocsf : .json,
                retryMaximum: sink.retryMaximum)
        }
    }

    private static func kind(_ kind: AuditSinkSettings.Kind, _ configuration: ProxyConfiguration) -> Kind {
        switch kind {
        case .postgresql(let connection, let schema, let table, let creates):
            .postgresql(
                PostgresSinkSettings(
                    connection: connection, table: PostgresTrailTable(schema: schema, name: table), creates: creates))
        case .syslog(let syslog): .syslog(settings(syslog, configuration))
        case .stdout: .stdout
        case .file(let path): .file(path: configuration.resolve(path))
        }
    }

    /// gethostname(2): no name server is asked.
    private static var ownName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, 255) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func settings(
        _ syslog: AuditSinkSettings.Syslog, _ configuration: ProxyConfiguration
    ) -> SyslogSinkSettings {
        func path(_ text: String) -> String? { text.isEmpty ? nil : configuration.resolve(text) }
        let address: SyslogSinkSettings.Address
        var host = ""
        switch syslog.address {
        case .tcp(let name, let port):
            address = .tcp(host: name, port: port)
            host = name
        case .unix(let path): address = .unix(path: path)
        }
        let encryption = SyslogSinkSettings.Encryption(
            authorityPath: path(syslog.authorityPath), certificatePath: path(syslog.certificatePath),
            keyPath: path(syslog.keyPath), serverName: syslog.serverName.isEmpty ? host : syslog.serverName)
        return SyslogSinkSettings(
            address: address, encryption: syslog.usesTLS ? encryption : nil,
            header: SyslogHeader(
                facility: SyslogHeader.facilities[syslog.facility] ?? 16,
                hostName: syslog.hostName.isEmpty ? ownName : syslog.hostName,
                applicationName: syslog.applicationName, processID: String(getpid()),
                structuredDataID: syslog.structuredDataID, maximumByteCount: syslog.maximumByteCount))
    }
}
