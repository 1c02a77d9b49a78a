import ArgumentParser
import Configuration
import Foundation
import Gateway
import Logging
import SQLParsing

/// `holdfast serve`: the main job.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the proxy.",
        discussion: """
            Listens, as proxy.conf says, for clients that speak the PostgreSQL protocol, and passes them on to the \
            server. SIGHUP reads proxy.conf again, SIGUSR1 logs what has been counted, SIGTERM lets running transactions end and stops.

            Examples:
              holdfast serve
              holdfast serve --config /etc/holdfast/proxy.conf
              kill -HUP $(pidof holdfast)      # after changing a rule
            """)

    @Option(help: "proxy.conf to use; without it, proxy.conf here, then /etc/holdfast/proxy.conf.")
    var config: String?

    func run() throws {
        if let fault = StatementAnalyzer.layoutFault() {
            throw Complaint(
                "this build does not fit the installed libpg_query, and would misread SQL: \(fault); build it anew")
        }
        let signals: SignalSource
        let settings: ProxyConfiguration
        do {
            // Before any other thread starts.
            signals = try SignalSource()
            settings = try ConfigurationFile.load(path: config, version: 1)
        } catch let error as ConfigurationError {
            throw Complaint(error.description)
        }
        LogSetup.bootstrap(level: settings.log.level)
        let logger = Logger(label: "holdfast")
        #if HOLDFAST_BARE_RELAY
            logger.critical("this build judges nothing: it is for Benchmarks/run alone")
        #endif
        let path = ConfigurationFile.locate(config) ?? "proxy.conf"
        for warning in settings.warnings { logger.warning("\(warning)") }

        var embedded: EmbeddedServer?
        defer { embedded?.stop() }
        var server = settings.upstream.servers.first ?? .embedded
        if settings.isEmbedded {
            let started = try EmbeddedServer.start(settings: settings.embedded, baseDirectory: settings.folder) {
                logger.info("\($0)")
            }
            embedded = started
            server = started.address
        }
        let proxy = try ProxyServer(
            configuration: settings, server: server, auditPath: settings.resolve(settings.audit.path), logger: logger)
        if settings.auditSinks.contains(where: { $0.kind == .stdout }) {
            // Standard output belongs to the records.
            for address in proxy.addresses { logger.notice("listening on \(address)") }
        } else {
            announce(proxy.addresses, isEmbedded: embedded != nil)
        }
        logger.info(
            "serving",
            metadata: ["config": "\(path)", "server": "\(settings.isEmbedded ? server.text : settings.upstream.text)"])

        var version = 1
        while true {
            switch signals.next() {
            case .stop:
                logger.info("stopping")
                proxy.drain(signals: signals)
                return
            case .reload:
                version += 1
                reload(proxy, version: version, logger: logger)
            case .report:
                proxy.logCounters()
            case .other, .timeout:
                break
            }
        }
    }

    /// A valid file takes effect; an invalid one changes nothing and says why.
    private func reload(_ proxy: ProxyServer, version: Int, logger: Logger) {
        do {
            let changed = try ConfigurationFile.load(path: config, version: version)
            for warning in changed.warnings { logger.warning("\(warning)") }
            let waiting = try proxy.reload(changed)
            LogSetup.level = changed.log.level
            logger.notice("proxy.conf was read again; its rules hold from every session's next statement on")
            if !waiting.isEmpty {
                logger.warning("these settings wait for a restart: \(waiting.joined(separator: ", "))")
            }
        } catch {
            if let error = error as? ConfigurationError {
                for issue in error.issues { logger.error("\(issue)") }
                let first = error.issues.first { $0.severity == .error }
                proxy.reloadFailed("proxy.conf was not taken over: \(first.map { "\($0)" } ?? "it is not valid")")
            } else {
                logger.error("\(error)")
                proxy.reloadFailed("proxy.conf was not taken over: \(error)")
            }
            logger.error("proxy.conf was not taken over; the rules in force stay as they were")
        }
    }

    private func announce(_ addresses: [String], isEmbedded: Bool) {
        for address in addresses { print("listening on \(address)") }
        if isEmbedded, let address = addresses.first(where: { !$0.hasPrefix("unix:") }),
            let colon = address.lastIndex(of: ":")
        {
            let host = address[..<colon].trimmingCharacters(in: ["[", "]"])
            let port = address[address.index(after: colon)...]
            print(
                """

                Try it. A table of the demonstration database is to be dropped, and is not:
                  psql "host=\(host) port=\(port) dbname=demo user=demo" -c "DROP TABLE orders"
                The same on a database that proxy.conf tags as test goes through:
                  psql "host=\(host) port=\(port) dbname=demo_test user=demo" -c "DROP TABLE orders"

                """)
        }
        fflush(nil)
    }
}

/// Something that the person at the command line has to know; printed without ceremony.
struct Complaint: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
