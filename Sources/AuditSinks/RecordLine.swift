import Audit
import Foundation

/// A record's line as a tree, whatever its version: keys that this version does not know are there, too.
package struct RecordLine {
    package var instance: String
    package var sequence: Int64
    /// Empty for a line that is no JSON object: it was changed after it was written.
    package var members: [String: Any]

    package init(_ record: AuditFollowed) {
        instance = record.instance
        sequence = record.sequence
        members = (try? JSONSerialization.jsonObject(with: Data(record.line))) as? [String: Any] ?? [:]
    }

    /// The record's kind, `unreadable` if the line does not say.
    package var event: String { text("event") ?? "unreadable" }

    package func text(_ key: String) -> String? { members[key] as? String }
    package func integer(_ key: String) -> Int64? { (members[key] as? NSNumber)?.int64Value }
    package func texts(_ key: String) -> [String] { members[key] as? [String] ?? [] }

    /// Kind and name of what the record names.
    package var objects: [(kind: String, name: String)] {
        (members["objects"] as? [[String: Any]] ?? []).map {
            ($0["kind"] as? String ?? "", $0["name"] as? String ?? "")
        }
    }

    /// Nanoseconds since 1970; 0 if the line does not say.
    package var time: Int64 { text("time").flatMap { AuditTime.parse($0) } ?? 0 }
}

/// Makes the text of a record that is sent as lines.
enum RecordText {
    static func bytes(of record: AuditFollowed, as format: SinkSettings.Format) -> [UInt8] {
        switch format {
        case .json: record.line
        case .ocsf: OCSFEvent(RecordLine(record)).bytes
        }
    }
}
