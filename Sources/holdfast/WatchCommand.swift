import ArgumentParser
import Configuration
import Foundation
import Sentinel
import Synchronization

/// `holdfast watch`: looks at the databases of the `[[watch]]` blocks once.
struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Look whether the tables, migrations and data of the watched databases are as expected.",
        discussion: """
            Looks once at every database that a [[watch]] block of proxy.conf names, and says what is not as it should be. \
            holdfast serve does the same on an interval and after DDL.

            Exits with 0 when all is as expected, with 1 when there are findings, and with 2 when something could not be \
            looked at (a server is down, no state was accepted, proxy.conf cannot be used): then that there is no other \
            finding proves nothing.

            Examples:
              holdfast watch                       # before and after a deployment
              holdfast watch --accept              # what is there now is what is expected from now on
              holdfast watch --watch shop --json
            """)

    @Option(help: "proxy.conf to use; without it, proxy.conf here, then /etc/holdfast/proxy.conf.")
    var config: String?

    @Option(
        name: .customLong("watch"),
        help: ArgumentHelp("Only the watch of this name. May be given several times.", valueName: "name"))
    var names: [String] = []

    @Flag(help: "Accept what is there now as what is expected from now on, then look.")
    var accept = false

    @Flag(
        help: """
            Let the round count: what it finds is raised or cleared at the webhook and the command, and data is compared \
            with it next time. For runs by cron without holdfast serve.
            """)
    var record = false

    @Flag(help: "Print one JSON object a watch and line.")
    var json = false

    func run() throws {
        let settings: ProxyConfiguration
        do throws(ConfigurationError) {
            settings = try ConfigurationFile.load(path: config, version: 1)
            for warning in settings.warnings { ConfigurationOption.printError(warning.description) }
        } catch {
            throw Self.failed("\(error)")
        }
        let watches = try chosen(settings)
        let store = StateFolder(settings.resolve(settings.watching.statePath))
        let lock: StateFolder.Lock? = record ? try writing(store) : nil
        defer { withExtendedLifetime(lock) {} }
        let runners = watches.map { WatchRunner($0, store: store, resolve: settings.resolve) }
        if accept { try acceptAll(runners) }
        let delivery = NoticeDelivery(settings.watching)
        let outcomes = Self.look(
            runners, records: record, channels: delivery.channels, workerCount: settings.watching.workerCount)
        for (runner, outcome) in zip(runners, outcomes) {
            if let fault = outcome.fault { ConfigurationOption.printError("holdfast: \(fault)") }
            if record { Self.deliver(runner, delivery) }
        }
        let reports = outcomes.map(\.report)
        print(json ? try WatchListing.json(reports) : WatchListing.text(reports), terminator: "")
        if reports.contains(where: { $0.status == .unknown }) { throw ExitCode(2) }
        if reports.contains(where: { $0.status == .findings }) { throw ExitCode(1) }
    }

    private static func failed(_ text: String) -> ExitCode {
        ConfigurationOption.printError("holdfast: cannot watch: \(text)")
        return ExitCode(2)
    }

    private func chosen(_ settings: ProxyConfiguration) throws -> [WatchSettings] {
        guard !settings.watches.isEmpty else {
            throw Self.failed("proxy.conf has no [[watch]] block; see docs/watch.md")
        }
        for name in names where !settings.watches.contains(where: { $0.name == name }) {
            let known = settings.watches.map(\.name).joined(separator: ", ")
            throw Self.failed("no [[watch]] block is called \"\(name)\"; there are: \(known)")
        }
        return names.isEmpty ? settings.watches : settings.watches.filter { names.contains($0.name) }
    }

    private func writing(_ store: StateFolder) throws -> StateFolder.Lock? {
        do throws(StateFolder.Fault) {
            try store.create()
            guard let lock = try store.lock() else {
                throw StateFolder.Fault(
                    description: "holdfast serve (or another --record) watches with \(store.path); leave --record out")
            }
            return lock
        } catch {
            throw Self.failed(error.description)
        }
    }

    private func acceptAll(_ runners: [WatchRunner]) throws {
        var hasFailed = false
        for runner in runners {
            do throws(StateFolder.Fault) {
                let baseline = try runner.accept()
                let tool = baseline.tool.map { ", migrations by \($0.rawValue)" } ?? ""
                ConfigurationOption.printError(
                    "\(runner.settings.name): accepted \(baseline.tables.count) tables of database "
                        + "\(baseline.database)\(tool)")
            } catch {
                hasFailed = true
                ConfigurationOption.printError(
                    "holdfast: \(runner.settings.name): nothing was accepted: \(error.description)")
            }
        }
        if hasFailed { throw ExitCode(2) }
    }

    /// Looks with several threads, and answers in the order of the watches.
    private static func look(
        _ runners: [WatchRunner], records: Bool, channels: [WatchNotice.Channel], workerCount: Int
    ) -> [WatchRunner.Outcome] {
        let outcomes = Mutex([WatchRunner.Outcome?](repeating: nil, count: runners.count))
        let next = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: min(workerCount, runners.count)) { _ in
            while true {
                let index = next.withLock { value in
                    defer { value += 1 }
                    return value
                }
                guard index < runners.count else { return }
                let outcome = runners[index].look(records: records, channels: channels)
                outcomes.withLock { $0[index] = outcome }
            }
        }
        return outcomes.withLock { $0.compactMap(\.self) }
    }

    private static func deliver(_ runner: WatchRunner, _ delivery: NoticeDelivery) {
        for channel in WatchNotice.Channel.allCases {
            for notice in runner.pending where notice.undelivered.contains(channel) {
                if let reason = delivery.deliver(notice, by: channel) {
                    ConfigurationOption.printError(
                        "holdfast: \(runner.settings.name): notice \(notice.id) cannot be delivered and is kept for the next "
                            + "--record: \(reason)")
                    break
                }
                runner.delivered(notice, by: channel)
            }
        }
    }
}

