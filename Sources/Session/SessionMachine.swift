import Policy
import PostgresWire
import SQLParsing

/// One proxied connection after its startup packet: bytes in, steps out, no I/O.
///
/// The client's bytes go through ``consumeClient(_:judge:now:)``, the server's through ``consumeServer(_:now:)``. Both
/// forward the bytes as they came and stop only where something has to be done. Owned by one thread.
package struct SessionMachine: ~Copyable {
    /// Where the client's bytes stand.
    enum ClientState {
        /// The next byte begins a message.
        case boundary
        /// So many bytes of a refused message are still to be thrown away, then the replacement is sent.
        case discarding(Int, replacement: [UInt8])
        /// A message that is not held whole is forwarded as it is read; its last bytes wait for the verdict.
        case inspecting(StreamedMessage)
        /// So many bytes are still to be replaced by others that make the server refuse the message.
        case poisoning(Int)
        /// The message at the front waits for the audit trail: left by ``trailAnswered(_:)``.
        case awaitingTrail(MessageDecision)
        /// The message at the front has been decided.
        case decided(MessageDecision)
    }

    let sessionID: SessionID
    let subject: Subject
    let isReplication: Bool
    let maximumStatementBytes: Int
    var rules: SubjectRules

    var clientState = ClientState.boundary
    /// So many bytes of the client's, of messages that have been looked at, are still to be forwarded; `clientState` begins
    /// behind them.
    var clientRemaining = 0
    /// The same of the server's.
    var serverRemaining = 0
    /// The server has let the client in.
    package internal(set) var isAuthenticated = false
    /// What the server said of itself when it let the client in (`in_hot_standby`); nil before PostgreSQL 14.
    package internal(set) var isInHotStandby: Bool?
    /// Which texts' facts are ordered from another thread (``RelayStep/Next/order(_:)``).
    package var orders = FactsOrder.Policy.none
    /// The client comes without TLS and the server is reached by it: what the server offers that binds to TLS is kept from
    /// the client. Set before the server's first byte.
    package var hidesChannelBinding = false
    package private(set) var transactionStatus = TransactionStatus.idle
    /// The process of the server that the session talks to, as BackendKeyData said or, later, the server's own answer; nil
    /// until the server has let the client in.
    package internal(set) var backendProcessID: Int32?

    /// The body of BackendKeyData: what a CancelRequest for this session must hold. Empty while it is not known.
    package internal(set) var cancelKey: [UInt8] = []
    /// Another number whenever the server has completed a statement or is ready.
    package internal(set) var activityEpoch: UInt64 = 0
    /// Holdfast has had the message that runs cancelled: the hint for the client.
    var cancelHint: String?

    var ledger = ReplyLedger()
    var statements = NameLedger()
    var portals = NameLedger()
    var settings = SettingsTracker()
    var transactions = TransactionLog()
    var suspicion: TestRunSuspicion
    var outcomes: [OutcomeNote] = []
    var refusalNotes: [StatementNote] = []
    var decidedTransactions: [DecidedTransaction] = []
    /// Refusals whose error has not come back, oldest first.
    var openRefusals: [Refusal] = []
    /// The server has said something since it was last ready.
    var hasAnswered = false
    var lastID: UInt64 = 0
    /// What the message at the front waits for, if it is a question's answer.
    var question: OpenQuestion?
    /// The guard inside the database must be told of what may be lost (``takeGrantRequest()``).
    package var opensGrants = false
    var grantRequest: GrantRequest?
    /// What is let pass with these classes is lost only after a snapshot (``takeSnapshotRequest()``); nil for none.
    package var snapshotClasses: ClassSet?
    var snapshotRequest: SnapshotRequest?
    /// What may go of permanent things, as the server answered; nil if nobody asked.
    var answeredLosses: [LostThing]?
    /// A grant is open, or about to be.
    private var isGrantOpen = false
    private var isGrantOver = false
    /// The relations that the message at the front may lose, as the server answered; nil if nobody asked.
    var answeredRelations: [UInt32]?
    /// What has been ordered for the message at the front, and what has come.
    var facts = OrderedFacts()
    /// The question that the message at the front was held back for, while it is looked at again.
    var answer: OpenQuestion?

    /// - Parameters:
    ///   - sessionID: part of every id in the audit trail.
    ///   - maximumStatementBytes: the longest text that is held whole to be judged.
    package init(
        sessionID: SessionID, subject: Subject, parameters: StartupParameters, rules: SubjectRules,
        maximumStatementBytes: Int
    ) {
        self.sessionID = sessionID
        self.subject = subject
        self.rules = rules
        self.maximumStatementBytes = maximumStatementBytes
        isReplication = parameters.replication != .none
        suspicion = TestRunSuspicion(subject: subject)
    }

    /// The rules of a new proxy.conf: they hold from the next message on.
    package mutating func rulesChanged(_ rules: SubjectRules) { self.rules = rules }

    package var tag: String { rules.tag }

    /// Something may be refused here, so doubt ends in a refusal.
    package var isGuarded: Bool { rules.isGuarded }

    /// Nothing is owed, no transaction is open, no message is half forwarded: the session may be closed unnoticed.
    package var isIdle: Bool {
        guard isClientAtBoundary else { return false }
        return isAuthenticated && ledger.isEmpty && transactionStatus == .idle && serverRemaining == 0
            && question == nil && !facts.areAwaited
    }

    /// The server's stream stands between two messages: a message of ours may be put there.
    package var isServerAtBoundary: Bool { serverRemaining == 0 }

    /// Something waits in ``takeOutcomes()`` or ``takeRefusals()``.
    ///
    /// Asked at every read, and mutating because a getter that is not gets a copy of the whole machine.
    package var hasNotes: Bool {
        mutating get { !outcomes.isEmpty || !refusalNotes.isEmpty || !decidedTransactions.isEmpty }
    }

    /// The prepared transactions that this session has decided since the last call.
    package mutating func takeDecidedTransactions() -> [DecidedTransaction] {
        defer { decidedTransactions.removeAll() }
        return decidedTransactions
    }

    /// What has become of audited statements since the last call.
    package mutating func takeOutcomes() -> [OutcomeNote] {
        defer { outcomes.removeAll() }
        return outcomes
    }

    /// The refusals since the last call.
    package mutating func takeRefusals() -> [StatementNote] {
        defer { refusalNotes.removeAll() }
        return refusalNotes
    }

    /// The connection ended: what is still owed will never be known.
    package mutating func connectionEnded() {
        switch clientState {
        case .awaitingTrail(let decision), .decided(let decision):
            for audited in decision.note?.audited ?? [] {
                audited.statement.message = "not run: the connection ended before it was forwarded"
                outcomes.append(audited.statement.outcome(.rolledBack))
            }
        case .boundary, .discarding, .inspecting, .poisoning:
            break
        }
        facts.settle()
        clientState = .boundary
        clientRemaining = 0
        let isAnswerOwed = !ledger.isSettled
        for note in ledger.drain() {
            for audited in note.audited where audited.statement.finishedAt == nil {
                outcomes.append(audited.statement.outcome(.unknown))
            }
        }
        outcomes += transactions.connectionEnded(isAnswerOwed: isAnswerOwed)
    }

    /// With the step ``RelayStep/Next/record(_:)``: what must be granted before ``trailAnswered(_:)``, if anything.
    package mutating func takeGrantRequest() -> GrantRequest? {
        guard let request = grantRequest else { return nil }
        grantRequest = nil
        isGrantOpen = true
        return request
    }

    /// With the step ``RelayStep/Next/record(_:)``: what a snapshot must hold before the intents are recorded, if anything.
    /// ``snapshotAnswered(_:now:)`` comes before ``trailAnswered(_:)``.
    package mutating func takeSnapshotRequest() -> SnapshotRequest? {
        defer { snapshotRequest = nil }
        return snapshotRequest
    }

    /// The server has answered all that grants were opened for since the last call: they can be closed.
    package mutating func takeGrantsOver() -> Bool {
        guard isGrantOver else { return false }
        isGrantOver = false
        return true
    }

    /// The server is ready, and owes nothing.
    mutating func noteQuiet() {
        guard isGrantOpen else { return }
        switch clientState {
        case .awaitingTrail, .decided: return
        case .boundary, .discarding, .inspecting, .poisoning: break
        }
        isGrantOpen = false
        isGrantOver = true
    }

    mutating func setTransactionStatus(_ status: TransactionStatus) { transactionStatus = status }

    mutating func nextID() -> String {
        lastID &+= 1
        return "\(sessionID.text)-\(lastID)"
    }
}

