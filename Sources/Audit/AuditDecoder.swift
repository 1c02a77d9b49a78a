/// Why a line of the trail is not a record.
package enum AuditDecodeFault: Error, Sendable, Equatable {
    /// Not one whole JSON object; `offset` counts bytes from the line's start. A torn line looks like this.
    case notJSON(offset: Int)
    /// A JSON object without this key, or with a value of another kind in it.
    case missing(key: String)
    /// A record of an event that this version does not know.
    case unknownEvent(String)
    /// The first version of the schema is 1.
    case unknownVersion(Int64)

    /// For people: what is wrong with the line.
    package var description: String {
        switch self {
        case .notJSON(let offset): "not a whole JSON object (stops making sense at byte \(offset + 1)): torn or foreign"
        case .missing(let key): "no usable value for '\(key)': not a record of Holdfast"
        case .unknownEvent(let name): "event '\(name)' is not known to this version of Holdfast"
        case .unknownVersion(let version): "schema version \(version) does not exist"
        }
    }
}

/// Reads lines of the trail back into records. Keys that it does not know are skipped, so that records of later
/// versions can be read. Pure; any thread.
package enum AuditDecoder {
    /// The record of one line (its `\n` may be there or not).
    ///
    /// - Throws: ``AuditDecodeFault``: the line is torn, foreign or of an unknown event.
    package static func decode(_ line: UnsafeBufferPointer<UInt8>) throws(AuditDecodeFault) -> AuditRecord {
        var fields = Fields()
        do throws(JSONScanner.Fault) {
            var scanner = JSONScanner(line)
            try scanner.expect("{")
            if !scanner.take("}") {
                repeat {
                    let key = try scanner.string()
                    try scanner.expect(":")
                    if try !scanner.takeNull() { try fields.read(key, from: &scanner) }
                } while scanner.take(",")
                try scanner.expect("}")
            }
            try scanner.expectEnd()
        } catch {
            throw .notJSON(offset: error.offset)
        }
        return try fields.record()
    }

    /// The record of one line.
    ///
    /// - Throws: as ``decode(_:)-(UnsafeBufferPointer<UInt8>)``.
    package static func decode(_ line: String) throws(AuditDecodeFault) -> AuditRecord {
        let bytes = Array(line.utf8)
        let result = bytes.withUnsafeBufferPointer { buffer -> Result<AuditRecord, AuditDecodeFault> in
            do throws(AuditDecodeFault) { return .success(try decode(buffer)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

/// The values met so far.
private struct Fields {
    var version: Int64?
    var time: String?
    var event: String?
    var id: String?
    var session = AuditRecord.SessionIdentity.nobody
    var command: String?
    var sql: String?
    var classes: [String] = []
    var objects: [AuditRecord.Object] = []
    var verdict: String?
    var rule: String?
    var remarks: [String] = []
    var commandTag: String?
    var sqlState: String?
    var message: String?
    var rows: Int64?
    var duration: Int64?
    var transaction: String?
    var lost: Int64?
    var reason: String?
    var finding: String?
    var executedAt: Int64?
    var transactionNumber: UInt64?
    var rowIDs: [Int64] = []
    var commands: [String] = []
    var intent: String?
    var text: String?
    var untilTransaction: UInt64?
    var until: Int64?
    var mark = AuditRecord.Mark()
    var watch: String?
    var action: String?
    var snapshot: String?
    var recovery: String?
    var step: Int64?
    var recoveryStatement: String?
    var check: String?
    var subject: String?
    var state: String?
    var raisedAt: Int64?
    var tail: String?
    var textByteCount: Int64?
    var textHash: String?
    var fingerprint: String?
    var parameters: [String?]?
    var blastRadius: AuditRecord.BlastRadius?
    var gid: String?
    var connection = AuditRecord.Connection(listener: "", server: "", tlsVersion: nil, since: 0)
    var programVersion: String?
    var configurationHash: String?
    var changes: [AuditRecord.Change]?
    var sessions: String?
    var fault: String?
    var isOver = false

    mutating func read(_ key: String, from scanner: inout JSONScanner) throws(JSONScanner.Fault) {
        switch key {
        case "v": version = try scanner.integer()
        case "time": time = try scanner.string()
        case "event": event = try scanner.string()
        case "id": id = try scanner.string()
        case "session": session.session = try scanner.string()
        case "client": session.client = try scanner.string()
        case "os_user": session.osUser = try scanner.string()
        case "user": session.user = try scanner.string()
        case "database": session.database = try scanner.string()
        case "application_name": session.applicationName = try scanner.string()
        case "tag": session.tag = try scanner.string()
        case "backend_pid": session.backendProcessID = Int32(exactly: try scanner.integer())
        case "command": command = try scanner.string()
        case "sql": sql = try scanner.string()
        case "classes": classes = try Self.strings(from: &scanner)
        case "objects": objects = try Self.objects(from: &scanner)
        case "verdict": verdict = try scanner.string()
        case "rule": rule = try scanner.string()
        case "remarks": remarks = try Self.strings(from: &scanner)
        case "command_tag": commandTag = try scanner.string()
        case "sqlstate": sqlState = try scanner.string()
        case "message": message = try scanner.string()
        case "rows": rows = try scanner.integer()
        case "duration_us": duration = try scanner.integer()
        case "transaction": transaction = try scanner.string()
        case "lost": lost = try scanner.integer()
        case "reason": reason = try scanner.string()
        case "finding": finding = try scanner.string()
        case "executed_at": executedAt = AuditTime.parse(try scanner.string())
        case "xid": transactionNumber = UInt64(try scanner.string())
        case "ddl":
            rowIDs = try Self.list(from: &scanner) { scanner throws(JSONScanner.Fault) in try scanner.integer() }
        case "commands": commands = try Self.strings(from: &scanner)
        case "intent": intent = try scanner.string()
        case "text": text = try scanner.string()
        case "until_xid": untilTransaction = UInt64(try scanner.string())
        case "until": until = AuditTime.parse(try scanner.string())
        case "instance": mark.instance = try scanner.string()
        case "file": mark.file = try scanner.integer()
        case "key": mark.key = try scanner.string()
        case "previous_file": mark.previousFile = try scanner.integer()
        case "head_seq": mark.headSequence = try scanner.integer()
        case "head_mac": mark.headCode = try scanner.string()
        case "torn_bytes": mark.tornByteCount = try scanner.integer()
        case "torn_sha256": mark.tornHash = try scanner.string()
        case "signature": mark.signature = try scanner.string()
        case "watch": watch = try scanner.string()
        case "action": action = try scanner.string()
        case "snapshot": snapshot = try scanner.string()
        case "recovery": recovery = try scanner.string()
        case "step": step = try scanner.integer()
        case "statement": recoveryStatement = try scanner.string()
        case "check": check = try scanner.string()
        case "subject": subject = try scanner.string()
        case "state": state = try scanner.string()
        case "raised_at": raisedAt = AuditTime.parse(try scanner.string())
        case "sql_tail": tail = try scanner.string()
        case "sql_bytes": textByteCount = try scanner.integer()
        case "sql_sha256": textHash = try scanner.string()
        case "fingerprint": fingerprint = try scanner.string()
        case "parameters":
            parameters = try Self.list(from: &scanner) { scanner throws(JSONScanner.Fault) -> String? in
                try scanner.takeNull() ? nil : try scanner.string()
            }
        case "blast_radius": blastRadius = try Self.blastRadius(from: &scanner)
        case "gid": gid = try scanner.string()
        case "listener": connection.listener = try scanner.string()
        case "server": connection.server = try scanner.string()
        case "tls": connection.tlsVersion = try scanner.string()
        case "since": connection.since = AuditTime.parse(try scanner.string()) ?? 0
        case "version": programVersion = try scanner.string()
        case "config_sha256": configurationHash = try scanner.string()
        case "changes": changes = try Self.list(from: &scanner, Self.change)
        case "sessions": sessions = try scanner.string()
        case "fault": fault = try scanner.string()
        case "over": isOver = try scanner.boolean()
        case "open_intents": mark.openIntents = try Self.strings(from: &scanner)
        case "open_prepared": mark.openPrepared = try Self.strings(from: &scanner)
        default: try scanner.skipValue()
        }
    }

    func record() throws(AuditDecodeFault) -> AuditRecord {
        guard let version else { throw .missing(key: "v") }
        guard version >= 1 else { throw .unknownVersion(version) }
        guard let time, let nanoseconds = AuditTime.parse(time) else { throw .missing(key: "time") }
        guard let event else { throw .missing(key: "event") }
        guard let knownEvent = AuditRecord.Event(rawValue: event) else { throw .unknownEvent(event) }
        guard let id else { throw .missing(key: "id") }
        var record = AuditRecord(
            event: knownEvent, time: nanoseconds, id: id, session: session, statement: try statement(),
            outcome: try outcome(), gap: gap(), finding: try foundThing(), watermark: watermark(),
            mark: trailMark(knownEvent),
            connection: connection.since != 0 ? connection : nil,
            service: programVersion.map {
                AuditRecord.Service(
                    version: $0, configurationHash: configurationHash, changes: changes, sessions: sessions)
            },
            fault: fault.flatMap(AuditRecord.Fault.Kind.init).map {
                AuditRecord.Fault($0, isOver: isOver, text: text ?? "")
            })
        if knownEvent == .watch { record.watched = try watchedThing() }
        if knownEvent == .snapshot, let known = action.flatMap(AuditRecord.SnapshotEvent.Action.init) {
            record.snapshot = AuditRecord.SnapshotEvent(
                action: known, snapshot: snapshot, intent: intent, text: text ?? "")
        }
        if knownEvent == .recovery, let known = action.flatMap(AuditRecord.RecoveryStep.Action.init) {
            record.recovery = AuditRecord.RecoveryStep(
                action: known, watch: watch ?? "", recovery: recovery ?? "", step: step ?? 0,
                statement: recoveryStatement, text: text ?? "")
        }
        return record
    }

    private func statement() throws(AuditDecodeFault) -> AuditRecord.Statement? {
        guard command != nil || sql != nil || verdict != nil else { return nil }
        guard let command else { throw .missing(key: "command") }
        guard let verdict else { throw .missing(key: "verdict") }
        var statement = AuditRecord.Statement(
            command: command, sql: sql ?? "", classes: classes, objects: objects, verdict: verdict, rule: rule,
            remarks: remarks)
        statement.fingerprint = fingerprint
        statement.blastRadius = blastRadius
        statement.snapshot = snapshot
        statement.parameters = parameters
        if let textByteCount, let textHash {
            statement.excerpt = AuditRecord.Excerpt(byteCount: textByteCount, hash: textHash, tail: tail ?? "")
        }
        return statement
    }

    private func outcome() throws(AuditDecodeFault) -> AuditRecord.Outcome? {
        guard let transaction else { return nil }
        return AuditRecord.Outcome(
            commandTag: commandTag, sqlState: sqlState, message: message, rows: rows, durationMicroseconds: duration,
            transaction: AuditRecord.TransactionEnd(rawValue: transaction) ?? .unknown, gid: gid)
    }

    private func trailMark(_ event: AuditRecord.Event) -> AuditRecord.Mark? {
        guard event.isOfTrail else { return nil }
        var mark = mark
        mark.reason = reason
        return mark
    }

    private func gap() -> AuditRecord.Gap? {
        guard let lost else { return nil }
        return AuditRecord.Gap(recordCount: Int(clamping: lost), reason: reason ?? "")
    }

    private func foundThing() throws(AuditDecodeFault) -> AuditRecord.Finding? {
        guard let finding else { return nil }
        guard let executedAt else { throw .missing(key: "executed_at") }
        return AuditRecord.Finding(
            kind: finding, rows: rowIDs, transaction: transactionNumber, executedAt: executedAt, commands: commands,
            objects: objects, statementID: intent, text: text ?? "")
    }

    private func watchedThing() throws(AuditDecodeFault) -> AuditRecord.WatchedThing? {
        guard let watch else { return nil }
        guard let check else { throw .missing(key: "check") }
        guard let known = state.flatMap(AuditRecord.WatchedThing.State.init) else { throw .missing(key: "state") }
        guard let raisedAt else { throw .missing(key: "raised_at") }
        return AuditRecord.WatchedThing(
            watch: watch, check: check, subject: subject ?? "", state: known, since: raisedAt, text: text ?? "")
    }

    private func watermark() -> AuditRecord.Watermark? {
        guard let untilTransaction, let until else { return nil }
        return AuditRecord.Watermark(transaction: untilTransaction, time: until)
    }

    private static func strings(from scanner: inout JSONScanner) throws(JSONScanner.Fault) -> [String] {
        try list(from: &scanner) { scanner throws(JSONScanner.Fault) in try scanner.string() }
    }

    private static func list<Value>(
        from scanner: inout JSONScanner, _ value: (inout JSONScanner) throws(JSONScanner.Fault) -> Value
    ) throws(JSONScanner.Fault) -> [Value] {
        var values: [Value] = []
        try scanner.expect("[")
        if scanner.take("]") { return values }
        repeat { values.append(try value(&scanner)) } while scanner.take(",")
        try scanner.expect("]")
        return values
    }

    private static func blastRadius(
        from scanner: inout JSONScanner
    ) throws(JSONScanner.Fault) -> AuditRecord.BlastRadius {
        var radius = AuditRecord.BlastRadius(objectCount: 0, tableCount: 0, rowCount: nil, byteCount: nil)
        try members(of: &scanner) { key, scanner throws(JSONScanner.Fault) in
            switch key {
            case "objects": radius.objectCount = try scanner.integer()
            case "tables": radius.tableCount = try scanner.integer()
            case "rows": radius.rowCount = try scanner.integer()
            case "bytes": radius.byteCount = try scanner.integer()
            case "cut": radius.isCut = try scanner.boolean()
            default: try scanner.skipValue()
            }
        }
        return radius
    }

    private static func change(from scanner: inout JSONScanner) throws(JSONScanner.Fault) -> AuditRecord.Change {
        var change = AuditRecord.Change(key: "", old: nil, new: nil)
        try members(of: &scanner) { key, scanner throws(JSONScanner.Fault) in
            switch key {
            case "key": change.key = try scanner.string()
            case "old": change.old = try scanner.string()
            case "new": change.new = try scanner.string()
            default: try scanner.skipValue()
            }
        }
        return change
    }

    /// The members of an object, one by one.
    private static func members(
        of scanner: inout JSONScanner, _ read: (String, inout JSONScanner) throws(JSONScanner.Fault) -> Void
    ) throws(JSONScanner.Fault) {
        try scanner.expect("{")
        if scanner.take("}") { return }
        repeat {
            let key = try scanner.string()
            try scanner.expect(":")
            try read(key, &scanner)
        } while scanner.take(",")
        try scanner.expect("}")
    }

    private static func objects(from scanner: inout JSONScanner) throws(JSONScanner.Fault) -> [AuditRecord.Object] {
        var values: [AuditRecord.Object] = []
        try scanner.expect("[")
        if scanner.take("]") { return values }
        repeat {
            var object = AuditRecord.Object(kind: "", name: "")
            try members(of: &scanner) { key, scanner throws(JSONScanner.Fault) in
                switch key {
                case "kind": object.kind = try scanner.string()
                case "name": object.name = try scanner.string()
                default: try scanner.skipValue()
                }
            }
            values.append(object)
        } while scanner.take(",")
        try scanner.expect("]")
        return values
    }
}
