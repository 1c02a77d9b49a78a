import Foundation
import Synchronization

/// One transaction that psql runs: pg_restore writes its pieces into psql's standard input one after the other, and only
/// when all of them were written COMMIT follows.
final class RestoreScript: Sendable {
    private let programs: DumpPrograms
    private let folder: String
    private let environment: [String]

    init(_ programs: DumpPrograms, folder: String, environment: [String]) {
        self.programs = programs
        self.folder = folder
        self.environment = environment
    }

    func run(_ plan: RestorePlan) throws(SnapshotFault) {
        // A psql that has ended is told of by its exit code.
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .program("no pipe: \(String(cString: strerror(errno)))") }
        // psql sees the end of its input only if it does not hold the other end itself.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (input, output) = (ends[0], ends[1])
        let shell = ProgramRun(
            words: [programs.shell, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"],
            environment: environment, input: input)
        let result = Mutex<Result<ProgramRun.End, SnapshotFault>?>(nil)
        let ended = DispatchSemaphore(value: 0)
        let thread = Thread {
            let end: Result<ProgramRun.End, SnapshotFault>
            do throws(SnapshotFault) { end = .success(try shell.run()) } catch { end = .failure(error) }
            result.withLock { $0 = end }
            close(input)
            ended.signal()
        }
        thread.start()
        var fault: SnapshotFault?
        do throws(SnapshotFault) {
            try write(plan, to: output)
        } catch {
            fault = error
        }
        close(output)
        ended.wait()
        switch result.withLock({ $0 }) {
        case .none: throw .program("psql did not start")
        case .some(.failure(let fault)): throw fault
        case .some(.success(let end)):
            // psql's own error is the cause of what pg_restore then complains of.
            guard end.code == 0 else { throw .program("nothing was restored: \(end.lastWords)") }
        }
        if let fault { throw fault }
    }

    private func write(_ plan: RestorePlan, to output: Int32) throws(SnapshotFault) {
        let definitions = "\(folder)/\(SnapshotManifest.definitions)"
        let tables = "\(folder)/\(SnapshotManifest.tables)"
        let contents = try SnapshotTaker.contents(of: definitions, programs)
        let made = contents.entries.filter { plan.definitions.contains($0.number) }
        // A table that is there has its indexes: what is attached to it gets copies of them, unless it has its own by then.
        let someAreLate = made.contains { Self.isAttachedToWhatIsThere($0, plan) }
        func isLate(_ entry: ArchiveContents.Entry) -> Bool {
            Self.isAttachedToWhatIsThere(entry, plan) || (someAreLate && entry.isKind("INDEX ATTACH"))
        }
        let privileges = made.filter { $0.isKind("ACL") }
        let things = made.filter { !$0.isKind("ACL") && !isLate($0) }
        let late = made.filter(isLate)
        let rows = plan.rows.isEmpty ? [] : try SnapshotTaker.contents(of: tables, programs).entries
        let (views, data) = (
            rows.filter { plan.rows.contains($0.number) && $0.isKind("MATERIALIZED VIEW DATA") },
            rows.filter { plan.rows.contains($0.number) && !$0.isKind("MATERIALIZED VIEW DATA") }
        )
        try say("BEGIN;\n", to: output)
        if !plan.dropped.isEmpty { try say(Self.drop(plan.dropped), to: output) }
        try restore(things, of: definitions, ["--section=pre-data"], to: output)
        let fills = plan.filled.isEmpty ? [] : ["--data-only", "--disable-triggers"]
        try restore(data, of: tables, ["--section=data"] + fills, to: output)
        for statement in plan.triggerStates { try say(statement + ";\n", to: output) }
        let keys = KeyEntries(things, plan)
        try restore(keys.others, of: definitions, ["--section=post-data"], to: output)
        for statement in Self.pieces(try text(of: keys.keys, in: definitions)) {
            try say(Self.withoutValidation(statement) + "\n", to: output)
        }
        try restore(keys.attached, of: definitions, [], to: output)
        try restore(late, of: definitions, [], to: output)
        for statement in plan.statements { try say(statement + ";\n", to: output) }
        try restore(views, of: tables, [], to: output)
        if plan.hasDefaultPrivileges, !plan.relations.isEmpty {
            try say(Self.withoutDefaults(plan.relations), to: output)
        }
        try restore(privileges, of: definitions, [], to: output)
        try say("COMMIT;\n", to: output)
    }

    private static func isAttachedToWhatIsThere(_ entry: ArchiveContents.Entry, _ plan: RestorePlan) -> Bool {
        entry.isKind("TABLE ATTACH") && !entry.dependencies.allSatisfy(plan.definitions.contains)
    }

    private func restore(
        _ entries: [ArchiveContents.Entry], of archive: String, _ options: [String], to output: Int32
    ) throws(SnapshotFault) {
        guard !entries.isEmpty else { return }
        try run(entries, of: archive, options, output: output)
    }

    /// What pg_restore would write.
    private func text(
        of entries: [ArchiveContents.Entry], in archive: String, _ options: [String] = []
    ) throws(SnapshotFault) -> String {
        entries.isEmpty ? "" : try run(entries, of: archive, options, output: -1).output
    }

