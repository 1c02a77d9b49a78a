import PostgresWire

/// What a session is busy with, for timeouts; and what it makes Holdfast hold.
extension SessionMachine {
    package enum Activity: Sendable, Hashable {
        /// Not logged in; a replication connection, whose peer waits as long as it likes; or nothing that anybody is to
        /// blame for.
        case untimed
        /// The client's turn, outside of any transaction.
        case idle
        /// The client's turn, within a transaction.
        case idleInTransaction
        /// The server's turn, or a COPY's.
        case running
    }

    /// Where PostgreSQL's own timers run (`PostgresMain`, tcop/postgres.c): a message that has not arrived whole leaves the
    /// client idle; a COPY runs, whoever is waited for; between messages without a Sync neither side is.
    package var activity: Activity {
        guard isAuthenticated, !isReplication else { return .untimed }
        // What the server owes for a message that it has not got whole.
        let owedLater: Int
        switch clientState {
        case .awaitingTrail, .decided: return .untimed
        case .boundary where clientRemaining == 0: owedLater = 0
        case .inspecting: owedLater = 0
        case .boundary, .discarding, .poisoning: owedLater = ledger.isCopyingIn ? 0 : 1
        }
        if question != nil || ledger.count > owedLater { return .running }
        if ledger.isEmpty, ledger.isMidSegment || ledger.isSkipping { return .untimed }
        return transactionStatus == .idle ? .idle : .idleInTransaction
    }

    /// Whether a message may be sent to the server in the client's stead: nothing of the client's is half forwarded.
    package var isClientAtBoundary: Bool {
        if case .boundary = clientState { return clientRemaining == 0 }
        return false
    }

    /// The statement that runs is being cancelled because it ran too long: the server's answer to that is told in the words
    /// of PostgreSQL's own statement timeout.
    ///
    /// - Parameter hint: which limit it was.
    package mutating func statementTimedOut(hint: String) {
        cancelHint = hint
    }

    /// - Returns: what the client is to see instead of an error, if the error is the answer to a cancel of Holdfast's.
    mutating func cancelAnswered(by error: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let hint = cancelHint, ErrorFields(message: error).sqlState == "57014" else { return nil }
        cancelHint = nil
        return WireWriter.errorResponse(
            like: error, message: "canceling statement due to statement timeout", hint: hint)
    }

    /// About how many bytes are held for the session, the buffers of its sockets apart: what names stand for, what has to
    /// be done when replies come, what waits for its transaction's end, what of a statement could not be left out. Mutating
    /// as ``hasNotes`` is.
    package var heldByteCount: Int {
        mutating get {
            let kept = statements.byteCount + portals.byteCount + ledger.byteCount + transactions.byteCount
            guard case .inspecting(let message) = clientState else { return kept }
            return kept + message.condenser.heldByteCount
        }
    }
}
