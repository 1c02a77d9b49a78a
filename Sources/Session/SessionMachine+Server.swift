import PostgresWire
import SQLParsing

extension SessionMachine {
    /// Looks at bytes from the server: all that have arrived and were neither forwarded nor dropped.
    ///
    /// - Parameter now: a monotonic clock in nanoseconds, asked only for audited statements.
    package mutating func consumeServer(_ bytes: UnsafeRawBufferPointer, now: () -> Int64) -> RelayStep {
        var position = 0
        while true {
            if serverRemaining > 0 {
                let taken = min(serverRemaining, bytes.count - position)
                position += taken
                serverRemaining -= taken
                if serverRemaining > 0 { return RelayStep(forward: position, next: .wait(byteCount: 1)) }
            }
            do throws(WireFault) {
                guard let header = try FrameSplitter.backendHeader(in: bytes, at: position) else {
                    let needed = bytes.count == position ? 1 : FrameSplitter.headerByteCount
                    return RelayStep(forward: position, next: .wait(byteCount: needed))
                }
                if question != nil {
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
                    if let next = answerArrived(header, rest) { return RelayStep(forward: position, next: next) }
                }
                // Rows are most of what comes, and say nothing.
                if header.type == BackendType.dataRow || header.type == BackendType.copyData {
                    if header.byteCount <= bytes.count - position {
                        position = Self.endOfAlike(bytes, from: position + header.byteCount, type: header.type)
                    } else {
                        serverRemaining = header.byteCount
                    }
                    continue
                }
                if !ledger.firstHasNote, passed(header, bytes, at: position) { continue }
                let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
                if let next = serverMessageArrived(header, rest, now: now) {
                    return RelayStep(forward: position, next: next)
                }
            } catch {
                return RelayStep(forward: position, next: .close(error))
            }
        }
    }

    /// Steps over rows that have arrived whole.
    ///
    /// - Returns: where the first message begins that is of another type, has not arrived whole, or has no valid length.
    @inline(__always)
    private static func endOfAlike(_ bytes: UnsafeRawBufferPointer, from start: Int, type: UInt8) -> Int {
        var position = start
        while bytes.count - position >= FrameSplitter.headerByteCount, bytes[position] == type {
            let length = Int(bytes.loadInt32(at: position + 1))
            guard length >= 4, length < bytes.count - position, length <= FrameLimits.backendMessage else { break }
            position += length + 1
        }
        return position
    }

    /// Lets a message pass that only takes what is owed for a message of the client's that nothing was noted for: what an
    /// ordinary statement is answered with.
    ///
    /// - Returns: whether it was such a message.
    @inline(__always)
    private mutating func passed(_ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, at position: Int) -> Bool {
        switch header.type {
        case BackendType.rowDescription, BackendType.noData:
            // Within a Query or behind an Execute a RowDescription completes nothing.
            if ledger.firstKind == .describe { ledger.pop() }
        case BackendType.bindComplete:
            guard ledger.firstKind == .bind else { return false }
            ledger.pop()
        case BackendType.parseComplete:
            guard ledger.firstKind == .parse else { return false }
            ledger.pop()
        case BackendType.commandComplete:
            guard transactions.isEmpty else { return false }
            switch ledger.firstKind {
            case .query: ledger.statementCompleted()
            case .execute:
                ledger.statementCompleted()
                ledger.pop()
            default: return false
            }
            activityEpoch &+= 1
        case BackendType.readyForQuery:
            guard header.byteCount == Self.readyByteCount, bytes.count - position >= header.byteCount else {
                return false
            }
            serverRemaining = header.byteCount
            readyForQuery(status: bytes[position + FrameSplitter.headerByteCount])
            return true
        default:
            return false
        }
        hasAnswered = true
        serverRemaining = header.byteCount
        return true
    }

    /// A ReadyForQuery's length.
    private static let readyByteCount = FrameSplitter.headerByteCount + 1

    /// The longest server message that is held whole to be read; longer ones pass unread.
    static let readableByteCount = 1 << 20

