import ArgumentParser
import Audit
import Configuration
import Foundation

/// Which files, and which statements: what the commands that read the trail have in common.
struct TrailOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Files of trails (also .zst, .gz), and folders that hold some. Default: the trail that proxy.conf names.",
            valueName: "files"))
    var places: [String] = []

    @Option(name: .customLong("file"), help: ArgumentHelp("The same.", valueName: "file"))
    var files: [String] = []

    @Option(
        help: ArgumentHelp(
            "The proxy.conf that names the trail; default: proxy.conf here, then in /etc/holdfast.", valueName: "file"))
    var config: String?

    @Flag(help: "Read closed files whole, whatever their indexes say.")
    var noIndex = false

    /// What was named.
    var named: [String] { places + files }

    /// - Throws: ``AuditFault``: no proxy.conf, or a file cannot be read.
    func trails() throws(AuditFault) -> [Trail] {
        guard named.isEmpty else {
            var trails: [Trail] = []
            for found in try TrailPaths.trails(in: named) {
                trails.append(try Trail(name: found.name, paths: found.paths, usesIndex: !noIndex))
            }
            return trails
        }
        let path = try livePath()
        let files = AuditFiles(livePath: path)
        var members = files.members()
        var repetitions = 0
        while true {
            // Without any file: what opening it says is what is wrong.
            let paths = members.isEmpty ? [path] : members.map(\.path)
            let opened = Result { () throws(AuditFault) in try Trail(name: path, paths: paths, usesIndex: !noIndex) }
            // A running Holdfast may have closed, compressed or deleted a file meanwhile: then one is missing here.
            let now = files.members()
            repetitions += 1
            if now == members || repetitions == 50 { return [try opened.get()] }
            members = now
        }
    }

    /// The file that proxy.conf names.
    func livePath() throws(AuditFault) -> String {
        do throws(ConfigurationError) {
            let configuration = try ConfigurationFile.load(path: config, version: 1)
            return configuration.resolve(configuration.audit.path)
        } catch {
            throw AuditFault(description: error.description + "\nOr name the trail's files themselves.")
        }
    }
}

/// The filters.
struct AuditFilterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "From this time on: 30m, 2h, \"2 hours ago\", 7d, yesterday, 2026-11-22, or RFC 3339.", valueName: "time"))
    var since: TimeArgument?

    @Option(help: ArgumentHelp("Before this time, written likewise.", valueName: "time"))
    var until: TimeArgument?

    @Option(name: .customLong("user"), help: ArgumentHelp("Of this user.", valueName: "name"))
    var users: [String] = []

    @Option(name: .customLong("database"), help: ArgumentHelp("In this database.", valueName: "name"))
    var databases: [String] = []

    @Option(
        name: .customLong("client"),
        help: ArgumentHelp(
            "From this address, or this range (10.0.0.0/8), or \"local\" for Unix-domain sockets.",
            valueName: "address"))
    var clients: [ClientArgument] = []

    @Option(name: .customLong("application"), help: ArgumentHelp("Of this application_name.", valueName: "name"))
    var applications: [String] = []

    @Option(name: .customLong("tag"), help: ArgumentHelp("On connections with this tag.", valueName: "tag"))
    var tags: [String] = []

    @Option(
        name: .customLong("class"),
        help: ArgumentHelp(
            "Of this class (drop_table, truncate, …) or group (\(ClassArgument.groupNames)).", valueName: "class"))
    var classes: [ClassArgument] = []

    @Option(
        name: .customLong("object"),
        help: ArgumentHelp(
            "On an object of this name: orders, public.*, \"table:*.order?\". Large and small letters are alike.",
            valueName: "pattern"))
    var objects: [ObjectArgument] = []

    @Option(name: .customLong("verdict"), help: "With this verdict.")
    var verdicts: [VerdictArgument] = []

    @Option(
        name: .customLong("outcome"),
        help: ArgumentHelp(
            "That ended so: ok, error, an SQLSTATE or its first two characters, or the transaction: committed, "
                + "rolled_back, rolled_back_to_savepoint, prepared, lost, unknown; none: no outcome yet.",
            valueName: "end"))
    var ends: [EndArgument] = []

    @Option(name: .customLong("rule"), help: ArgumentHelp("Decided by this rule.", valueName: "name"))
    var rules: [String] = []

    @Option(
        name: .customLong("fingerprint"),
        help: ArgumentHelp("Of this fingerprint: the same statement but for constants.", valueName: "digits"))
    var fingerprints: [String] = []

    @Option(name: .customLong("session"), help: ArgumentHelp("Of this session.", valueName: "id"))
    var sessions: [String] = []

    @Option(
        name: .customLong("text"),
        help: ArgumentHelp("With this in a text of it: statement, message, name, …", valueName: "text"))
    var texts: [String] = []

    @Option(
        name: [.customLong("kind"), .customLong("event")],
        help: ArgumentHelp(
            "Records of this kind: \(EventArgument.allValueStrings.joined(separator: ", ")).", valueName: "kind"))
    var events: [EventArgument] = []

    func validate() throws {
        if let since, let until, since.nanoseconds >= until.nanoseconds {
            throw ValidationError("--until lies before --since: nothing can match")
        }
        if texts.contains("") { throw ValidationError("--text wants something to look for") }
    }

    var filter: AuditFilter {
        var filter = AuditFilter()
        filter.since = since?.nanoseconds
        filter.until = until?.nanoseconds
        filter.users = users
        filter.databases = databases
        filter.clients = clients.map(\.pattern)
        filter.applications = applications
        filter.tags = tags
        filter.sessions = sessions
        filter.events = Set(events.map(\.event))
        // Every connection has its two lines, every file its own: they are for those who ask for them.
        if events.isEmpty, sessions.isEmpty {
            filter.events = Set(AuditRecord.Event.allCases).subtracting([
                .sessionStart, .sessionEnd, .watermark, .fileStart, .fileEnd, .checkpoint,
            ])
        }
        filter.classes = Set(classes.flatMap(\.names))
        filter.objects = objects.map(\.glob)
        filter.verdicts = verdicts.map(\.rawValue)
        filter.rules = rules
        filter.fingerprints = fingerprints
        filter.ends = ends.map(\.end)
        filter.texts = texts.map { FoldedText($0) }
        return filter
    }
}
