import Audit
import CLinux
import Glibc
import Logging
import Policy
import PostgresWire
import SQLParsing
import Session
import Snapshots
import TLSEngine
import Transport

/// One session's two sockets: **the only place where a machine's steps touch sockets.**
///
/// Each direction holds what it has read until the other side has taken it, and reads no more before that: a slow
/// reader costs one buffer. Lives on one loop's thread at a time.
final class SessionDriver {
    enum Phase {
        /// Waits for the startup packet.
        case startup
        /// The client's TLS handshake is under way; then `startup` again.
        case securingClient
        /// Holdfast checks the client's password itself.
        case authenticating
        /// Waits for the server to accept the connection; the startup packet is held.
        case connecting
        /// Waits for the server's one byte: whether it has TLS.
        case askingServerForTLS
        /// The server's TLS handshake is under way.
        case securingServer
        /// The client is known; the server is given what it has proven.
        case loggingIn
        /// A cancel request was passed on; waits for the server to close.
        case cancelling
        case relaying
        /// The last words are on their way to the client; what it still sends is thrown away.
        case lingering
        case closed
    }

    var loop: SessionLoop
    private(set) var owner: UInt64
    var eventCount = 0
    /// Whose session it is: the socket's other end, or whom a PROXY header has named in its place.
    var peer: SocketAddress
    let listener: String

    var phase = Phase.startup
    var client: Transport.Stream
    var server: Transport.Stream?
    var toServer = Flow()
    var toClient = Flow()
    var startup: StartupMachine
    var machine: MachineBox?
    var subject: Subject?
    var rulesVersion = 0
    /// The marker service counts the session.
    var isCountedByMarker = false
    var deadline: Int64?
    /// The operating-system user at the other end of a Unix-domain socket.
    var osUser: String?
    /// The client's bytes begin with a PROXY header, which is not read yet.
    var awaitsProxyHeader = false
    /// Where the client connected to, if a PROXY header has said it.
    var proxiedDestination: SocketAddress?
    var remainingAddresses: [SocketAddress] = []
    /// Where the connection to the server goes, or has been tried last.
    var serverAddress: SocketAddress?
    /// The servers that the session is for.
    lazy var upstream = loop.context.upstreams.standard
    /// The client's first byte has been looked at.
    var hasPeeked = false
    /// The client began with TLS, without an SSLRequest.
    var isDirectTLS = false
    var clientCertificate: PeerCertificate?
    /// TLS with the server has failed, and need not be.
    var isWithoutTLS = false
    /// nil unless Holdfast checks the password, and until the server has let the client in.
    var authentication: SessionAuthentication?
    /// The client has come to cancel what another session runs.
    var isCancel = false
    /// Until when the session waits for a server that is what is wanted (`target`).
    var targetDeadline: Int64?
    var cancelRounds: CancelRounds?
    /// As it stands in the table of cancel keys.
    var registeredKey: [UInt8]?
    /// What the client is told when what the server has said so far has been looked at; nothing of that goes on to it.
    var endsWith: [UInt8]?
    var isQueuedForTurn = false
    var drainDeadline: Int64?
    var retryDeadline: Int64?
    var isWaitingForLedger = false
    /// The server's process, as the trail has been told.
    var knownProcess: Int32?
    /// When the server has let the client in: nanoseconds since 1970; 0 before.
    var letInTime: Int64 = 0
    /// The trail has the session's beginning, and is owed its end.
    var isInTrail = false
    /// The grant of the message at the front has been asked for; the trail's answer is held until it is there.
    var isAwaitingGrant = false
    var heldTrailAnswer: TrailAnswer?

    struct TrailAnswer {
        var fault: String?
    }

    /// The order for facts that the session waits for.
    var awaitedOrder: UInt64?

    /// The intents of the message at the front, which waits for its snapshot.
    var heldForSnapshot: (notes: [StatementNote], ticket: SnapshotService.Ticket)?
    /// The intents whose grants are open.
    var openGrants: [String] = []
    var catalog = CatalogUse()
    var limits = LimitUse()

    /// One direction.
    struct Flow: ~Copyable {
        var buffer = ByteBuffer()
        /// So many bytes at the buffer's front may go.
        var approved = 0
        /// What comes after them.
        var next: RelayStep.Next?
        /// Bytes of our own that go before anything else that is not approved yet.
        var injection: [UInt8] = []
        var injectionSent = 0
        /// The machine has nothing to say before so many bytes are there.
        var needed = 1
        /// Nothing is looked at: the audit trail has not answered, or the server owes too much.
        var isPaused = false

