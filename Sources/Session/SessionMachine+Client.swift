import Policy
import PostgresWire
import SQLParsing

extension SessionMachine {
    /// Looks at bytes from the client: all that have arrived and were neither forwarded nor dropped.
    ///
    /// - Parameter now: a monotonic clock in nanoseconds, asked only for audited statements.
    package mutating func consumeClient(
        _ bytes: UnsafeRawBufferPointer, judge: inout StatementJudge, now: () -> Int64
    ) -> RelayStep {
        var position = 0
        while true {
            switch clientState {
            case .forwarding(let remaining):
                let taken = min(remaining, bytes.count - position)
                position += taken
                guard taken == remaining else {
                    clientState = .forwarding(remaining - taken)
                    return RelayStep(forward: position, next: .wait(byteCount: 1))
                }
                clientState = .boundary
            case .discarding(let remaining, let replacement):
                let dropped = min(remaining, bytes.count - position)
                guard dropped == remaining else {
                    clientState = .discarding(remaining - dropped, replacement: replacement)
                    let next: RelayStep.Next =
                        dropped == 0 ? .wait(byteCount: 1) : .substitute(dropping: dropped, with: [])
                    return RelayStep(forward: position, next: next)
                }
                clientState = .boundary
                return RelayStep(forward: position, next: .substitute(dropping: dropped, with: replacement))
            case .inspecting(let message):
                let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
                let (taken, next) = inspect(message, rest, judge: &judge, now: now)
                position += taken
                if let next { return RelayStep(forward: position, next: next) }
            case .poisoning(let remaining):
                let dropped = min(remaining, bytes.count - position)
                clientState = dropped == remaining ? .boundary : .poisoning(remaining - dropped)
                if dropped == 0 && remaining > 0 { return RelayStep(forward: position, next: .wait(byteCount: 1)) }
                let poison = [UInt8](repeating: UInt8(ascii: "x"), count: dropped)
                return RelayStep(forward: position, next: .substitute(dropping: dropped, with: poison))
            case .awaitingTrail:
                return RelayStep(forward: position, next: .wait(byteCount: Int.max))
            case .decided(let decision):
                carryOut(decision)
            case .boundary:
                if !mayConsumeClient { return RelayStep(forward: position, next: .pause) }
                let header: FrameHeader
                do throws(WireFault) {
                    guard let found = try FrameSplitter.frontendHeader(in: bytes, at: position) else {
                        let needed = bytes.count == position ? 1 : FrameSplitter.headerByteCount
                        return RelayStep(forward: position, next: .wait(byteCount: needed))
                    }
                    header = found
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
                    if let next = try messageArrived(header, rest, judge: &judge, now: now) {
                        return RelayStep(forward: position, next: next)
                    }
                } catch {
                    return RelayStep(forward: position, next: .close(error))
                }
            }
        }
    }

    /// The audit trail has taken the intents of the message at the front, or cannot.
    ///
    /// - Parameter fault: why it cannot, in words for the client. A guarded session's statement is then refused.
    package mutating func trailAnswered(_ fault: String?) {
        guard case .awaitingTrail(var decision) = clientState else { return }
        if let fault, rules.isGuarded, let note = decision.note {
            refuseUnrecorded(&decision, note, fault)
        }
        clientState = .decided(decision)
    }

