import Audit
import Foundation
import ServerLink

/// A table of a PostgreSQL server, for any number of Holdfasts. It has each record once: records and the position behind them
/// are one transaction, and after every fault, a lost answer to COMMIT included, the table is asked how far it came.
final class PostgresTarget: SinkTarget {
    private let settings: PostgresSinkSettings
    private let ownAddresses: [String]
    private var connection: ServerConnection?
    /// Months whose partition is there: 202611.
    private var months: Set<Int64> = []

    init(_ settings: PostgresSinkSettings, ownAddresses: [String]) {
        self.settings = settings
        self.ownAddresses = ownAddresses
    }

    func open() throws(SinkFault) {
        let opened = try asked { () throws(ServerFault) in
            try ServerConnection(settings.connection, purpose: "audit")
        }
        if OwnAddress.isListener(ownAddresses, peerOf: opened.socket) {
            throw SinkFault(
                "its connection leads to this Holdfast's own port; name the server itself in \"connection\": what is "
                    + "written through Holdfast would be recorded again")
        }
        months = []
        try asked { () throws(ServerFault) in
            // Whatever the role's own settings are.
            try opened.run(script: "SET search_path = pg_catalog; SET timezone = 'UTC'; SET DateStyle = 'ISO'")
        }
        try prepare(opened)
        try asked { () throws(ServerFault) in
            try opened.run(script: "SET search_path = pg_catalog; \(PostgresTrailTable.staging)")
        }
        connection = opened
    }

    /// Makes what is missing of the table, or says what is.
    private func prepare(_ connection: ServerConnection) throws(SinkFault) {
        func missing() throws(SinkFault) -> [String] {
            try asked { () throws(ServerFault) in
                try connection.query(settings.table.missing).rows.compactMap { $0.first ?? nil }
            }
        }
        var names = try missing()
        if !names.isEmpty, settings.creates {
            try asked { () throws(ServerFault) in try connection.run(script: settings.table.making) }
            names = try missing()
        }
        guard names.isEmpty else {
            throw SinkFault(
                "database \(connection.database) has no \(names.joined(separator: ", no ")); as its owner run what "
                    + "\"holdfast audit sink-sql\" prints, or write create = true")
        }
    }

    func position(of instance: String) throws(SinkFault) -> Int64? {
        guard let connection else { return nil }
        let value = try asked { () throws(ServerFault) in
            try connection.query(settings.table.position, [instance]).value
        }
        return value.flatMap { Int64($0) } ?? 0
    }

    func send(_ records: [AuditFollowed]) throws(SinkFault) {
        guard let connection else { throw SinkFault("not connected") }
        try makePartitions(for: records, connection)
        do throws(ServerFault) {
            try insert(records.map { Row($0) }, connection)
        } catch {
            guard Self.isAboutData(error) else { throw SinkFault(error) }
            // Something in one of them cannot be taken as it is: JSON that PostgreSQL does not hold, or a line that was
            // changed after it was written.
            for record in records { try insertAnyhow(record, connection) }
        }
    }

    func close(isAtEnd: Bool) -> Bool {
        connection = nil
        return isAtEnd
    }

    // MARK: - Rows

    /// What is copied of a record.
    private struct Row {
        var instance: String
        var sequence: Int64
        var record: [UInt8]
        var line: [UInt8]

        init(_ followed: AuditFollowed) {
            instance = followed.instance
            sequence = followed.sequence
            line = followed.line
            record = followed.line
        }

        /// COPY's text format (PostgreSQL manual, "COPY").
        func append(to bytes: inout [UInt8]) {
            bytes += instance.utf8
            bytes.append(UInt8(ascii: "\t"))
            bytes += String(sequence).utf8
            for text in [record, line] {
                bytes.append(UInt8(ascii: "\t"))
                // Only a line that was changed can hold what is no UTF-8, or a NUL.
                let isPlain = text.allSatisfy { $0 >= 0x20 && $0 < 0x80 }
                for byte in isPlain ? text[...] : Array(String(decoding: text, as: UTF8.self).utf8)[...] {
                    switch byte {
                    case UInt8(ascii: "\\"): bytes += #"\\"#.utf8
                    case UInt8(ascii: "\t"): bytes += #"\t"#.utf8
                    case UInt8(ascii: "\n"): bytes += #"\n"#.utf8
                    case UInt8(ascii: "\r"): bytes += #"\r"#.utf8
                    case 0: bytes += "\u{FFFD}".utf8
                    default: bytes.append(byte)
                    }
                }
            }
            bytes.append(UInt8(ascii: "\n"))
        }
    }