        /// Everything that could go has gone.
        var isSpent: Bool { approved == 0 && injection.isEmpty && next == nil }

        /// Nothing is held, and whatever comes next can be looked at.
        var isStill: Bool { isSpent && buffer.isEmpty && needed <= 1 && !isPaused }

        /// What is held is so little, and lacks so little, that it is copied in front of what is read next: the beginning of
        /// a row, as a rule. To read behind it would be to read into a small buffer, that ends within a row too.
        var isShort: Bool { buffer.count <= 1024 && needed <= 4096 }

        /// Bytes have been looked at as they were read: `step` is what the machine said of them, and `sent` of them have
        /// gone.
        @inline(__always)
        mutating func take(_ step: RelayStep, of bytes: UnsafeRawBufferPointer, sent: Int) {
            if sent < bytes.count { buffer.append(UnsafeRawBufferPointer(rebasing: bytes[sent...])) }
            approved += step.forward - sent
            if case .wait(let byteCount) = step.next { needed = byteCount } else { next = step.next }
        }
    }

    /// In place behind a reference: optional chaining moves a noncopyable struct out and back in, two copies of it for
    /// every read.
    final class MachineBox {
        var value: SessionMachine

        init(_ machine: consuming SessionMachine) { value = machine }
    }

    /// How often one event may read from one side before others get their turn.
    static let readsPerTurn = 8

    init(
        loop: SessionLoop, owner: UInt64, client: consuming Transport.Stream, peer: SocketAddress, listener: String
    ) {
        self.loop = loop
        self.owner = owner
        self.client = client
        self.peer = peer
        self.listener = listener
        startup = StartupMachine(offersTLS: loop.settings.encryption.clientContext != nil && !peer.isUnix)
    }

    // MARK: - Events

    /// The session has been given to the loop.
    func begin() {
        client.isWritable = true
        expectProxyHeader()
        do {
            try loop.selector.add(client.number, value: owner, watchesWrites: client.watchesWrites)
        } catch {
            return close("cannot watch the client's socket: \(error.reason)")
        }
        beginLogin()
        // A load balancer's connections count as those of its clients, once it has named them.
        if !awaitsProxyHeader { clientAddressKnown() }
        if loop.isDraining { sayLastWords(.shuttingDown) }
    }

    /// One of the sockets can do something.
    func ready(isServer: Bool, events: UInt32) {
        eventCount &+= 1
        let wasWritable = isServer ? server?.isWritable == true : client.isWritable
        if isServer { server?.note(events: events) } else { client.note(events: events) }
        if limits.watch?.wantsWake == true { wakeWatch() }
        let isOrdinary = wasWritable && events & Self.telling == LINUX_EPOLL_IN
        if !isOrdinary || !passedOn(isServer: isServer) { advance() }
        if loop.usesRing { joinRing() }
    }

    private static var telling: UInt32 { LINUX_EPOLL_IN | LINUX_EPOLL_HUP | LINUX_EPOLL_ERR | LINUX_EPOLL_RDHUP }

    /// The session asked to go on after others.
    func continueTurn() {
        isQueuedForTurn = false
        advance()
    }

    /// The guard inside the database has been told.
    func grantAnswered() {
        guard phase == .relaying, isAwaitingGrant else { return }
        isAwaitingGrant = false
        if let answered = heldTrailAnswer {
            heldTrailAnswer = nil
            trailAnswered(answered.fault)
        }
    }

    /// What the message at the front may lose is in a snapshot, or the message is refused.
    func snapshotAnswered(_ answer: SnapshotAnswer) {
        guard phase == .relaying, let held = heldForSnapshot else { return }
        var notes = held.notes
        endSnapshot()
        let isWanted = !held.ticket.isAbandoned && !client.isHungUp
        let answer = isWanted ? answer : .refused(SnapshotFault.abandoned.description)
        machine?.value.snapshotAnswered(answer, now: linux_clock_monotonic)
        switch answer {
        case .taken(let id):
            for index in notes.indices { notes[index].snapshot = id }
            recordHeld(notes)
        case .notNeeded:
            recordHeld(notes)
        case .refused:
            toServer.isPaused = false
            toServer.needed = 1
            advance()
        }
    }

    /// Nothing of the session waits for a snapshot any more.
    func endSnapshot() {
        guard heldForSnapshot != nil else { return }
        heldForSnapshot = nil
        if let registeredKey { loop.context.cancels.hold(registeredKey, nil) }
    }