    /// Decides on the message that begins `rest`, or says what is missing for that.
    ///
    /// - Returns: nil once `clientState` says what happens to it.
    private mutating func messageArrived(
        _ header: FrameHeader, _ rest: UnsafeRawBufferPointer, judge: inout StatementJudge, now: () -> Int64
    ) throws(WireFault) -> RelayStep.Next? {
        guard let type = FrontendType(rawValue: header.type) else { throw .frontendType(header.type) }
        // Before the server has let the client in, nobody may make the proxy hold much.
        if !isAuthenticated && header.byteCount > FrameLimits.authentication + 1 {
            throw .frontendLength(type: header.type, length: header.byteCount - 1)
        }
        if let ended = question {
            question = nil
            if ended.state == .spent {
                // It has failed with its question, or the server will skip it.
                let needsSync = ended.hasFailed && ended.isForQuery && !ended.isSimple && ledger.push(.sync)
                clientState = .discarding(header.byteCount, replacement: needsSync ? WireWriter.sync : [])
                return nil
            }
            answer = ended
        }
        defer {
            if answer != nil { answer = nil }
            if answeredRelations != nil { answeredRelations = nil }
        }
        switch type {
        case .copyData, .authentication, .terminate, .flush:
            clientState = .forwarding(header.byteCount)
            return nil
        case .copyDone, .copyFail:
            forward(.copyEnd, header)
            return nil
        case .sync:
            forward(.sync, header)
            return nil
        case .describe:
            forward(.describe, header)
            return nil
        case .query:
            return try queryArrived(header, rest, judge: &judge, now: now)
        case .parse:
            return try parseArrived(header, rest, judge: &judge)
        case .bind:
            return try bindArrived(header, rest, judge: &judge)
        case .execute:
            return try executeArrived(header, rest, judge: &judge, now: now)
        case .close:
            return try closeArrived(header, rest)
        case .functionCall:
            return functionCallArrived(header, rest, judge: &judge, now: now)
        }
    }

    // MARK: - Simple query

    private mutating func queryArrived(
        _ header: FrameHeader, _ rest: UnsafeRawBufferPointer, judge: inout StatementJudge, now: () -> Int64
    ) throws(WireFault) -> RelayStep.Next? {
        let judgement: Judgement
        let text: UnsafeRawBufferPointer
        var names: Names?
        if header.byteCount > maximumStatementBytes {
            if !isReplication, let reading = settings.readingAhead {
                clientState = .inspecting(
                    StreamedMessage(
                        kind: .query, settings: reading, byteCount: header.byteCount,
                        prefix: FrameSplitter.headerByteCount))
                return nil
            }
            // The trail and the client are shown so much of it, however its bytes arrive.
            let head = min(header.byteCount, Self.oversizedHead)
            guard rest.count >= head else { return .wait(byteCount: head) }
            text = QueryMessage.text(in: UnsafeRawBufferPointer(rebasing: rest[..<head]))
            judgement = judge.judge(oversizedByteCount: header.byteCount, rules: rules)
        } else {
            guard rest.count >= header.byteCount else { return .wait(byteCount: header.byteCount) }
            text = QueryMessage.text(in: UnsafeRawBufferPointer(rebasing: rest[..<header.byteCount]))
            if !isReplication, let certain = settings.certain, judge.isPlain(text, settings: certain) {
                settings.mayChange()
                forward(.query, header)
                return nil
            }
            let readings = settings.readings(of: text)
            judgement =
                isReplication
                ? judge.judge(replicationCommand: text, readings: readings, rules: rules)
                : judge.judge(text, readings: readings, rules: rules)
            names = namesNow(of: judgement.facts, readings)
        }
        var joined = withExecutedNames(judgement, text: text, judge: &judge)
        switch consult(joined, isQuery: true, names: names, text: text, judge: judge) {
        case .judged(let final): joined = final
        case .waits(let next): return next
        }
        settings.mayChange()
        if joined.facts.isOrdinary, case .allow = joined.verdict, !joined.isAudited {
            forward(.query, header)
            return nil
        }
        return decide(
            MessageDecision(kind: .query, byteCount: header.byteCount), joined, text: text, now: now
        ) { .message(WireWriter.query($0.text)) }
    }

