import Policy
import PostgresWire
import SQLParsing

/// What happens to a message of the client's: forwarded, recorded first, or replaced by one that the server fails.
extension SessionMachine {
    /// A longer statement is not held if it may be one of those that ``StatementCondenser`` makes short.
    static let heldStatementBytes = 256 << 10
    /// How much of an oversized message is looked at.
    static let oversizedHead = 1024 + FrameLimits.name

    /// Forwards a message that nobody has to look into.
    @inline(__always)
    mutating func forward(_ kind: ReplyLedger.Kind, _ header: FrameHeader) {
        _ = ledger.push(kind)
        clientRemaining = header.byteCount
    }

    /// Notes what the server will owe and begins to forward the message, or to throw it away.
    mutating func carryOut(_ decision: MessageDecision) {
        if let refusal = decision.note?.refusal { openRefusals.append(refusal) }
        if !ledger.push(decision.kind, note: decision.note), let note = decision.note {
            skipped(note)
        }
        switch decision.replacement {
        case .none:
            clientState = .boundary
            clientRemaining = decision.byteCount
        case .message(let replacement):
            clientState = .discarding(decision.byteCount, replacement: replacement)
        case .poison: clientState = .poisoning(decision.byteCount)
        }
    }

    /// Refuses, records, or lets go a message that runs statements.
    mutating func decide(
        _ undecided: MessageDecision, _ judgement: Judgement, text: UnsafeRawBufferPointer, written: TextFacts? = nil,
        remembered: RememberedStatement? = nil, now: () -> Int64,
        replacement: (Refusal) -> MessageDecision.Replacement
    ) -> RelayStep.Next? {
        var decision = undecided
        let note = ReplyNote()
        decision.note = note
        if case .block(let match) = judgement.verdict {
            let refusal = refuse(match, judgement, text: text, parameters: remembered?.parameters)
            note.refusal = refusal
            decision.replacement = replacement(refusal)
            clientState = .decided(decision)
            return nil
        }
        note.statements = judgement.facts.statements
        if judgement.facts.statements.contains(where: \.definesName) {
            // What its names mean may be another thing when it is executed.
            let facts = written ?? judgement.facts
            let record =
                remembered
                ?? remember(
                    facts, text, parameterized(facts, text, settings.readings(of: text)),
                    settings.certain.map { _ in Names(areCertain: settings.clientReadsUTF8) })
            note.remembered = record
            for statement in record.facts.statements {
                if case .prepare(let name) = statement.prepared {
                    statements.mayDefine(Array(name.utf8.prefix(63)), record)
                }
            }
        }
        let mayLose = wantsSnapshots && loses(judgement)
        guard judgement.isAudited || mayLose else {
            clientState = .decided(decision)
            return nil
        }
        let intents = recordIntents(
            judgement, text: text, remembered: remembered, note: note, startedAt: now())
        if opensGrants, let backendProcessID, let auditID = intents.first?.id,
            !judgement.facts.classes.isDisjoint(with: Self.grantedClasses)
        {
            // What code in the database does is not told by the names in the text.
            let isTold = judgement.facts.statements.allSatisfy { statement in
                statement.classes.isDisjoint(with: Self.grantedClasses)
                    || !statement.remarks.contains { $0.contains(" → ") }
            }
            grantRequest = GrantRequest(
                backend: backendProcessID, relations: isTold ? answeredRelations : nil, auditID: auditID)
        }
        if case .warn(let match) = judgement.verdict, remembered == nil {
            note.notice = notice(match, judgement.facts, sql: intents.first?.sql ?? "")
        }
        if mayLose { requestSnapshot(judgement, intents: intents) }
        clientState = .awaitingTrail(decision)
        return .record(intents)
    }

    /// One intent for each statement that belongs in the trail.
    mutating func recordIntents(
        _ judgement: Judgement, text: UnsafeRawBufferPointer, remembered: RememberedStatement?, note: ReplyNote,
        startedAt: Int64
    ) -> [StatementNote] {
        var intents: [StatementNote] = []
        // The server's error about one statement of a text that does not parse can quote any other.
        let ofOthers = judgement.facts.statements.count > 1 ? withoutSecrets(text).secrets : []
        for (index, statement) in judgement.facts.statements.enumerated() {
            let alone = TextFacts(classes: statement.classes, statements: [statement])
            let verdict = rules.verdict(on: alone)
            guard rules.isAudited(alone, verdict: verdict) else { continue }
            let id = nextID()
            // A lone statement is recorded with the comments around it.
            let range = statement.range.clamped(to: 0..<text.count)
            let isAlone = judgement.facts.statements.count == 1 || range.isEmpty
            let part = isAlone ? text : UnsafeRawBufferPointer(rebasing: text[range])
            let shown = withoutSecrets(part)
            let secrets = shown.secrets + ofOthers + (remembered?.secrets ?? [])
            let audited = AuditedStatement(id: id, startedAt: startedAt, secrets: secrets)
            audited.mayCommit = statement.mayCommit
            note.audited.append((index, audited))
            intents.append(
                StatementNote(
                    event: .intent, id: id, command: statement.command, sql: shown.text,
                    classes: statement.classes.names, objects: statement.objects, action: verdict.action,
                    rule: verdict.rule, remarks: statement.remarks, losses: statement.losses,
                    parameters: remembered?.parameters))
        }
        return intents
    }

