import Audit
import CLinux
import Glibc
import Logging
import Policy
import PostgresWire
import Session
import Transport

/// One session's two sockets: **the only place where a machine's steps touch sockets.**
///
/// Each direction holds what it has read until the other side has taken it, and reads no more before that: a slow
/// reader costs one buffer. Lives on one loop's thread at a time.
final class SessionDriver {
    enum Phase {
        /// Waits for the startup packet.
        case startup
        /// Waits for the server to accept the connection; the startup packet is held.
        case connecting
        /// A cancel request was passed on; waits for the server to close.
        case cancelling
        case relaying
        /// The last words are on their way to the client; what it still sends is thrown away.
        case lingering
        case closed
    }

    private var loop: SessionLoop
    private(set) var owner: UInt64
    private var eventCount = 0
    private let peer: SocketAddress
    private let listener: String
    private let isOverLimit: Bool

    private var phase = Phase.startup
    private var client: Transport.Stream
    private var server: Transport.Stream?
    private var toServer = Flow()
    private var toClient = Flow()
    private var startup = StartupMachine()
    private var machine: MachineBox?
    private var subject: Subject?
    private var rulesVersion = 0
    private var bridge: AuditBridge?
    private var deadline: Int64?
    private var remainingAddresses: [SocketAddress] = []
    private var isQueuedForTurn = false
    private var drainDeadline: Int64?
    private var retryDeadline: Int64?

    /// One direction.
    private struct Flow: ~Copyable {
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
    }

    /// In place behind a reference: optional chaining moves a noncopyable struct out and back in, two copies of it for
    /// every read.
    private final class MachineBox {
        var value: SessionMachine

        init(_ machine: consuming SessionMachine) { value = machine }
    }

    /// How often one event may read from one side before others get their turn.
    private static let readsPerTurn = 8

    init(
        loop: SessionLoop, owner: UInt64, client: consuming Transport.Stream, peer: SocketAddress, listener: String,
        isOverLimit: Bool
    ) {
        self.loop = loop
        self.owner = owner
        self.client = client
        self.peer = peer
        self.listener = listener
        self.isOverLimit = isOverLimit
    }

    // MARK: - Events

    /// The session has been given to the loop.
    func begin() {
        if !peer.isUnix { Stream.tune(client.number) }
        client.isWritable = true
        deadline = loop.addTimer(loop.settings.loginTimeout, owner: owner)
        do {
            try loop.selector.add(client.number, value: owner)
        } catch {
            close("cannot watch the client's socket: \(error.reason)")
        }
        if loop.isDraining { sayLastWords(.shuttingDown) }
    }

    /// One of the sockets can do something.
    func ready(isServer: Bool, events: UInt32) {
        eventCount &+= 1
        if isServer { server?.note(events: events) } else { client.note(events: events) }
        advance()
    }

    /// The session asked to go on after others.
    func continueTurn() {
        isQueuedForTurn = false
        advance()
    }

    /// The audit trail has the intents, or cannot take them.
    func trailAnswered(_ fault: String?) {
        guard phase == .relaying, toServer.isPaused else { return }
        if let fault { loop.context.logger.error("\(fault)", metadata: ["session": "\(id)"]) }
        machine?.value.trailAnswered(
            fault.map { _ in "Statements that must be recorded are refused while the trail cannot take them." })
        toServer.isPaused = false
        toServer.needed = 1
        advance()
    }

    /// Whether the timer still matters to the session.
    func waitsFor(deadline timed: Int64) -> Bool {
        timed == deadline || timed == drainDeadline || timed == retryDeadline
    }

    /// A timer of the session's has come due; it counts only if it is the one that the session waits for.
    func timerFired(deadline fired: Int64) {
        if fired == drainDeadline, phase == .relaying || phase == .connecting {
            return sayLastWords(.shuttingDown)
        }
        if fired == retryDeadline, phase == .connecting, !hasServer {
            return connectNext(failure: "it accepts no connection")
        }
        guard fired == deadline else { return }
        switch phase {
        case .startup:
            sayLastWords(.loginTimeout)
        case .connecting:
            connectionFailed("timed out")
        case .cancelling, .lingering:
            close("waited long enough")
        case .relaying, .closed:
            break
        }
    }

