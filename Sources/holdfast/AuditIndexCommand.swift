import ArgumentParser
import Audit

/// `holdfast audit index`: makes the indexes that searches use.
struct AuditIndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract: "Make the indexes of closed files that have none.",
        discussion: """
            A running Holdfast makes the index of a file when it closes it. This makes those of files that were closed \
            before, or whose index was lost or does not fit. A search works without; it takes longer.

            With --check each file is read whole, and an index that says anything else is replaced. Exits with 1 if there \
            was one.
            """)

    @OptionGroup var trail: TrailOptions

    @Flag(help: "Read each file whole, and compare its index.")
    var check = false

    func run() throws {
        var wasWrong = false
        do throws(AuditFault) {
            for path in try paths() {
                switch try SearchIndexes.make(for: path, checks: check) {
                case .made(let count): print("\(path): index made, \(count) parts")
                case .present: print("\(path): index present")
                case .notCompressed: print("\(path): not compressed by Holdfast; needs no index, or can have none")
                case .corrected:
                    print("\(path): its index was WRONG and is replaced")
                    wasWrong = true
                }
            }
        } catch {
            throw Complaint(error.description)
        }
        if wasWrong { throw ExitCode(1) }
    }

    private func paths() throws(AuditFault) -> [String] {
        guard trail.named.isEmpty else { return try TrailPaths.trails(in: trail.named).flatMap(\.paths) }
        return AuditFiles(livePath: try trail.livePath()).members().filter { $0.number != nil }.map(\.path)
    }
}