    /// The audit trail has the intents, or cannot take them.
    func trailAnswered(_ fault: String?) {
        guard phase == .relaying, toServer.isPaused, heldForSnapshot == nil else { return }
        if isAwaitingGrant {
            heldTrailAnswer = TrailAnswer(fault: fault)
            return
        }
        if let fault { loop.context.logger.error("\(fault)", metadata: ["session": "\(id)"]) }
        machine?.value.trailAnswered(
            fault.map { _ in "Statements that must be recorded are refused while the trail cannot take them." })
        toServer.isPaused = false
        toServer.needed = 1
        advance()
    }

    /// Whether the timer still matters to the session.
    func waitsFor(deadline timed: Int64) -> Bool {
        timed == deadline || timed == drainDeadline || timed == retryDeadline || timed == catalog.deadline
            || timed == limits.loginDeadline || timed == targetDeadline || timed == limits.watch?.deadline
    }

    /// A timer of the session's has come due; it counts only if it is the one that the session waits for.
    func timerFired(deadline fired: Int64) {
        if fired == drainDeadline, phase == .relaying || isReachingServer {
            return sayLastWords(.shuttingDown)
        }
        if fired == retryDeadline, phase == .connecting, !hasServer {
            return connectAgain()
        }
        if fired == catalog.deadline { return catalogRead(isLate: true) }
        if fired == limits.loginDeadline { return loginTimedOut() }
        if fired == limits.watch?.deadline { return lookAtWatch() }
        guard fired == deadline else { return }
        switch phase {
        case .connecting, .askingServerForTLS, .securingServer:
            connectionTimedOut()
        case .cancelling:
            // A server that says nothing: the key may be another's.
            if !continueCancelling() { close("waited long enough") }
        case .lingering:
            close("waited long enough")
        case .startup, .securingClient, .authenticating, .loggingIn, .relaying, .closed:
            break
        }
    }

    /// The proxy is going down: end now if nothing is running, else as soon as nothing is.
    func drain(deadline: Int64) {
        switch phase {
        case .startup, .securingClient, .authenticating, .connecting, .askingServerForTLS, .securingServer, .loggingIn:
            sayLastWords(.shuttingDown)
        case .relaying:
            let left = max(0, deadline - linux_clock_monotonic())
            drainDeadline = loop.addTimer(.nanoseconds(left), owner: owner)
            endIfDrained()
        case .cancelling, .lingering, .closed:
            break
        }
    }

    // MARK: - Changing loops

    /// Whether nothing on its way (a timer, a turn, the trail's answer) is addressed to the session on this loop.
    var canMove: Bool {
        phase == .relaying && hasServer && deadline == nil && drainDeadline == nil && !isQueuedForTurn
            && !toServer.isPaused && !catalog.isAwaited && limits.letsMove
    }

    /// Events since the last call.
    func takeEventCount() -> Int {
        defer { eventCount = 0 }
        return eventCount
    }

    /// The loop hears nothing of the sockets any more.
    func leave() {
        endReceiving()
        loop.selector.remove(client.number)
        if let number = server?.number { loop.selector.remove(number) }
    }

    /// The new loop is told at once what the sockets can do (epoll_ctl(2) reports an edge for what is ready), so nothing
    /// that happened on the way is missed.
    func join(_ loop: SessionLoop, owner: UInt64) {
        self.loop = loop
        self.owner = owner
        do {
            try watchSockets(client: true, server: true)
        } catch {
            return close("cannot watch a socket: \(error.reason)")
        }
        beginReceiving()
        // What a ring had read already is told by nobody.
        if client.ring.isReceiving || !toServer.buffer.isEmpty || !toClient.buffer.isEmpty { requestTurn() }
        limitsChanged()
    }

    /// The loop ends: close without a word.
    func abandon() { close("the proxy ends") }

    // MARK: - Moving on

    func advance() {
        switch phase {
        case .startup: readStartup()
        case .securingClient: secureClient()
        case .authenticating: authenticate()
        case .connecting: finishConnecting()
        case .askingServerForTLS: readServersAnswer()
        case .securingServer: continueServerHandshake()
        case .loggingIn: logIn()
        case .cancelling, .relaying: relay()
        case .lingering: linger()
        case .closed: break
        }
        if phase != .closed { watchBlockedWrites() }
    }