    /// The proxy is going down: end now if nothing is running, else as soon as nothing is.
    func drain(deadline: Int64) {
        switch phase {
        case .startup, .connecting:
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
            && !toServer.isPaused
    }

    /// Events since the last call.
    func takeEventCount() -> Int {
        defer { eventCount = 0 }
        return eventCount
    }

    /// The loop hears nothing of the sockets any more.
    func leave() {
        loop.selector.remove(client.number)
        if let number = server?.number { loop.selector.remove(number) }
    }

    /// The new loop is told at once what the sockets can do (epoll_ctl(2) reports an edge for what is ready), so nothing
    /// that happened on the way is missed.
    func join(_ loop: SessionLoop, owner: UInt64) {
        self.loop = loop
        self.owner = owner
        do {
            try loop.selector.add(client.number, value: owner)
            if let number = server?.number { try loop.selector.add(number, value: owner | 1) }
        } catch {
            close("cannot watch a socket: \(error.reason)")
        }
    }

    /// The loop ends: close without a word.
    func abandon() { close("the proxy ends") }

    // MARK: - Moving on

    private func advance() {
        switch phase {
        case .startup: readStartup()
        case .connecting: finishConnecting()
        case .cancelling, .relaying: relay()
        case .lingering: linger()
        case .closed: break
        }
    }

    private func readStartup() {
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
                    case .cancel(let byteCount):
                        open(packet: byteCount)
                        phase = .connecting
                        isCancel = true
                        connect()
                    case .open(let parameters, let byteCount):
                        open(packet: byteCount)
                        openSession(parameters)
                    }
                } catch {
                    sayLastWords(ErrorFields(severity: "FATAL", sqlState: error.sqlState, message: error.message))
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

    private var isCancel = false

    /// The first packet goes to the server as it came.
    private func open(packet byteCount: Int) {
        toServer.approved = byteCount
        toServer.next = .wait(byteCount: 1)
        toServer.needed = 1
    }

    private func openSession(_ parameters: StartupParameters) {
        guard !isOverLimit else { return sayLastWords(.tooManyClients) }
        let subject = Subject(
            database: parameters.database, user: parameters.user, applicationName: parameters.applicationName,
            clientAddress: peer.ipBytes.flatMap { NetworkAddress(bytes: $0) }, listener: listener)
        let rules = loop.settings.rules.rules(for: subject)
        self.subject = subject
        rulesVersion = loop.settings.rules.version
        machine = MachineBox(
            SessionMachine(
                sessionID: id, subject: subject, parameters: parameters, rules: rules,
                maximumStatementBytes: loop.settings.maximumStatementBytes))
        bridge = AuditBridge(
            identity: AuditRecord.SessionIdentity(
                session: id, client: peer.text, user: subject.user, database: subject.database,
                applicationName: subject.applicationName, tag: rules.tag))
        loop.context.logger.debug(
            "session opened",
            metadata: [
                "session": "\(id)", "client": "\(peer.text)", "user": "\(subject.user)",
                "database": "\(subject.database)", "tag": "\(rules.tag)",
            ])
        phase = .connecting
        connect()
    }

    /// 16 hexadecimal digits that no other session has.
    private lazy var id: String = {
        let digits = String(linux_random(), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }()

    // MARK: - The server's side

    private var hasServer: Bool { server?.number != nil }

    private func connect() {
        remainingAddresses = loop.context.upstream.addresses
        deadline = loop.addTimer(loop.settings.connectTimeout, owner: owner)
        connectNext(failure: "no address is known for it")
    }

    private func connectNext(failure: String) {
        var failure = failure
        while !remainingAddresses.isEmpty {
            let address = remainingAddresses.removeFirst()
            do {
                let stream = try Stream.connecting(to: address)
                try loop.selector.add(stream.number, value: owner | 1)
                server = consume stream
                return
            } catch {
                failure = "\(error.address): \(error.reason)"
                if error.code == EAGAIN {
                    // A Unix-domain server whose backlog is full: it makes room as it accepts.
                    remainingAddresses.append(address)
                    retryDeadline = loop.addTimer(.milliseconds(10), owner: owner)
                    return
                }
            }
        }
        connectionFailed(failure)
    }

    private func finishConnecting() {
        guard let isWritable = server?.isWritable, isWritable, let code = server?.connectionError() else { return }
        guard code == 0 else {
            server = nil
            return connectNext(failure: TransportError.text(code))
        }
        deadline = nil
        retryDeadline = nil
        phase = isCancel ? .cancelling : .relaying
        if isCancel { deadline = loop.addTimer(loop.settings.connectTimeout, owner: owner) }
        relay()
    }

    private func connectionFailed(_ reason: String) {
        loop.context.serverUnreachable()
        loop.context.logger.error("the server at \(loop.context.upstream.name) cannot be reached: \(reason)")
        sayLastWords(
            ErrorFields(
                severity: "FATAL", sqlState: "08006",
                message: "holdfast cannot reach the PostgreSQL server at \(loop.context.upstream.name): \(reason)",
                hint: "Is the server running there? The address is \"server\" in proxy.conf."))
    }

    // MARK: - Relaying

    private func relay() {
        relayToServer()
        if phase == .relaying || phase == .cancelling { relayToClient() }
        // An answer may have made room for requests.
        if toServer.isPaused, isWaitingForLedger, machine?.value.isLedgerFull == false {
            isWaitingForLedger = false
            toServer.isPaused = false
            requestTurn()
        }
        finishEnded()
        if loop.isDraining { endIfDrained() }
    }

    private var isWaitingForLedger = false

    private func relayToServer() {
        var reads = 0
        while phase == .relaying || phase == .cancelling {
            guard flushToServer() else { return }
            if let next = toServer.next {
                toServer.next = nil
                apply(next)
                continue
            }
            if toServer.isPaused || phase == .cancelling { return }
            if toServer.buffer.count >= toServer.needed {
                let step = consumeClient(toServer.buffer.bytes)
                toServer.approved = step.forward
                toServer.next = step.next
                continue
            }
            guard client.isReadable, !client.hasEnded else { return }
            if reads == Self.readsPerTurn { return requestTurn() }
            reads += 1
            if toServer.buffer.isEmpty {
                readFromClient()
            } else {
                let missing = toServer.needed - toServer.buffer.count
                _ = toServer.buffer.fill(minimum: max(min(missing, 1 << 20), 4096)) { client.receive(into: $0) }
            }
        }
    }

    /// Reads, looks and forwards without a copy, as long as the server takes all that may go.
    private func readFromClient() {
        let count = client.receive(into: loop.scratch)
        guard count > 0 else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(loop.scratch)[..<count])
        let step = consumeClient(bytes)
        let going = UnsafeRawBufferPointer(rebasing: bytes[..<step.forward])
        let sent = going.isEmpty ? 0 : (server?.send(going) ?? 0)
        toServer.buffer.append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        toServer.approved = step.forward - sent
        toServer.next = step.next
    }

    private func relayToClient() {
        var reads = 0
        while phase == .relaying || phase == .cancelling {
            guard flushToClient() else { return }
            if let next = toClient.next {
                toClient.next = nil
                applyFromServer(next)
                continue
            }
            if toClient.buffer.count >= toClient.needed {
                let step = consumeServer(toClient.buffer.bytes)
                toClient.approved = step.forward
                toClient.next = step.next
                continue
            }
            guard let isReadable = server?.isReadable, isReadable, server?.hasEnded == false else { return }
            if reads == Self.readsPerTurn { return requestTurn() }
            reads += 1
            if toClient.buffer.isEmpty {
                readFromServer()
            } else {
                let missing = toClient.needed - toClient.buffer.count
                _ = toClient.buffer.fill(minimum: max(missing, 4096)) { server?.receive(into: $0) ?? 0 }
            }
        }
    }

    private func readFromServer() {
        let count = server?.receive(into: loop.scratch) ?? 0
        guard count > 0 else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(loop.scratch)[..<count])
        let step = consumeServer(bytes)
        let going = UnsafeRawBufferPointer(rebasing: bytes[..<step.forward])
        let sent = going.isEmpty ? 0 : client.send(going)
        toClient.buffer.append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        toClient.approved = step.forward - sent
        toClient.next = step.next
    }

