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

    package struct Entry {
        package var kind: Kind
        /// What has to be done when the reply comes; nil for ordinary messages.
        package var note: ReplyNote?
    }

    /// Past so many owed replies the client is not read until the server has answered some.
    package static let capacity = 65_536

    private var entries: [Entry?] = Array(repeating: nil, count: 8)
    private var head = 0
    package private(set) var count = 0
    /// Entries that have a note.
    private var noteCount = 0
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

    package var isEmpty: Bool { count == 0 }
    /// About how many bytes are held.
    var byteCount: Int { entries.count * MemoryLayout<Entry?>.stride + noteCount * 512 }
    package var isFull: Bool { count >= Self.capacity }

    /// Nothing is owed but replies that come from no running statement: no COPY can begin before a message behind them.
    var owesOnlyPreparation: Bool {
        (0..<count).allSatisfy { index in
            switch entries[(head + index) & (entries.count - 1)]?.kind {
            case .parse, .bind, .describe, .close: true
            case .query, .functionCall, .sync, .execute, .question, .copyEnd, nil: false
            }
        }
    }

    /// What is owed is no longer known for certain: a Sync was swallowed by a COPY that may have failed before it, or a
    /// reply came that nothing owed.
    var isInDoubt: Bool { doubtfulSyncs > 0 || hasLostTrack }

    /// The entry whose reply comes next.
    package var first: Entry? { count == 0 ? nil : entries[head] }

    /// What the next reply is to, and whether something has to be done then: without a copy of the entry.
    package var firstKind: Kind? { count == 0 ? nil : entries[head]?.kind }
    package var firstHasNote: Bool { count > 0 && entries[head]?.note != nil }

    /// Notes a forwarded message.
    ///
    /// - Returns: false if the server will throw the message away unread.
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
            if isCopyingIn || count == 0 || isSkipping {
                isCopyingIn = false
                return true
            }
        case .parse, .bind, .describe, .execute, .close:
            isMidSegment = true
            if isSkipping { return false }
        case .question:
            if isSkipping { return false }
        }
        append(Entry(kind: kind, note: note))
        return true
    }

    /// Takes the first entry: its reply is complete.
    @discardableResult
    package mutating func pop() -> Entry? {
        let entry = takeFirst()
        dropCopyEnds()
        return entry
    }

    private mutating func takeFirst() -> Entry? {
        guard count > 0 else { return nil }
        let entry = entries[head]
        if entry?.note != nil { noteCount -= 1 }
        entries[head] = nil
        head = (head + 1) & (entries.count - 1)
        count -= 1
        if count == 0, entries.count > 1024 {
            entries = Array(repeating: nil, count: 8)
            head = 0
        }
        return entry
    }

    /// Copy markers at the front have done their work: nothing before them is owed.
    private mutating func dropCopyEnds() {
        while count > 0, entries[head]?.kind == .copyEnd { _ = takeFirst() }
    }

    /// The server answered CopyInResponse for the first entry.
    package mutating func copyInStarted() {
        var kept: [Entry] = []
        var sawEnd = false
        ignoredSyncs = 0
        isCopyAnswered = true
        let executing = takeFirst()
        while let entry = takeFirst() {
            if entry.kind == .copyEnd { sawEnd = true }
            if entry.kind == .sync && !sawEnd {
                ignoredSyncs += 1
                continue
            }
            kept.append(entry)
        }
        if let executing { append(executing) }
        for entry in kept { append(entry) }
        isCopyingIn = !sawEnd
    }

    /// The server completed a statement of the first entry. If that was a COPY FROM STDIN, its end is behind it: what
    /// ends the next COPY of the same Query is the end after that.
    package mutating func statementCompleted() {
        guard isCopyAnswered else { return }
        isCopyAnswered = false
        let mask = entries.count - 1
        guard let end = (0..<count).first(where: { entries[(head + $0) & mask]?.kind == .copyEnd }) else { return }
        for index in end..<(count - 1) { entries[(head + index) & mask] = entries[(head + index + 1) & mask] }
        entries[(head + count - 1) & mask] = nil
        count -= 1
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
        guard count > 0, let failed = entries[head] else { return [] }
        switch failed.kind {
        case .question where failed.note?.question?.isSimple == true: return []
        case .query, .functionCall, .sync, .copyEnd:
            return []
        case .parse, .bind, .describe, .execute, .close, .question:
            _ = takeFirst()
            var skipped: [ReplyNote] = []
            while count > 0, let next = entries[head] {
                if next.kind == .sync { return skipped }
                if let note = next.note { skipped.append(note) }
                _ = takeFirst()
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
        guard doubtfulSyncs > 0, count == 0 || entries[head]?.kind != .sync else { return false }
        doubtfulSyncs -= 1
        return true
    }

    /// Takes everything up to the next message that ReadyForQuery answers, and that one: the server is ready although
    /// more was owed.
    package mutating func popSegment() -> [ReplyNote] {
        hasLostTrack = true
        var notes: [ReplyNote] = []
        while let entry = takeFirst() {
            if let note = entry.note { notes.append(note) }
            if entry.kind == .sync || entry.kind == .query || entry.kind == .functionCall { break }
        }
        return notes
    }

    /// All notes still owed: the connection ended.
    package mutating func drain() -> [ReplyNote] {
        var notes: [ReplyNote] = []
        while let entry = takeFirst() {
            if let note = entry.note { notes.append(note) }
        }
        return notes
    }

    private mutating func append(_ entry: Entry) {
        if count == entries.count {
            var grown: [Entry?] = Array(repeating: nil, count: entries.count * 2)
            for index in 0..<count { grown[index] = entries[(head + index) & (entries.count - 1)] }
            entries = grown
            head = 0
        }
        entries[(head + count) & (entries.count - 1)] = entry
        if entry.note != nil { noteCount += 1 }
        count += 1
    }
}