    /// Adds what `EXECUTE name` in the text would do, from the facts kept under the name.
    ///
    /// - Parameter text: the statements' text; they say where in it they stand unless there is but one.
    private func withExecutedNames(
        _ judgement: Judgement, text: UnsafeRawBufferPointer, judge: inout StatementJudge
    ) -> Judgement {
        guard !statements.isEmpty else { return judgement }
        var joined = judgement
        for (index, statement) in judgement.facts.statements.enumerated() {
            guard case .execute(let name) = statement.prepared else { continue }
            let key = Array(name.utf8.prefix(63))
            guard let record = statements.lookUp(key, segment: ledger.segment) else { continue }
            let range = statement.range.clamped(to: 0..<text.count)
            let isAlone = judgement.facts.statements.count == 1
            let part = isAlone ? text : UnsafeRawBufferPointer(rebasing: text[range])
            for inner in executed(record, by: part, judge: &judge).statements {
                joined.facts.statements[index].effects += inner.effects
                joined.facts.statements[index].classes.formUnion(inner.classes)
                if inner.runsStoredCode {
                    joined.facts.statements[index].runsStoredCode = true
                    joined.facts.statements[index].remarks += inner.remarks
                }
                joined.facts.classes.formUnion(inner.classes)
            }
        }
        return joined.facts == judgement.facts ? judgement : judge.judge(remembered: joined.facts, rules: rules)
    }

    // MARK: - Extended query

    private mutating func parseArrived(
        _ header: FrameHeader, _ rest: UnsafeRawBufferPointer, judge: inout StatementJudge
    ) throws(WireFault) -> RelayStep.Next? {
        let isOversized = header.byteCount > maximumStatementBytes
        // Never beyond this message: what comes behind it is another's.
        let head = isOversized ? min(header.byteCount, Self.oversizedHead) : header.byteCount
        guard rest.count >= head else { return .wait(byteCount: head) }
        guard let message = ParseMessage(UnsafeRawBufferPointer(rebasing: rest[..<head])) else {
            throw .layout(type: header.type)
        }
        if !isOversized, statements.isEmpty, let certain = settings.certain,
            judge.isPlain(message.text, settings: certain)
        {
            settings.mayChange()
            forward(.parse, header)
            return nil
        }
        let key = NameLedger.key(message.name)
        if isOversized, let reading = settings.readingAhead {
            clientState = .inspecting(
                StreamedMessage(
                    kind: .parse, settings: reading, name: key, byteCount: header.byteCount,
                    prefix: FrameSplitter.headerByteCount + message.name.count + 1))
            return nil
        }
        let readings = settings.readings(of: message.text)
        let judgement =
            isOversized
            ? judge.judge(oversizedByteCount: header.byteCount, rules: rules)
            : judge.judge(message.text, readings: readings, rules: rules)
        parseJudged(
            MessageDecision(kind: .parse, byteCount: header.byteCount), judgement, key: key, text: message.text,
            names: readings.settings.count == 1
                ? Names(areCertain: settings.certain != nil && settings.clientReadsUTF8) : nil,
            parameterized: parameterized(judgement.facts, message.text, readings, types: message.parameterTypes)
        ) { .message(WireWriter.parse(name: message.name, text: $0.text)) }
        return nil
    }

    /// Decides on a Parse: it is refused, or its name stands for the statement from here on.
    private mutating func parseJudged(
        _ undecided: MessageDecision, _ judgement: Judgement, key: [UInt8], text: UnsafeRawBufferPointer,
        names: Names? = nil, parameterized: ParameterizedText? = nil,
        replacement: (Refusal) -> MessageDecision.Replacement
    ) {
        settings.mayChange()
        var decision = undecided
        if case .block(let match) = judgement.verdict, !mayPassLater(judgement, names: names) {
            let note = ReplyNote()
            let refusal = refuse(match, judgement, text: text)
            note.refusal = refusal
            note.naming = .parsed(key, nil)
            decision.note = note
            decision.replacement = replacement(refusal)
            clientState = .decided(decision)
            return
        }
        let isOfInterest = !judgement.facts.isOrdinary || parameterized != nil
        let record = isOfInterest ? remember(judgement.facts, text, parameterized, names) : nil
        let definesNothing = record == nil && statements.isEmpty
        statements.define(key, record, segment: ledger.segment)
        if !definesNothing {
            let note = ReplyNote()
            note.naming = .parsed(key, record)
            if case .warn(let match) = judgement.verdict {
                note.notice = notice(match, judgement.facts, sql: record?.sql ?? "")
            }
            decision.note = note
        }
        clientState = .decided(decision)
    }

