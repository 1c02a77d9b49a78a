import SQLParsing

/// The audited statements whose transaction has not ended, and how it ends.
struct TransactionLog: ~Copyable {
    private var open: [AuditedStatement] = []
    private var savepoints: [(name: String, openCount: Int)] = []
    /// An error was answered since the last ReadyForQuery.
    private var hasFailed = false

    var isEmpty: Bool { open.isEmpty }

    /// About how many bytes are held.
    var byteCount: Int { open.count * 384 + savepoints.count * 96 }

    /// The server completed an audited statement, or failed it.
    mutating func finished(_ statement: AuditedStatement) { open.append(statement) }

    mutating func errorAnswered() { hasFailed = true }

    /// The server completed a statement with this command tag.
    ///
    /// - Returns: the outcomes that are known now.
    mutating func completed(tag: String, control: TransactionControl) -> [OutcomeNote] {
        switch tag {
        case "COMMIT":
            return end(.committed)
        case "PREPARE TRANSACTION":
            guard case .prepareTransaction(let gid) = control else { return end(.prepared) }
            return end(.prepared, gid: gid)
        case "ROLLBACK":
            guard case .rollbackTo(let name) = control else { return end(.rolledBack) }
            return rollBack(to: name)
        case "SAVEPOINT":
            if case .savepoint(let name) = control { savepoints.append((name, open.count)) }
            return []
        case "RELEASE":
            if case .release(let name) = control, let index = savepoints.lastIndex(where: { $0.name == name }) {
                savepoints.removeSubrange(index...)
            }
            return []
        default:
            return []
        }
    }

    /// The server is ready, in the state idle: whatever is open was in an implicit transaction.
    ///
    /// - Returns: what became of it; nothing if nothing is open.
    mutating func readyIdle() -> [OutcomeNote] {
        defer { hasFailed = false }
        guard !open.isEmpty else { return [] }
        guard hasFailed else { return end(.committed) }
        // A COMMIT in a procedure or DO block, which only an implicit transaction lets it do, ends that for all before it.
        let doubtful = open.lastIndex(where: \.mayCommit).map { open[...$0] } ?? []
        let outcomes = doubtful.map { statement in
            var outcome = statement.outcome(.unknown)
            if outcome.message == nil { outcome.message = "COMMIT may have come before the error" }
            return outcome
        }
        open.removeFirst(doubtful.count)
        return outcomes + end(.rolledBack)
    }

    /// The server completed a statement that it runs in no transaction block: it has committed, also where a pipeline goes on
    /// (`XACT_FLAGS_NEEDIMMEDIATECOMMIT`, xact.h). Nothing else can be open then.
    mutating func ranAlone() -> [OutcomeNote] { end(.committed) }

    /// The server is ready inside a transaction, or nothing is open.
    mutating func ready() { hasFailed = false }

    /// The connection ended. Where the server owed no answer, nothing can have committed what is open: it is rolled back
    /// with the connection (`AbortOutOfAnyTransaction` in PostgreSQL's `ShutdownPostgres`, utils/init/postinit.c).
    mutating func connectionEnded(isAnswerOwed: Bool) -> [OutcomeNote] { end(isAnswerOwed ? .unknown : .lost) }

    private mutating func rollBack(to name: String) -> [OutcomeNote] {
        guard let index = savepoints.lastIndex(where: { $0.name == name }) else { return [] }
        let kept = min(savepoints[index].openCount, open.count)
        savepoints.removeSubrange((index + 1)...)
        defer { open.removeSubrange(kept...) }
        return open[kept...].map { $0.outcome(.rolledBackToSavepoint) }
    }

    private mutating func end(_ transaction: OutcomeNote.TransactionEnd, gid: String? = nil) -> [OutcomeNote] {
        defer {
            open.removeAll()
            savepoints.removeAll()
        }
        return open.map { statement in
            guard statement.sqlState == nil else { return statement.outcome(.rolledBack) }
            var outcome = statement.outcome(transaction)
            outcome.gid = gid
            return outcome
        }
    }
}

extension AuditedStatement {
    func outcome(_ transaction: OutcomeNote.TransactionEnd) -> OutcomeNote {
        OutcomeNote(
            id: id, commandTag: commandTag, sqlState: sqlState, message: message,
            rows: commandTag.flatMap(Self.rowCount), durationNanoseconds: finishedAt.map { $0 - startedAt },
            transaction: transaction)
    }

    /// The number at the end of a command tag (`INSERT 0 5`, `DELETE 3`), where it has one.
    private static func rowCount(_ tag: String) -> Int64? {
        tag.split(separator: " ").last.flatMap { Int64($0) }
    }
}
