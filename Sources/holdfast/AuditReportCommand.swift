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

    /// Whole or not at all.
    private func write(_ text: String, to path: String) throws(AuditFault) {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw AuditFault(
                description: "the report cannot be written to \(path): \(error.localizedDescription); name a file in a "
                    + "folder that you may write to")
        }
    }
}
