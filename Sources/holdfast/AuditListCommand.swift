import ArgumentParser
import Audit
import Configuration
import Foundation
import SQLParsing

/// `holdfast audit`, or `holdfast audit list`: lists and filters the trail.
struct AuditListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List and filter the audit trail.",
        discussion: """
            Shows a line for each statement: when, the verdict, the tag, who and where, what, on which objects, and how \
            it ended: committed, rolled back, failed with an SQLSTATE, or in doubt. An option may be given several times; \
            its values are then alternatives. Times without a zone are UTC.

            Lines that are torn (by a crash) or foreign are reported on standard error with their number, and skipped.

            Examples:
              holdfast audit --since 2h
              holdfast audit --verdict block --tag production --sql
              holdfast audit --class table_loss --database shop --since 2026-11-22
              holdfast audit --follow
              holdfast audit --json --user alice | jq -r .sql
              zcat audit.jsonl.3.gz | holdfast audit --file /dev/stdin --limit 20
            """)

    @Option(help: ArgumentHelp("The trail's file.", valueName: "file"))
    var file: String?

    @Option(
        help: ArgumentHelp(
            "The proxy.conf that names the file; default: proxy.conf here, then in /etc/holdfast.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("From this time on: 30m, 2h, 7d, 2026-11-22, or RFC 3339.", valueName: "time"))
    var since: TimeArgument?

    @Option(help: ArgumentHelp("Before this time, written likewise.", valueName: "time"))
    var until: TimeArgument?

    @Option(name: .customLong("user"), help: ArgumentHelp("Of this user.", valueName: "name"))
    var users: [String] = []

    @Option(name: .customLong("database"), help: ArgumentHelp("In this database.", valueName: "name"))
    var databases: [String] = []

    @Option(
        name: .customLong("class"),
        help: ArgumentHelp(
            "Of this class (drop_table, truncate, …) or group (\(Self.groupNames)).", valueName: "class"))
    var classes: [ClassArgument] = []

    @Option(name: .customLong("verdict"), help: "With this verdict.")
    var verdicts: [VerdictArgument] = []

    @Option(
        name: .customLong("event"),
        help: ArgumentHelp(
            "Of this kind: \(EventArgument.allValueStrings.joined(separator: ", ")).", valueName: "event"))
    var events: [EventArgument] = []

    @Option(name: .customLong("tag"), help: ArgumentHelp("On connections with this tag.", valueName: "tag"))
    var tags: [String] = []

    @Option(name: .customLong("session"), help: ArgumentHelp("Of this session.", valueName: "id"))
    var sessions: [String] = []

    @Option(help: ArgumentHelp("Only the latest so many.", valueName: "n"))
    var limit: Int?

    @Flag(help: "Go on with what is written from now on, also in the next file after a rotation.")
    var follow = false

    @Flag(help: "Print the records themselves, one JSON object a line (docs/audit.md).")
    var json = false

    @Flag(help: "Show the statements' text below each line.")
    var sql = false

    private static let groupNames = ClassGroup.allCases.map(\.rawValue).joined(separator: ", ")

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit wants a number from 1 on") }
        if let since, let until, since.nanoseconds >= until.nanoseconds {
            throw ValidationError("--until lies before --since: nothing can match")
        }
        if json, sql { throw ValidationError("--json holds the statements already: leave --sql away") }
    }

    func run() throws {
        var filter = AuditFilter()
        filter.since = since?.nanoseconds
        filter.until = until?.nanoseconds
        filter.users = users
        filter.databases = databases
        filter.tags = tags
        filter.sessions = sessions
        filter.events = events.map(\.event)
        // Every connection has its two lines: they are for those who ask for them.
        if events.isEmpty, sessions.isEmpty {
            filter.events = AuditRecord.Event.allCases.filter {
                ![.sessionStart, .sessionEnd, .watermark, .fileStart, .fileEnd, .checkpoint].contains($0)
            }
        }
        filter.classes = Set(classes.flatMap(\.names))
        filter.verdicts = verdicts.map(\.rawValue)
        do throws(AuditFault) {
            let path = try trailPath()
            var reader = try AuditReader(path: path)
            var listing = AuditListing(
                path: path, filter: filter, limit: limit, isFollowing: follow, isJSON: json, showsSQL: sql)
            if file == nil {
                for member in AuditFiles(livePath: path).members() where member.number != nil {
                    var closed = try AuditReader(path: member.path)
                    try closed.read { listing.take($0) }
                    closed.readRest { listing.take($0) }
                }
            }
            try reader.read { listing.take($0) }
            if follow {
                listing.startFollowing()
                let watch = FileWatch(path: path)
                while true {
                    listing.flush()
                    watch.wait()
                    try reader.read { listing.take($0) }
                    if try reader.followRotation({ listing.take($0) }) { try reader.read { listing.take($0) } }
                }
            }
            reader.readRest { listing.take($0) }
            listing.finish()
        } catch {
            throw Complaint(error.description)
        }
    }

    private func trailPath() throws(AuditFault) -> String {
        if let file { return file }
        do throws(ConfigurationError) {
            let configuration = try ConfigurationFile.load(path: config, version: 1)
            return configuration.resolve(configuration.audit.path)
        } catch {
            throw AuditFault(description: error.description + "\nOr name the trail itself with --file.")
        }
    }
}

