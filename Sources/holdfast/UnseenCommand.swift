import ArgumentParser
import Audit
import Configuration
import Foundation
import ServerLink
import Unseen

/// `holdfast audit unseen`: holds what the database has recorded against the trail.
struct UnseenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unseen",
        abstract: "Find DDL that the proxy did not see, and DDL that never happened.",
        discussion: """
            The guard in the database (holdfast guard install) records every DDL that the server executes. This holds its \
            record against the trail and shows three kinds of findings:

              other route       the server did it for a connection that did not go through Holdfast
              more than shown   the server did it for a session of Holdfast's, and no recorded statement says so: a \
            function, a trigger, a cascade
              never executed    the trail holds a statement that was let through, and the server's record does not

            Exits with 0 when there is nothing to report, with 1 when there is, and with 2 when the two cannot be \
            compared. What was rolled back leaves no record in the database and is no finding.

            Examples:
              holdfast audit unseen --database postgresql://holdfast@db.example/shop
              holdfast audit unseen --since 24h                     # the databases that [guard] in proxy.conf names
              holdfast audit unseen --database … --file audit.jsonl.1 --file audit.jsonl     # a rotated trail
            """)

    @Option(
        name: .customLong("database"),
        help: ArgumentHelp(
            "libpq's connection string or URI of the database; default: [guard] in proxy.conf.", valueName: "url"))
    var url: String?

    @Option(
        name: .customLong("file"),
        help: ArgumentHelp("The trail's file; several times for a rotated trail or several proxies.", valueName: "file")
    )
    var files: [String] = []

    @Option(
        help: ArgumentHelp(
            "The proxy.conf that names trail and database; default: proxy.conf here, then in /etc/holdfast.",
            valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("From this time on: 30m, 2h, 7d, 2026-11-22, or RFC 3339.", valueName: "time"))
    var since: TimeArgument?

    @Option(help: ArgumentHelp("Before this time, written likewise.", valueName: "time"))
    var until: TimeArgument?

    @Flag(help: "Print the findings as records of the trail, one JSON object a line (docs/audit.md).")
    var json = false

    func validate() throws {
        if let since, let until, since.nanoseconds >= until.nanoseconds {
            throw ValidationError("--until lies before --since: nothing can match")
        }
    }

    func run() throws {
        var findingCount = 0
        do throws(NotComparable) {
            let (targets, paths) = try inputs()
            for target in targets { findingCount += try compare(target, with: paths) }
        } catch {
            ConfigurationOption.printError("holdfast: cannot compare: \(error.reason)")
            throw ExitCode(2)
        }
        if findingCount > 0 { throw ExitCode(1) }
    }

    /// Why the two could not be compared.
    private struct NotComparable: Error {
        var reason: String
    }

    private struct Target {
        var connection: String
        var database: String?
    }

    private func inputs() throws(NotComparable) -> (targets: [Target], paths: [String]) {
        if let url, !files.isEmpty { return ([Target(connection: url)], files) }
        let settings: ProxyConfiguration
        do throws(ConfigurationError) {
            settings = try ConfigurationFile.load(path: config, version: 1)
        } catch {
            throw NotComparable(
                reason: error.description + "\nOr name the database with --database and the trail with --file.")
        }
        let trail = AuditFiles(livePath: settings.resolve(settings.audit.path))
        let paths = files.isEmpty ? trail.members().map(\.path) : files
        if let url { return ([Target(connection: url)], paths) }
        let guardSettings = settings.guardSettings
        guard guardSettings.isReachable else {
            throw NotComparable(
                reason: "no database is named: give --database, or \"connection\" under [guard] in proxy.conf")
        }
        let databases: [String?] = guardSettings.databases.isEmpty ? [nil] : guardSettings.databases
        return (databases.map { Target(connection: guardSettings.connection, database: $0) }, paths)
    }

    /// - Returns: how many findings were printed.
    private func compare(_ target: Target, with paths: [String]) throws(NotComparable) -> Int {
        let log = try read(target)
        var trail = TrailIndex(database: log.database)
        let summary: TrailFiles.Summary
        do throws(AuditFault) {
            summary = try TrailFiles.read(paths, into: &trail)
        } catch {
            throw NotComparable(
                reason: error.description + "\nThe trail is not whole, so what it lacks proves nothing.")
        }
        guard let firstTime = trail.firstTime else {
            throw NotComparable(
                reason: "the trail (\(paths.joined(separator: ", "))) holds no session whose server process is known: "
                    + "it is empty, or an earlier version of Holdfast wrote it")
        }
        trail.settle()
        let from = max(since?.nanoseconds ?? .min, firstTime)
        let scope = log.scope(since: from, until: until?.nanoseconds ?? .max)
        var matcher = UnseenMatcher(trail: trail, rows: log.rows, scope: scope)
        let findings = matcher.findings()
        if json {
            for (index, finding) in findings.enumerated() {
                let id = "\(log.database)-\(index + 1)"
                print(AuditEncoder.line(finding.record(time: log.readTime, id: id, database: log.database)))
            }
        } else {
            let listing = UnseenListing(log: log, trail: trail, summary: summary, from: from)
            print(listing.text(findings), terminator: "")
        }
        return findings.count
    }

    private func read(_ target: Target) throws(NotComparable) -> GuardLog {
        let connection: ServerConnection
        do throws(ServerFault) {
            connection = try ServerConnection(target.connection, database: target.database, purpose: "audit unseen")
        } catch {
            throw NotComparable(reason: error.description)
        }
        do throws(GuardLogFault) {
            // A second more than is judged: its rows bear witness for statements at the beginning.
            guard let since else { return try GuardLog.read(connection) }
            return try GuardLog.read(
                connection, transaction: .max, evidenceSince: since.nanoseconds &- 1_000_000_000)
        } catch {
            throw NotComparable(reason: error.description)
        }
    }
}