    mutating func refuse(
        _ match: RuleMatch, _ judgement: Judgement, text: UnsafeRawBufferPointer, parameters: [String?]? = nil
    ) -> Refusal {
        suspicion.refused(judgement.facts, text: text)
        let id = nextID()
        let sql = redacted(text)
        let statements = judgement.facts.statements
        let refused = statements.indices.contains(match.statementIndex) ? statements[match.statementIndex] : nil
        refusalNotes.append(
            StatementNote(
                event: .refusal, id: id, command: refused?.command ?? "", sql: sql,
                classes: judgement.facts.classes.names, objects: statements.flatMap(\.objects), action: .block,
                rule: match.rule, remarks: statements.flatMap(\.remarks),
                losses: .sum(statements.compactMap(\.losses)), parameters: parameters))
        return Refusal(id: id, fields: context(match, judgement.facts, sql: sql).fields(id: id))
    }

    /// The trail cannot take the intents: the message is refused after all.
    mutating func refuseUnrecorded(_ decision: inout MessageDecision, _ note: ReplyNote, _ fault: String) {
        refuseHeld(
            &decision, note, rule: "the audit trail cannot be written", message: fault,
            hint: "Statements that must be recorded pass again as soon as the audit trail can be written.")
    }

    /// A message that waited for something else is refused after all.
    mutating func refuseHeld(
        _ decision: inout MessageDecision, _ note: ReplyNote, rule: String, message: String, hint: String
    ) {
        let facts = TextFacts(
            classes: note.statements.reduce(into: ClassSet()) { $0.formUnion($1.classes) }, statements: note.statements)
        let match = RuleMatch(
            rule: rule, message: message, hint: hint, statementIndex: note.audited.first?.index ?? 0, effects: [])
        let judgement = Judgement(facts: facts, verdict: .block(match), isAudited: true)
        let label = note.remembered?.sql ?? note.statements.map(\.command).joined(separator: "; ")
        var text = label
        let refusal = text.withUTF8 { refuse(match, judgement, text: UnsafeRawBufferPointer($0)) }
        note.refusal = refusal
        note.audited = []
        note.statements = []
        note.notice = nil
        decision.replacement =
            decision.isStreamed
            ? .poison
            : .message(
                decision.kind == .execute
                    ? WireWriter.execute(portal: refusal.name) : WireWriter.query(refusal.text))
    }

    mutating func notice(_ match: RuleMatch, _ facts: TextFacts, sql: String) -> [UInt8] {
        WireWriter.noticeResponse(context(match, facts, sql: sql).notice(id: nextID()))
    }

    func context(_ match: RuleMatch, _ facts: TextFacts, sql: String) -> RefusalContext {
        RefusalContext(
            match: match, facts: facts, sql: sql, tag: rules.tag, configuredTag: rules.configuredTag, subject: subject,
            clientReadsUTF8: settings.clientReadsUTF8, suspicion: suspicion)
    }

    func remember(
        _ facts: TextFacts, _ text: UnsafeRawBufferPointer, _ parameterized: ParameterizedText? = nil,
        _ names: Names? = nil
    ) -> RememberedStatement {
        let shown = withoutSecrets(text)
        return RememberedStatement(
            facts: facts, sql: shown.text, secrets: shown.secrets, parameterized: parameterized.map { [$0] } ?? [],
            hasOneReading: names != nil, readsCertainly: names?.areCertain ?? false)
    }

    /// The text without its secrets, whichever way the server reads it.
    func redacted(_ text: UnsafeRawBufferPointer) -> String { withoutSecrets(text).text }

    private func withoutSecrets(_ text: UnsafeRawBufferPointer) -> SecretRedaction.Result {
        let readings = settings.readings(of: text).settings
        var result = SecretRedaction.result(text, settings: readings.first ?? LexicalSettings())
        for reading in readings.dropFirst() {
            // It is UTF-8 by now.
            let next = LexicalSettings(standardConformingStrings: reading.standardConformingStrings)
            var once = result.text
            let again = once.withUTF8 { SecretRedaction.result(UnsafeRawBufferPointer($0), settings: next) }
            result.text = again.text
            result.secrets += again.secrets
        }
        return result
    }
}

extension StatementFacts {
    /// The objects that the statement names, each once.
    var objects: [ObjectName] {
        var seen = Set<ObjectName>()
        return effects.compactMap(\.object).filter { seen.insert($0).inserted }
    }

    /// PREPARE.
    var definesName: Bool {
        if case .prepare = prepared { return true }
        return false
    }
}

extension Verdict {
    var rule: String? {
        switch self {
        case .allow: nil
        case .warn(let match), .block(let match): match.rule
        }
    }
}
