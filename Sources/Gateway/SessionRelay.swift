import Audit
import CLinux
import Logging
import Policy
import PostgresWire
import Session
import Transport

/// Moving bytes: what one side has sent is looked at by the machine and goes to the other as far as the machine says.
extension SessionDriver {
    /// The ordinary event: one side has sent something, nothing of that direction is waiting, and the other side takes it.
    ///
    /// - Returns: whether that was all; else `advance()` finds out what there is to do.
    func passedOn(isServer: Bool) -> Bool {
        guard phase == .relaying, !toServer.isPaused, !loop.isDraining else { return false }
        if isServer {
            guard toClient.isStill else { return false }
            readFromServer()
            // Over TLS only a read that brings nothing tells that this was all.
            if server?.isReadable == true, toClient.isStill { readFromServer() }
            return server?.isReadable == false && toClient.isStill && server?.hasEnded == false && endsWith == nil
                && phase == .relaying
        }
        guard toServer.isStill, !limits.isCancelOpen, !catalog.isAwaited, !isOverMemory else { return false }
        readFromClient()
        if client.isReadable, toServer.isStill, !catalog.isAwaited { readFromClient() }
        return !client.isReadable && toServer.isStill && !client.hasEnded && phase == .relaying
    }

    func relay() {
        relayToServer()
        if phase == .relaying || phase == .cancelling { relayToClient() }
        if let endsWith { return sayLastWords(endsWith) }
        if toServer.isPaused {
            watchPausedClient()
            if client.isHungUp { heldForSnapshot?.ticket.abandon() }
        }
        // An answer may have made room for requests.
        if toServer.isPaused, isWaitingForLedger, machine?.value.mayConsumeClient == true {
            isWaitingForLedger = false
            toServer.isPaused = false
            requestTurn()
        }
        finishEnded()
        if loop.isDraining { endIfDrained() }
    }

    func relayToServer() {
        var reads = 0
        while phase == .relaying || phase == .cancelling {
            guard flushToServer() else { return }
            if let next = toServer.next {
                toServer.next = nil
                apply(next)
                continue
            }
            if toServer.isPaused || phase == .cancelling || limits.isCancelOpen { return }
            if isOverMemory { return endOverMemory() }
            if toServer.buffer.count >= toServer.needed {
                let bytes = toServer.buffer.bytes
                guard let step = catalog.isAwaited ? consumeBeforeCatalog(bytes) : consumeClient(bytes) else { return }
                toServer.approved = step.forward
                toServer.next = step.next
                continue
            }
            guard client.isReadable, !client.hasEnded else { return awaitClient() }
            if reads == Self.readsPerTurn { return requestTurn() }
            reads += 1
            if toServer.isShort, !catalog.isAwaited {
                readFromClient()
            } else {
                let missing = toServer.needed - toServer.buffer.count
                _ = toServer.buffer.fill(minimum: max(min(missing, 1 << 20), 4096)) { client.receive(into: $0) }
            }
        }
    }