    @discardableResult
    private func run(
        _ entries: [ArchiveContents.Entry], of archive: String, _ options: [String], output: Int32
    ) throws(SnapshotFault) -> ProgramRun.End {
        let list =
            FileManager.default.temporaryDirectory.path + "/holdfast-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let text = entries.map { $0.line + "\n" }.joined()
        guard
            FileManager.default.createFile(
                atPath: list, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw .file("\(list) cannot be written") }
        defer { unlink(list) }
        let end = try ProgramRun(
            words: [programs.restore, "--file=-", "--use-list=\(list)"] + options + [archive],
            environment: DumpPrograms.environment, output: output
        ).run()
        guard end.code == 0 else { throw .program("pg_restore cannot read \(archive): \(end.lastWords)") }
        return end
    }

    /// The statements of a plan without those that bring rows, as ``write(_:to:)`` orders them.
    func statements(_ plan: RestorePlan) throws(SnapshotFault) -> [String] {
        let definitions = "\(folder)/\(SnapshotManifest.definitions)"
        let made = try SnapshotTaker.contents(of: definitions, programs).entries
            .filter { plan.definitions.contains($0.number) }
        let things = made.filter { !$0.isKind("ACL") }
        var pieces: [String] = plan.dropped.isEmpty ? [] : [Self.drop(plan.dropped)]
        pieces += Self.pieces(try text(of: things, in: definitions, ["--section=pre-data"]))
        let keys = KeyEntries(things, plan)
        pieces += Self.pieces(try text(of: keys.others, in: definitions, ["--section=post-data"]))
        pieces += Self.pieces(try text(of: keys.keys, in: definitions)).map(Self.withoutValidation)
        pieces += Self.pieces(try text(of: keys.attached, in: definitions))
        pieces += plan.statements.map { $0 + ";" }
        return pieces + Self.pieces(try text(of: made.filter { $0.isKind("ACL") }, in: definitions))
    }

    /// pg_restore's text, entry by entry, without its comments and settings.
    private static func pieces(_ text: String) -> [String] {
        text.split(separator: "\n--\n-- ").dropFirst().compactMap { piece in
            // The last one, with psql's \unrestrict.
            if piece.hasPrefix("PostgreSQL database dump complete") { return nil }
            var lines = piece.split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
            while let first = lines.first, first.isEmpty || first == "--" || first.hasPrefix("SET ") {
                lines = lines.dropFirst()
            }
            let statement = lines.joined(separator: "\n").trimmingCharacters(in: .whitespacesAndNewlines)
            return statement.isEmpty ? nil : statement
        }
    }

    /// The statement that makes a foreign key, which then checks new rows only. pg_dump writes ONLY where that is possible.
    static func withoutValidation(_ statement: String) -> String {
        guard statement.hasPrefix("ALTER TABLE ONLY "), statement.hasSuffix(";"), !statement.hasSuffix(" NOT VALID;")
        else { return statement }
        return statement.dropLast() + " NOT VALID;"
    }

    /// Entries apart from foreign keys that are to be made without looking at the rows.
    private struct KeyEntries {
        var others: [ArchiveContents.Entry]
        var keys: [ArchiveContents.Entry]
        /// What belongs to the keys: comments.
        var attached: [ArchiveContents.Entry]

        init(_ things: [ArchiveContents.Entry], _ plan: RestorePlan) {
            keys = plan.leavesKeysUnvalidated ? things.filter { $0.isKind("FK CONSTRAINT") } : []
            let numbers = Set(keys.map(\.number))
            attached = things.filter { thing in
                ArchiveContents.isAttached(thing) && thing.dependencies.contains(where: numbers.contains)
            }
            let apart = numbers.union(attached.map(\.number))
            others = things.filter { !apart.contains($0.number) }
        }
    }

    private func say(_ text: String, to output: Int32) throws(SnapshotFault) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .program("psql takes no more: \(String(cString: strerror(errno)))") }
            bytes = bytes.dropFirst(count)
        }
    }

    private static func drop(_ tables: [SnapshotManifest.Table]) -> String {
        let words = ["v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE"]
        return tables.map { "DROP \(words[$0.kind] ?? "TABLE") IF EXISTS \($0.qualifiedName) CASCADE;\n" }.joined()
    }

    /// New tables have the default privileges of whoever restores; what the snapshot knows of privileges comes next.
    private static func withoutDefaults(_ tables: [SnapshotManifest.Table]) -> String {
        func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
        return """
            DO $holdfast$ DECLARE r record; BEGIN
            FOR r IN SELECT DISTINCT c.oid, c.relkind, a.grantee FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
                WHERE c.oid = ANY (ARRAY[\(tables.map { literal($0.qualifiedName) }.joined(separator: ", "))]
                                   ::pg_catalog.regclass[]::pg_catalog.oid[]) AND a.grantee <> c.relowner LOOP
            EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s', CASE r.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                r.oid::pg_catalog.regclass,
                CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.grantee)) END);
            END LOOP; END $holdfast$;

            """
    }
}