    /// Has the selector tell when a Unix-domain socket that has refused a write takes one again.
    private func watchBlockedWrites() {
        if let isWatched = client.takeWriteWatch() {
            loop.selector.watchWrites(client.number, value: owner, isWatched)
        }
        if let isWatched = server?.takeWriteWatch(), let number = server?.number {
            loop.selector.watchWrites(number, value: owner | 1, isWatched)
        }
    }

    func readStartup() {
        if awaitsProxyHeader, !tookProxyHeader() { return }
        if beganDirectly() { return }
        while phase == .startup {
            if toServer.buffer.count >= toServer.needed {
                do throws(WireFault) {
                    switch try startup.step(toServer.buffer.bytes) {
                    case .wait(let byteCount):
                        toServer.needed = byteCount
                    case .reply(let answer, let consumed):
                        toServer.buffer.drop(consumed)
                        toServer.needed = 1
                        // One byte into an empty socket buffer: it is taken, or the client is gone.
                        _ = answer.withUnsafeBytes { client.send($0) }
                    case .beginTLS(let answer, let consumed):
                        toServer.buffer.drop(consumed)
                        toServer.needed = 1
                        _ = answer.withUnsafeBytes { client.send($0) }
                        beginClientTLS()
                    case .cancel(let byteCount):
                        loop.context.limits.counters.add(.cancelRequests)
                        openCancel(packet: byteCount)
                    case .open(let parameters, let byteCount):
                        if beganAuthentication(parameters, packet: byteCount) { return }
                        open(packet: byteCount)
                        openSession(parameters)
                    }
                } catch {
                    if refusedDirectTLS() { return }
                    let fields = ErrorFields(severity: "FATAL", sqlState: error.sqlState, message: error.message)
                    if case .protocolVersion(1...2, _) = error {
                        sayLastWords(WireWriter.errorBeforeProtocol3(fields))
                    } else {
                        sayLastWords(fields)
                    }
                }
                continue
            }
            let missing = max(toServer.needed - toServer.buffer.count, 512)
            let count = toServer.buffer.fill(minimum: missing) { client.receive(into: $0) }
            if count == 0 {
                if client.hasEnded { close("the client went away before it said who it is") }
                return
            }
        }
    }

    /// The first packet goes to the server as it came.
    func open(packet byteCount: Int) {
        toServer.approved = byteCount
        toServer.next = .wait(byteCount: 1)
        toServer.needed = 1
    }

    func openSession(_ parameters: StartupParameters) {
        if let fault = encryptionFault(of: parameters) { return sayLastWords(fault) }
        let named = Subject(
            database: parameters.database, user: parameters.user, applicationName: parameters.applicationName,
            clientAddress: peer.ipBytes.flatMap { NetworkAddress(bytes: $0) }, listener: listener,
            certificate: clientCertificate?.subject, osUser: osUser)
        let (subject, rules) = loop.rules(for: named)
        guard admit(subject, tag: rules.tag) else { return }
        self.subject = subject
        rulesVersion = loop.settings.rules.version
        machine = MachineBox(
            SessionMachine(
                sessionID: sessionID, subject: subject, parameters: parameters, rules: rules,
                maximumStatementBytes: loop.settings.maximumStatementBytes))
        machine?.value.opensGrants = loop.context.grants != nil
        machine?.value.snapshotClasses = loop.context.snapshots?.classes(tag: rules.tag, database: subject.database)
        machine?.value.orders = loop.context.judging == nil ? .none : .long
        loop.context.logger.debug(
            "session opened",
            metadata: [
                "session": "\(id)", "client": "\(peer.text)", "user": "\(subject.user)",
                "database": "\(SecretRedaction.redacted(text: subject.database))", "tag": "\(rules.tag)",
            ])
        phase = .connecting
        upstream = loop.context.upstreams.upstream(for: subject.database)
        beginCatalog()
        connect()
    }

    /// What the log calls the session.
    var id: String { sessionID.text }

    lazy var sessionID = SessionID(linux_random())

    /// Whose statements the trail is told of; nil before the client has said who it is, and when the session has ended.
    var bridge: AuditBridge? {
        guard let subject, let machine else { return nil }
        return AuditBridge(
            identity: AuditRecord.SessionIdentity(
                session: id, client: peer.text, user: subject.user, database: subject.database,
                // Whatever the client calls itself: some put their connection string there.
                applicationName: SecretRedaction.redacted(text: subject.applicationName), tag: machine.value.tag,
                backendProcessID: knownProcess,
                osUser: subject.osUser),
            maximumTextBytes: loop.context.maximumTextBytes)
    }

    // MARK: - The server's side

    var hasServer: Bool { server?.number != nil }