    /// - Returns: nil once `serverRemaining` says how much of the message passes.
    private mutating func serverMessageArrived(
        _ header: FrameHeader, _ rest: UnsafeRawBufferPointer, now: () -> Int64
    ) -> RelayStep.Next? {
        let needsBody =
            switch header.type {
            case BackendType.readyForQuery, BackendType.parameterStatus, BackendType.backendKeyData: true
            case BackendType.authentication: hidesChannelBinding && !isAuthenticated
            case BackendType.commandComplete: ledger.firstHasNote || !transactions.isEmpty
            case BackendType.errorResponse:
                ledger.firstHasNote || !transactions.isEmpty || !openRefusals.isEmpty || cancelHint != nil
            default: false
            }
        if needsBody && rest.count < header.byteCount && header.byteCount <= Self.readableByteCount {
            return .wait(byteCount: header.byteCount)
        }
        if let notice = pendingNotice(before: header) { return .substitute(dropping: 0, with: notice) }
        let message = UnsafeRawBufferPointer(rebasing: rest.prefix(header.byteCount))
        if header.type == BackendType.authentication, message.count == header.byteCount,
            let offer = offerWithoutChannelBinding(message)
        {
            return .substitute(dropping: header.byteCount, with: offer)
        }
        serverRemaining = header.byteCount
        if header.type != BackendType.readyForQuery { noteAnswer(header.type) }
        switch header.type {
        case BackendType.readyForQuery:
            readyForQuery(message)
        case BackendType.parameterStatus:
            parameterStatus(message)
        case BackendType.backendKeyData:
            var reader = WireReader(message, from: FrameSplitter.headerByteCount)
            if !isAuthenticated {
                backendProcessID = reader.int32()
                cancelKey = Array(message.dropFirst(FrameSplitter.headerByteCount).prefix(FrameLimits.cancelKey))
            }
        case BackendType.errorResponse:
            if let replacement = errorResponse(message, now: now) ?? cancelAnswered(by: message),
                message.count == header.byteCount
            {
                serverRemaining = 0
                return .substitute(dropping: header.byteCount, with: replacement)
            }
        case BackendType.commandComplete:
            commandComplete(message, now: now)
        case BackendType.emptyQueryResponse, BackendType.portalSuspended:
            replied(.execute)
        case BackendType.parseComplete:
            replied(.parse)
        case BackendType.bindComplete:
            replied(.bind)
        case BackendType.closeComplete:
            replied(.close)
        case BackendType.rowDescription, BackendType.noData:
            if ledger.firstKind == .describe { ledger.pop() }
        case BackendType.copyInResponse:
            ledger.copyInStarted()
        default:
            break
        }
        return nil
    }

    /// AuthenticationSASL's code (manual, "Message Formats").
    private static let saslOffer: Int32 = 10

    /// The server's offer without the mechanisms that bind to TLS, for a client that has none: libpq takes such an offer
    /// for an attack (`pg_SASL_init`, interfaces/libpq/fe-auth.c).
    private func offerWithoutChannelBinding(_ message: UnsafeRawBufferPointer) -> [UInt8]? {
        guard hidesChannelBinding, !isAuthenticated else { return nil }
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard reader.int32() == Self.saslOffer else { return nil }
        var kept: [String] = []
        var isBound = false
        while let mechanism = reader.string()?.text, !mechanism.isEmpty {
            if mechanism.hasSuffix("-PLUS") { isBound = true } else { kept.append(mechanism) }
        }
        return isBound && !kept.isEmpty ? WireWriter.saslOffer(mechanisms: kept) : nil
    }

    /// Anything but an asynchronous message belongs to what is owed.
    private mutating func noteAnswer(_ type: UInt8) {
        switch type {
        case BackendType.noticeResponse, BackendType.notificationResponse, BackendType.parameterStatus: break
        default: hasAnswered = true
        }
    }

    /// The warning of the statement whose first reply begins.
    private mutating func pendingNotice(before header: FrameHeader) -> [UInt8]? {
        switch header.type {
        case BackendType.noticeResponse, BackendType.notificationResponse, BackendType.parameterStatus,
            BackendType.errorResponse:
            return nil
        default:
            guard ledger.firstHasNote, let note = ledger.firstNote, let notice = note.notice else { return nil }
            note.notice = nil
            return notice
        }
    }

    /// A message that completes an extended-protocol request arrived. Within a Query it completes nothing.
    private mutating func replied(_ kind: ReplyLedger.Kind) {
        let first = ledger.firstKind
        if first == .query { return }
        guard first == kind else { return lostTrack() }
        guard let note = ledger.pop() else { return }
        switch note.naming {
        case .none: break
        case .parsed(let key, let record): statements.confirm(key, record)
        case .bound(let key, let record): portals.confirm(key, record)
        case .closedStatement(let key): statements.remove(key)
        case .closedPortal(let key): portals.remove(key)
        }
    }

    private mutating func commandComplete(_ message: UnsafeRawBufferPointer, now: () -> Int64) {
        activityEpoch &+= 1
        guard let kind = ledger.firstKind else { return }
        guard kind == .query || kind == .execute else { return lostTrack() }
        if ledger.firstHasNote || !transactions.isEmpty {
            var reader = WireReader(message, from: FrameSplitter.headerByteCount)
            let tag = reader.string()?.text ?? ""
            if let note = ledger.firstNote {
                completed(note, tag: tag, now: now)
            } else {
                outcomes += transactions.completed(tag: tag, control: .none)
            }
        }
        ledger.statementCompleted()
        if kind == .execute { ledger.pop() }
    }

