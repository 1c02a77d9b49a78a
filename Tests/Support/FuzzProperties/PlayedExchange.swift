import Policy
import PostgresWire
import SQLParsing
import Session

/// A session machine between two queues, as the driver runs it, and what was seen on either side.
struct PlayedExchange: ~Copyable {
    /// What an exchange comes to.
    struct Seen {
        var toServer: [UInt8] = []
        var toClient: [UInt8] = []
        /// What the trail was told, without texts: a large statement's is shortened where its pieces end.
        var notes: [String] = []
        var fault: WireFault?
        /// What the machine must not do.
        var violation: String?
    }

    /// Small, so that small inputs hold messages that are too large to be held.
    private static let maximumStatementBytes = 96
    /// No piece may take more steps than it has bytes, but for the few that take none.
    private static let idleStepLimit = 16

    private(set) var seen = Seen()
    private var machine: SessionMachine
    private var judge = StatementJudge()
    private var otherJudge = StatementJudge()
    private let rules: SubjectRules
    private let trailFails: Bool
    private var fromClient: [UInt8] = []
    private var fromServer: [UInt8] = []
    /// Where in `toServer` messages begin that the machine made.
    private var ownMessages = Set<Int>()

    init(trailFails: Bool) {
        let subject = Subject(
            database: "app", user: "ann", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
        let guarded = ClassGroup.tableLoss.classes.union(ClassGroup.escape.classes).union(ClassGroup.opaque.classes)
        rules = RuleSet(version: 1, rules: [Rule(name: "keep tables", classes: [guarded], action: .block)])
            .rules(for: subject)
        let packet: [UInt8] = [0, 0, 0, 18, 0, 3, 0, 0] + Array("user\0ann\0\0".utf8)
        let parameters = packet.withUnsafeBytes { try? StartupParameters(packet: $0) }
        guard let parameters else { preconditionFailure("our own startup packet is wrong") }
        machine = SessionMachine(
            sessionID: SessionID(0x0123_4567_89ab_cdef), subject: subject, parameters: parameters, rules: rules,
            maximumStatementBytes: Self.maximumStatementBytes)
        self.trailFails = trailFails
        // In half of the exchanges every text is read elsewhere.
        machine.orders = trailFails ? .all : .none
    }

    /// Bytes arrive from one side, in pieces.
    mutating func take(_ bytes: [UInt8], isClient: Bool, pieceSize: Int) {
        var start = 0
        while start < bytes.count, seen.fault == nil, seen.violation == nil {
            let end = pieceSize < bytes.count - start ? start + pieceSize : bytes.count
            if isClient {
                fromClient += bytes[start..<end]
                pumpClient()
            } else {
                fromServer += bytes[start..<end]
                pumpServer()
            }
            start = end
        }
        // The driver looks at the client again when the server has said something.
        if !isClient { pumpClient() }
    }

    /// The connection ends; then everything that the server was given is judged once more.
    mutating func end() {
        machine.connectionEnded()
        takeNotes()
        if seen.violation == nil { seen.violation = passedViolation() }
    }

    private mutating func pumpClient() {
        var idleSteps = 0
        while seen.fault == nil, seen.violation == nil {
            let held = fromClient
            let step = held.withExactBytes { machine.consumeClient($0, judge: &judge, now: { 0 }) }
            guard checked(step, held: fromClient.count, side: "client"), idleSteps < Self.idleStepLimit else {
                seen.violation = seen.violation ?? "the client's side makes no progress"
                return
            }
            seen.toServer += fromClient.prefix(step.forward)
            fromClient.removeFirst(step.forward)
            idleSteps = step.forward == 0 ? idleSteps + 1 : 0
            takeNotes()
            switch step.next {
            case .wait, .pause: return
            case .substitute(let dropping, let replacement):
                if dropping > 0 { idleSteps = 0 }
                fromClient.removeFirst(dropping)
                if replacement.first == UInt8(ascii: "Q") || replacement.first == UInt8(ascii: "P")
                    || replacement.first == UInt8(ascii: "E")
                {
                    ownMessages.insert(seen.toServer.count)
                }
                seen.toServer += replacement
            case .record(let notes):
                for note in notes { seen.notes.append("intent \(note.id) \(note.command) \(note.classes)") }
                machine.trailAnswered(trailFails ? "the disk is full" : nil)
                takeNotes()
            case .order(let order): machine.factsDelivered(otherJudge.deliver(order))
            case .close(let fault): seen.fault = fault
            }
        }
    }

    private mutating func pumpServer() {
        var idleSteps = 0
        while seen.fault == nil, seen.violation == nil {
            let held = fromServer
            let step = held.withExactBytes { machine.consumeServer($0, now: { 0 }) }
            guard checked(step, held: fromServer.count, side: "server"), idleSteps < Self.idleStepLimit else {
                seen.violation = seen.violation ?? "the server's side makes no progress"
                return
            }
            seen.toClient += fromServer.prefix(step.forward)
            fromServer.removeFirst(step.forward)
            idleSteps = step.forward == 0 ? idleSteps + 1 : 0
            takeNotes()
            switch step.next {
            case .wait, .pause, .record, .order: return
            case .substitute(let dropping, let replacement):
                if dropping > 0 { idleSteps = 0 }
                fromServer.removeFirst(dropping)
                seen.toClient += replacement
            case .close(let fault): seen.fault = fault
            }
        }
    }

    /// A step stays within the bytes that are held, and waits for more than these only.
    private mutating func checked(_ step: RelayStep, held: Int, side: String) -> Bool {
        let left = held - step.forward
        if step.forward < 0 || left < 0 {
            seen.violation = "\(step.forward) of the \(side)'s \(held) bytes are forwarded"
        }
        switch step.next {
        case .wait(let byteCount) where byteCount <= left:
            seen.violation = "the \(side)'s side waits for \(byteCount) bytes and holds \(left)"
        case .substitute(let dropping, _) where dropping < 0 || dropping > left:
            seen.violation = "\(dropping) of the \(side)'s \(left) bytes are dropped"
        case .wait, .substitute, .record, .order, .pause, .close: break
        }
        return seen.violation == nil
    }

    private mutating func takeNotes() {
        for note in machine.takeRefusals() { seen.notes.append("refusal \(note.id) \(note.command) \(note.classes)") }
        for note in machine.takeOutcomes() { seen.notes.append("outcome \(note.id) \(note.transaction)") }
    }

    /// What went to the server and would have been blocked, if the server reads it as most do.
    ///
    /// Asked only where the server has reported nothing but the usual settings, and replies keep their order.
    private mutating func passedViolation() -> String? {
        guard !reportsOtherSettings else { return nil }
        var at = 0
        let sent = seen.toServer
        while at < sent.count {
            let header = sent.withUnsafeBytes { bytes in try? FrameSplitter.frontendHeader(in: bytes, at: at) }
            guard let header, at + header.byteCount <= sent.count else { return nil }
            let message = Array(sent[at..<(at + header.byteCount)])
            if !ownMessages.contains(at), let text = Self.text(of: message) {
                let judgement = text.withExactBytes {
                    judge.judge($0, readings: LexicalReadings(LexicalSettings()), rules: rules)
                }
                // A statement whose names the server is asked about is stopped when it is bound or executed.
                let isParse = message.first == FrontendType.parse.rawValue
                if case .block(let match) = judgement.verdict,
                    !(isParse && SessionMachine.canAsk(about: judgement.facts))
                {
                    let classes = judgement.facts.classes.names
                    return "the server was given \(shown(text)), which \(match.rule) blocks: \(classes)"
                }
            }
            at += header.byteCount
        }
        return nil
    }

    /// A ParameterStatus other than those that say what is assumed.
    private var reportsOtherSettings: Bool {
        var at = 0
        let received = seen.toClient
        while at < received.count {
            let header = received.withUnsafeBytes { bytes in try? FrameSplitter.backendHeader(in: bytes, at: at) }
            guard let header, at + header.byteCount <= received.count else { return false }
            let body = received[(at + FrameSplitter.headerByteCount)..<(at + header.byteCount)]
            if header.type == BackendType.parameterStatus, changesReading(body) { return true }
            at += header.byteCount
        }
        return false
    }

    private func changesReading(_ setting: ArraySlice<UInt8>) -> Bool {
        let fields = setting.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
        guard let name = fields.first, fields.count > 1 else { return false }
        if name.elementsEqual("client_encoding".utf8) { return !fields[1].elementsEqual("UTF8".utf8) }
        return name.elementsEqual("standard_conforming_strings".utf8) && !fields[1].elementsEqual("on".utf8)
    }

    /// The text of a Query or Parse that has an end: the server fails one without.
    private static func text(of message: [UInt8]) -> [UInt8]? {
        let isQuery = message.first == FrontendType.query.rawValue
        guard isQuery || message.first == FrontendType.parse.rawValue else { return nil }
        let fields = message.dropFirst(FrameSplitter.headerByteCount).split(
            separator: 0, maxSplits: isQuery ? 1 : 2, omittingEmptySubsequences: false)
        let index = isQuery ? 0 : 1
        return fields.count > index + 1 ? Array(fields[index]) : nil
    }
}
