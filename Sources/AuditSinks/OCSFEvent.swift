import Audit
import Foundation

/// A record as an event of the Open Cybersecurity Schema Framework (schema.ocsf.io), one line of JSON. Pure.
///
/// | record | class |
/// | --- | --- |
/// | intent, outcome | Datastore Activity (6005) |
/// | refusal, finding | Detection Finding (2004) |
/// | session_start, session_end | Authentication (3002) |
/// | start, stop, reload | Application Lifecycle (6002) |
/// | all others, unknown ones too | Base Event (0) |
///
/// What no attribute has a place for stands under `unmapped`, by the trail's own keys: nothing is lost.
package struct OCSFEvent {
    /// The version of the schema that the events follow.
    package static let schemaVersion = "1.5.0"

    private let line: RecordLine
    private var event: [String: Any] = [:]
    /// Keys of the record that an attribute says.
    private var mapped: Set<String> = ["seq", "time", "event"]

    package init(_ line: RecordLine) {
        self.line = line
        setCommon()
        switch line.event {
        case "intent": setIntent()
        case "outcome": setOutcome()
        case "refusal": setRefusal()
        case "finding": setFinding()
        case "session_start", "session_end": setSession()
        case "start", "stop", "reload": setLifecycle()
        default: setBase()
        }
        let rest = line.members.filter { !mapped.contains($0.key) }
        if !rest.isEmpty { event["unmapped"] = rest }
    }

    /// The event as one line without its end. Characters that could move a terminal, or end a line for some reader, are
    /// escaped.
    package var bytes: [UInt8] {
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        guard JSONSerialization.isValidJSONObject(event),
            let data = try? JSONSerialization.data(withJSONObject: event, options: options)
        else { return Array(#"{"class_uid":0}"#.utf8) }
        return Self.escaped(Array(data))
    }

    // MARK: - What all have

    private mutating func setCommon() {
        var metadata: [String: Any] = [
            "version": Self.schemaVersion,
            "product": ["name": "Holdfast", "vendor_name": "Holdfast"],
            "uid": "\(line.instance):\(line.sequence)", "sequence": line.sequence, "log_name": "audit",
            "log_provider": "holdfast", "event_code": line.event,
        ]
        if let time = line.text("time") { metadata["original_time"] = time }
        if let id = line.text("id") {
            // The same in an intent and its outcome.
            metadata["correlation_uid"] = id
            mapped.insert("id")
        }
        event["metadata"] = metadata
        event["time"] = line.time / 1_000_000
        event["severity_id"] = 1
        event["severity"] = "Informational"
    }

    private mutating func setClass(_ category: Int, _ number: Int, _ name: String, _ activity: (id: Int, name: String))
    {
        event["category_uid"] = category
        event["class_uid"] = number
        event["class_name"] = name
        event["activity_id"] = activity.id
        event["activity_name"] = activity.name
        event["type_uid"] = number * 100 + activity.id
        event["type_name"] = "\(name): \(activity.name)"
    }

    private mutating func setSeverity(_ id: Int, _ name: String) {
        event["severity_id"] = id
        event["severity"] = name
    }

    private mutating func setStatus(_ id: Int, _ name: String) {
        event["status_id"] = id
        event["status"] = name
    }

    private mutating func setMessage(_ text: String) { event["message"] = text }

    /// Who did it. OCSF demands one of several attributes: without a session it was Holdfast itself.
    private var actor: [String: Any] {
        var actor: [String: Any] = [:]
        if let user = named("user") { actor["user"] = user }
        if let name = line.text("application_name"), !name.isEmpty { actor["app_name"] = name }
        if let session { actor["session"] = session }
        return actor.isEmpty ? ["app_name": "holdfast"] : actor
    }

    private func named(_ key: String) -> [String: Any]? {
        guard let name = line.text(key), !name.isEmpty else { return nil }
        return ["name": name]
    }

    private var session: [String: Any]? {
        guard let id = line.text("session"), !id.isEmpty else { return nil }
        return ["uid": id]
    }

    /// The client's address. OCSF demands a name where there is none.
    private var source: [String: Any] {
        guard let client = line.text("client"), !client.isEmpty else { return ["name": "unknown"] }
        guard let colon = client.lastIndex(of: ":"), let port = Int(client[client.index(after: colon)...]) else {
            return ["name": client]
        }
        let host = client[..<colon].trimmingCharacters(in: ["[", "]"])
        return ["ip": host, "port": port]
    }

    private var destination: [String: Any] { ["name": "postgresql", "svc_name": "postgresql"] }

    private var database: [String: Any] {
        [
            "name": line.text("database").flatMap { $0.isEmpty ? nil : $0 } ?? "unknown", "type_id": 1,
            "type": "Relational",
        ]
    }

    /// Attributes about the session, and the keys that they say.
    private mutating func setWho() {
        event["actor"] = actor
        event["src_endpoint"] = source
        event["dst_endpoint"] = destination
        mapped.formUnion(["user", "application_name", "session", "client"])
    }

    private mutating func setDatabase() {
        event["database"] = database
        event["type_id"] = 1
        event["type"] = "Database"
        mapped.insert("database")
    }

    // MARK: - Statements

    /// Datastore Activity's activities, by the first word of a command.
    private static func activity(_ command: String) -> (id: Int, name: String) {
        switch command.split(separator: " ").first.map(String.init) ?? "" {
        case "SELECT", "TABLE", "VALUES", "FETCH": (1, "Read")
        case "UPDATE", "ALTER", "COMMENT", "GRANT", "REVOKE", "MERGE", "REFRESH", "REINDEX", "SECURITY": (2, "Update")
        case "INSERT", "COPY": (5, "Write")
        case "CREATE", "IMPORT": (6, "Create")
        case "DROP", "DELETE", "TRUNCATE": (7, "Delete")
        case "": (0, "Unknown")
        default: (99, command)
        }
    }

    private mutating func setQuery() {
        if let sql = line.text("sql") {
            event["query_info"] = ["query_string": sql]
            mapped.insert("sql")
        }
        if let table = line.objects.first(where: { $0.kind == "table" }) { event["table"] = ["name": table.name] }
    }

    /// The profile `security_control`.
    private mutating func setVerdict(_ action: (Int, String), _ disposition: (Int, String)) {
        event["action_id"] = action.0
        event["action"] = action.1
        event["disposition_id"] = disposition.0
        event["disposition"] = disposition.1
        if let rule = line.text("rule") {
            event["policy"] = ["name": rule]
            mapped.insert("rule")
        }
        var metadata = event["metadata"] as? [String: Any] ?? [:]
        metadata["profiles"] = ["security_control"]
        event["metadata"] = metadata
    }

    private mutating func setIntent() {
        let command = line.text("command") ?? ""
        setClass(6, 6005, "Datastore Activity", Self.activity(command))
        setWho()
        setDatabase()
        setQuery()
        // What became of it is told by the outcome.
        setStatus(0, "Unknown")
        if line.text("verdict") == "warn" {
            setSeverity(3, "Medium")
            setVerdict((1, "Allowed"), (19, "Alert"))
        } else {
            setSeverity(2, "Low")
            setVerdict((1, "Allowed"), (1, "Allowed"))
        }
        setMessage("\(command) is forwarded")
    }

    private mutating func setOutcome() {
        let tag = line.text("command_tag") ?? ""
        setClass(6, 6005, "Datastore Activity", Self.activity(tag))
        setWho()
        setDatabase()
        let end = line.text("transaction") ?? "unknown"
        if let state = line.text("sqlstate") {
            setStatus(2, "Failure")
            event["status_code"] = state
            event["status_detail"] = line.text("message") ?? ""
            mapped.formUnion(["sqlstate", "message"])
        } else if end.hasPrefix("rolled_back") {
            setStatus(2, "Failure")
            event["status_detail"] = end
        } else if end == "committed" {
            setStatus(1, "Success")
        } else {
            setStatus(0, "Unknown")
            event["status_detail"] = line.text("message") ?? end
        }
        if let duration = line.integer("duration_us") { event["duration"] = duration / 1000 }
        setMessage([tag, end].filter { !$0.isEmpty }.joined(separator: ": "))
    }

    // MARK: - Findings

    private mutating func setRefusal() {
        let command = line.text("command") ?? "a statement"
        let objects = line.objects.map(\.name).filter { !$0.isEmpty }
        let title = "Holdfast refused \(command)" + (objects.isEmpty ? "" : " of \(objects.joined(separator: ", "))")
        setClass(2, 2004, "Detection Finding", (1, "Create"))
        setSeverity(4, "High")
        var finding: [String: Any] = ["uid": line.text("id") ?? "\(line.sequence)", "title": title]
        if let rule = line.text("rule") { finding["analytic"] = ["name": rule, "type_id": 1, "type": "Rule"] }
        setFindingInfo(finding)
        setVerdict((2, "Denied"), (2, "Blocked"))
        setMessage(title)
    }

    private mutating func setFinding() {
        setClass(2, 2004, "Detection Finding", (1, "Create"))
        setSeverity(4, "High")
        let text = line.text("text") ?? "the server and the trail do not agree"
        setFindingInfo([
            "uid": line.text("id") ?? "\(line.sequence)", "title": line.text("finding") ?? "finding", "desc": text,
        ])
        mapped.formUnion(["finding", "text"])
        setMessage(text)
    }

    private mutating func setFindingInfo(_ finding: [String: Any]) {
        var finding = finding
        finding["created_time"] = line.time / 1_000_000
        event["finding_info"] = finding
        event["is_alert"] = true
        setStatus(1, "New")
        var evidence: [String: Any] = [
            "actor": actor, "src_endpoint": source, "dst_endpoint": destination, "database": database,
        ]
        if let sql = line.text("sql") { evidence["data"] = ["query_string": sql] }
        event["evidences"] = [evidence]
        let resources = line.objects.map { ["name": $0.name.isEmpty ? "unknown" : $0.name, "type": $0.kind] }
        if !resources.isEmpty { event["resources"] = resources }
        mapped.formUnion(["user", "application_name", "session", "client", "database", "sql", "objects"])
    }

    // MARK: - Sessions, Holdfast itself, the trail

    private mutating func setSession() {
        let begins = line.event == "session_start"
        setClass(3, 3002, "Authentication", begins ? (1, "Logon") : (2, "Logoff"))
        setWho()
        event["user"] = named("user") ?? ["name": "unknown"]
        if let session { event["session"] = session }
        event["service"] = ["name": "postgresql"]
        event["logon_type_id"] = 3
        event["logon_type"] = "Network"
        event["is_remote"] = line.text("client") != "unix"
        setStatus(1, "Success")
        setMessage(
            "session of \(line.text("user") ?? "") on \(line.text("database") ?? "") \(begins ? "began" : "ended")")
    }

    private mutating func setLifecycle() {
        let activity: (Int, String) =
            switch line.event {
            case "start": (3, "Start")
            case "stop": (4, "Stop")
            default: (99, "Reload")
            }
        setClass(6, 6002, "Application Lifecycle", activity)
        event["app"] = ["name": "Holdfast", "vendor_name": "Holdfast"]
        setStatus(1, "Success")
        setMessage("Holdfast: \(line.event)")
    }

    private mutating func setBase() {
        setClass(0, 0, "Base Event", (99, line.event))
        if line.event == "gap" { setSeverity(4, "High") }
        if ["recovered", "fault", "unreadable"].contains(line.event) { setSeverity(3, "Medium") }
        setMessage("the audit trail: \(line.event)")
    }

    /// U+007F to U+009F, U+2028 and U+2029 as `\uXXXX`, as the trail's own lines have them.
    static func escaped(_ json: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(json.count)
        var index = 0
        while index < json.count {
            let byte = json[index]
            let next = index + 1 < json.count ? json[index + 1] : 0
            let third = index + 2 < json.count ? json[index + 2] : 0
            switch (byte, next, third) {
            case (0x7F, _, _):
                result += #"\u007f"#.utf8
                index += 1
            case (0xC2, 0x80...0x9F, _):
                result += (#"\u00"# + String(next, radix: 16)).utf8
                index += 2
            case (0xE2, 0x80, 0xA8...0xA9):
                result += (third == 0xA8 ? #"\u2028"# : #"\u2029"#).utf8
                index += 3
            default:
                result.append(byte)
                index += 1
            }
        }
        return result
    }
}
