import Foundation
import Testing

@testable import Audit
@testable import AuditSinks

/// What ocsf-schema (events/, objects/, dictionary.json; 1.5 to 1.9) requires of the classes that are used.
@Suite struct `An OCSF event` {
    private func event(_ record: AuditFollowed) throws -> [String: Any] {
        let bytes = OCSFEvent(RecordLine(record)).bytes
        #expect(!bytes.contains(UInt8(ascii: "\n")))
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    struct Row {
        var event: String
        var members: String
        var classNumber: Int
        var activity: Int
        /// Attributes that the class requires besides those of all.
        var required: [String]
    }

    static let outcome = #""command_tag":"DROP TABLE","duration_us":1500,"transaction":"committed""#
    static let rows = [
        Row(
            event: "intent", members: Sample.statement, classNumber: 6005, activity: 7,
            required: ["actor", "src_endpoint", "database"]),
        Row(
            event: "outcome", members: outcome, classNumber: 6005, activity: 7,
            required: ["actor", "src_endpoint", "database"]),
        Row(event: "refusal", members: Sample.statement, classNumber: 2004, activity: 1, required: ["finding_info"]),
        Row(
            event: "finding", members: #""finding":"other_route","text":"DROP TABLE by another route""#,
            classNumber: 2004, activity: 1, required: ["finding_info"]),
        Row(event: "session_start", members: "", classNumber: 3002, activity: 1, required: ["user", "service"]),
        Row(event: "session_end", members: "", classNumber: 3002, activity: 2, required: ["user", "service"]),
        Row(event: "start", members: "", classNumber: 6002, activity: 3, required: ["app"]),
        Row(event: "stop", members: "", classNumber: 6002, activity: 4, required: ["app"]),
        Row(event: "reload", members: "", classNumber: 6002, activity: 99, required: ["app"]),
        Row(event: "checkpoint", members: #""head_seq":16"#, classNumber: 0, activity: 99, required: []),
        Row(
            event: "an_event_of_tomorrow", members: #""new_key":{"a":[1]}"#, classNumber: 0, activity: 99, required: []),
    ]

    @Test(arguments: rows) func `has all that its class requires`(_ row: Row) throws {
        let event = try event(Sample.record(row.event, row.members))
        #expect(event["class_uid"] as? Int == row.classNumber)
        #expect(event["category_uid"] as? Int == row.classNumber / 1000)
        #expect(event["activity_id"] as? Int == row.activity)
        #expect(event["type_uid"] as? Int == row.classNumber * 100 + row.activity)
        #expect(event["time"] as? Int == 1_795_342_272_123)
        #expect((1...6).contains(event["severity_id"] as? Int ?? 0))
        #expect([nil, 0, 1, 2].contains(event["status_id"] as? Int))
        let metadata = try #require(event["metadata"] as? [String: Any])
        #expect(metadata["version"] as? String == OCSFEvent.schemaVersion)
        #expect((metadata["product"] as? [String: Any])?["name"] as? String == "Holdfast")
        #expect(metadata["uid"] as? String == "0123456789abcdef:17" && metadata["sequence"] as? Int == 17)
        for key in row.required { #expect(event[key] != nil, "\(row.event): \(key)") }
    }

    /// Objects have attributes of which one at least must be there.
    @Test(arguments: rows) func `has no object that its schema forbids`(_ row: Row) throws {
        let constraints: [String: [String]] = [
            "actor": ["process", "user", "iam_role", "invoked_by", "session", "app_name", "app_uid"],
            "src_endpoint": ["ip", "uid", "name", "hostname", "svc_name"],
            "dst_endpoint": ["ip", "uid", "name", "svc_name"],
            "database": ["name", "uid"], "user": ["account", "name", "uid"], "policy": ["name", "type", "uid"],
            "table": ["name", "uid"], "service": ["name", "uid"], "app": ["name", "uid"], "product": ["name", "uid"],
        ]
        for members in [
            row.members,
            row.members + (row.members.isEmpty ? "" : ",") + #""user":"","session":"","client":"","database":"""#,
        ] {
            func check(_ value: Any, _ key: String) {
                if let list = value as? [Any] { for element in list { check(element, key) } }
                guard let object = value as? [String: Any] else { return }
                if let one = constraints[key] { #expect(one.contains { object[$0] != nil }, "\(row.event): \(key)") }
                for (key, value) in object where key != "unmapped" { check(value, key) }
            }
            check(try event(Sample.record(row.event, members)), "")
        }
    }

    @Test func `tells a refusal as a finding with rule, evidence and resources`() throws {
        let event = try event(Sample.record("refusal", Sample.statement))
        let finding = try #require(event["finding_info"] as? [String: Any])
        #expect(finding["uid"] as? String == "7f3a-1")
        #expect(finding["title"] as? String == "Holdfast refused DROP TABLE of public.orders")
        #expect((finding["analytic"] as? [String: Any])?["name"] as? String == "keep tables")
        #expect(
            event["action_id"] as? Int == 2 && event["disposition_id"] as? Int == 2 && event["severity_id"] as? Int == 4
        )
        let resources = try #require(event["resources"] as? [[String: String]])
        #expect(resources == [["name": "public.orders", "type": "table"]])
        let evidence = try #require((event["evidences"] as? [[String: Any]])?.first)
        #expect((evidence["data"] as? [String: Any])?["query_string"] as? String == "DROP TABLE orders")
    }

    struct End {
        var members: String
        var status: Int
        var code: String?
    }

    @Test(arguments: [
        End(members: #""transaction":"committed","command_tag":"DROP TABLE""#, status: 1),
        End(members: #""transaction":"rolled_back","command_tag":"DROP TABLE""#, status: 2),
        End(
            members: #""transaction":"rolled_back","sqlstate":"42P01","message":"no such table""#, status: 2,
            code: "42P01"),
        End(members: #""transaction":"prepared","command_tag":"DROP TABLE""#, status: 0),
        End(members: #""transaction":"unknown","message":"the proxy ended first""#, status: 0),
    ]) func `tells how a statement ended`(_ end: End) throws {
        let event = try event(Sample.record("outcome", end.members))
        #expect(event["status_id"] as? Int == end.status && event["status_code"] as? String == end.code)
    }

    @Test func `keeps what it has no attribute for, and says nothing twice`() throws {
        let event = try event(Sample.record("intent", Sample.statement + #","new_key":{"a":[1]}"#))
        let rest = try #require(event["unmapped"] as? [String: Any])
        #expect(
            Set(rest.keys) == ["v", "tag", "command", "classes", "objects", "verdict", "remarks", "new_key", "mac"])
    }

    @Test func `is one line that moves no terminal`() {
        let sql = #"SELECT '\u009b31m\u2028\u007f\n'"#
        let bytes = OCSFEvent(RecordLine(Sample.record("intent", #""sql":"\#(sql)""#))).bytes
        #expect(String(decoding: bytes, as: UTF8.self).unicodeScalars.allSatisfy { $0.value < 0x7F })
    }

    @Test func `of a line that is no JSON is a base event`() throws {
        let event = try event(AuditFollowed(instance: "i", sequence: 3, line: Array("{\"v\":2,\"seq\":3".utf8)))
        #expect(event["class_uid"] as? Int == 0 && event["severity_id"] as? Int == 3)
    }
}
