import ArgumentParser
import Configuration
import Foundation
import Gateway
import Logging
import Policy
import SQLParsing

/// `holdfast check`: validates a file as `serve` and a reload do, and says what it will do.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check proxy.conf and say what it will do.",
        discussion: """
            Exits with 0 when the file can be used, with 1 and a line for each fault (file, line, column, what is wrong, \
            what to write) when not.

            Examples:
              holdfast check
              holdfast check --config /etc/holdfast/proxy.conf
            """)

    @Option(help: "The file; default: proxy.conf in the working directory, then /etc/holdfast/proxy.conf.")
    var config: String?

    func run() throws {
        let configuration = try ConfigurationOption.load(config)
        do {
            _ = try EncryptionPolicy(configuration)
            _ = try AuthenticationPolicy(configuration, logger: Logger(label: "holdfast"))
        } catch {
            ConfigurationOption.printError("holdfast: \(error)")
            throw ExitCode.failure
        }
        let name = ConfigurationFile.locate(config) ?? "proxy.conf"
        print("\(name) is valid.\n")
        print(ConfigurationSummary(configuration).text, terminator: "")
    }
}

/// What commands do alike with `--config`.
enum ConfigurationOption {
    /// Loads the file; its warnings, or all that is wrong, go to standard error.
    ///
    /// - Throws: `ExitCode.failure` after the faults have been shown.
    static func load(_ path: String?) throws -> ProxyConfiguration {
        do throws(ConfigurationError) {
            let configuration = try ConfigurationFile.load(path: path, version: 1)
            for warning in configuration.warnings { printError(warning.description) }
            return configuration
        } catch {
            printError(error.description)
            let count = error.issues.count { $0.severity == .error }
            printError("holdfast: \(count == 1 ? "1 error" : "\(count) errors"): this file cannot be used")
            throw ExitCode.failure
        }
    }

    static func printError(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }
}

/// A configuration in words.
struct ConfigurationSummary {
    private let configuration: ProxyConfiguration

    init(_ configuration: ProxyConfiguration) { self.configuration = configuration }

    var text: String {
        var lines = [
            "listens on  " + configuration.listeners.map(\.text).joined(separator: ", "),
            "server      " + server,
            "tls         " + encryption,
            "passwords   " + authentication,
            "audit       " + audit,
            "sinks       " + sinks,
            "catalog     " + catalogText,
            "guard       " + guardText,
            "watches     " + watchText,
            "snapshots   " + snapshotText,
            "marker      " + markerText,
            "records     whatever is refused or warned about, and "
                + Self.names(of: configuration.rules.auditedClasses),
            "", "Tags, the first that matches:",
        ]
        let tags =
            configuration.rules.tagRules.map { ($0.tag, Self.conditions(of: $0)) } + [(Tag.production, "all others")]
        let width = tags.map(\.0.count).max() ?? 0
        lines += tags.map { "  " + $0.0.padding(toLength: width, withPad: " ", startingAt: 0) + "  " + $0.1 }
        lines += ["", "Rules, for each effect of a statement the first that matches:"]
        for (index, rule) in configuration.rules.rules.enumerated() {
            lines.append("  \(index + 1). \"\(rule.name)\": \(Self.sentence(of: rule))")
        }
        lines.append("  \(configuration.rules.rules.count + 1). everything else: allow")
        lines += ["", "Limits:", "  max_clients: \(configuration.maximumClients) sessions"]
        lines += configuration.limits.blocks.map { "  \"\($0.name)\": \(Self.sentence(of: $0))" }
        return lines.joined(separator: "\n") + "\n"
    }

    private var server: String {
        if configuration.isEmbedded {
            return "embedded, data in " + configuration.resolve(configuration.embedded.dataDirectory)
        }
        let others = configuration.upstreams.map { upstream in
            "\n            databases \(Self.list(upstream.databases.map(\.text))): " + Self.servers(of: upstream)
        }
        return Self.servers(of: configuration.upstream) + others.joined()
    }

    private var encryption: String {
        let (client, server) = (configuration.clientTLS, configuration.serverTLS)
        let asks =
            client.clientCertificates == .off ? "" : " (certificates: \(client.clientCertificates.rawValue))"
        return "with clients \(client.mode.rawValue)\(asks), with the server \(server.mode.rawValue)"
    }

    private static func servers(of upstream: UpstreamSettings) -> String {
        upstream.text + (upstream.target == .any ? "" : " (\(upstream.target.rawValue))")
    }

    /// The connection string is not shown: a password may stand in it.
    private var authentication: String {
        let settings = configuration.authentication
        guard settings.method == .scram else { return "checked by the server" }
        let sources = [
            settings.usersPath.isEmpty ? nil : configuration.resolve(settings.usersPath),
            settings.connection.isEmpty ? nil : "a query at the server",
        ]
        return "checked by Holdfast (SCRAM), users from " + sources.compactMap(\.self).joined(separator: " and ")
    }

    private var audit: String {
        let words =
            switch configuration.audit.durability {
            case .fsync: "on the disk before forwarding"
            case .write: "in the kernel before forwarding"
            case .async: "in memory before forwarding: lost if Holdfast is killed"
            }
        return "\(configuration.resolve(configuration.audit.path)), \(words)"
    }