    private mutating func executeArrived(
        _ header: FrameHeader, _ rest: UnsafeRawBufferPointer, judge: inout StatementJudge, now: () -> Int64
    ) throws(WireFault) -> RelayStep.Next? {
        settings.mayChange()
        if portals.isEmpty {
            forward(.execute, header)
            return nil
        }
        guard rest.count >= header.byteCount else { return .wait(byteCount: header.byteCount) }
        guard let message = ExecuteMessage(UnsafeRawBufferPointer(rebasing: rest[..<header.byteCount])) else {
            throw .layout(type: header.type)
        }
        guard let record = portals.lookUp(NameLedger.key(message.portal), segment: ledger.segment) else {
            forward(.execute, header)
            return nil
        }
        let remembered = judge.judge(remembered: record.facts, rules: rules)
        var sql = record.sql
        return sql.withUTF8 { text in
            let text = UnsafeRawBufferPointer(text)
            var judgement = withExecutedNames(remembered, text: text, judge: &judge)
            let names =
                record.hasOneReading
                ? Names(
                    areSequence: false, areCertain: record.readsCertainly, arePlanned: true) : nil
            // What FETCH could have run was asked about when it was bound.
            if !isAskedAtBind(record.facts) {
                switch consult(judgement, isQuery: false, names: names, text: text, judge: judge) {
                case .judged(let final): judgement = final
                case .waits(let next): return next
                }
            }
            return decide(
                MessageDecision(kind: .execute, byteCount: header.byteCount), judgement, text: text,
                remembered: record, now: now
            ) { .message(WireWriter.execute(portal: $0.name)) }
        }
    }

    private mutating func closeArrived(
        _ header: FrameHeader, _ rest: UnsafeRawBufferPointer
    ) throws(WireFault) -> RelayStep.Next? {
        if statements.isEmpty && portals.isEmpty {
            forward(.close, header)
            return nil
        }
        guard rest.count >= header.byteCount else { return .wait(byteCount: header.byteCount) }
        guard let message = CloseMessage(UnsafeRawBufferPointer(rebasing: rest[..<header.byteCount])) else {
            throw .layout(type: header.type)
        }
        let note = ReplyNote()
        let key = NameLedger.key(message.name)
        note.naming = message.isStatement ? .closedStatement(key) : .closedPortal(key)
        clientState = .decided(MessageDecision(kind: .close, byteCount: header.byteCount, note: note))
        return nil
    }

    // MARK: - Messages too large to be held

    /// Reads a piece of a large message, and decides on it when its text has ended.
    ///
    /// - Returns: how much of the piece may be forwarded, and what comes then; nil once `clientState` says it.
    private mutating func inspect(
        _ message: StreamedMessage, _ piece: UnsafeRawBufferPointer, judge: inout StatementJudge, now: () -> Int64
    ) -> (taken: Int, next: RelayStep.Next?) {
        let prefix = min(message.prefix, piece.count)
        message.prefix -= prefix
        let end = min(message.remaining, piece.count)
        let text = UnsafeRawBufferPointer(rebasing: piece[prefix..<end])
        guard let length = text.firstIndexOfNUL else {
            message.condenser.feed(text)
            message.remaining -= end
            if message.remaining > 0 { return (end, .wait(byteCount: 1)) }
            // A text without an end: the server fails it, so there is nothing to judge.
            _ = ledger.push(message.kind)
            clientState = .boundary
            return (end, nil)
        }
        message.condenser.feed(UnsafeRawBufferPointer(rebasing: text[..<length]))
        message.remaining -= prefix + length
        return (prefix + length, decide(message, judge: &judge, now: now))
    }