/// What is done with bytes of one direction.
package struct RelayStep {
    /// So many leading bytes go to the other side as they are.
    package var forward: Int
    /// What comes after them.
    package var next: Next

    package init(forward: Int, next: Next) {
        self.forward = forward
        self.next = next
    }

    package enum Next {
        /// Call again when at least so many bytes from here on are there.
        case wait(byteCount: Int)
        /// Throw so many bytes away and send these to the other side instead; call again.
        case substitute(dropping: Int, with: [UInt8])
        /// Client's side only. These must be in the audit trail before the bytes from here on are looked at again:
        /// write them, then ``SessionMachine/trailAnswered(_:)``, then call again with the same bytes.
        case record([StatementNote])
        /// Client's side only. Reading the text at the front takes long: have another thread do it
        /// (`StatementJudge.deliver`), then ``SessionMachine/factsDelivered(_:)``, then call again with the same bytes.
        case order(FactsOrder)
        /// Client's side only. Call again when ``SessionMachine/mayConsumeClient`` holds.
        case pause
        /// Tell the client and close.
        case close(WireFault)
    }
}

/// What happens to one message of the client's.
struct MessageDecision {
    var kind: ReplyLedger.Kind
    /// How much of the message has not been forwarded: all of it, but for a ``StreamedMessage``.
    var byteCount: Int
    var note: ReplyNote?
    var replacement = Replacement.none
    /// Its beginning has been forwarded.
    var isStreamed = false