/// Reports for people and for programs.
enum WatchListing {
    static func json(_ reports: [WatchReport]) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try reports.map { String(decoding: try encoder.encode(WatchDocument($0)), as: UTF8.self) + "\n" }
            .joined()
    }

    static func text(_ reports: [WatchReport]) -> String {
        let rows = reports.map { report in
            [
                report.watch, report.database, report.status.rawValue, tables(report), migrations(report),
                checks(report),
            ]
        }
        let header = ["WATCH", "DATABASE", "STATUS", "TABLES", "MIGRATIONS", "CHECKS"]
        let widths = header.indices.map { index in ([header] + rows).map { $0[index].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            var text = zip(cells, widths).map { $0 + String(repeating: " ", count: max(0, $1 - $0.count)) }
                .joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            return text + "\n"
        }
        var text = line(header)
        for (row, report) in zip(rows, reports) {
            text += line(row.map(shown))
            for finding in report.findings {
                text += "  \(finding.kind.rawValue): \(shown(finding.text))\n"
            }
        }
        return text
    }

    /// Nothing that a terminal would obey.
    private static func shown(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: " "
                    default: scalar
                    }
                }))
    }

    private static func tables(_ report: WatchReport) -> String {
        guard report.server != nil else { return "-" }
        let expected = report.expectedTables.count
        return expected == 0
            ? "\(report.tableCount)" : "\(expected - report.missingTables.count) of \(expected)"
    }

    private static func migrations(_ report: WatchReport) -> String {
        guard let migrations = report.migrations else { return "-" }
        let current = migrations.current.isEmpty ? "" : " \(migrations.current.joined(separator: "+"))"
        let pending =
            switch migrations.pendingCount {
            case nil: ""
            case 0: " (head)"
            case .some(let count): " (\(count) behind)"
            }
        return migrations.tool + current + pending
    }

    private static func checks(_ report: WatchReport) -> String {
        guard !report.checks.isEmpty else { return "-" }
        return "\(report.checks.count { $0.passed == true }) of \(report.checks.count)"
    }
}

/// A report as `--json` prints it: the names of its fields are a promise (docs/watch.md).
struct WatchDocument: Encodable {
    struct Finding: Encodable {
        var kind: String
        var subject: String
        var text: String
    }

    var watch: String
    var database: String
    var time: String
    var status: String
    var tableCount: Int
    var expectedTables: [String]
    var missingTables: [String]
    var migrations: MigrationSummary?
    var checks: [WatchReport.Check]
    var server: ServerIdentity?
    var findings: [Finding]
    var unseen: [String]

    init(_ report: WatchReport) {
        watch = report.watch
        database = report.database
        time = report.time
        status = report.status.rawValue
        tableCount = report.tableCount
        expectedTables = report.expectedTables
        missingTables = report.missingTables
        migrations = report.migrations
        checks = report.checks
        server = report.server
        findings = report.findings.map { Finding(kind: $0.kind.rawValue, subject: $0.subject, text: $0.text) }
        unseen = report.unseen.map(\.text)
    }
}
