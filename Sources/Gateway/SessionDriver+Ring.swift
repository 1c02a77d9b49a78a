import Transport

/// A session on a loop that uses io_uring (`SessionLoop.usesRing`). While it relays, its plain sockets are read by the ring,
/// into the ring's buffers, and what may go at once is sent from there, with the call in which the loop waits for what comes
/// next. All else is as on any loop: what cannot go at once is copied and sent when it can be, more than one buffer is read the
/// usual way.
extension SessionDriver {
    // MARK: - Reading

    /// The session relays from here on.
    func beginReceiving() {
        guard loop.usesRing, let ring = loop.selector.ring, phase == .relaying else { return }
        if client.tls == nil, !client.ring.isReceiving, ring.beginReceiving(client.number, value: owner) {
            client.beginReceiving()
        }
        if let number = server?.number, server?.tls == nil, server?.ring.isReceiving == false,
            ring.beginReceiving(number, value: owner | 1)
        {
            server?.beginReceiving()
        }
    }

    /// The loop uses its ring, and the session has had an event by epoll.
    func joinRing() {
        guard phase == .relaying else { return }
        let isClientOut = client.tls == nil && !client.ring.isReceiving
        guard isClientOut || (server?.tls == nil && server?.ring.isReceiving == false) else { return }
        beginReceiving()
        advance()
    }

    /// The loop uses its ring no longer.
    func leaveRing() {
        guard phase != .closed, client.ring.isReceiving || server?.ring.isReceiving == true else { return }
        let (isClientIn, isServerIn) = (client.ring.isReceiving, server?.ring.isReceiving == true)
        endReceiving()
        do {
            try watchSockets(client: isClientIn, server: isServerIn)
        } catch {
            return close("cannot watch a socket: \(error.reason)")
        }
        // What the ring had read already is told by nobody.
        advance()
    }

    /// The loop's selector reports those sockets from here on; what they can do already, at once.
    func watchSockets(client isClientWanted: Bool, server isServerWanted: Bool) throws(TransportError) {
        if isClientWanted { try loop.selector.add(client.number, value: owner, watchesWrites: client.watchesWrites) }
        if isServerWanted, let number = server?.number, let watches = server?.watchesWrites {
            try loop.selector.add(number, value: owner | 1, watchesWrites: watches)
        }
    }

    /// There is nothing to be read from the client now, and what comes is wanted.
    func awaitClient() {
        guard client.takeReceive(), let ring = loop.selector.ring else { return }
        ring.receive(client.number)
    }

    /// There is nothing to be read from the server now, and what comes is wanted.
    func awaitServer() {
        guard let ring = loop.selector.ring, let number = server?.number, server?.takeReceive() == true else {
            return
        }
        ring.receive(number)
    }

    /// Nobody reads from a client whose session is paused; that it is gone is told all the same.
    func watchPausedClient() {
        guard client.ring.isReceiving, !client.ring.isAwaited, let ring = loop.selector.ring else { return }
        ring.watchHangUp(client.number)
    }

    /// What was awaited is there: bytes, or the end.
    func received(_ bytes: UnsafeRawBufferPointer, isServer: Bool) {
        guard let ring = loop.selector.ring else { return }
        eventCount &+= 1
        if limits.watch?.wantsWake == true { wakeWatch() }
        let mayBeMore = bytes.count == ring.bufferSize
        if isServer {
            server?.received(isEnd: bytes.isEmpty, mayBeMore: mayBeMore)
            if !bytes.isEmpty, takeFromServer(bytes), !mayBeMore { return awaitServer() }
        } else {
            client.received(isEnd: bytes.isEmpty, mayBeMore: mayBeMore)
            if !bytes.isEmpty, takeFromClient(bytes), !mayBeMore { return awaitClient() }
        }
        advance()
    }

    /// - Returns: whether nothing is left to be done.
    private func takeFromClient(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let goesOn =
            phase == .relaying && toServer.isStill && !catalog.isAwaited && !limits.isCancelOpen && settleServer()
        guard goesOn else {
            toServer.buffer.append(bytes)
            return false
        }
        passToServer(bytes, isLent: true)
        return phase == .relaying && toServer.isStill && !loop.isDraining && !isOverMemory
    }