    enum Replacement {
        /// The message is forwarded.
        case none
        /// This is sent instead of the message.
        case message([UInt8])
        /// The rest of the message is sent with its text's terminator overwritten: the server fails it with 08P01
        /// (`pq_getmsgstring`, libpq/pqformat.c).
        case poison
    }
}

/// A Query or Parse that is too large to be held, or need not be, while it goes by. The server does nothing before a
/// message's last byte.
final class StreamedMessage {
    let kind: ReplyLedger.Kind
    let condenser: StatementCondenser
    /// The statement's name, for a Parse.
    let name: [UInt8]
    let byteCount: Int
    /// How much of the message is still to come.
    var remaining: Int
    /// How much of that comes before the text.
    var prefix: Int
    /// What the condenser has made of the text once it has been read to its end.
    private var short: [UInt8]??

    init(
        kind: ReplyLedger.Kind, settings: LexicalSettings, name: [UInt8] = [], byteCount: Int, prefix: Int,
        maximumStatementBytes: Int
    ) {
        self.kind = kind
        condenser = StatementCondenser(
            settings: settings, wholeLimit: byteCount > maximumStatementBytes ? nil : maximumStatementBytes)
        self.name = name
        self.byteCount = byteCount
        remaining = byteCount
        self.prefix = prefix
    }

    /// The short text that does what the whole does; nil if there is none. The text has been read to its end.
    func shortText() -> [UInt8]? {
        if let short { return short }
        let made = condenser.finish()
        short = .some(made)
        return made
    }
}
