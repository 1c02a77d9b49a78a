import CLinux
import Logging
import Policy
import PostgresWire
import Session
import Telemetry
import Transport

/// What the limits know of one session.
struct LimitUse {
    /// The connection has not logged in yet.
    var loginTicket: LoginTable.Ticket?
    var loginDeadline: Int64?
    /// The session is counted.
    var sessionTicket: SessionTable.Ticket?
    /// nil while nothing is timed, as without timeouts in `proxy.conf`.
    var watch: SessionWatch?
    /// Holdfast is having the running statement cancelled: until the server has taken the request, nothing that the client
    /// sends goes on, lest the request meet the next statement.
    var isCancelOpen = false
    /// For a session that is Holdfast's own CancelRequest: whom to tell.
    var cancelEnded: (() -> Void)?

    /// Nothing on its way is addressed to the session on this loop.
    var letsMove: Bool { loginTicket == nil && !isCancelOpen }
}

/// The limits of `proxy.conf`, as one session meets them.
extension SessionDriver {
    // MARK: - Logging in

    /// A client has connected: until it has logged in, it may be ended to make room for others.
    func beginLogin() {
        limits.loginDeadline = loop.addTimer(loop.settings.loginTimeout, owner: owner)
        let entered = loop.context.limits.logins.enter(
            AddressKey(peer), place: LoginTable.Place(mailbox: loop.mailbox, owner: owner),
            now: linux_clock_monotonic())
        limits.loginTicket = entered.ticket
        loop.context.limits.counters.add(.connectionsAccepted)
        if let victim = entered.victim { victim.mailbox.post(.endLogin(owner: victim.owner)) }
    }

    /// `peer` is the client, and not only what it came in by (PROXY protocol): call once, before its first packet is looked
    /// at. Whoever has come too often is told so.
    func clientAddressKnown() {
        if let ticket = limits.loginTicket { loop.context.limits.logins.move(ticket, to: AddressKey(peer)) }
        guard let rate = loop.settings.limits.connectRate,
            !loop.context.limits.rates.allows(AddressKey(peer), rate: rate, now: linux_clock_monotonic())
        else { return }
        turnAway(.refusedConnectRate, .tooManyFrom(peer), limit: "connect_rate")
    }

    /// Another connection has come, and this one has not logged in yet.
    func makeRoom() {
        guard limits.loginTicket != nil, phase != .closed else { return }
        limits.loginTicket = nil
        if phase != .lingering { turnAway(.refusedLogins, .tooManyLogins, limit: "max_logins") }
        // Its socket is wanted now, and not when the client has taken note.
        close("made room for another connection")
    }

    func loginTimedOut() {
        guard limits.loginTicket != nil else { return }
        limits.loginDeadline = nil
        switch phase {
        case .cancelling, .lingering, .closed: return
        case .startup, .securingClient, .authenticating, .connecting, .askingServerForTLS, .securingServer, .loggingIn,
            .relaying:
            break
        }
        loop.context.limits.note(
            .timeoutsLogin, "a client did not log in in time", whoMetadata, logger: loop.context.logger)
        sayLastWords(.loginTimeout)
    }

    /// The client is let in.
    func loginCompleted() {
        guard let ticket = limits.loginTicket else { return }
        loop.context.limits.logins.leave(ticket)
        loop.context.limits.counters.add(.loginsCompleted)
        limits.loginTicket = nil
        limits.loginDeadline = nil
        limitsChanged()
    }

    // MARK: - Counting

    /// The client has said who it is: whether there is room for its session. If not, it has been told.
    func admit(_ subject: Subject, tag: String) -> Bool {
        let shared = loop.context.limits
        if let ticket = limits.loginTicket { shared.logins.speaks(ticket) }
        let member = SessionTable.Member(subject: subject, tag: tag, address: AddressKey(peer))
        switch shared.sessions.admit(member) {
        case .admitted(let ticket):
            limits.sessionTicket = ticket
            shared.counters.add(.sessionsOpened)
            return true
        case .full:
            turnAway(.refusedMaximumClients, .tooManyClients, limit: "max_clients", subject)
        case .limited(let limit):
            turnAway(
                .refusedLimit, .tooMany(for: limit, subject, tag: tag, from: peer), limit: limit.name, subject)
        }
        return false
    }

    private func turnAway(_ counter: Counter, _ words: ErrorFields, limit: String, _ subject: Subject? = nil) {
        var metadata = whoMetadata
        metadata["limit"] = "\(limit)"
        if let subject {
            metadata["user"] = "\(subject.user)"
            metadata["database"] = "\(subject.database)"
        }
        loop.context.limits.note(
            counter, "turned a client away: \(words.message)", metadata, logger: loop.context.logger)
        sayLastWords(words)
    }

    /// The server's socket cannot be opened.
    func noDescriptorForServer() {
        turnAway(.refusedServerDescriptors, .outOfDescriptors, limit: "descriptors", subject)
    }

    func leaveSessionTable() {
        guard let ticket = limits.sessionTicket else { return }
        limits.sessionTicket = nil
        loop.context.limits.sessions.leave(ticket)
    }

    /// The session is over.
    func leaveLimits() {
        leaveSessionTable()
        if let ticket = limits.loginTicket { loop.context.limits.logins.leave(ticket) }
        limits.loginTicket = nil
        if let ended = limits.cancelEnded {
            limits.cancelEnded = nil
            ended()
        }
    }