/// A moment: a time, or a stretch of time before now.
struct TimeArgument: ExpressibleByArgument {
    var nanoseconds: Int64

    init?(argument: String) {
        if let time = AuditTime.parse(argument) {
            nanoseconds = time
            return
        }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
        guard let letter = argument.last, let unit = units[letter], let count = Int64(argument.dropLast()),
            // Up to a hundred years back.
            (0...3_155_760_000 / unit).contains(count)
        else { return nil }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        nanoseconds = (Int64(now.tv_sec) - count * unit) * 1_000_000_000 + Int64(now.tv_nsec)
    }
}

/// A class, or a group in place of its classes.
struct ClassArgument: ExpressibleByArgument {
    var names: [String]

    init?(argument: String) {
        let group = ClassGroup(rawValue: argument)?.classes.names ?? []
        let single = StatementClass(name: argument).map { [$0.name] } ?? []
        guard !(group + single).isEmpty else { return nil }
        names = group + single
    }
}

enum VerdictArgument: String, ExpressibleByArgument, CaseIterable {
    case block
    case warn
    case allow
}

struct EventArgument: ExpressibleByArgument {
    var event: AuditRecord.Event

    init?(argument: String) {
        guard let event = AuditRecord.Event(rawValue: argument) else { return nil }
        self.event = event
    }

    static var allValueStrings: [String] { AuditRecord.Event.allCases.map(\.rawValue) }
}

/// What is printed of the lines read.
private struct AuditListing {
    private let path: String
    private let isJSON: Bool
    private let limit: Int?
    private var selector: AuditSelector
    private var joiner: AuditJoiner
    private var rowText: AuditRowText
    private var output: [UInt8] = []
    /// The latest entries, where only so many are wanted: a ring.
    private var latest: [[UInt8]] = []
    private var oldest = 0
    private var isHeldBack: Bool
    private var hasPrinted = false
    private var faultCount = 0
    /// More faults than these are only counted.
    private static let shownFaultCount = 20

    init(path: String, filter: AuditFilter, limit: Int?, isFollowing: Bool, isJSON: Bool, showsSQL: Bool) {
        self.path = path
        self.isJSON = isJSON
        self.limit = limit
        isHeldBack = limit != nil
        selector = AuditSelector(filter)
        joiner = AuditJoiner(filter, keepsOrder: !isFollowing)
        rowText = AuditRowText(showsSQL: showsSQL)
    }

    mutating func take(_ line: AuditLine) {
        switch line.content {
        case .failure(let fault): complain(line.number, fault)
        case .success(let record):
            if isJSON {
                if selector.selects(record) { add(Array(line.bytes) + [UInt8(ascii: "\n")]) }
            } else {
                var ready: [AuditRow] = []
                joiner.take(record) { ready.append($0) }
                for row in ready { add(Array(rowText.text(row).utf8)) }
            }
        }
    }

    /// What is there was read; from now on everything is printed as it comes.
    mutating func startFollowing() {
        release()
        isHeldBack = false
    }

    mutating func finish() {
        if !isJSON {
            var ready: [AuditRow] = []
            joiner.finish { ready.append($0) }
            for row in ready { add(Array(rowText.text(row).utf8)) }
        }
        release()
        flush()
        if faultCount > Self.shownFaultCount {
            Self.say("\(path): \(faultCount - Self.shownFaultCount) more lines are no records")
        }
        if !hasPrinted { Self.say("\(path): no record matches") }
    }

    /// Writes what is ready to standard output.
    mutating func flush() {
        var rest = output[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody reads any more.
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        output.removeAll(keepingCapacity: true)
    }

    private mutating func add(_ entry: [UInt8]) {
        hasPrinted = true
        guard isHeldBack, let limit else {
            output += entry
            if output.count > 1 << 16 { flush() }
            return
        }
        if latest.count < limit {
            latest.append(entry)
        } else {
            latest[oldest] = entry
            oldest = (oldest + 1) % limit
        }
    }

    private mutating func release() {
        for index in latest.indices { output += latest[(oldest + index) % latest.count] }
        latest = []
    }

    private mutating func complain(_ number: Int, _ fault: AuditDecodeFault) {
        faultCount += 1
        if faultCount <= Self.shownFaultCount { Self.say("\(path):\(number): \(fault.description)") }
    }

    private static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

/// Waits for changes of a file and of the folder that it stands in.
private struct FileWatch: ~Copyable {
    private let descriptor: Int32

    init(path: String) {
        descriptor = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
        guard descriptor >= 0 else { return }
        let folder = (path as NSString).deletingLastPathComponent
        // A file that takes another's place shows in the folder only.
        inotify_add_watch(descriptor, path, UInt32(IN_MODIFY))
        inotify_add_watch(
            descriptor, folder.isEmpty ? "." : folder, UInt32(IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_MOVED_FROM))
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Returns after a change, or after a second: some file systems do not tell.
    func wait() {
        var events = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&events, 1, 1000)
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while descriptor >= 0, read(descriptor, &buffer, buffer.count) > 0 {}
    }
}
