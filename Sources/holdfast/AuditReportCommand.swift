import ArgumentParser
import Audit
import Foundation
import SQLParsing

/// `holdfast audit report`: a summary for people.
struct AuditReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Sum up the trail for people: Markdown, or an HTML page that needs nothing else.",
        discussion: """
            Counts by verdict, class, user, database and more; refusals with their rules; tables lost, what failed, what \
            nobody knows the end of, DDL that did not come through Holdfast, faults of its own. Without --html and \
            --markdown, Markdown goes to standard output. Exits with 2 if part of the trail could not be read.

            Examples:
              holdfast audit report --since 7d
              holdfast audit report --since yesterday --tag production --html report.html
            """)

    @OptionGroup var trail: TrailOptions
    @OptionGroup var filters: AuditFilterOptions

    @Option(help: ArgumentHelp("Write an HTML page.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("Write Markdown; - for standard output.", valueName: "file"))
    var markdown: String?

    func run() throws {
        var filter = filters.filter
        // Findings and faults are no statements: filters on those would hide them, which is what was asked for.
        if filters.events.isEmpty { filter.events = [] }
        var report = TrailReport(lossClasses: Set(ClassGroup.tableLoss.classes.names))
        report.since = filter.since
        report.until = filter.until
        var output = RowOutput(RowWriter(.table))
        do throws(AuditFault) {
            let trails = try trail.trails()
            output.introduce(trails)
            report.trails = trails.map(\.name)
            // A trail at a time: a start belongs to the stop before it in its own.
            for trail in trails {
                var cursor = TrailCursor(TrailSearch(trail, filter))
                report.begin()
                while let row = cursor.next() {
                    report.take(row)
                    output.complain(cursor.takeComplaints())
                }
                output.complain(cursor.takeComplaints())
            }
            if let html { try write(ReportPage.html(report), to: html) }
            if let markdown, markdown != "-" { try write(ReportMarkdown.text(report), to: markdown) }
        } catch {
            throw Complaint(error.description)
        }
        if markdown == "-" || (markdown == nil && html == nil) { print(ReportMarkdown.text(report), terminator: "") }
        if output.isIncomplete { throw ExitCode(2) }
    }

    /// Whole or not at all. A new file is nobody else's (0600), as the trail is not.
    private func write(_ text: String, to path: String) throws(AuditFault) {
        var information = stat()
        let isThere = stat(path, &information) == 0
        // A pipe or a device is written to; a file is replaced.
        let isReplaced = !isThere || information.st_mode & S_IFMT == S_IFREG
        let unfinished = isReplaced ? path + ".part" : path
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (isReplaced ? O_TRUNC | O_NOFOLLOW : 0)
        let descriptor = open(unfinished, flags, 0o600)
        guard descriptor >= 0 else { throw unwritten(path) }
        if isReplaced { _ = fchmod(descriptor, isThere ? information.st_mode & 0o777 : 0o600) }
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            written += count
        }
        let fault = unwritten(path)
        close(descriptor)
        guard written == bytes.count, !isReplaced || rename(unfinished, path) == 0 else {
            if isReplaced { unlink(unfinished) }
            throw fault
        }
    }

    private func unwritten(_ path: String) -> AuditFault {
        AuditFault(
            description:
                "the report cannot be written to \(path): \(String(cString: strerror(errno))); name a file in a "
                + "folder that you may write to")
    }
}