    /// Reads, looks and forwards without a copy, as long as the server takes all that may go. What is held goes in front, so
    /// it must be little (`Flow.isShort`).
    func readFromClient() {
        let held = toServer.buffer.count
        if held > 0 { loop.scratch.copyMemory(from: toServer.buffer.bytes) }
        let count = client.receive(into: UnsafeMutableRawBufferPointer(rebasing: loop.scratch[held...]))
        guard count > 0 else { return }
        if held > 0 { toServer.buffer.drop(held) }
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(loop.scratch)[..<(held + count)])
        passToServer(bytes, isLent: false)
    }

    /// Looks and forwards what has come while nothing waited.
    ///
    /// - Parameter isLent: the bytes stay until the loop has waited.
    func passToServer(_ bytes: UnsafeRawBufferPointer, isLent: Bool) {
        let step = consumeClient(bytes)
        let going = UnsafeRawBufferPointer(rebasing: bytes[..<step.forward])
        // Before `toServer` is touched: what an earlier send has left goes to its buffer.
        let sent = going.isEmpty ? 0 : sendToServer(going, isLent: isLent)
        toServer.take(step, of: bytes, sent: sent)
    }

    func relayToClient() {
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
            guard let isReadable = server?.isReadable, isReadable, server?.hasEnded == false else {
                return awaitServer()
            }
            if reads == Self.readsPerTurn { return requestTurn() }
            reads += 1
            if toClient.isShort {
                readFromServer()
            } else {
                let missing = toClient.needed - toClient.buffer.count
                _ = toClient.buffer.fill(minimum: max(missing, 4096)) { server?.receive(into: $0) ?? 0 }
            }
        }
    }

    func readFromServer() {
        let held = toClient.buffer.count
        if held > 0 { loop.scratch.copyMemory(from: toClient.buffer.bytes) }
        let count = server?.receive(into: UnsafeMutableRawBufferPointer(rebasing: loop.scratch[held...])) ?? 0
        guard count > 0 else { return }
        if held > 0 { toClient.buffer.drop(held) }
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(loop.scratch)[..<(held + count)])
        passToClient(bytes, isLent: false)
    }

    /// As ``passToServer(_:isLent:)``, to the client.
    func passToClient(_ bytes: UnsafeRawBufferPointer, isLent: Bool) {
        let step = consumeServer(bytes)
        let going = UnsafeRawBufferPointer(rebasing: bytes[..<step.forward])
        let sent = going.isEmpty ? 0 : sendToClient(going, isLent: isLent)
        toClient.take(step, of: bytes, sent: sent)
    }

    /// - Returns: whether everything that may go has gone.
    func flushToServer() -> Bool {
        if toServer.approved == 0, toServer.injection.isEmpty { return true }
        guard settleServer() else { return false }
        while toServer.approved > 0 {
            let bytes = UnsafeRawBufferPointer(rebasing: toServer.buffer.bytes[..<toServer.approved])
            let sent = sendToServer(bytes)
            if sent == 0 { return false }
            toServer.buffer.drop(sent)
            toServer.approved -= sent
        }
        while toServer.injectionSent < toServer.injection.count {
            let sent = toServer.injection.withUnsafeBytes {
                sendToServer(UnsafeRawBufferPointer(rebasing: $0[toServer.injectionSent...]))
            }
            if sent == 0 { return false }
            toServer.injectionSent += sent
        }
        toServer.injection = []
        toServer.injectionSent = 0
        return true
    }

    /// - Returns: whether everything that may go has gone.
    func flushToClient() -> Bool {
        if toClient.approved == 0, toClient.injection.isEmpty { return true }
        guard settleClient() else { return false }
        while toClient.approved > 0 {
            let sent = sendToClient(UnsafeRawBufferPointer(rebasing: toClient.buffer.bytes[..<toClient.approved]))
            if sent == 0 { return false }
            toClient.buffer.drop(sent)
            toClient.approved -= sent
        }
        while toClient.injectionSent < toClient.injection.count {
            let sent = toClient.injection.withUnsafeBytes {
                sendToClient(UnsafeRawBufferPointer(rebasing: $0[toClient.injectionSent...]))
            }
            if sent == 0 { return false }
            toClient.injectionSent += sent
        }
        toClient.injection = []
        toClient.injectionSent = 0
        return true
    }

    // MARK: - The machine

    func consumeClient(_ bytes: UnsafeRawBufferPointer) -> RelayStep {
        if isBareRelay { return RelayStep(forward: bytes.count, next: .wait(byteCount: 1)) }
        // A loop that the session has just come to may not have heard of the newest rules yet.
        if rulesVersion < loop.rulesVersion, let subject {
            let rules = loop.rules(for: subject).rules
            rulesVersion = loop.settings.rules.version
            machine?.value.rulesChanged(rules)
            machine?.value.snapshotClasses = loop.context.snapshots?.classes(
                tag: rules.tag, database: subject.database)
            tellMismatch(rules)
            if !catalog.isInUse { beginCatalog() }
            // Rules that guard the session: what it sends waits until the catalog is there.
            if catalog.isAwaited, machine?.value.isAuthenticated == true {
                toServer.isPaused = true
                return RelayStep(forward: 0, next: .wait(byteCount: 1))
            }
        }
        useCatalog()
        guard let machine else { return RelayStep(forward: bytes.count, next: .wait(byteCount: 1)) }
        let step = machine.value.consumeClient(bytes, judge: &loop.judge, now: linux_clock_monotonic)
        if machine.value.hasNotes { takeNotes() }
        return step
    }

    func consumeServer(_ bytes: UnsafeRawBufferPointer) -> RelayStep {
        if isBareRelay { return RelayStep(forward: bytes.count, next: .wait(byteCount: 1)) }
        guard let machine else { return RelayStep(forward: bytes.count, next: .wait(byteCount: 1)) }
        let step = machine.value.consumeServer(bytes, now: linux_clock_monotonic)
        if let process = machine.value.backendProcessID, process != knownProcess {
            if knownProcess == nil, let words = wrongRole {
                endsWith = WireWriter.errorResponse(words)
                loop.context.probes?.askSoon(upstream)
                return RelayStep(forward: 0, next: .wait(byteCount: .max))
            }
            serverProcessKnown(process)
        }
        if limits.loginTicket != nil, machine.value.isAuthenticated { loginCompleted() }
        if machine.value.hasNotes { takeNotes() }
        if machine.value.takeGrantsOver() { closeGrants() }
        return step
    }

    /// What Benchmarks/run builds to know what the guard costs; nobody else can switch it on.
    private var isBareRelay: Bool {
        #if HOLDFAST_BARE_RELAY
            machine?.value.isAuthenticated == true
        #else
            false
        #endif
    }

    func closeGrants() {
        guard !openGrants.isEmpty, let subject else { return }
        loop.context.grants?.close(database: subject.database, auditIDs: openGrants)
        openGrants = []
    }

    /// Asks for the grant that the message at the front needs, if it needs one.
    private func openGrant() {
        guard let request = machine?.value.takeGrantRequest(), let grants = loop.context.grants, let subject else {
            return
        }
        isAwaitingGrant = true
        openGrants.append(request.auditID)
        let (mailbox, owner) = (loop.mailbox, owner)
        grants.open(
            database: subject.database, backend: request.backend, relations: request.relations, auditID: request.auditID
        ) { mailbox.post(.grantAnswered(owner: owner)) }
    }

    /// The server has let the client in, or has told that behind a pooler another process serves it.
    private func serverProcessKnown(_ process: Int32) {
        let isFirst = knownProcess == nil
        if isFirst { registerCancelKey() }
        knownProcess = process
        guard isFirst else { return }
        letInTime = linux_clock_realtime()
        beginMarker()
        switch loop.context.recordedSessions {
        case .none, .active: break
        case .guarded where machine?.value.isGuarded != true: break
        case .guarded, .all: loop.context.audit.append(sessionBegun(), durability: .write)
        }
    }

    /// The record of the session's beginning, if it is still owed: in front of the first other one.
    private func sessionBegun() -> [AuditRecord] {
        guard !isInTrail, let bridge else { return [] }
        isInTrail = true
        return [bridge.record(.sessionStart, connectionDetails)]
    }

    /// What is to be written of the session, with its beginning where that has not been.
    private func withBeginning(_ records: [AuditRecord]) -> [AuditRecord] {
        loop.context.recordedSessions == .active && !isInTrail && !records.isEmpty ? sessionBegun() + records : records
    }

    /// How the session is connected.
    var connectionDetails: AuditRecord.Connection {
        AuditRecord.Connection(
            listener: listener, server: serverAddress?.text ?? "", tlsVersion: client.tls?.version,
            since: letInTime > 0 ? letInTime : linux_clock_realtime())
    }

    func apply(_ next: RelayStep.Next) {
        switch next {
        case .wait(let byteCount):
            toServer.needed = byteCount
        case .substitute(let dropping, let replacement):
            toServer.buffer.drop(dropping)
            toServer.injection = replacement
            toServer.needed = 0
        case .record(let notes):
            toServer.isPaused = true
            if !takesSnapshot(before: notes) { recordHeld(notes) }
        case .order(let wanted):
            order(wanted)
        case .pause:
            toServer.isPaused = true
            toServer.needed = 1
            isWaitingForLedger = true
        case .close(let fault):
            loop.context.limits.counters.add(.clientViolations)
            loop.context.logger.notice(
                "protocol violation by the client: \(fault.message)",
                metadata: ["session": "\(id)", "client": "\(peer.text)"])
            sayLastWords(ErrorFields(severity: "FATAL", sqlState: fault.sqlState, message: fault.message))
        }
    }

    func applyFromServer(_ next: RelayStep.Next) {
        switch next {
        case .wait(let byteCount):
            toClient.needed = byteCount
        case .substitute(let dropping, let replacement):
            toClient.buffer.drop(dropping)
            toClient.injection = replacement
            toClient.needed = 0
        case .close(let fault):
            loop.context.limits.counters.add(.serverViolations)
            loop.context.logger.error("\(fault.message)", metadata: ["session": "\(id)"])
            sayLastWords(ErrorFields(severity: "FATAL", sqlState: fault.sqlState, message: fault.message))
        case .record, .order, .pause:
            break
        }
    }

    /// Asks for the snapshot that the message at the front needs, if it needs one; then nothing is recorded or granted yet.
    private func takesSnapshot(before notes: [StatementNote]) -> Bool {
        guard let request = machine?.value.takeSnapshotRequest(), let snapshots = loop.context.snapshots, let subject,
            let tag = machine?.value.tag
        else { return false }
        let ticket = SnapshotService.Ticket()
        heldForSnapshot = (notes, ticket)
        if let registeredKey { loop.context.cancels.hold(registeredKey, ticket) }
        let (mailbox, owner) = (loop.mailbox, owner)
        snapshots.take(
            request, for: SnapshotService.Client(database: subject.database, user: subject.user, tag: tag),
            ticket: ticket
        ) { mailbox.post(.snapshotAnswered(owner: owner, $0)) }
        return true
    }

    /// The message at the front goes on when the guard and the trail have answered.
    func recordHeld(_ notes: [StatementNote]) {
        openGrant()
        record(notes)
    }

    /// Writes intents; the client's next bytes wait for the answer.
    func record(_ notes: [StatementNote]) {
        guard let bridge else { return }
        let (mailbox, owner) = (loop.mailbox, owner)
        loop.context.audit.append(
            withBeginning(notes.map(bridge.record)), durability: machine?.value.isGuarded == true ? nil : .write
        ) { result in
            switch result {
            case .success: mailbox.post(.trailAnswered(owner: owner, fault: nil))
            case .failure(let fault): mailbox.post(.trailAnswered(owner: owner, fault: fault.description))
            }
        }
    }

    /// Outcomes and refusals go to the trail in their own time.
    func takeNotes() {
        guard let bridge, let refusals = machine?.value.takeRefusals(), let outcomes = machine?.value.takeOutcomes()
        else { return }
        for refusal in refusals {
            loop.context.limits.counters.add(.statementsRefused)
            loop.context.logger.notice(
                "refused \(refusal.command)",
                metadata: [
                    "audit_id": "\(refusal.id)", "rule": "\(refusal.rule ?? "")", "tag": "\(bridge.identity.tag)",
                    "user": "\(bridge.identity.user)", "database": "\(bridge.identity.database)",
                    "client": "\(peer.text)",
                ])
        }
        if outcomes.contains(where: {
            $0.commandTag != nil && ![.rolledBack, .rolledBackToSavepoint, .lost].contains($0.transaction)
        }) {
            catalogMayHaveChanged()
            loop.context.catalogChanged(bridge.identity.database)
        }
        var records = refusals.map(bridge.record) + outcomes.map(bridge.record)
        for decided in machine?.value.takeDecidedTransactions() ?? [] {
            let key = PreparedTransactions.key(database: bridge.identity.database, gid: decided.gid)
            if loop.context.audit.prepared.remove(key) { records.append(bridge.record(decided)) }
        }
        if !records.isEmpty { loop.context.audit.append(withBeginning(records), durability: .write) }
        if !outcomes.isEmpty { loop.context.statementsEnded() }
    }
}
