import ArgumentParser
import Audit
import Foundation

/// `holdfast audit`, or `holdfast audit search`: finds statements and other records in trails.
struct AuditSearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Find statements in the audit trail, and list them.",
        discussion: """
            Shows a line for each statement: when, the verdict, the tag, who and where, what, on which objects, and how \
            it ended: committed, rolled back, failed with an SQLSTATE, or in doubt. An option may be given several times; \
            its values are then alternatives. Different options must all agree. Times without a zone are UTC.

            Exits with 0, or with 2 if a file or a part of one could not be read: something may be missing then. Lines \
            that are torn (by a crash) or foreign are reported on standard error and skipped.

            Examples:
              holdfast audit --since 2h
              holdfast audit --verdict block --tag production --sql
              holdfast audit --class table_loss --database shop --since yesterday
              holdfast audit --object 'public.order*' --outcome error --limit 20 --reverse
              holdfast audit --text 'drop column' --format csv /srv/trails > found.csv
              holdfast audit --follow
              holdfast audit --user alice --format json | jq -r .sql
            """,
        aliases: ["list"])

    @OptionGroup var trail: TrailOptions
    @OptionGroup var filters: AuditFilterOptions

    @Option(help: ArgumentHelp("Only the latest so many.", valueName: "n"))
    var limit: Int?

    @Flag(help: "The newest first.")
    var reverse = false

    @Flag(help: "Go on with what is written from now on, also in the next file after a rotation.")
    var follow = false

    @Option(
        help: ArgumentHelp(
            "table, json (one object a line, a statement with its outcome), csv, or records (the trail's own lines).",
            valueName: "format"))
    var format: RowFormat?

    @Flag(help: "The same as --format records.")
    var json = false

    @Flag(help: "Show the statements' text below each line of the table.")
    var sql = false

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit wants a number from 1 on") }
        if json, format != nil { throw ValidationError("--json is --format records: give one of them") }
        if sql, chosenFormat != .table {
            throw ValidationError("--sql is for tables; other formats hold the statements")
        }
        if follow, reverse { throw ValidationError("--follow goes forward: leave --reverse away") }
        if follow, trail.named.count > 1 { throw ValidationError("--follow follows one file") }
    }

    private var chosenFormat: RowFormat { json ? .records : format ?? .table }

    func run() throws {
        let filter = filters.filter
        var output = RowOutput(
            RowWriter(
                chosenFormat, events: Set(filters.events.map(\.event)), showsSQL: sql,
                isTerminal: isatty(STDOUT_FILENO) == 1))
        do throws(AuditFault) {
            if follow {
                try runFollowing(filter, &output)
            } else {
                let trails = try trail.trails()
                output.introduce(trails)
                list(trails.map { TrailSearch($0, filter) }, &output) { $0.add($1) }
            }
        } catch {
            output.flush()
            throw Complaint(error.description)
        }
        output.finish()
        if output.isIncomplete { throw ExitCode(2) }
    }

    /// Hands out the rows: all, or the latest.
    private func list(
        _ searches: [TrailSearch], _ output: inout RowOutput, _ body: (inout RowOutput, AuditRow) -> Void
    ) {
        var merge = TrailMerge(searches, newestFirst: reverse || limit != nil)
        var latest: [AuditRow] = []
        var count = 0
        while count < limit ?? .max, !output.isClosed, let row = merge.next() {
            count += 1
            if reverse || limit == nil { body(&output, row) } else { latest.append(row) }
            output.complain(merge.takeComplaints())
        }
        for row in latest.reversed() { body(&output, row) }
        output.complain(merge.takeComplaints())
        output.unreadableLineCount = merge.faultCount
    }

    private func runFollowing(_ filter: AuditFilter, _ output: inout RowOutput) throws(AuditFault) {
        let path: String
        if let named = trail.named.first { path = named } else { path = try trail.livePath() }
        var reader = try AuditReader.following(path)
        var joiner = AuditJoiner(filter)
        // What waits for its outcome is shown with it.
        var waiting: [AuditRow] = []
        let history = try Trail(before: reader, hasClosed: trail.named.isEmpty, usesIndex: !trail.noIndex)
        output.introduce([history])
        list([TrailSearch(history, filter)], &output) { output, row in
            if row.state == .pending { waiting.append(row) } else { output.add(row) }
        }
        if !filter.ends.isEmpty || !filter.texts.isEmpty {
            // How those end, or what the server says of them, can match yet.
            var open = filter
            open.ends = [.none]
            open.texts = []
            var merge = TrailMerge([TrailSearch(history, open)])
            waiting = []
            while let row = merge.next() {
                if row.state == .pending { waiting.append(row) }
            }
        }
        for row in waiting { joiner.wait(for: row) { output.add($0) } }
        let watch = FileWatch(path: path)
        // The reader counts from where it began; who never needs it does not have the file read for it.
        var lineCountBefore: Int?
        func take(_ line: AuditLine) {
            switch line.content {
            case .success(let record): joiner.take(record, line: Array(line.bytes)) { output.add($0) }
            case .failure(.unknownEvent): break
            case .failure(let fault):
                let before = lineCountBefore ?? history.lastFileLineCount
                lineCountBefore = before
                output.complain([.line(path: path, number: before + line.number, fault)])
            }
        }
        while !output.isClosed {
            output.flush()
            watch.wait()
            try reader.read { take($0) }
            if try reader.followRotation({ take($0) }) {
                lineCountBefore = 0
                try reader.read { take($0) }
            }
        }
    }
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
