import ArgumentParser
import Configuration
import Foundation
import Sentinel
import Snapshots
import Synchronization

/// `holdfast recover`: brings back what a watch finds missing.
struct RecoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Bring back the tables that a watch finds missing: plan, ask, do, verify.",
        discussion: """
            Looks as "holdfast watch" does, and makes a plan: what a snapshot holds is restored from it, and what none holds \
            is made anew by the Alembic migrations. The plan is shown and asked about, then run step by step. The first \
            step that fails ends it; run the same command again to go on from there.

            Exits with 0 when nothing was missing or everything is back and verified, with 1 when something is not as \
            expected afterwards or cannot be recovered, with 2 when no plan can be made (a server is down, proxy.conf cannot \
            be used), with 3 when a step failed, with 4 when nobody said yes.

            Examples:
              holdfast recover shop --dry-run       # the plan as a runbook (Markdown); changes nothing
              holdfast recover shop
              holdfast recover shop --abandon       # give up one that stands half done
            """)

    @Option(help: "proxy.conf to use; without it, proxy.conf here, then /etc/holdfast/proxy.conf.")
    var config: String?

    @Argument(help: ArgumentHelp("The [[watch]] block.", valueName: "name"))
    var name: String

    @Flag(help: "Do not ask.")
    var yes = false

    @Flag(help: "Print the plan as a runbook in Markdown, and do nothing.")
    var dryRun = false

    @Flag(
        help:
            "Go on with a recovery that stands half done; an error if there is none. Without it, that is done if there is one."
    )
    var resume = false

    @Flag(help: "Give up a recovery that stands half done: what is done stays, its scratch database is dropped.")
    var abandon = false

    func validate() throws {
        if abandon, resume || dryRun { throw ValidationError("--abandon goes with neither --resume nor --dry-run") }
    }

    private enum Code {
        static let left: Int32 = 1
        static let noPlan: Int32 = 2
        static let stopped: Int32 = 3
        static let declined: Int32 = 4
    }

    func run() throws {
        let settings: ProxyConfiguration
        do throws(ConfigurationError) {
            settings = try ConfigurationFile.load(path: config, version: 1)
            for warning in settings.warnings { ConfigurationOption.printError(warning.description) }
        } catch {
            throw Self.failed("\(error)", Code.noPlan)
        }
        guard let watch = settings.watches.first(where: { $0.name == name }) else {
            let known = settings.watches.map(\.name).joined(separator: ", ")
            throw Self.failed(
                "no [[watch]] block of proxy.conf is called \"\(Self.shown(name))\""
                    + (known.isEmpty ? "; there is none at all (docs/watch.md)" : "; there are: \(known)"), Code.noPlan)
        }
        let store = StateFolder(settings.resolve(settings.watching.statePath))
        let snapshots =
            settings.snapshots.areOn ? SnapshotFolder(settings.resolve(settings.snapshots.folder)) : nil
        let survey = RecoverySurvey(watch, store: store, snapshots: snapshots, resolve: settings.resolve)
        do {
            let lock = try store.lockRecovery(name)
            guard lock != nil else {
                throw StateFolder.Fault(description: "another process is recovering \(name)")
            }
            defer { withExtendedLifetime(lock) {} }
            let standing = try store.recovery(name).flatMap { $0.isOver ? nil : $0 }
            try act(survey, store, snapshots, settings, standing)
        } catch let error as StateFolder.Fault {
            throw Self.failed(error.description, Code.noPlan)
        } catch let error as RecoveryFault {
            throw Self.failed(error.description, Code.noPlan)
        }
    }

    private func act(
        _ survey: RecoverySurvey, _ store: StateFolder, _ snapshots: SnapshotFolder?, _ settings: ProxyConfiguration,
        _ standing: RecoveryJournal?
    ) throws {
        func runner(_ journal: RecoveryJournal) -> RecoveryRunner {
            RecoveryRunner(
                journal, survey: survey, store: store, snapshots: snapshots, settings.snapshots,
                isStopped: { Self.isInterrupted.load(ordering: .relaxed) }
            ) { print(Self.shown($0)) }
        }
        if abandon || resume, standing == nil {
            throw Self.failed("no recovery of \(name) stands half done", Code.noPlan)
        }
        if abandon, let standing {
            try runner(standing).abandon()
            print("given up: \(Self.shown(standing.standing)). What is done stays done: holdfast watch --watch \(name)")
            return
        }
        if let standing, !dryRun { return try goOn(runner(standing), survey) }
        let found = try survey.survey()
        let plan = RecoveryPlanner.plan(found.situation)
        for text in found.brokenSnapshots { ConfigurationOption.printError("holdfast: not used: \(Self.shown(text))") }
        if dryRun {
            let outlook = RecoveryOutlook(survey, snapshots: snapshots, settings.snapshots)
            print(
                Self.shownLines(
                    RecoveryRunbook.markdown(
                        plan, statements: try outlook.statements(of: plan), command: survey.settings.recovery.command,
                        others: found.situation.others)), terminator: "")
            if let standing { ConfigurationOption.printError("holdfast: \(Self.shown(standing.standing))") }
            if !plan.obstacles.isEmpty { throw ExitCode(Code.left) }
            return
        }
        if plan.isEmpty { return try sayNothingIsMissing(found) }
        for line in plan.lines() { print(Self.shown(line)) }
        sayOthers(found.situation.others)
        guard !plan.steps.isEmpty else { throw Self.failed("nothing of this can be recovered by Holdfast", Code.left) }
        try ask()
        let journal = RecoveryJournal(
            id: Self.newID, begunAt: WatchRunner.now, server: found.report.server, plan: plan)
        try run(runner(journal))
    }

    private static var newID: String { String(UInt64.random(in: 0...UInt64.max), radix: 16) }

    private func goOn(_ runner: RecoveryRunner, _ survey: RecoverySurvey) throws {
        let journal = runner.journal
        let report = survey.look()
        if let now = report.server, let then = journal.server, now.systemIdentifier != then.systemIdentifier {
            throw Self.failed(
                "the recovery that stands half done is of another cluster (\(then.systemIdentifier), now "
                    + "\(now.systemIdentifier)): give it up with --abandon, and begin anew", Code.noPlan)
        }
        if !report.database.isEmpty, report.database != journal.plan.database {
            throw Self.failed(
                "the recovery that stands half done is of database \(journal.plan.database), and the watch is of "
                    + "\(report.database): give it up with --abandon, and begin anew", Code.noPlan)
        }
        for line in journal.plan.lines(doneCount: journal.doneCount) { print(Self.shown(line)) }
        print("\n" + Self.shown(journal.standing))
        try ask()
        try run(runner)
    }

    private func ask() throws {
        if yes { return }
        print("\nDo this? [y/N] ", terminator: "")
        fflush(nil)
        let answer = readLine()?.trimmingCharacters(in: .whitespaces).lowercased()
        guard answer == "y" || answer == "yes" else {
            if answer == nil { print("") }
            throw Self.failed(
                "nothing was done" + (answer == nil ? ": nobody is there to be asked (--yes)" : ""), Code.declined)
        }
    }

    private static let isInterrupted = Atomic(false)

    /// SIGINT and SIGTERM end the step that runs, if it can be ended, and with it the recovery: what is run for it lives no
    /// longer, and the journal knows.
    private static func minded<Result>(_ body: () throws -> Result) rethrows -> Result {
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { isInterrupted.store(true, ordering: .relaxed) }
            source.resume()
            return source
        }
        defer { for source in sources { source.cancel() } }
        return try body()
    }

    private func run(_ runner: RecoveryRunner) throws { try Self.minded { try runMinded(runner) } }

    private func runMinded(_ runner: RecoveryRunner) throws {
        do throws(RecoveryFault) {
            try runner.run()
        } catch {
            ConfigurationOption.printError("holdfast: " + Self.shown(runner.journal.standing))
            throw Self.failed(
                "stopped. What is done stays done; when the cause is mended, go on with: holdfast recover \(name)",
                Code.stopped)
        }
        guard let report = runner.verification else { return }
        let left = report.findings.filter { ![.serverRestarted, .serverFailedOver].contains($0.kind) }
        if left.isEmpty, report.unseen.isEmpty {
            print("recovered: all is as expected")
            return
        }
        sayOthers(left)
        if report.missingTables.isEmpty, !report.unseen.contains(.tables) {
            print("all expected tables are back; see above for what is not as it was")
        }
        throw ExitCode(Code.left)
    }

    private func sayNothingIsMissing(_ found: RecoverySurvey.Result) throws {
        let count = found.report.expectedTables.count
        let state = found.report.migrations.map { "; \($0.tool) says \($0.current.joined(separator: ", "))" } ?? ""
        print(Self.shown("nothing is missing: \(count) of \(count) expected tables are there\(state)"))
        guard !found.situation.others.isEmpty else { return }
        sayOthers(found.situation.others)
        throw ExitCode(Code.left)
    }

    private func sayOthers(_ findings: [WatchFinding]) {
        guard !findings.isEmpty else { return }
        print("\nWhat else the watch finds (a recovery does not mend it):")
        for finding in findings { print(Self.shown("  \(finding.kind.rawValue): \(finding.text)")) }
    }

    private static func failed(_ text: String, _ code: Int32) -> ExitCode {
        ConfigurationOption.printError("holdfast: \(shown(text))")
        return ExitCode(code)
    }

    private static func shown(_ text: String) -> String { SnapshotOptions.shown(text) }

    private static func shownLines(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { shown(String($0)) }.joined(separator: "\n")
    }
}
