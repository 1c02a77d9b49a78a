import Policy
import PostgresWire
import SQLParsing
import Session

/// A client, a ``SessionMachine`` as the driver runs it, and a ``ModelServer``, with time in the hands of the caller.
struct ModelExchange: ~Copyable {
    enum Mode: CaseIterable {
        /// What the client sees is held against the same client directly at a server.
        case sameReplies
        /// The server is asked what names mean.
        case questions
        /// Rules come and go.
        case changingRules
    }

    let mode: Mode
    private(set) var violation: String?

    private let pieceSize: Int
    private var machine: SessionMachine
    private var judge = StatementJudge()
    private var otherJudge = StatementJudge()
    /// What is being read elsewhere.
    private var order: FactsOrder?
    private let strict: SubjectRules
    private let lax: SubjectRules
    private var isStrict = true
    /// A message that was judged under the rules before the last change may still be on its way.
    private var graceMessage = 0
    private var hasFault = false
    private var isAwaitingTrail = false
    private var isPaused = false
    private var fromClient: [UInt8] = []
    private var fromServer: [UInt8] = []
    private var toServer: [UInt8] = []
    private var toClient: [UInt8] = []
    private var server = ModelServer()
    private var direct: ModelServer
    /// For each message that the server will take: whether the rules stopped things when it was forwarded.
    private var strictness: [Bool] = []
    private var forwardedMessages = 0
    private var forwarded: [UInt8] = []

    private static let harmful = ModelStatement.texts(with: ModelStatement.harmful)
    private static let stopped = Set((ModelStatement.harmful + ModelStatement.asked).map(\.text))