    private var whoMetadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["session": "\(id)", "client": "\(peer.text)"]
        if let subject {
            metadata["user"] = "\(subject.user)"
            metadata["database"] = "\(subject.database)"
        }
        return metadata
    }

    // MARK: - Timeouts

    /// The timeouts that hold for the session may have become others: it has logged in, `proxy.conf` was read again, or
    /// another loop has taken it over.
    func limitsChanged() {
        guard let subject, limits.loginTicket == nil, phase == .relaying else { return }
        let timeouts = loop.settings.limits.blocks.timeouts(
            tag: loop.settings.rules.tag(of: subject), user: subject.user, database: subject.database)
        guard timeouts != .none || limits.watch != nil else { return }
        let watch = limits.watch ?? SessionWatch(timeouts)
        limits.watch = watch
        watch.change(timeouts, now: linux_clock_monotonic())
        if let deadline = watch.deadline { loop.addTimer(deadline: deadline, owner: owner) }
    }

    /// Something happens on a session that nothing had happened on.
    func wakeWatch() {
        guard let watch = limits.watch else { return }
        let before = watch.deadline
        watch.wake(now: linux_clock_monotonic())
        if let deadline = watch.deadline, deadline != before {
            loop.addTimer(deadline: deadline, owner: owner)
        }
    }

    func lookAtWatch() {
        guard phase == .relaying, let machine, let watch = limits.watch else { return }
        let state: SessionWatch.State =
            switch machine.value.activity {
            case .untimed: .untimed
            case .idle: .idle
            case .idleInTransaction: .idleInTransaction
            case .running: .running
            }
        let verdict = watch.look(
            now: linux_clock_monotonic(), state: state, epoch: machine.value.activityEpoch)
        if let deadline = watch.deadline { loop.addTimer(deadline: deadline, owner: owner) }
        switch verdict {
        case .fine: break
        case .idleTooLong:
            end(.timeoutsIdle, .idleTooLong(limit: limitName(\.idleTimeout)))
        case .idleInTransactionTooLong:
            end(.timeoutsIdleInTransaction, .idleInTransactionTooLong(limit: limitName(\.idleInTransactionTimeout)))
        case .runsTooLong:
            cancelStatement(machine)
        case .ignoresCancel:
            end(.endedUncancelled, .ignoresCancel(limit: limitName(\.queryTimeout)))
        }
    }

    /// The `[[limit]]` block that gives the session a timeout.
    private func limitName(_ timeout: KeyPath<SessionLimit, Int64?>) -> String {
        guard let subject else { return "" }
        let tag = loop.settings.rules.tag(of: subject)
        let block = loop.settings.limits.blocks.first {
            $0[keyPath: timeout] != nil && $0.matches(tag: tag, user: subject.user, database: subject.database)
        }
        return block?.name ?? ""
    }

    private func end(_ counter: Counter, _ words: ErrorFields) {
        loop.context.limits.note(counter, words.message, whoMetadata, logger: loop.context.logger)
        sayGoodbye(words)
    }

    /// Ends a session with Terminate, as the client would: the server need not notice by itself, and lets locks go at once.
    func sayGoodbye(_ words: ErrorFields) {
        if machine?.value.isClientAtBoundary == true, settleServer(), toServer.isSpent {
            _ = WireWriter.terminate.withUnsafeBytes { server?.send($0) }
        }
        sayLastWords(words)
    }

    // MARK: - Cancelling

    private func cancelStatement(_ machine: MachineBox) {
        let limit = limitName(\.queryTimeout)
        loop.context.limits.note(
            .timeoutsQuery, "a statement ran longer than query_timeout and is cancelled", whoMetadata,
            logger: loop.context.logger)
        guard let serverAddress, !machine.value.cancelKey.isEmpty, !limits.isCancelOpen else { return }
        machine.value.statementTimedOut(hint: ErrorFields.hint(of: "query_timeout", limit: limit))
        limits.isCancelOpen = true
        let (loop, owner) = (loop, owner)
        loop.cancel(WireWriter.cancelRequest(key: machine.value.cancelKey), at: serverAddress, of: upstream) {
            [weak loop] in
            loop?.session(owner: owner)?.cancelPassedOn()
        }
    }

    private func cancelPassedOn() {
        limits.isCancelOpen = false
        advance()
    }

    /// The session is a CancelRequest of Holdfast's own.
    func beginCancel(
        _ packet: [UInt8], at address: SocketAddress, of upstream: Upstream, ended: @escaping () -> Void
    ) {
        limits.cancelEnded = ended
        self.upstream = upstream
        packet.withUnsafeBytes { toServer.buffer.append($0) }
        open(packet: packet.count)
        isCancel = true
        phase = .connecting
        remainingAddresses = [address]
        do {
            try loop.selector.add(client.number, value: owner, watchesWrites: client.watchesWrites)
        } catch {
            return close("cannot watch a socket: \(error.reason)")
        }
        connectNext(failure: "")
    }

    // MARK: - Memory

    /// Holdfast holds more for the session than `session_memory`.
    var isOverMemory: Bool {
        guard let machine else { return false }
        let held = machine.value.heldByteCount &+ toServer.buffer.capacity &+ toClient.buffer.capacity
        return held > loop.sessionMemory
    }

    func endOverMemory() {
        loop.context.limits.note(
            .endedSessionMemory, "a session made Holdfast hold more than session_memory", whoMetadata,
            logger: loop.context.logger)
        sayLastWords(.outOfMemory)
    }
}
