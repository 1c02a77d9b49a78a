/// Turns records into lines of the trail: JSON Lines, schema version 1 (`docs/audit.md` describes every field).
///
/// Written by hand because the trail is a promise: the order of the keys never changes, a record is always exactly one
/// line, and no text can break out of its string. Pure; any thread.
package enum AuditEncoder {
    /// The `v` of the sealed lines that this version writes (``AuditSeal``).
    package static let schemaVersion: Int64 = 2
    /// The `v` of a line before it is sealed.
    static let unsealedStart = Array(#"{"v":1,"#.utf8)

    /// Appends the record as one line, its final `\n` included. Costs one pass over its texts.
    package static func append(_ record: AuditRecord, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: #"{"v":1,"time":""#.utf8)
        AuditTime.append(record.time, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
        field("event", record.event.rawValue, to: &bytes)
        field("id", record.id, to: &bytes)
        field("session", record.session.session, to: &bytes)
        field("client", record.session.client, to: &bytes)
        if let user = record.session.osUser { field("os_user", user, to: &bytes) }
        field("user", record.session.user, to: &bytes)
        field("database", record.session.database, to: &bytes)
        field("application_name", record.session.applicationName, to: &bytes)
        field("tag", record.session.tag, to: &bytes)
        if let process = record.session.backendProcessID { field("backend_pid", Int64(process), to: &bytes) }
        if let statement = record.statement { append(statement, to: &bytes) }
        if let outcome = record.outcome { append(outcome, to: &bytes) }
        if let gap = record.gap {
            field("lost", Int64(gap.recordCount), to: &bytes)
            field("reason", gap.reason, to: &bytes)
        }
        if let finding = record.finding { append(finding, to: &bytes) }
        if let watermark = record.watermark {
            field("until_xid", String(watermark.transaction), to: &bytes)
            field("until", AuditTime.text(watermark.time), to: &bytes)
        }
        if let watched = record.watched {
            field("watch", watched.watch, to: &bytes)
            field("check", watched.check, to: &bytes)
            field("subject", watched.subject, to: &bytes)
            field("state", watched.state.rawValue, to: &bytes)
            field("raised_at", AuditTime.text(watched.since), to: &bytes)
            field("text", watched.text, to: &bytes)
        }
        if let event = record.snapshot {
            field("action", event.action.rawValue, to: &bytes)
            if let id = event.snapshot { field("snapshot", id, to: &bytes) }
            if let id = event.intent { field("intent", id, to: &bytes) }
            field("text", event.text, to: &bytes)
        }
        if let step = record.recovery {
            field("action", step.action.rawValue, to: &bytes)
            field("watch", step.watch, to: &bytes)
            field("recovery", step.recovery, to: &bytes)
            if step.step > 0 { field("step", step.step, to: &bytes) }
            if let statement = step.statement { field("statement", statement, to: &bytes) }
            field("text", step.text, to: &bytes)
        }
        if let mark = record.mark { append(mark, to: &bytes) }
        if let connection = record.connection { append(connection, to: &bytes) }
        if let service = record.service { append(service, to: &bytes) }
        if let fault = record.fault {
            field("fault", fault.kind.rawValue, to: &bytes)
            key("over", to: &bytes)
            bytes.append(contentsOf: fault.isOver ? "true".utf8 : "false".utf8)
            field("text", fault.text, to: &bytes)
        }
        bytes.append(contentsOf: "}\n".utf8)
    }

    /// The record as one line of text without its final `\n`.
    package static func line(_ record: AuditRecord) -> String {
        var bytes: [UInt8] = []
        append(record, to: &bytes)
        return String(decoding: bytes.dropLast(), as: UTF8.self)
    }

    /// A text as it stands in a line: quoted, escaped.
    static func quoted(_ value: String) -> [UInt8] {
        var bytes: [UInt8] = []
        string(value, to: &bytes)
        return bytes
    }

    private static func append(_ statement: AuditRecord.Statement, to bytes: inout [UInt8]) {
        field("command", statement.command, to: &bytes)
        field("sql", statement.sql, to: &bytes)
        if let excerpt = statement.excerpt {
            field("sql_tail", excerpt.tail, to: &bytes)
            field("sql_bytes", excerpt.byteCount, to: &bytes)
            field("sql_sha256", excerpt.hash, to: &bytes)
        }
        if let fingerprint = statement.fingerprint { field("fingerprint", fingerprint, to: &bytes) }
        if let values = statement.parameters { parameters(values, to: &bytes) }
        key("classes", to: &bytes)
        strings(statement.classes, to: &bytes)
        objects(statement.objects, to: &bytes)
        field("verdict", statement.verdict, to: &bytes)
        if let rule = statement.rule { field("rule", rule, to: &bytes) }
        if let radius = statement.blastRadius { append(radius, to: &bytes) }
        if let id = statement.snapshot { field("snapshot", id, to: &bytes) }
        key("remarks", to: &bytes)
        strings(statement.remarks, to: &bytes)
    }

    private static func append(_ radius: AuditRecord.BlastRadius, to bytes: inout [UInt8]) {
        key("blast_radius", to: &bytes)
        bytes.append(contentsOf: #"{"objects":\#(radius.objectCount),"tables":\#(radius.tableCount)"#.utf8)
        if let rows = radius.rowCount { field("rows", rows, to: &bytes) }
        if let count = radius.byteCount { field("bytes", count, to: &bytes) }
        if radius.isCut { bytes.append(contentsOf: #","cut":true"#.utf8) }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func append(_ connection: AuditRecord.Connection, to bytes: inout [UInt8]) {
        field("listener", connection.listener, to: &bytes)
        field("server", connection.server, to: &bytes)
        if let version = connection.tlsVersion { field("tls", version, to: &bytes) }
        field("since", AuditTime.text(connection.since), to: &bytes)
    }

    private static func append(_ service: AuditRecord.Service, to bytes: inout [UInt8]) {
        field("version", service.version, to: &bytes)
        if let hash = service.configurationHash { field("config_sha256", hash, to: &bytes) }
        if let sessions = service.sessions { field("sessions", sessions, to: &bytes) }
        guard let changes = service.changes else { return }
        key("changes", to: &bytes)
        bytes.append(UInt8(ascii: "["))
        for (index, change) in changes.enumerated() {
            bytes.append(contentsOf: index == 0 ? #"{"key":"#.utf8 : #",{"key":"#.utf8)
            string(change.key, to: &bytes)
            if let old = change.old { field("old", old, to: &bytes) }
            if let new = change.new { field("new", new, to: &bytes) }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private static func append(_ outcome: AuditRecord.Outcome, to bytes: inout [UInt8]) {
        if let commandTag = outcome.commandTag { field("command_tag", commandTag, to: &bytes) }
        if let sqlState = outcome.sqlState { field("sqlstate", sqlState, to: &bytes) }
        if let message = outcome.message { field("message", message, to: &bytes) }
        if let rows = outcome.rows { field("rows", rows, to: &bytes) }
        if let duration = outcome.durationMicroseconds { field("duration_us", duration, to: &bytes) }
        field("transaction", outcome.transaction.rawValue, to: &bytes)
        if let gid = outcome.gid { field("gid", gid, to: &bytes) }
    }

    private static func append(_ finding: AuditRecord.Finding, to bytes: inout [UInt8]) {
        field("finding", finding.kind, to: &bytes)
        field("executed_at", AuditTime.text(finding.executedAt), to: &bytes)
        if let transaction = finding.transaction { field("xid", String(transaction), to: &bytes) }
        key("ddl", to: &bytes)
        bytes.append(contentsOf: "[\(finding.rows.map(String.init).joined(separator: ","))]".utf8)
        key("commands", to: &bytes)
        strings(finding.commands, to: &bytes)
        objects(finding.objects, to: &bytes)
        if let id = finding.statementID { field("intent", id, to: &bytes) }
        field("text", finding.text, to: &bytes)
    }

    private static func append(_ mark: AuditRecord.Mark, to bytes: inout [UInt8]) {
        if let instance = mark.instance { field("instance", instance, to: &bytes) }
        if let file = mark.file { field("file", file, to: &bytes) }
        if let key = mark.key { field("key", key, to: &bytes) }
        if let file = mark.previousFile { field("previous_file", file, to: &bytes) }
        if let sequence = mark.headSequence { field("head_seq", sequence, to: &bytes) }
        if let code = mark.headCode { field("head_mac", code, to: &bytes) }
        if let count = mark.tornByteCount { field("torn_bytes", count, to: &bytes) }
        if let hash = mark.tornHash { field("torn_sha256", hash, to: &bytes) }
        if let reason = mark.reason { field("reason", reason, to: &bytes) }
        if let signature = mark.signature { field("signature", signature, to: &bytes) }
        if let ids = mark.openIntents {
            key("open_intents", to: &bytes)
            strings(ids, to: &bytes)
        }
        if let names = mark.openPrepared, !names.isEmpty {
            key("open_prepared", to: &bytes)
            strings(names, to: &bytes)
        }
    }

    private static func objects(_ objects: [AuditRecord.Object], to bytes: inout [UInt8]) {
        key("objects", to: &bytes)
        bytes.append(UInt8(ascii: "["))
        for (index, object) in objects.enumerated() {
            bytes.append(contentsOf: index == 0 ? #"{"kind":"#.utf8 : #",{"kind":"#.utf8)
            string(object.kind, to: &bytes)
            field("name", object.name, to: &bytes)
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private static func key(_ name: StaticString, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: ",\"".utf8)
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: "\":".utf8)
    }

    private static func field(_ name: StaticString, _ value: String, to bytes: inout [UInt8]) {
        key(name, to: &bytes)
        string(value, to: &bytes)
    }

    private static func field(_ name: StaticString, _ value: Int64, to bytes: inout [UInt8]) {
        key(name, to: &bytes)
        bytes.append(contentsOf: String(value).utf8)
    }

    private static func strings(_ values: [String], to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            string(value, to: &bytes)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private static func parameters(_ values: [String?], to bytes: inout [UInt8]) {
        key("parameters", to: &bytes)
        bytes.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            if let value { string(value, to: &bytes) } else { bytes.append(contentsOf: "null".utf8) }
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private static func string(_ value: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { escape($0, to: &bytes) }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Copies what needs no escape in runs. Besides what JSON demands, every other character that some reader takes
    /// for a line end or a terminal for a command is escaped: DEL, the C1 controls (U+0080 to U+009F, NEL among them),
    /// U+2028 and U+2029.
    private static func escape(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        var copied = 0
        var index = 0
        while index < text.count {
            let byte = text[index]
            var length = 1
            var scalar = UInt32(byte)
            switch byte {
            case 0x20, 0x21, 0x23...0x5B, 0x5D...0x7E:
                index += 1
                continue
            case 0xC2 where index + 1 < text.count && text[index + 1] < 0xA0:
                length = 2
                scalar = UInt32(text[index + 1])
            case 0xE2 where index + 2 < text.count && text[index + 1] == 0x80 && text[index + 2] & 0xFE == 0xA8:
                length = 3
                scalar = 0x2000 + UInt32(text[index + 2] & 0x3F)
            case 0x80...:
                index += 1
                continue
            default: break
            }
            bytes.append(contentsOf: text[copied..<index])
            escape(scalar, to: &bytes)
            index += length
            copied = index
        }
        bytes.append(contentsOf: text[copied..<text.count])
    }

    private static func escape(_ scalar: UInt32, to bytes: inout [UInt8]) {
        switch scalar {
        case 0x22: bytes.append(contentsOf: #"\""#.utf8)
        case 0x5C: bytes.append(contentsOf: #"\\"#.utf8)
        case 0x08: bytes.append(contentsOf: #"\b"#.utf8)
        case 0x09: bytes.append(contentsOf: #"\t"#.utf8)
        case 0x0A: bytes.append(contentsOf: #"\n"#.utf8)
        case 0x0C: bytes.append(contentsOf: #"\f"#.utf8)
        case 0x0D: bytes.append(contentsOf: #"\r"#.utf8)
        default:
            bytes.append(contentsOf: #"\u"#.utf8)
            for shift in [12, 8, 4, 0] as [UInt32] {
                let digit = UInt8(truncatingIfNeeded: scalar >> shift & 0xF)
                bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
            }
        }
    }
}