    /// - Returns: whether everything that may go has gone.
    private func flushToServer() -> Bool {
        if toServer.approved == 0, toServer.injection.isEmpty { return true }
        while toServer.approved > 0 {
            let bytes = UnsafeRawBufferPointer(rebasing: toServer.buffer.bytes[..<toServer.approved])
            let sent = server?.send(bytes) ?? 0
            if sent == 0 { return false }
            toServer.buffer.drop(sent)
            toServer.approved -= sent
        }
        while toServer.injectionSent < toServer.injection.count {
            let sent = toServer.injection.withUnsafeBytes {
                server?.send(UnsafeRawBufferPointer(rebasing: $0[toServer.injectionSent...])) ?? 0
            }
            if sent == 0 { return false }
            toServer.injectionSent += sent
        }
        toServer.injection = []
        toServer.injectionSent = 0
        return true
    }

    /// - Returns: whether everything that may go has gone.
    private func flushToClient() -> Bool {
        if toClient.approved == 0, toClient.injection.isEmpty { return true }
        while toClient.approved > 0 {
            let sent = client.send(UnsafeRawBufferPointer(rebasing: toClient.buffer.bytes[..<toClient.approved]))
            if sent == 0 { return false }
            toClient.buffer.drop(sent)
            toClient.approved -= sent
        }
        while toClient.injectionSent < toClient.injection.count {
            let sent = toClient.injection.withUnsafeBytes {
                client.send(UnsafeRawBufferPointer(rebasing: $0[toClient.injectionSent...]))
            }
            if sent == 0 { return false }
            toClient.injectionSent += sent
        }
        toClient.injection = []
        toClient.injectionSent = 0
        return true
    }