    /// The server completed the next statement of a message.
    private mutating func completed(_ note: ReplyNote, tag: String, now: () -> Int64) {
        let index = note.completedCount
        note.completedCount += 1
        let facts = note.statements.indices.contains(index) ? note.statements[index] : nil
        outcomes += transactions.completed(tag: tag, control: facts?.transaction ?? .none)
        if case .endPrepared(let gid) = facts?.transaction, tag.hasSuffix(" PREPARED") {
            decidedTransactions.append(DecidedTransaction(gid: gid, isCommitted: tag == "COMMIT PREPARED"))
        }
        if let audited = note.audited.first(where: { $0.index == index })?.statement {
            audited.commandTag = tag
            audited.finishedAt = now()
            transactions.finished(audited)
        }
        if facts?.mustRunAlone == true { outcomes += transactions.ranAlone() }
        switch facts?.prepared ?? .none {
        case .prepare(let name):
            statements.confirm(Array(name.utf8.prefix(63)), note.remembered)
        case .deallocate(let name):
            statements.remove(Array(name.utf8.prefix(63)))
        case .deallocateAll:
            statements.removeAll()
        case .execute, .none:
            break
        }
    }

    /// - Returns: what the client is to see instead, if the error answers a refusal.
    private mutating func errorResponse(_ message: UnsafeRawBufferPointer, now: () -> Int64) -> [UInt8]? {
        let note = ledger.firstNote
        transactions.errorAnswered()
        var replacement: [UInt8]?
        if note != nil || !openRefusals.isEmpty {
            let fields = ErrorFields(message: message)
            replacement = refusalAnswered(by: fields, note).map { WireWriter.errorResponse($0.fields) }
            if let note { failed(note, fields, now: now) }
        }
        for skippedNote in ledger.errorAnswered() { skipped(skippedNote) }
        return replacement
    }

    /// The refusal that an error answers: the one whose mark it holds, wherever the ledger believes to be; else the one
    /// at the front, whose replacement left no room for a mark.
    private mutating func refusalAnswered(by fields: ErrorFields, _ note: ReplyNote?) -> Refusal? {
        if let index = openRefusals.firstIndex(where: { $0.isAnswered(by: fields.message) }) {
            defer { openRefusals.removeSubrange(...index) }
            return openRefusals[index]
        }
        guard let refusal = note?.refusal, !fields.isFatal else { return nil }
        openRefusals.removeAll { $0.id == refusal.id }
        return refusal
    }

    /// The statement of the message that the server was at failed; those behind it do not run.
    private mutating func failed(_ note: ReplyNote, _ fields: ErrorFields, now: () -> Int64) {
        for audited in note.audited where audited.statement.finishedAt == nil {
            let statement = audited.statement
            if audited.index == note.completedCount {
                statement.sqlState = fields.sqlState
                statement.message = SecretRedaction.redacted(message: fields.message, secrets: statement.secrets)
                statement.finishedAt = now()
                transactions.finished(statement)
            } else {
                notRun(statement)
            }
        }
        note.audited.removeAll { $0.statement.finishedAt == nil }
    }

    /// The server throws the message away unread.
    mutating func skipped(_ note: ReplyNote) {
        if let question = note.question { questionSkipped(question) }
        if let refusal = note.refusal { openRefusals.removeAll { $0.id == refusal.id } }
        for audited in note.audited { notRun(audited.statement) }
    }

    private mutating func notRun(_ statement: AuditedStatement) {
        statement.message = "not run: the server skipped it after an earlier error"
        outcomes.append(statement.outcome(.rolledBack))
    }

    private mutating func parameterStatus(_ message: UnsafeRawBufferPointer) {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let name = reader.string(), let value = reader.string() else { return }
        if !isAuthenticated, name.text == "in_hot_standby" { isInHotStandby = value.text == "on" }
        settings.reported(name: name.text, value: value.text)
    }

    mutating func readyForQuery(_ message: UnsafeRawBufferPointer) {
        readyForQuery(status: message.count >= Self.readyByteCount ? message[FrameSplitter.headerByteCount] : 0)
    }

    private mutating func readyForQuery(status byte: UInt8) {
        let hadAnswered = hasAnswered
        hasAnswered = false
        activityEpoch &+= 1
        if cancelHint != nil { cancelHint = nil }
        if isAuthenticated {
            if !hadAnswered, ledger.explainsIdleReady() { return }
            switch ledger.firstKind {
            case .query, .functionCall, .sync, .question:
                ledger.pop()
            case .parse, .bind, .describe, .execute, .close, .copyEnd, nil:
                lostTrack()
                for note in ledger.popSegment() { skipped(note) }
            }
        }
        isAuthenticated = true
        let status = TransactionStatus(rawValue: byte) ?? .failed
        setTransactionStatus(status)
        if status == .idle, !transactions.isEmpty {
            outcomes += transactions.readyIdle()
        } else {
            transactions.ready()
        }
        if ledger.isEmpty { settle(isIdle: status == .idle) }
    }

    /// The server is ready and owes nothing.
    @inline(__always)
    private mutating func settle(isIdle: Bool) {
        noteQuiet()
        settings.settled()
        if !openRefusals.isEmpty { openRefusals.removeAll() }
        if !statements.isSettled { statements.settle() }
        if !portals.isSettled { portals.settle() }
        // Portals end with their transaction; DECLARE … WITH HOLD can hold no statement that matters.
        if isIdle, !portals.isEmpty { portals.removeAll() }
    }

    /// A reply came that nothing owed. Names can no longer be told apart, so each may stand for any.
    private mutating func lostTrack() {
        statements.loseTrack()
        portals.loseTrack()
    }
}