    /// - Returns: whether nothing is left to be done.
    private func takeFromServer(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard phase == .relaying, toClient.isStill, settleClient() else {
            toClient.buffer.append(bytes)
            return false
        }
        passToClient(bytes, isLent: true)
        return phase == .relaying && toClient.isStill && !toServer.isPaused && !loop.isDraining && endsWith == nil
    }

    // MARK: - Writing

    /// Sends what may go, in front of nothing that waits.
    ///
    /// - Parameter isLent: the bytes stay until the loop has waited.
    /// - Returns: how much has gone.
    func sendToServer(_ bytes: UnsafeRawBufferPointer, isLent: Bool = false) -> Int {
        guard settleServer() else { return 0 }
        if isLent, let ring = loop.selector.ring, server?.isWritable == true, server?.tls == nil,
            let number = server?.number, ring.send(number, bytes)
        {
            server?.sent(bytes, turn: ring.turn)
            return bytes.count
        }
        return server?.send(bytes) ?? 0
    }

    /// As ``sendToServer(_:isLent:)``, to the client.
    func sendToClient(_ bytes: UnsafeRawBufferPointer, isLent: Bool = false) -> Int {
        guard settleClient() else { return 0 }
        if isLent, let ring = loop.selector.ring, client.isWritable, client.tls == nil,
            ring.send(client.number, bytes)
        {
            client.sent(bytes, turn: ring.turn)
            return bytes.count
        }
        return client.send(bytes)
    }

    /// Sees what became of the last bytes that the ring was to send. Nothing may be sent before, or it would overtake them.
    ///
    /// - Returns: false if not all were taken: what was not is the first to go when the server takes more.
    func settleServer() -> Bool {
        guard let turn = server?.ring.sendTurn, turn != 0, let number = server?.number,
            let ring = loop.selector.ring
        else { return true }
        if turn == ring.turn { ring.submit() }
        guard let left = server?.settled(refusal: ring.takeRefusal(number)), !left.isEmpty else { return true }
        toServer.buffer.prepend(left)
        toServer.approved += left.count
        return false
    }

    /// As ``settleServer()``, for the client.
    func settleClient() -> Bool {
        guard client.ring.sendTurn != 0, let ring = loop.selector.ring else { return true }
        if client.ring.sendTurn == ring.turn { ring.submit() }
        let left = client.settled(refusal: ring.takeRefusal(client.number))
        guard !left.isEmpty else { return true }
        toClient.buffer.prepend(left)
        toClient.approved += left.count
        return false
    }

    /// One of the sockets has not taken all that the ring was to send.
    func sendRefused(isServer: Bool) {
        _ = isServer ? settleServer() : settleClient()
        advance()
    }

    // MARK: - Leaving

    /// Takes the sockets back from the ring: what it has read lies in the session's own buffers then.
    func endReceiving() {
        guard let ring = loop.selector.ring else { return }
        _ = settleServer()
        _ = settleClient()
        if client.ring.isReceiving {
            if let bytes = ring.endReceiving(client.number) {
                client.received(isEnd: bytes.isEmpty, mayBeMore: true)
                toServer.buffer.append(bytes)
            }
            client.endReceiving()
        }
        if server?.ring.isReceiving == true, let number = server?.number {
            if let bytes = ring.endReceiving(number) {
                server?.received(isEnd: bytes.isEmpty, mayBeMore: true)
                toClient.buffer.append(bytes)
            }
            server?.endReceiving()
        }
    }

    /// The server's connection ends here.
    func dropServer() {
        if let number = server?.number { loop.selector.willClose(number) }
        server = nil
    }

    /// Nothing of the client's is wanted any more; it is watched as at the beginning.
    func stopReceivingFromClient() {
        guard client.ring.isReceiving else { return }
        _ = settleClient()
        loop.selector.remove(client.number)
        client.endReceiving()
        do {
            try loop.selector.add(client.number, value: owner, watchesWrites: client.watchesWrites)
        } catch {
            close("cannot watch the client's socket: \(error.reason)")
        }
    }
}
