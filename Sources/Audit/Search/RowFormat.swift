/// How rows are written for people and programs.
package enum RowFormat: String, Sendable, CaseIterable {
    /// A line for each, in columns (``AuditRowText``).
    case table
    /// One JSON object a line: the statement with its outcome.
    case json
    /// RFC 4180, with a header line.
    case csv
    /// The lines of the trail themselves.
    case records
}

/// Writes rows in a format.
package struct RowWriter {
    private let format: RowFormat
    private let events: Set<AuditRecord.Event>
    private var text: AuditRowText
    private let isTerminal: Bool
    private var hasHeader = false

    /// - Parameters:
    ///   - events: of these alone the lines are shown, where the lines themselves are; empty for all.
    ///   - showsSQL: a table with the statements' texts.
    ///   - isTerminal: what is written is shown by one, which would obey control characters in CSV.
    package init(
        _ format: RowFormat, events: Set<AuditRecord.Event> = [], showsSQL: Bool = false, isTerminal: Bool = false
    ) {
        self.isTerminal = isTerminal
        self.format = format
        self.events = events
        text = AuditRowText(showsSQL: showsSQL)
    }

    /// What stands before the first row.
    package mutating func header() -> [UInt8] {
        guard format == .csv, !hasHeader else { return [] }
        hasHeader = true
        return RowCSV.header
    }

    package mutating func bytes(_ row: AuditRow) -> [UInt8] {
        switch format {
        case .table: return Array(text.text(row).utf8)
        case .json: return RowJSON.line(row)
        case .csv: return header() + RowCSV.line(row, isTerminal: isTerminal)
        case .records:
            var bytes: [UInt8] = []
            func add(_ event: AuditRecord.Event, _ line: [UInt8]) {
                guard !line.isEmpty, events.isEmpty || events.contains(event) else { return }
                bytes += line
                bytes.append(UInt8(ascii: "\n"))
            }
            add(row.record.event, row.line)
            add(.outcome, row.outcomeLine)
            return bytes
        }
    }
}

/// A row as one JSON object: the keys of its record in their order, then those of its outcome. Made of the lines themselves, so
/// what later versions add is kept.
enum RowJSON {
    /// What says where a line stands in the trail, not what happened.
    private static let leftOut: Set<String> = ["v", "seq", "mac"]
    /// What an outcome repeats, or what would mean something else in a row.
    private static let leftOutOfOutcomes: Set<String> = ["v", "seq", "mac", "event", "id", "time"]

    static func line(_ row: AuditRow) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        var keys = leftOut
        append(row.line, without: &keys, to: &bytes)
        keys.formUnion(leftOutOfOutcomes)
        append(row.outcomeLine, without: &keys, to: &bytes)
        if let time = row.endTime, !row.outcomeLine.isEmpty { add("ended", AuditTime.text(time), to: &bytes) }
        switch row.state {
        case .complete: break
        case .pending: add("state", "pending", to: &bytes)
        case .inDoubt: add("state", "in_doubt", to: &bytes)
        }
        return bytes + [UInt8(ascii: "}"), UInt8(ascii: "\n")]
    }

    private static func add(_ key: String, _ value: String, to bytes: inout [UInt8]) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes += AuditEncoder.quoted(key)
        bytes.append(UInt8(ascii: ":"))
        bytes += AuditEncoder.quoted(value)
    }

    /// Copies pairs as they stand, those whose keys were not had.
    private static func append(_ line: [UInt8], without keys: inout Set<String>, to bytes: inout [UInt8]) {
        line.withUnsafeBufferPointer { line in
            var scanner = JSONScanner(line)
            guard scanner.take("{") else { return }
            repeat {
                // The line has been read as a record: it is whole.
                guard scanner.peek() == UInt8(ascii: "\"") else { return }
                let start = scanner.position
                guard let key = try? scanner.string(), (try? scanner.expect(":")) != nil,
                    (try? scanner.skipValue()) != nil
                else { return }
                guard keys.insert(key).inserted else { continue }
                if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
                bytes += line[start..<scanner.position]
            } while scanner.take(",")
        }
    }
}

/// A row as a line of CSV (RFC 4180): lines end in CR LF, a field with a comma, a quote or a line end stands in quotes.
enum RowCSV {
    static let columns = [
        "time", "event", "id", "session", "client", "user", "database", "application_name", "tag", "verdict", "rule",
        "command", "fingerprint", "classes", "objects", "state", "transaction", "command_tag", "sqlstate", "message",
        "rows",
        "duration_us", "ended", "remarks", "sql",
    ]

    static let header = line(columns)

    static func line(_ row: AuditRow, isTerminal: Bool = false) -> [UInt8] {
        let fields = fields(of: row)
        return line(isTerminal ? fields.map(AuditRowText.shown) : fields)
    }

    private static func fields(of row: AuditRow) -> [String] {
        let record = row.record
        let (session, statement, outcome) = (record.session, record.statement, row.outcome)
        let state =
            switch row.state {
            case .complete: "complete"
            case .pending: "pending"
            case .inDoubt: "in_doubt"
            }
        let objects = statement?.objects ?? record.finding?.objects ?? []
        let others = [
            record.finding?.text, record.gap?.reason, record.mark?.reason, record.fault?.text, record.watched?.text,
            record.snapshot?.text, record.recovery?.text,
        ].compactMap(\.self)
        let remarks = statement?.remarks ?? others
        return [
            AuditTime.text(record.time), record.event.rawValue, record.id, session.session, session.client,
            session.user, session.database, session.applicationName, session.tag, statement?.verdict ?? "",
            statement?.rule ?? "", statement?.command ?? "", statement?.fingerprint ?? "",
            (statement?.classes ?? []).joined(separator: " "),
            objects.map { "\($0.kind) \($0.name)" }.joined(separator: "; "), state, outcome?.transaction.rawValue ?? "",
            outcome?.commandTag ?? "", outcome?.sqlState ?? "", outcome?.message ?? "",
            outcome?.rows.map(String.init) ?? "", outcome?.durationMicroseconds.map(String.init) ?? "",
            row.endTime.map { AuditTime.text($0) } ?? "", remarks.joined(separator: "; "),
            statement?.sql ?? record.recovery?.statement ?? "",
        ]
    }

    static func line(_ fields: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(field, to: &bytes)
        }
        return bytes + [0x0D, 0x0A]
    }

    private static func append(_ field: String, to bytes: inout [UInt8]) {
        let special: Set<UInt8> = [UInt8(ascii: ","), UInt8(ascii: "\""), 0x0A, 0x0D]
        guard field.utf8.contains(where: special.contains) || field.first == " " || field.last == " " else {
            bytes += field.utf8
            return
        }
        bytes.append(UInt8(ascii: "\""))
        for byte in field.utf8 {
            if byte == UInt8(ascii: "\"") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
