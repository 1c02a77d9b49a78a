import Policy
import PostgresWire
import SQLParsing

/// The server is asked what a message's names mean, on the client's own connection, before the message is judged finally.
///
/// The client notices nothing but the time of one round trip: the question's replies are thrown away, its names are no
/// client's, and it runs in the transaction that the message itself would run in. A question that the server fails is
/// the message's own failure: the client gets that error in its place, and the message is not forwarded.
extension SessionMachine {
    /// What becomes of a judgement that the server's answer could change.
    enum Consultation {
        /// The final judgement.
        case judged(Judgement)
        /// The message waits; the step to take instead of looking at it.
        case waits(RelayStep.Next)
    }

    /// How a message's names are looked up.
    struct Names {
        /// The statements run in order; else one of them does, and nobody knows which.
        var areSequence = true
        /// The server reads the names as they stand in the facts.
        var areCertain: Bool
        /// The message's statements were parsed, and perhaps planned, before.
        var arePlanned = false
    }

    /// Of a text that has just come. A Query waits for all replies before it asks, and is then read for certain.
    func namesNow(of facts: TextFacts, _ readings: LexicalReadings) -> Names? {
        let willBeCertain = settings.certain != nil || (!ledger.isEmpty && !ledger.isMidSegment)
        var names = Names(areCertain: settings.clientReadsUTF8 && willBeCertain)
        guard readings.isOne || willBeCertain else { return nil }
        for statement in facts.statements {
            guard case .execute(let name) = statement.prepared else { continue }
            names.arePlanned = true
            names.areCertain = false
            let record = statements.lookUp(Array(name.utf8.prefix(63)), segment: ledger.segment)
            if let record, !record.hasOneReading { return nil }
        }
        return names
    }

    /// The client's next message may be looked at.
    package var mayConsumeClient: Bool {
        guard let question else { return !ledger.isFull }
        switch question.state {
        case .asked: return false
        case .settling: return ledger.isEmpty || ledger.isCopyingIn || ledger.isSkipping || ledger.isInDoubt
        case .answered, .spent: return !ledger.isFull
        }
    }

    /// Judges with the server's answer if there is one, and asks for it if it could change the verdict.
    mutating func consult(
        _ judgement: Judgement, isQuery: Bool, names: Names?, text: UnsafeRawBufferPointer,
        judge: borrowing StatementJudge
    ) -> Consultation {
        guard let names, rules.isGuarded || opensGrants || wantsSnapshots, isAuthenticated, !isReplication,
            isWorthAsking(judgement),
            let asked = CatalogQuestion(
                judgement.facts, isSequence: names.areSequence, readsCertainly: names.areCertain,
                isPlanned: names.arePlanned)
        else { return .judged(judgement) }
        if let answer, answer.state == .answered {
            guard answer.question == asked else { return .judged(judgement) }
            let resolution = NameResolution(question: asked, answer: answer.answer)
            answeredRelations = resolution.relations
            if wantsSnapshots { answeredLosses = resolution.losses }
            let rules = rules
            let facts = resolution.resolved(judgement.facts) { effect in
                let alone = StatementFacts(
                    range: 0..<0, command: "", classes: ClassSet(effect.statementClass), effects: [effect])
                return rules.verdict(on: TextFacts(classes: alone.classes, statements: [alone])).action == .allow
            }
            return .judged(judge.judge(remembered: facts, rules: self.rules))
        }
        return put(asked, judgement, isQuery: isQuery, text: text)
    }

    /// Whether a statement of these facts is left to its Execute (a utility statement's) or Bind: the answer then could let
    /// it pass.
    func mayPassLater(_ judgement: Judgement, names: Names?) -> Bool {
        guard let names, rules.isGuarded, isAuthenticated, !isReplication, judgement.facts.statements.count == 1,
            let statement = judgement.facts.statements.first, statement.isUtility || statement.isPlannedChange,
            isWorthAsking(judgement)
        else { return false }
        return CatalogQuestion(
            judgement.facts, isSequence: true, readsCertainly: names.areCertain, isPlanned: true) != nil
    }

    /// Whether the server could be asked about a statement's names at all.
    package static func canAsk(about facts: TextFacts) -> Bool {
        CatalogQuestion(facts, isSequence: true, readsCertainly: true, isPlanned: true) != nil
    }

    /// A statement whose rows go by FETCH as well: asked about when its portal is made.
    func isAskedAtBind(_ facts: TextFacts) -> Bool {
        facts.statements.contains { $0.isPlannedChange && !$0.classes.isDisjoint(with: CatalogQuestion.askableClasses) }
    }

    /// The rules decide otherwise once the names are known; or much may go, and the trail should say what.
    private func isWorthAsking(_ judgement: Judgement) -> Bool {
        switch judgement.verdict {
        case .allow:
            return !judgement.facts.classes.isDisjoint(with: Self.recordedLosses)
                || (opensGrants && !judgement.facts.classes.isDisjoint(with: Self.grantedClasses))
                || (wantsSnapshots && !judgement.facts.classes.isDisjoint(with: snapshotClasses ?? []))
        case .warn, .block: break
        }
        var best = judgement.facts
        best.classes.subtract(CatalogQuestion.liftableClasses)
        for index in best.statements.indices {
            best.statements[index].classes.subtract(CatalogQuestion.liftableClasses)
            best.statements[index].effects.removeAll { CatalogQuestion.liftableClasses.contains($0.statementClass) }
        }
        return rules.verdict(on: best).action != .block
    }

