import Foundation
import Testing

@testable import Audit
@testable import AuditSinks

/// A folder of the test's own, removed with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array((NSTemporaryDirectory() + "/holdfast-sinks-XXXXXX").utf8CString)
        let made = try #require(mkdtemp(&template))
        path = String(cString: made)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}

enum Sample {
    static let instance = "0123456789abcdef"

    /// A line as the trail has it, with the given members behind the usual ones.
    static func record(_ event: String, _ members: String = "", sequence: Int64 = 17) -> AuditFollowed {
        let mac = String(repeating: "ab", count: 32)
        let line = """
            {"v":2,"seq":\(sequence),"time":"2026-11-22T10:11:12.123456Z","event":"\(event)","id":"7f3a-1","session":"s1",\
            "client":"192.0.2.7:40000","user":"alice","database":"shop","application_name":"psql","tag":"production"\
            \(members.isEmpty ? "" : ",\(members)"),"mac":"\(mac)"}
            """
        return AuditFollowed(instance: instance, sequence: sequence, line: Array(line.utf8))
    }

    static let statement =
        #""command":"DROP TABLE","sql":"DROP TABLE orders","classes":["drop_table"],"objects":[{"kind":"table","name":"public.orders"}],"verdict":"block","rule":"keep tables","remarks":[]"#

    static func header(maximumByteCount: Int = 8192) -> SyslogHeader {
        SyslogHeader(
            facility: 16, hostName: "db7", applicationName: "holdfast", processID: "4711",
            structuredDataID: "holdfast@32473", maximumByteCount: maximumByteCount)
    }
}
