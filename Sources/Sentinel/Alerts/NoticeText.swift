import Foundation

/// A notice as it is sent: JSON, schema in docs/watch.md.
enum NoticeText {
    private struct Body: Encodable {
        var version = 1
        var source = "holdfast"
        var host: String
        var id: String
        var watch: String
        var database: String
        var time: String
        var raised: [Item]
        var cleared: [Item]
        var open: Int
        var text: String
    }

    private struct Item: Encodable {
        var kind: String
        var subject: String
        var since: String
        var text: String

        init(_ open: WatchState.Open) {
            kind = open.finding.kind.rawValue
            subject = open.finding.subject
            since = open.since
            text = open.finding.text
        }
    }

    static func json(_ notice: WatchNotice, host: String) -> Data {
        let body = Body(
            host: host, id: notice.id, watch: notice.watch, database: notice.database, time: notice.time,
            raised: notice.raised.map(Item.init), cleared: notice.cleared.map(Item.init), open: notice.openCount,
            text: sentence(notice))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts, numbers and lists of them cannot fail to be encoded.
        return (try? encoder.encode(body)) ?? Data()
    }

    /// One line for a chat or a pager.
    static func sentence(_ notice: WatchNotice) -> String {
        var parts: [String] = []
        if let first = notice.raised.first {
            let more = notice.raised.count > 1 ? " (and \(notice.raised.count - 1) more)" : ""
            parts.append(first.finding.text + more)
        }
        if !notice.cleared.isEmpty {
            let first = notice.cleared.first.map { "\($0.finding.kind.rawValue) \($0.finding.subject)" } ?? ""
            let more = notice.cleared.count > 1 ? " (and \(notice.cleared.count - 1) more)" : ""
            parts.append("no longer so: \(first)\(more)")
        }
        if notice.openCount == 0 { parts.append("all is as expected") }
        return "\(notice.watch): " + parts.joined(separator: "; ")
    }
}