    /// Connection strings are not shown: a password may stand in them.
    private var sinks: String {
        guard !configuration.auditSinks.isEmpty else { return "none" }
        return Self.list(
            configuration.auditSinks.map { sink in
                "\(sink.name) (\(sink.kind.name)" + (sink.format == .ocsf ? ", OCSF)" : ")")
            })
    }

    /// The connection strings are not shown: a password may stand in them.
    private var watchText: String {
        guard !configuration.watches.isEmpty else { return "none" }
        let names = configuration.watches.map { watch in
            watch.interval.map { "\(watch.name) every \($0)" } ?? "\(watch.name) by the command line alone"
        }
        let watching = configuration.watching
        let told = [
            "the log", "the trail", watching.webhook.isEmpty ? nil : "a webhook",
            watching.command.first.map { "the program \($0)" },
        ]
        return names.joined(separator: ", ") + "; told: " + told.compactMap(\.self).joined(separator: ", ")
    }

    private var snapshotText: String {
        let settings = configuration.snapshots
        guard settings.areOn else { return "none are taken" }
        let size = "\(settings.maximumByteCount >> 20) MB and \(settings.timeout)"
        let beyond = settings.beyond == .refuse ? "no loss beyond" : "definitions only beyond"
        return "in \(configuration.resolve(settings.folder)) before losses that pass; up to \(size), \(beyond)"
    }

    private var markerText: String {
        guard let marker = configuration.marker else { return "no database is asked whether it is production" }
        return "databases are asked every \(marker.refresh) whether they are production; what is not known is "
            + (marker.unknown == .production ? "production" : "as tagged below")
    }

    private var catalogText: String {
        let settings = configuration.catalog
        if settings.isOff { return "not read" }
        if !configuration.isEmbedded, settings.connection == nil { return "not read: no connection" }
        return "read at once and every \(settings.refresh)"
    }

    /// The connection string is not shown: a password may stand in it.
    private var guardText: String {
        let settings = configuration.guardSettings
        guard settings.isReachable else { return "none" }
        let databases =
            settings.databases.isEmpty ? "the database of its connection" : settings.databases.joined(separator: ", ")
        guard let interval = settings.watchInterval else { return "in \(databases), not compared with the trail" }
        return "in \(databases), compared with the trail every \(interval)"
    }

    private static func conditions(of rule: TagRule) -> String {
        let clients = rule.clients.map { client in
            switch client {
            case .local: "local"
            case .range(let range): "\(range.base.text)/\(range.prefixLength)"
            }
        }
        let conditions = [
            ("database", rule.databases.map(\.text)), ("user", rule.users.map(\.text)),
            ("application_name", rule.applicationNames.map(\.text)), ("client", clients),
            ("listener", rule.listeners.map(\.text)), ("certificate", rule.certificates.map(\.text)),
        ]
        return conditions.filter { !$0.1.isEmpty }.map { $0.0 + " " + $0.1.joined(separator: " or ") }
            .joined(separator: ", and ")
    }

    private static func sentence(of rule: Rule) -> String {
        var text = "\(rule.action.rawValue) \(names(of: rule.classes))"
        if !rule.objects.isEmpty { text += " on " + list(rule.objects.map(\.text)) }
        text += rule.tags.contains(where: \.matchesEverything) ? ", all tags" : ", tags " + list(rule.tags.map(\.text))
        let exceptions = [
            ("users", rule.exceptions.users.map(\.text)), ("databases", rule.exceptions.databases.map(\.text)),
            ("objects", rule.exceptions.objects.map(\.text)),
        ]
        for (kind, names) in exceptions where !names.isEmpty { text += ", except \(kind) \(list(names))" }
        return text
    }

    private static func sentence(of limit: SessionLimit) -> String {
        var effects: [String] = []
        if let clients = limit.maximumClients {
            effects.append("\(clients) sessions" + (limit.each.map { " for each \($0.rawValue)" } ?? ""))
        }
        let timeouts = [
            ("idle_timeout", limit.idleTimeout), ("idle_in_transaction_timeout", limit.idleInTransactionTimeout),
            ("query_timeout", limit.queryTimeout),
        ]
        for case (let name, let timeout?) in timeouts {
            effects.append(name + (timeout > 0 ? " \(Duration.nanoseconds(timeout))" : " off"))
        }
        let conditions = [("tags", limit.tags), ("users", limit.users), ("databases", limit.databases)]
            .filter { !$0.1.isEmpty }.map { "\($0.0) \($0.1.map(\.text).joined(separator: " or "))" }
        return list(effects) + (conditions.isEmpty ? ", all sessions" : ", " + conditions.joined(separator: ", "))
    }

    private static func list(_ names: [String]) -> String { names.joined(separator: ", ") }

    /// The set in as few words as possible: whole groups by their names.
    private static func names(of classes: ClassSet) -> String {
        if classes == ClassGroup.any.classes { return ClassGroup.any.rawValue }
        var rest = classes
        var names: [String] = []
        for group in ClassGroup.allCases
        where !group.classes.isDisjoint(with: rest) && group.classes.isSubset(of: classes) {
            names.append(group.rawValue)
            rest.subtract(group.classes)
        }
        return list(names + rest.names)
    }
}