    /// The text of a large message has been read to its end; its terminator and what comes behind are still here.
    private mutating func decide(
        _ message: StreamedMessage, judge: inout StatementJudge, now: () -> Int64
    ) -> RelayStep.Next? {
        var judgement = judge.judge(oversizedByteCount: message.byteCount, rules: rules)
        var short = Array("-- a statement of \(message.byteCount) bytes that cannot be shortened".utf8)
        if let condensed = message.condenser.finish() {
            short = condensed
            judgement = condensed.withUnsafeBytes {
                judge.judge($0, readings: LexicalReadings(message.condenser.settings), rules: rules)
            }
            let remark = "the text has \(message.byteCount) bytes and is shortened here by long literals and rows"
            for index in judgement.facts.statements.indices { judgement.facts.statements[index].remarks.append(remark) }
        }
        let decision = MessageDecision(kind: message.kind, byteCount: message.remaining, isStreamed: true)
        return short.withUnsafeBytes { text -> RelayStep.Next? in
            if message.kind == .parse {
                parseJudged(decision, judgement, key: message.name, text: text) { _ in .poison }
                return nil
            }
            settings.mayChange()
            let joined = withExecutedNames(judgement, text: text, judge: &judge)
            return decide(decision, joined, text: text, now: now) { _ in .poison }
        }
    }

    // MARK: - Function call

    private mutating func functionCallArrived(
        _ header: FrameHeader, _ rest: UnsafeRawBufferPointer, judge: inout StatementJudge, now: () -> Int64
    ) -> RelayStep.Next? {
        let available = UnsafeRawBufferPointer(rebasing: rest.prefix(header.byteCount))
        let needed = min(header.byteCount, FrameSplitter.headerByteCount + 4)
        guard available.count >= needed else { return .wait(byteCount: needed) }
        settings.mayChange()
        let function = FunctionCallMessage.function(in: available) ?? 0
        let judgement = judge.judge(functionCall: function, rules: rules)
        if judgement.facts.isOrdinary {
            forward(.functionCall, header)
            return nil
        }
        // The answer to a refused FunctionCall has the shape of a refused Query's: an error, then ReadyForQuery.
        var text = "function call of OID \(function)"
        return text.withUTF8 { text in
            decide(
                MessageDecision(kind: .functionCall, byteCount: header.byteCount), judgement,
                text: UnsafeRawBufferPointer(text), now: now
            ) { .message(WireWriter.query($0.text)) }
        }
    }

    // MARK: - Decisions

    /// How much of an oversized message is looked at.
    private static let oversizedHead = 1024 + FrameLimits.name

    /// Forwards a message that nobody has to look into.
    mutating func forward(_ kind: ReplyLedger.Kind, _ header: FrameHeader) {
        _ = ledger.push(kind)
        clientState = .forwarding(header.byteCount)
    }

    /// Notes what the server will owe and begins to forward the message, or to throw it away.
    private mutating func carryOut(_ decision: MessageDecision) {
        if let refusal = decision.note?.refusal { openRefusals.append(refusal) }
        if !ledger.push(decision.kind, note: decision.note), let note = decision.note {
            skipped(note)
        }
        switch decision.replacement {
        case .none: clientState = .forwarding(decision.byteCount)
        case .message(let replacement):
            clientState = .discarding(decision.byteCount, replacement: replacement)
        case .poison: clientState = .poisoning(decision.byteCount)
        }
    }