    func finishConnecting() {
        guard let isWritable = server?.isWritable, isWritable, let code = server?.connectionError() else { return }
        guard code == 0 else {
            dropServer()
            return connectNext(failure: TransportError.text(code))
        }
        if sendsProxy { sendProxyHeader() }
        secureServer()
    }

    /// Whether the server is not reached yet.
    var isReachingServer: Bool {
        switch phase {
        case .connecting, .askingServerForTLS, .securingServer, .loggingIn: true
        case .startup, .securingClient, .authenticating, .cancelling, .relaying, .lingering, .closed: false
        }
    }

    /// The server can be spoken to: the first packet goes out.
    func serverReady() {
        deadline = nil
        retryDeadline = nil
        remainingAddresses = []
        if let authentication { return beginServerLogin(authentication) }
        machine?.value.hidesChannelBinding = client.tls == nil && server?.tls != nil
        phase = isCancel ? .cancelling : .relaying
        if isCancel { deadline = loop.addTimer(loop.settings.connectTimeout, owner: owner) }
        beginReceiving()
        relay()
    }

    // MARK: - The end

    func requestTurn() {
        guard !isQueuedForTurn else { return }
        isQueuedForTurn = true
        loop.requestTurn(self)
    }

    /// Passes on that one side has said its last.
    func finishEnded() {
        guard phase == .relaying || phase == .cancelling else { return }
        if server?.hasEnded == true, settleClient(), toClient.isSpent { return endAfterServer() }
        // A paused session does not read, and so does not see the end of a client that is gone; nobody waits for the
        // answers. One that has only said its last may still hear them.
        if client.hasFailed || (toServer.isPaused && client.isBroken) { return close("the client is gone") }
        if client.hasEnded, settleServer(), toServer.approved == 0, toServer.injection.isEmpty, !toServer.isPaused {
            // What is left is the beginning of a message that will never be whole.
            server?.shutDownWriting()
        }
    }

    /// The server has closed, and the client has all that it said.
    func endAfterServer() {
        if phase == .cancelling, continueCancelling() { return }
        if client.hasEnded || phase == .cancelling { return close("the server closed the connection") }
        startLingering()
    }

    func endIfDrained() {
        guard phase == .relaying, machine?.value.isIdle == true, toServer.buffer.isEmpty, toClient.isSpent else {
            return
        }
        sayGoodbye(.shuttingDown)
    }

    /// Tells the client why, then closes. In the middle of a message of the server's there is no place to say it.
    func sayLastWords(_ fields: ErrorFields) { sayLastWords(WireWriter.errorResponse(fields)) }

    func sayLastWords(_ words: [UInt8]) {
        guard phase != .closed, phase != .lingering else { return }
        _ = settleClient()
        // In the middle of a handshake there is no place for it either.
        if phase != .securingClient, machine?.value.isServerAtBoundary ?? true, toClient.approved == 0,
            toClient.injection.isEmpty
        {
            _ = words.withUnsafeBytes { client.send($0) }
        }
        startLingering()
    }

    /// Closing while the client still sends would reset the connection and lose our last words on the way: so the
    /// rest is read and thrown away, for a while.
    func startLingering() {
        stopReceivingFromClient()
        guard phase != .closed else { return }
        endMachine()
        dropServer()
        phase = .lingering
        client.shutDownWriting()
        deadline = loop.addTimer(.seconds(2), owner: owner)
        linger()
    }

    func linger() {
        var reads = 0
        while !client.hasEnded {
            if reads == Self.readsPerTurn { return requestTurn() }
            reads += 1
            if client.discard(into: loop.scratch) == 0 { break }
        }
        if client.hasEnded { close("the session ended") }
    }

    func endMachine() {
        forgetCancelKey()
        authentication = nil
        endCatalog()
        endMarker()
        leaveSessionTable()
        machine?.value.connectionEnded()
        if machine?.value.hasNotes == true { takeNotes() }
        closeGrants()
        if isInTrail, let bridge {
            loop.context.audit.append([bridge.record(.sessionEnd, connectionDetails)], durability: .write)
        }
        machine = nil
    }

    func close(_ reason: String) {
        guard phase != .closed else { return }
        heldForSnapshot?.ticket.abandon()
        endSnapshot()
        endMachine()
        phase = .closed
        client.sayEnd()
        dropServer()
        loop.selector.willClose(client.number)
        leaveLimits()
        loop.context.logger.debug("session closed: \(reason)", metadata: ["session": "\(id)"])
        loop.release(self)
    }
}
