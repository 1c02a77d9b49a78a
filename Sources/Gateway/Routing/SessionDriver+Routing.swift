import CLinux
import Glibc
import Logging
import PostgresWire
import Session
import Transport

/// Which server a session goes to.
extension SessionDriver {
    /// Servers that a CancelRequest with an unknown key has still to be shown to.
    struct CancelRounds {
        var packet: [UInt8]
        var routes: [CancelTable.Route]
    }

    // MARK: - Reaching a server

    func connect() {
        remainingAddresses = upstream.addresses
        if upstream.isProbed { targetDeadline = loop.addTimer(loop.settings.connectTimeout, owner: owner) }
        connectNext(failure: "no address is known for it")
    }

    /// None of the servers that can be reached is known to be what is wanted: after a failover that takes a moment, and
    /// clients that come meanwhile wait for it.
    ///
    /// - Returns: false if they have waited for as long as a connection may take.
    private func awaitsTarget() -> Bool {
        guard let targetDeadline, linux_clock_monotonic() < targetDeadline else { return false }
        loop.context.probes?.askSoon(upstream)
        deadline = targetDeadline
        serverAddress = nil
        phase = .connecting
        retryDeadline = loop.addTimer(.milliseconds(50), owner: owner)
        return true
    }

    func connectAgain() {
        if remainingAddresses.isEmpty, targetDeadline != nil { remainingAddresses = upstream.addresses }
        connectNext(failure: remainingAddresses.isEmpty && upstream.isProbed ? noTarget : "it accepts no connection")
    }

    private var noTarget: String { "none of the servers is known to be a \(upstream.settings.target.rawValue)" }

    /// Each address gets the whole of `connect_timeout`, as libpq gives it.
    func connectNext(failure: String) {
        var failure = failure
        while !remainingAddresses.isEmpty {
            let address = remainingAddresses.removeFirst()
            do {
                let stream = try Stream.connecting(to: address, keepalive: loop.settings.keepalive)
                try loop.selector.add(stream.number, value: owner | 1, watchesWrites: stream.watchesWrites)
                let isConnected = stream.isWritable
                server = consume stream
                serverAddress = address
                phase = .connecting
                deadline = loop.addTimer(loop.settings.connectTimeout, owner: owner)
                if isConnected { requestTurn() }
                return
            } catch {
                failure = "\(error.address): \(error.reason)"
                if error.code == EMFILE || error.code == ENFILE { return noDescriptorForServer() }
                if error.code == EAGAIN {
                    // A Unix-domain server whose backlog is full: it makes room as it accepts.
                    remainingAddresses.append(address)
                    if deadline == nil { deadline = loop.addTimer(loop.settings.connectTimeout, owner: owner) }
                    retryDeadline = loop.addTimer(.milliseconds(10), owner: owner)
                    return
                }
            }
        }
        if !awaitsTarget() { connectionFailed(failure) }
    }

    /// The server at `serverAddress` does not answer in time.
    func connectionTimedOut() {
        dropServer()
        if serverAddress == nil, upstream.isProbed {
            return connectionFailed(noTarget)
        }
        connectNext(failure: "timed out")
    }

    func connectionFailed(_ reason: String, hint: String? = nil) {
        let place = upstream.place
        loop.context.serverUnreachable()
        loop.context.probes?.askSoon(upstream)
        loop.context.limits.counters.add(.serverUnreachable)
        loop.context.logger.error("the server at \(upstream.name) cannot be reached: \(reason)")
        if isCancel, continueCancelling() { return }
        sayLastWords(
            ErrorFields(
                severity: "FATAL", sqlState: "08006",
                message: "holdfast cannot reach the PostgreSQL server at \(upstream.name): \(reason)",
                hint: hint ?? "Is the server running there? The address is \(place) in proxy.conf."))
    }

    // MARK: - The right server

    /// The server has let the client in and said what it is (`in_hot_standby`, PostgreSQL 14 and newer).
    ///
    /// - Returns: what to tell the client if the server is not what was wanted: its role has changed since it was asked.
    var wrongRole: ErrorFields? {
        guard let isStandby = machine?.value.isInHotStandby else { return nil }
        switch (upstream.settings.target, isStandby) {
        case (.any, _), (.preferStandby, _), (.primary, false), (.standby, true): return nil
        case (.primary, true), (.standby, false): break
        }
        let (role, wanted) = isStandby ? ("standby", "primary") : ("primary", "standby")
        return ErrorFields(
            severity: "FATAL", sqlState: "57P03",
            message: "the server at \(serverAddress?.text ?? upstream.name) is a \(role), and a \(wanted) is wanted",
            hint: "Holdfast looks for the right one: connect again in a moment.")
    }

    // MARK: - Cancelling

    /// A CancelRequest has come: to the server that gave the key, or, when it is another instance's, to each in turn. A server
    /// that does not know the key does nothing.
    func openCancel(packet byteCount: Int) {
        let packet = Array(UnsafeRawBufferPointer(rebasing: toServer.buffer.bytes.prefix(byteCount)))
        toServer.buffer.drop(toServer.buffer.count)
        isCancel = true
        let key = Array(packet.dropFirst(8))
        loop.context.cancels.abandonSnapshot(key)
        let routes: [CancelTable.Route]
        if let route = loop.context.cancels.route(of: key) {
            routes = [route]
        } else {
            routes = loop.context.upstreams.all.flatMap { upstream in
                upstream.allAddresses.map { CancelTable.Route(upstream: upstream, address: $0) }
            }
        }
        cancelRounds = CancelRounds(packet: packet, routes: routes)
        if !continueCancelling() { close("no server is known that the cancel request could be for") }
    }

    /// The next server that the CancelRequest is for.
    ///
    /// - Returns: whether there was one.
    func continueCancelling() -> Bool {
        guard let rounds = cancelRounds, let route = rounds.routes.first else { return false }
        cancelRounds?.routes.removeFirst()
        dropServer()
        isWithoutTLS = false
        upstream = route.upstream
        toServer.buffer.drop(toServer.buffer.count)
        toClient.buffer.drop(toClient.buffer.count)
        rounds.packet.withUnsafeBytes { toServer.buffer.append($0) }
        open(packet: rounds.packet.count)
        phase = .connecting
        remainingAddresses = [route.address]
        connectNext(failure: "no address is known for it")
        return true
    }

    /// The key under which other connections may cancel what runs here.
    func registerCancelKey() {
        guard let key = machine?.value.cancelKey, !key.isEmpty, let serverAddress, registeredKey == nil else { return }
        registeredKey = key
        loop.context.cancels.add(key, CancelTable.Route(upstream: upstream, address: serverAddress))
    }

    func forgetCancelKey() {
        guard let key = registeredKey else { return }
        registeredKey = nil
        loop.context.cancels.remove(key)
    }
}
