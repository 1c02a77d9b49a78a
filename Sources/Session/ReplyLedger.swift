import PostgresWire

/// What the server still owes for the messages that were forwarded, in order.
///
/// It follows what `PostgresMain` (tcop/postgres.c) does rather than what the manual says: after an error in the
/// extended protocol the server skips everything up to a Sync, Query and FunctionCall messages too; during COPY FROM
/// STDIN it ignores Sync and Flush (`CopyGetData`, commands/copyfromparse.c).
package struct ReplyLedger: ~Copyable {
    /// What was asked for, and so what ends the wait.
    package enum Kind: UInt8 {
        /// Ends with ReadyForQuery.
        case query, functionCall, sync
        case parse, bind, describe, execute, close
        /// Holdfast's own question to the server: none of its replies reaches the client. Ends with ReadyForQuery or with
        /// the second CloseComplete, as it was put (``OpenQuestion``).
        case question
        /// CopyDone or CopyFail went by: no reply of its own, but it ends the time in which Sync is ignored.
        case copyEnd
    }

    /// Past so many owed replies the client is not read until the server has answered some.
    package static let capacity = 65_536

    private var owed = ReplyQueue()
    /// An error was answered whose Sync has not been forwarded yet: the server throws away what comes.
    private(set) var isSkipping = false
    /// COPY FROM STDIN runs and its end has not been forwarded yet.
    private(set) var isCopyingIn = false
    /// Messages of the extended protocol have been forwarded since the last Sync, Query or FunctionCall: their implicit
    /// transaction may be open.
    private(set) var isMidSegment = false
    /// Syncs that went by while COPY FROM STDIN ran, and so will not be answered: unless the COPY failed before them.
    private var ignoredSyncs = 0
    /// Of those, the ones of a COPY that failed: each may be answered or not.
    private var doubtfulSyncs = 0
    /// The server was ready although more was owed; for the rest of the session.
    private var hasLostTrack = false
    /// COPY FROM STDIN runs at the server, for the first entry.
    private var isCopyAnswered = false
    /// Counts Syncs: messages of one segment are skipped together.
    package private(set) var segment: UInt64 = 0

    package init() {}

    package var count: Int { owed.count }
    package var isEmpty: Bool { owed.isEmpty }
    /// Nothing is owed, and never was there a doubt about that.
    var isSettled: Bool { owed.isEmpty && !hasLostTrack }
    /// About how many bytes are held.
    var byteCount: Int { owed.byteCount }
    package var isFull: Bool { owed.count >= Self.capacity }

    /// Nothing is owed but replies that come from no running statement: no COPY can begin before a message behind them.
    var owesOnlyPreparation: Bool {
        (0..<count).allSatisfy { index in
            switch owed.kind(at: index) {
            case .parse, .bind, .describe, .close: true
            case .query, .functionCall, .sync, .execute, .question, .copyEnd, nil: false
            }
        }
    }

    /// What is owed is no longer known for certain: a Sync was swallowed by a COPY that may have failed before it, or a
    /// reply came that nothing owed.
    var isInDoubt: Bool { doubtfulSyncs > 0 || hasLostTrack }

    /// What the next reply is to.
    package var firstKind: Kind? { owed.firstKind }
    /// Something has to be done when the next reply comes.
    package var firstHasNote: Bool { owed.firstHasNote }
    /// What has to be done then; nil for ordinary messages.
    package var firstNote: ReplyNote? { owed.firstNote }

    /// Notes a forwarded message.
    ///
    /// - Parameter note: what has to be done when the reply comes; nil for ordinary messages.
    /// - Returns: false if the server will throw the message away unread.
    @inline(__always)
    package mutating func push(_ kind: Kind, note: ReplyNote? = nil) -> Bool {
        switch kind {
        case .sync:
            segment &+= 1
            isMidSegment = false
            if isCopyingIn {
                ignoredSyncs += 1
                return true
            }
            isSkipping = false
        case .query, .functionCall:
            if isSkipping { return false }
            segment &+= 1
            isMidSegment = false
        case .copyEnd:
            // A marker is needed only for a COPY that the server has not answered yet.
            if isCopyingIn || owed.isEmpty || isSkipping {
                isCopyingIn = false
                return true
            }
        case .parse, .bind, .describe, .execute, .close:
            isMidSegment = true
            if isSkipping { return false }
        case .question:
            if isSkipping { return false }
        }
        owed.append(kind, note: note)
        return true
    }

    /// Takes the first entry: its reply is complete.
    ///
    /// - Returns: the note that it had.
    @discardableResult
    package mutating func pop() -> ReplyNote? {
        let note = owed.removeFirst()
        // Copy markers at the front have done their work: nothing before them is owed.
        while owed.firstKind == .copyEnd { _ = owed.removeFirst() }
        return note
    }

    /// The server answered CopyInResponse for the first entry.
    package mutating func copyInStarted() {
        var sawEnd = false
        ignoredSyncs = 0
        isCopyAnswered = true
        var kept = ReplyQueue()
        if let executing = owed.firstKind { kept.append(executing, note: owed.removeFirst()) }
        while let kind = owed.firstKind {
            let note = owed.removeFirst()
            if kind == .copyEnd { sawEnd = true }
            if kind == .sync && !sawEnd {
                ignoredSyncs += 1
                continue
            }
            kept.append(kind, note: note)
        }
        owed = kept
        isCopyingIn = !sawEnd
    }

    /// The server completed a statement of the first entry. If that was a COPY FROM STDIN, its end is behind it: what
    /// ends the next COPY of the same Query is the end after that.
    package mutating func statementCompleted() {
        guard isCopyAnswered else { return }
        isCopyAnswered = false
        owed.removeFirst(of: .copyEnd)
    }

    /// The server answered ErrorResponse.
    ///
    /// - Returns: the notes of the entries that the server skips; the failed entry itself is not among them and is
    ///   taken only if it has no ReadyForQuery to come.
    package mutating func errorAnswered() -> [ReplyNote] {
        isCopyingIn = false
        isCopyAnswered = false
        doubtfulSyncs += ignoredSyncs
        ignoredSyncs = 0
        guard let failed = owed.firstKind else { return [] }
        switch failed {
        case .question where owed.firstNote?.question?.isSimple == true: return []
        case .query, .functionCall, .sync, .copyEnd:
            return []
        case .parse, .bind, .describe, .execute, .close, .question:
            _ = owed.removeFirst()
            var skipped: [ReplyNote] = []
            while let kind = owed.firstKind {
                if kind == .sync { return skipped }
                if let note = owed.removeFirst() { skipped.append(note) }
            }
            isSkipping = true
            return skipped
        }
    }

    /// The server is ready and has said nothing since it was last ready, though a message that it always answers is
    /// next: so it has answered a Sync that a failed COPY seemed to have swallowed.
    ///
    /// - Returns: whether that explains it.
    package mutating func explainsIdleReady() -> Bool {
        guard doubtfulSyncs > 0, owed.firstKind != .sync else { return false }
        doubtfulSyncs -= 1
        return true
    }

    /// Takes everything up to the next message that ReadyForQuery answers, and that one: the server is ready although
    /// more was owed.
    package mutating func popSegment() -> [ReplyNote] {
        hasLostTrack = true
        var notes: [ReplyNote] = []
        while let kind = owed.firstKind {
            if let note = owed.removeFirst() { notes.append(note) }
            if kind == .sync || kind == .query || kind == .functionCall { break }
        }
        return notes
    }

    /// All notes still owed: the connection ended.
    package mutating func drain() -> [ReplyNote] {
        var notes: [ReplyNote] = []
        while !owed.isEmpty {
            if let note = owed.removeFirst() { notes.append(note) }
        }
        return notes
    }
}