    init(mode: Mode, pieceSize: Int) {
        self.mode = mode
        self.pieceSize = pieceSize
        let subject = Subject(
            database: "app", user: "ann", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
        let guarded = ClassGroup.tableLoss.classes.union(ClassGroup.escape.classes).union(ClassGroup.dataLoss.classes)
        strict = RuleSet(version: 1, rules: [Rule(name: "keep tables", classes: [guarded], action: .block)])
            .rules(for: subject)
        lax = RuleSet(version: 2, rules: []).rules(for: subject)
        let packet: [UInt8] = [0, 0, 0, 18, 0, 3, 0, 0] + Array("user\0ann\0\0".utf8)
        guard let parameters = packet.withUnsafeBytes({ try? StartupParameters(packet: $0) }) else {
            preconditionFailure("our own startup packet is wrong")
        }
        machine = SessionMachine(
            sessionID: SessionID(0x0123_4567_89ab_cdef), subject: subject, parameters: parameters, rules: strict,
            maximumStatementBytes: 4096)
        machine.orders = pieceSize % 2 == 1 ? .all : .none
        direct = ModelServer(refused: Self.harmful)
        var greeting = WireText.message("R", [0, 0, 0, 0])
        greeting += WireText.message("S", Array("client_encoding\0UTF8\0".utf8))
        greeting += WireText.message("S", Array("standard_conforming_strings\0on\0".utf8))
        greeting += WireText.message("Z", [UInt8(ascii: "I")])
        server.announce(greeting)
        deliver(Int.max)
        toClient = []
    }

    // MARK: - What happens

    mutating func send(_ message: [UInt8]) {
        guard !hasFault else { return }
        direct.take(message: message)
        var rest = message[...]
        while !rest.isEmpty {
            fromClient += rest.prefix(pieceSize)
            rest = rest.dropFirst(pieceSize)
            pumpClient()
        }
    }

    /// The server takes so many messages.
    mutating func serve(messages: Int) {
        var left = messages
        while left > 0, let message = Self.firstMessage(of: toServer) {
            left -= 1
            toServer.removeFirst(message.count)
            server.take(message: message)
        }
    }

    /// So many bytes of the server's reach the machine.
    mutating func deliver(_ count: Int) {
        fromServer += server.take(count)
        pumpServer()
        if isPaused, machine.mayConsumeClient { isPaused = false }
        pumpClient()
    }

    /// What is read elsewhere is read first: a session waits for one thing at a time.
    mutating func answerTrail(fails: Bool) {
        if let ordered = order {
            order = nil
            machine.factsDelivered(otherJudge.deliver(ordered))
            return pumpClient()
        }
        guard isAwaitingTrail else { return }
        isAwaitingTrail = false
        machine.trailAnswered(fails && mode != .sameReplies ? "the disk is full" : nil)
        _ = machine.takeRefusals()
        pumpClient()
    }

    mutating func changeRules() {
        guard mode == .changingRules else { return }
        isStrict.toggle()
        machine.rulesChanged(isStrict ? strict : lax)
        graceMessage = forwardedMessages + 1
    }

    /// Something comes from the server by itself, in both worlds.
    mutating func announce(_ message: [UInt8]) {
        server.announce(message)
    }

    /// Another number for everything that the session can wait for.
    private var waitsFor: UInt64 { (order?.number ?? 0) << 1 | (isAwaitingTrail ? 1 : 0) }

    /// Everything that is on its way arrives.
    mutating func settle() {
        for _ in 0..<10_000 where violation == nil {
            let before = (
                toServer.count, server.output.count, fromClient.count, waitsFor, forwarded.count
            )
            answerTrail(fails: false)
            serve(messages: Int.max)
            deliver(Int.max)
            let after = (
                toServer.count, server.output.count, fromClient.count, waitsFor, forwarded.count
            )
            if before == after { break }
        }
        // What neither server would say before it is asked to.
        server.flush()
        direct.flush()
        deliver(Int.max)
        if !hasFault, !server.hasEnded, !fromClient.isEmpty, violation == nil {
            violation = "\(fromClient.count) bytes of the client's are stuck: \(shown(fromClient))"
        }
        machine.connectionEnded()
    }

    /// What the two worlds came to.
    func finalViolation() -> String? {
        for (text, message) in server.ran where Self.stopped.contains(text) {
            // Messages are counted from 1.
            if strictness.indices.contains(message - 1), strictness[message - 1] {
                return "the server runs \(text), which the rules stop"
            }
        }
        guard mode == .sameReplies, !hasFault else { return nil }
        let seen = (Self.transcript(of: toClient), Self.transcript(of: direct.output))
        return seen.0 == seen.1 ? nil : "directly the client sees \(seen.1), through the proxy \(seen.0)"
    }

    // MARK: - The machine

    private mutating func pumpClient() {
        var idleSteps = 0
        while !isPaused, !isAwaitingTrail, order == nil, !hasFault, violation == nil {
            let step = fromClient.withExactBytes { machine.consumeClient($0, judge: &judge, now: { 0 }) }
            forward(Array(fromClient.prefix(step.forward)))
            fromClient.removeFirst(step.forward)
            idleSteps = step.forward == 0 ? idleSteps + 1 : 0
            takeNotes()
            switch step.next {
            case .wait(let byteCount):
                if byteCount <= fromClient.count { violation = "waits for \(byteCount) bytes and has them" }
                return
            case .pause:
                isPaused = !machine.mayConsumeClient
                if !isPaused { violation = "pauses for nothing" }
            case .substitute(let dropping, let replacement):
                if dropping > 0 { idleSteps = 0 }
                fromClient.removeFirst(dropping)
                forward(replacement)
                isPaused = !machine.mayConsumeClient
            case .record:
                isAwaitingTrail = true
            case .order(let wanted):
                order = wanted
            case .close: hasFault = true
            }
            if idleSteps > 16 { violation = "the client's side makes no progress" }
        }
    }

    private mutating func pumpServer() {
        while violation == nil {
            let step = fromServer.withExactBytes { machine.consumeServer($0, now: { 0 }) }
            toClient += fromServer.prefix(step.forward)
            fromServer.removeFirst(step.forward)
            takeNotes()
            switch step.next {
            case .wait, .pause, .record, .order: return
            case .substitute(let dropping, let replacement):
                fromServer.removeFirst(dropping)
                toClient += replacement
            case .close:
                hasFault = true
                return
            }
        }
    }

    private mutating func takeNotes() {
        _ = machine.takeRefusals()
        _ = machine.takeOutcomes()
    }

    private mutating func forward(_ bytes: [UInt8]) {
        toServer += bytes
        forwarded += bytes
        while let message = Self.firstMessage(of: forwarded) {
            forwarded.removeFirst(message.count)
            forwardedMessages += 1
            strictness.append(isStrict && forwardedMessages > graceMessage)
        }
    }

    // MARK: - Bytes

    private static func firstMessage(of bytes: [UInt8]) -> [UInt8]? {
        let header = bytes.withUnsafeBytes { try? FrameSplitter.frontendHeader(in: $0, at: 0) }
        guard let header, header.byteCount <= bytes.count else { return nil }
        return Array(bytes.prefix(header.byteCount))
    }

    /// Types of messages, and the state of ReadyForQuery; without what comes by itself.
    private static func transcript(of bytes: [UInt8]) -> String {
        var at = 0
        var text = ""
        while let header = bytes.withUnsafeBytes({ try? FrameSplitter.backendHeader(in: $0, at: at) }) {
            let type = Character(Unicode.Scalar(header.type))
            if !["N", "A", "S"].contains(type) { text.append(type) }
            if type == "Z", at + 5 < bytes.count { text.append(Character(Unicode.Scalar(bytes[at + 5]))) }
            at += header.byteCount
        }
        return text
    }
}