    /// What the guard inside the database lets pass with a grant only.
    static let grantedClasses = ClassGroup.tableLoss.classes.union(
        ClassSet([
            .truncate, .dropColumn, .alterColumnType, .overwriteColumn, .dropType, .dropOther, .cascadeDependents,
        ])
    ).union(ClassGroup.opaque.classes)

    private static let recordedLosses = ClassSet([
        .dropTable, .dropSchema, .dropOwned, .dropExtension, .dropMaterializedView, .cascade, .truncate,
    ])

    /// Sends the question, or waits until it can be sent.
    private mutating func put(
        _ asked: CatalogQuestion, _ judgement: Judgement, isQuery: Bool, text: UnsafeRawBufferPointer
    ) -> Consultation {
        guard transactionStatus != .failed, !ledger.isCopyingIn, !ledger.isSkipping, !ledger.isInDoubt else {
            return .judged(judgement)
        }
        // A question put as a Query would end the implicit transaction of what came before in the segment.
        let isSimple = isQuery && !ledger.isMidSegment
        if isSimple ? !ledger.isEmpty : !ledger.owesOnlyPreparation {
            // A COPY FROM STDIN may be about to begin, and would swallow the question.
            question = OpenQuestion(state: .settling, question: nil, isSimple: isSimple, isForQuery: isQuery)
            return .waits(ledger.isMidSegment ? .substitute(dropping: 0, with: WireWriter.flush) : .pause)
        }
        guard !isSimple || settings.certain != nil else { return .judged(judgement) }
        var refusal: (match: RuleMatch, judgement: Judgement, sql: String)?
        if case .block(let match) = judgement.verdict {
            refusal = (
                match, judgement, SecretRedaction.redacted(text, settings: settings.certain ?? LexicalSettings())
            )
        }
        let open = OpenQuestion(
            state: .asked, question: asked, isSimple: isSimple, isForQuery: isQuery, refusal: refusal)
        let note = ReplyNote()
        note.question = open
        guard ledger.push(.question, note: note) else { return .judged(judgement) }
        question = open
        let sql = CatalogQuestionText.text(of: asked)
        if isSimple { return .waits(.substitute(dropping: 0, with: WireWriter.query(sql))) }
        let name = "holdfast asks [\(nextID())]"
        return .waits(.substitute(dropping: 0, with: WireWriter.runOnce(sql, as: name)))
    }

    // MARK: - The server's side

    /// Takes a message that answers the question at the front of what is owed.
    ///
    /// - Returns: nil for a message that is none of the answer, or that the client is to see.
    mutating func answerArrived(_ header: FrameHeader, _ rest: UnsafeRawBufferPointer) -> RelayStep.Next? {
        guard ledger.firstKind == .question, let open = ledger.firstNote?.question else { return nil }
        switch header.type {
        case BackendType.parameterStatus, BackendType.notificationResponse: return nil
        default: break
        }
        guard rest.count >= header.byteCount else {
            // Rows hold a few names each; only an error could be long.
            return header.byteCount > Self.readableByteCount
                ? .close(.backendLength(type: header.type, length: header.byteCount))
                : .wait(byteCount: header.byteCount)
        }
        let message = UnsafeRawBufferPointer(rebasing: rest[..<header.byteCount])
        switch header.type {
        case BackendType.noticeResponse:
            let severity = ErrorFields(message: message).severity
            if severity == "WARNING" { return nil }
        case BackendType.dataRow:
            open.answer.add(row: message)
        case BackendType.closeComplete:
            open.closesOwed -= 1
            if !open.isSimple, open.closesOwed == 0 {
                ledger.pop()
                answered(open)
            }
        case BackendType.readyForQuery:
            guard !open.hasFailed else { return nil }
            readyForQuery(message)
            answered(open)
        case BackendType.errorResponse:
            return questionFailed(open, message)
        default:
            break
        }
        return .substitute(dropping: header.byteCount, with: [])
    }

    private mutating func answered(_ open: OpenQuestion) {
        if let backend = open.answer.backend { backendProcessID = backend }
        if open.state == .asked { open.state = .answered }
    }

    /// The client gets its refusal, unless the error is about the session rather than the question: cancelled, timed out,
    /// deadlocked, shutting down. With that its message has failed.
    private mutating func questionFailed(_ open: OpenQuestion, _ message: UnsafeRawBufferPointer) -> RelayStep.Next? {
        let fields = ErrorFields(message: message)
        open.state = .spent
        open.hasFailed = true
        transactions.errorAnswered()
        hasAnswered = true
        for skippedNote in ledger.errorAnswered() { skipped(skippedNote) }
        let isOfSession =
            fields.isFatal || ["57", "40", "53", "55", "58", "XX"].contains(String(fields.sqlState.prefix(2)))
        guard !isOfSession, let refusal = open.refusal else {
            return .substitute(dropping: message.count, with: cancelAnswered(by: message) ?? Array(message))
        }
        var judgement = refusal.judgement
        let remark = "The server could not be asked what the names mean: \(fields.message)"
        for index in judgement.facts.statements.indices { judgement.facts.statements[index].remarks.append(remark) }
        var sql = refusal.sql
        let refused = sql.withUTF8 { refuse(refusal.match, judgement, text: UnsafeRawBufferPointer($0)) }
        return .substitute(dropping: message.count, with: WireWriter.errorResponse(refused.fields))
    }

    /// An earlier message failed: the server skips the question, and the message behind it.
    func questionSkipped(_ open: OpenQuestion) { open.state = .spent }
}

extension CatalogQuestion {
    /// The classes that an answer can take away from a text.
    static let liftableClasses = askableClasses.union(ClassSet([.cascade, .cascadeDependents]))
}