    /// Refuses, records, or lets go a message that runs statements.
    private mutating func decide(
        _ undecided: MessageDecision, _ judgement: Judgement, text: UnsafeRawBufferPointer,
        remembered: RememberedStatement? = nil, now: () -> Int64,
        replacement: (Refusal) -> MessageDecision.Replacement
    ) -> RelayStep.Next? {
        var decision = undecided
        let note = ReplyNote()
        decision.note = note
        if case .block(let match) = judgement.verdict {
            let refusal = refuse(match, judgement, text: text)
            note.refusal = refusal
            decision.replacement = replacement(refusal)
            clientState = .decided(decision)
            return nil
        }
        note.statements = judgement.facts.statements
        if judgement.facts.statements.contains(where: \.definesName) {
            let record =
                remembered
                ?? remember(
                    judgement.facts, text, parameterized(judgement.facts, text, settings.readings(of: text)),
                    settings.certain.map { _ in Names(areCertain: settings.clientReadsUTF8) })
            note.remembered = record
            for statement in record.facts.statements {
                if case .prepare(let name) = statement.prepared {
                    statements.mayDefine(Array(name.utf8.prefix(63)), record)
                }
            }
        }
        guard judgement.isAudited else {
            clientState = .decided(decision)
            return nil
        }
        let intents = recordIntents(judgement, text: text, note: note, startedAt: now())
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
        clientState = .awaitingTrail(decision)
        return .record(intents)
    }

    /// One intent for each statement that belongs in the trail.
    private mutating func recordIntents(
        _ judgement: Judgement, text: UnsafeRawBufferPointer, note: ReplyNote, startedAt: Int64
    ) -> [StatementNote] {
        var intents: [StatementNote] = []
        for (index, statement) in judgement.facts.statements.enumerated() {
            let alone = TextFacts(classes: statement.classes, statements: [statement])
            let verdict = rules.verdict(on: alone)
            guard rules.isAudited(alone, verdict: verdict) else { continue }
            let id = nextID()
            note.audited.append((index, AuditedStatement(id: id, startedAt: startedAt)))
            // A lone statement is recorded with the comments around it.
            let range = statement.range.clamped(to: 0..<text.count)
            let isAlone = judgement.facts.statements.count == 1 || range.isEmpty
            let part = isAlone ? text : UnsafeRawBufferPointer(rebasing: text[range])
            intents.append(
                StatementNote(
                    event: .intent, id: id, command: statement.command, sql: redacted(part),
                    classes: statement.classes.names, objects: statement.objects, action: verdict.action,
                    rule: verdict.rule, remarks: statement.remarks))
        }
        return intents
    }

    mutating func refuse(
        _ match: RuleMatch, _ judgement: Judgement, text: UnsafeRawBufferPointer
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
                rule: match.rule, remarks: statements.flatMap(\.remarks)))
        return Refusal(id: id, fields: context(match, judgement.facts, sql: sql).fields(id: id))
    }

    /// The trail cannot take the intents: the message is refused after all.
    private mutating func refuseUnrecorded(_ decision: inout MessageDecision, _ note: ReplyNote, _ fault: String) {
        let facts = TextFacts(
            classes: note.statements.reduce(into: ClassSet()) { $0.formUnion($1.classes) }, statements: note.statements)
        let match = RuleMatch(
            rule: "the audit trail cannot be written", message: fault,
            hint: "Statements that must be recorded pass again as soon as the audit trail can be written.",
            statementIndex: note.audited.first?.index ?? 0, effects: [])
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

    private func context(_ match: RuleMatch, _ facts: TextFacts, sql: String) -> RefusalContext {
        RefusalContext(
            match: match, facts: facts, sql: sql, tag: rules.tag, subject: subject,
            clientReadsUTF8: settings.clientReadsUTF8, suspicion: suspicion)
    }

    private func remember(
        _ facts: TextFacts, _ text: UnsafeRawBufferPointer, _ parameterized: ParameterizedText? = nil,
        _ names: Names? = nil
    ) -> RememberedStatement {
        RememberedStatement(
            facts: facts, sql: redacted(text), parameterized: parameterized.map { [$0] } ?? [],
            hasOneReading: names != nil, readsCertainly: names?.areCertain ?? false)
    }

    private func redacted(_ text: UnsafeRawBufferPointer) -> String {
        SecretRedaction.redacted(text, settings: settings.readings(of: text).settings.first ?? LexicalSettings())
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
