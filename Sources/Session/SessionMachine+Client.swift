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
            if clientRemaining > 0 {
                let taken = min(clientRemaining, bytes.count - position)
                position += taken
                clientRemaining -= taken
                if clientRemaining > 0 { return RelayStep(forward: position, next: .wait(byteCount: 1)) }
            }
            switch clientState {
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
                    if forwarded(header) { continue }
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

    /// Forwards a message whose type alone says that nobody has to look into it: most of a session that runs statements
    /// prepared before.
    ///
    /// - Returns: whether it was such a message.
    @inline(__always)
    private mutating func forwarded(_ header: FrameHeader) -> Bool {
        guard isAuthenticated, question == nil else { return false }
        switch header.type {
        case UInt8(ascii: "S"):
            forward(.sync, header)
        case UInt8(ascii: "D"):
            forward(.describe, header)
        case UInt8(ascii: "B"):
            // No name stands for anything but an ordinary statement. Planning may run functions of the user's.
            guard statements.isEmpty, portals.isEmpty else { return false }
            settings.mayChange()
            forward(.bind, header)
        case UInt8(ascii: "E"):
            guard portals.isEmpty else { return false }
            settings.mayChange()
            forward(.execute, header)
        case UInt8(ascii: "d"):
            clientRemaining = header.byteCount
        default:
            return false
        }
        return true
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
                facts.settle()
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
            if answeredLosses != nil { answeredLosses = nil }
        }
        switch type {
        case .copyData, .authentication, .terminate:
            clientRemaining = header.byteCount
            return nil
        case .flush:
            // The server fails a Flush with a body and skips what follows, up to a Sync (`SocketBackend`,
            // `pq_getmsgend`): nothing is owed for a Flush that could tell of that.
            guard header.byteCount == FrameSplitter.headerByteCount else {
                throw .frontendLength(type: header.type, length: header.byteCount - 1)
            }
            clientRemaining = header.byteCount
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
        let isOversized = header.byteCount > maximumStatementBytes
        if isOversized || header.byteCount > Self.heldStatementBytes, !isReplication,
            let reading = settings.readingAhead
        {
            var isCondensed = isOversized
            if !isOversized {
                guard rest.count >= Self.oversizedHead else { return .wait(byteCount: Self.oversizedHead) }
                let head = QueryMessage.text(in: UnsafeRawBufferPointer(rebasing: rest[..<Self.oversizedHead]))
                isCondensed = StatementAnalyzer.mayBeCondensed(head)
            }
            if isCondensed {
                clientState = .inspecting(
                    StreamedMessage(
                        kind: .query, settings: reading, byteCount: header.byteCount,
                        prefix: FrameSplitter.headerByteCount, maximumStatementBytes: maximumStatementBytes))
                return nil
            }
        }
        if isOversized {
            // The trail and the client are shown so much of it, however its bytes arrive.
            let head = min(header.byteCount, Self.oversizedHead)
            guard rest.count >= head else { return .wait(byteCount: head) }
            text = QueryMessage.text(in: UnsafeRawBufferPointer(rebasing: rest[..<head]))
            judgement = judge.judge(oversizedByteCount: header.byteCount, rules: rules)
        } else {
            guard rest.count >= header.byteCount else { return .wait(byteCount: header.byteCount) }
            text = QueryMessage.text(in: UnsafeRawBufferPointer(rebasing: rest[..<header.byteCount]))
            var proof: PlainProof?
            // A text that takes long is not even lexed here.
            if !isReplication, !orders.includes(text), let certain = settings.certain,
                judge.isPlain(text, settings: certain, proof: &proof)
            {
                settings.mayChange()
                forward(.query, header)
                return nil
            }
            let readings = settings.readings(of: text)
            if isReplication {
                judgement = judge.judge(replicationCommand: text, readings: readings, rules: rules)
            } else {
                switch read(text, readings, after: proof, judge: &judge) {
                case .judged(let found): judgement = found
                case .waits(let next): return next
                }
            }
            if judgement.isOrdinary {
                facts.settle()
                settings.mayChange()
                forward(.query, header)
                return nil
            }
            names = namesNow(of: judgement.facts, readings)
        }
        var joined = withExecutedNames(judgement, text: text, judge: &judge)
        switch consult(joined, isQuery: true, names: names, text: text, judge: judge) {
        case .judged(let final): joined = final
        case .waits(let next): return next
        }
        facts.settle()
        settings.mayChange()
        if joined.isOrdinary {
            forward(.query, header)
            return nil
        }
        return decide(
            MessageDecision(kind: .query, byteCount: header.byteCount), joined, text: text, written: judgement.facts,
            now: now
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
        var head = min(header.byteCount, Self.oversizedHead)
        guard rest.count >= head else { return .wait(byteCount: head) }
        var reading: LexicalSettings?
        if isOversized || header.byteCount > Self.heldStatementBytes, let ahead = settings.readingAhead {
            let beginning = ParseMessage(UnsafeRawBufferPointer(rebasing: rest[..<head]))
            if isOversized || beginning.map({ StatementAnalyzer.mayBeCondensed($0.text) }) == true { reading = ahead }
        }
        if !isOversized, reading == nil { head = header.byteCount }
        guard rest.count >= head else { return .wait(byteCount: head) }
        guard let message = ParseMessage(UnsafeRawBufferPointer(rebasing: rest[..<head])) else {
            throw .layout(type: header.type)
        }
        var proof: PlainProof?
        if !isOversized, reading == nil, statements.holdsNothing(under: message.name), !orders.includes(message.text),
            let certain = settings.certain,
            judge.isPlain(message.text, settings: certain, proof: &proof)
        {
            settings.mayChange()
            forward(.parse, header)
            return nil
        }
        let key = NameLedger.key(message.name)
        if let reading {
            clientState = .inspecting(
                StreamedMessage(
                    kind: .parse, settings: reading, name: key, byteCount: header.byteCount,
                    prefix: FrameSplitter.headerByteCount + message.name.count + 1,
                    maximumStatementBytes: maximumStatementBytes))
            return nil
        }
        let readings = settings.readings(of: message.text)
        let judgement: Judgement
        if isOversized {
            judgement = judge.judge(oversizedByteCount: header.byteCount, rules: rules)
        } else {
            switch read(message.text, readings, after: proof, judge: &judge) {
            case .judged(let found): judgement = found
            case .waits(let next): return next
            }
            facts.settle()
        }
        parseJudged(
            MessageDecision(kind: .parse, byteCount: header.byteCount), judgement, key: key, text: message.text,
            names: readings.isOne
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
        let isOfInterest = !judgement.facts.leavesNothing || parameterized != nil
        let record = isOfInterest ? remember(judgement.facts, text, parameterized, names) : nil
        let definesNothing = record == nil && key.withUnsafeBytes { statements.holdsNothing(under: $0) }
        if !definesNothing {
            statements.define(key, record, segment: ledger.segment)
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
        guard let record = portals.lookUp(message.portal, segment: ledger.segment) else {
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
        let isFree =
            message.isStatement
            ? statements.holdsNothing(under: message.name) : portals.holdsNothing(under: message.name)
        if isFree {
            forward(.close, header)
            return nil
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
        if let condensed = message.shortText() {
            short = condensed
            let readings = LexicalReadings(message.condenser.settings)
            switch condensed.withUnsafeBytes({ read($0, readings, judge: &judge) }) {
            case .judged(let found): judgement = found
            case .waits(let next): return next
            }
            facts.settle()
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
}