    // MARK: - The machine

    private func consumeClient(_ bytes: UnsafeRawBufferPointer) -> RelayStep {
        // A loop that the session has just come to may not have heard of the newest rules yet.
        if rulesVersion < loop.settings.rules.version, let subject {
            let rules = loop.settings.rules.rules(for: subject)
            rulesVersion = loop.settings.rules.version
            bridge?.identity.tag = rules.tag
            machine?.value.rulesChanged(rules)
        }
        guard let machine else { return RelayStep(forward: bytes.count, next: .wait(byteCount: 1)) }
        let step = machine.value.consumeClient(bytes, judge: &loop.judge, now: linux_clock_monotonic)
        if machine.value.hasNotes { takeNotes() }
        return step
    }

    private func consumeServer(_ bytes: UnsafeRawBufferPointer) -> RelayStep {
        guard let machine else { return RelayStep(forward: bytes.count, next: .wait(byteCount: 1)) }
        let step = machine.value.consumeServer(bytes, now: linux_clock_monotonic)
        if machine.value.hasNotes { takeNotes() }
        return step
    }

    private func apply(_ next: RelayStep.Next) {
        switch next {
        case .wait(let byteCount):
            toServer.needed = byteCount
        case .substitute(let dropping, let replacement):
            toServer.buffer.drop(dropping)
            toServer.injection = replacement
            toServer.needed = 0
        case .record(let notes):
            toServer.isPaused = true
            record(notes)
        case .pause:
            toServer.isPaused = true
            isWaitingForLedger = true
        case .close(let fault):
            loop.context.logger.notice(
                "protocol violation by the client: \(fault.message)",
                metadata: ["session": "\(id)", "client": "\(peer.text)"])
            sayLastWords(ErrorFields(severity: "FATAL", sqlState: fault.sqlState, message: fault.message))
        }
    }

    private func applyFromServer(_ next: RelayStep.Next) {
        switch next {
        case .wait(let byteCount):
            toClient.needed = byteCount
        case .substitute(let dropping, let replacement):
            toClient.buffer.drop(dropping)
            toClient.injection = replacement
            toClient.needed = 0
        case .close(let fault):
            loop.context.logger.error("\(fault.message)", metadata: ["session": "\(id)"])
            sayLastWords(ErrorFields(severity: "FATAL", sqlState: fault.sqlState, message: fault.message))
        case .record, .pause:
            break
        }
    }