    /// One transaction: the records, and how far they come.
    private func insert(_ rows: [Row], _ connection: ServerConnection) throws(ServerFault) {
        guard let last = rows.last else { return }
        var bytes: [UInt8] = []
        for row in rows { row.append(to: &bytes) }
        do throws(ServerFault) {
            try connection.query("BEGIN")
            try connection.copy(PostgresTrailTable.copying, bytes)
            try connection.query(settings.table.moving)
            try connection.query(settings.table.positioning, [last.instance, String(last.sequence)])
            try connection.query("COMMIT")
        } catch {
            if connection.isAlive { _ = try? connection.query("ROLLBACK") }
            throw error
        }
    }

    /// As it is; else without U+0000, which PostgreSQL has not; else as a line that cannot be read, which it then is.
    private func insertAnyhow(_ record: AuditFollowed, _ connection: ServerConnection) throws(SinkFault) {
        var row = Row(record)
        let time = Self.time(of: record.line).map { #","time":"\#($0)""# } ?? ""
        let unreadable = #"{"seq":\#(record.sequence)\#(time),"event":"unreadable"}"#
        for text in [record.line, Self.withoutNUL(record.line), Array(unreadable.utf8)] {
            row.record = text
            do throws(ServerFault) {
                return try insert([row], connection)
            } catch {
                guard Self.isAboutData(error) else { throw SinkFault(error) }
            }
        }
        throw SinkFault("record \(record.sequence) cannot be stored in any form")
    }

    /// Data exceptions, and violated constraints (PostgreSQL manual, "Error Codes").
    private static func isAboutData(_ fault: ServerFault) -> Bool {
        fault.sqlState.map { $0.hasPrefix("22") || $0 == "23502" } ?? false
    }

    static func withoutNUL(_ line: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < line.count {
            if line[index] == UInt8(ascii: "\\"), line[index...].starts(with: #"\u0000"#.utf8) {
                result += #"\ufffd"#.utf8
                index += 6
            } else if line[index] == UInt8(ascii: "\\"), index + 1 < line.count {
                result += line[index...(index + 1)]
                index += 2
            } else {
                result.append(line[index])
                index += 1
            }
        }
        return result
    }

    // MARK: - Partitions

    /// Those of the records' months, and the next: it is there before it is needed.
    private func makePartitions(for records: [AuditFollowed], _ connection: ServerConnection) throws(SinkFault) {
        var wanted: Set<String> = []
        for record in records { wanted.insert(Self.month(of: record.line) ?? "1970-01") }
        if let latest = wanted.max(), let next = Self.month(after: latest) { wanted.insert(next) }
        for month in wanted.sorted() {
            guard let number = Int64(month.replacing("-", with: "")), !months.contains(number) else { continue }
            try asked { () throws(ServerFault) in
                try connection.query(settings.table.partition, ["\(month)-15T00:00:00Z"])
            }
            months.insert(number)
        }
    }

    /// `2026-11` of a line's `"time":"2026-11-22T…`; nil if it has none.
    static func month(of line: [UInt8]) -> String? { time(of: line).map { String($0.prefix(7)) } }

    private static func time(of line: [UInt8]) -> String? {
        let key = Array(#""time":""#.utf8)
        guard let start = (0..<min(64, line.count)).first(where: { line[$0...].starts(with: key) }) else { return nil }
        let text = line[(start + key.count)...].prefix(27)
        let time = String(decoding: text, as: UTF8.self)
        return AuditTime.parse(time) == nil ? nil : time
    }

    static func month(after month: String) -> String? {
        let parts = month.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 2 else { return nil }
        let (year, next) = parts[1] == 12 ? (parts[0] + 1, 1) : (parts[0], parts[1] + 1)
        return "\(year)-" + (next < 10 ? "0\(next)" : "\(next)")
    }

    @discardableResult
    private func asked<Answer>(_ question: () throws(ServerFault) -> Answer) throws(SinkFault) -> Answer {
        do throws(ServerFault) { return try question() } catch { throw SinkFault(error) }
    }
}
