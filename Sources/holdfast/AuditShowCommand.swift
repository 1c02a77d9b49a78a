import ArgumentParser
import Audit
import Foundation

/// `holdfast audit show`: one statement, or one session, with everything around it.
struct AuditShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a statement and everything around it: its session, its transaction, refusals.",
        discussion: """
            The id is the one that a refusal told its client, or that a line of the list ends with; the id of a session \
            shows the session. Exits with 0 if it is found, with 1 if not, with 2 if part of the trail cannot be read.

            Examples:
              holdfast audit show 5d3b0f6f7a1c9e42-1
              holdfast audit show 5d3b0f6f7a1c9e42 /srv/trails
            """)

    @Argument(help: ArgumentHelp("The id of a statement, a refusal or a session.", valueName: "id"))
    var id: String

    @OptionGroup var trail: TrailOptions

    @Option(
        help: ArgumentHelp(
            "table (for people); or the statements as json (one object a line), csv, or records.", valueName: "format"))
    var format: RowFormat = .table

    func run() throws {
        var complaints: [TrailCursor.Complaint] = []
        let story: StatementStory?
        var output = RowOutput(RowWriter(format, isTerminal: isatty(STDOUT_FILENO) == 1))
        do throws(AuditFault) {
            let trails = try trail.trails()
            output.introduce(trails)
            story = StatementStory.find(id, in: trails) { complaints += $0 }
        } catch {
            throw Complaint(error.description)
        }
        output.complain(complaints)
        guard let story else {
            output.flush()
            RowOutput.say(
                "no record has the id \(AuditRowText.shown(id)): it is in another trail, or its file was deleted")
            throw ExitCode(output.isIncomplete ? 2 : 1)
        }
        if format == .table {
            print(StoryText.text(story), terminator: "")
        } else {
            let rows = story.transaction.isEmpty ? [story.row].compactMap { $0 } : story.transaction
            for row in rows + story.refusals + story.others + story.findings { output.add(row) }
            output.flush()
        }
        if output.isIncomplete { throw ExitCode(2) }
    }
}