    /// Writes intents; the client's next bytes wait for the answer.
    private func record(_ notes: [StatementNote]) {
        guard let bridge else { return }
        let (mailbox, owner) = (loop.mailbox, owner)
        loop.context.audit.append(
            notes.map(bridge.record), durability: machine?.value.isGuarded == true ? nil : .write
        ) { result in
            switch result {
            case .success: mailbox.post(.trailAnswered(owner: owner, fault: nil))
            case .failure(let fault): mailbox.post(.trailAnswered(owner: owner, fault: fault.description))
            }
        }
    }

    /// Outcomes and refusals go to the trail in their own time.
    private func takeNotes() {
        guard let bridge, let refusals = machine?.value.takeRefusals(), let outcomes = machine?.value.takeOutcomes()
        else { return }
        for refusal in refusals {
            loop.context.logger.notice(
                "refused \(refusal.command)",
                metadata: [
                    "audit_id": "\(refusal.id)", "rule": "\(refusal.rule ?? "")", "tag": "\(bridge.identity.tag)",
                    "user": "\(bridge.identity.user)", "database": "\(bridge.identity.database)",
                    "client": "\(peer.text)",
                ])
        }
        loop.context.audit.append(refusals.map(bridge.record) + outcomes.map(bridge.record), durability: .write)
    }

    // MARK: - The end

    private func requestTurn() {
        guard !isQueuedForTurn else { return }
        isQueuedForTurn = true
        loop.requestTurn(self)
    }

    /// Passes on that one side has said its last.
    private func finishEnded() {
        guard phase == .relaying || phase == .cancelling else { return }
        if server?.hasEnded == true, toClient.isSpent { return endAfterServer() }
        if client.hasFailed { return close("the client is gone") }
        if client.hasEnded, toServer.approved == 0, toServer.injection.isEmpty, !toServer.isPaused {
            // What is left is the beginning of a message that will never be whole.
            server?.shutDownWriting()
        }
    }

    /// The server has closed, and the client has all that it said.
    private func endAfterServer() {
        if client.hasEnded || phase == .cancelling { return close("the server closed the connection") }
        startLingering()
    }

    private func endIfDrained() {
        guard phase == .relaying, machine?.value.isIdle == true, toServer.buffer.isEmpty, toClient.isSpent else {
            return
        }
        _ = WireWriter.terminate.withUnsafeBytes { server?.send($0) }
        sayLastWords(.shuttingDown)
    }

    /// Tells the client why, then closes. In the middle of a message of the server's there is no place to say it.
    private func sayLastWords(_ fields: ErrorFields) {
        guard phase != .closed, phase != .lingering else { return }
        if machine?.value.isServerAtBoundary ?? true, toClient.approved == 0, toClient.injection.isEmpty {
            _ = WireWriter.errorResponse(fields).withUnsafeBytes { client.send($0) }
        }
        startLingering()
    }

    /// Closing while the client still sends would reset the connection and lose our last words on the way: so the
    /// rest is read and thrown away, for a while.
    private func startLingering() {
        endMachine()
        server = nil
        phase = .lingering
        client.shutDownWriting()
        deadline = loop.addTimer(.seconds(2), owner: owner)
        linger()
    }

    private func linger() {
        var reads = 0
        while client.isReadable, !client.hasEnded {
            if reads == Self.readsPerTurn { return requestTurn() }
            reads += 1
            if client.receive(into: loop.scratch) == 0 { break }
        }
        if client.hasEnded { close("the session ended") }
    }

    private func endMachine() {
        machine?.value.connectionEnded()
        if machine?.value.hasNotes == true { takeNotes() }
        machine = nil
    }

    private func close(_ reason: String) {
        guard phase != .closed else { return }
        endMachine()
        phase = .closed
        server = nil
        loop.context.logger.debug("session closed: \(reason)", metadata: ["session": "\(id)"])
        loop.release(self)
    }
}
