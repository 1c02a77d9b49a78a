import Policy
import PostgresWire
import SQLParsing

/// Bind: a portal gets its statement, and with its parameters' values what the statement does. EXECUTE is the same in SQL.
///
/// `DELETE FROM leads WHERE id > $1` chooses rows or takes them all: its values say which. They are looked at only where
/// a rule could do something about it, put into a copy of the text, judged, and forgotten. What a rule then blocks is
/// refused here: FETCH runs a portal, too. Otherwise the portal remembers what came out, and is recorded when executed.
extension SessionMachine {
    /// Larger Bind messages pass unread: they hold no bound or pattern alone.
    private static let readableBindByteCount = 64 << 10

    /// The text of a Parse or a PREPARE, if its parameters' values will matter.
    func parameterized(
        _ facts: TextFacts, _ text: UnsafeRawBufferPointer, _ readings: LexicalReadings,
        types: @autoclosure () -> [UInt32] = []
    ) -> ParameterizedText? {
        guard facts.choosesByParameter, rules.judgesWholeTables, text.count <= ParameterizedText.byteLimit else {
            return nil
        }
        return ParameterizedText(text, readings: readings, types: types())
    }

    /// What `EXECUTE name(…)` would do: the statement under the name, with the arguments in place of its parameters.
    ///
    /// - Parameter text: the EXECUTE alone.
    func executed(
        _ record: RememberedStatement, by text: UnsafeRawBufferPointer, judge: inout StatementJudge
    ) -> TextFacts {
        var facts = record.facts
        guard !record.parameterized.isEmpty, rules.judgesWholeTables, text.count <= ParameterizedText.byteLimit else {
            return facts
        }
        for reading in settings.readings(of: text).settings {
            let arguments = judge.executeArguments(of: text, settings: reading)
            guard !arguments.isEmpty else { continue }
            for statement in record.parameterized { judge.bind(arguments, in: statement, to: &facts) }
        }
        return facts
    }

    mutating func bindArrived(
        _ header: FrameHeader, _ rest: UnsafeRawBufferPointer, judge: inout StatementJudge
    ) throws(WireFault) -> RelayStep.Next? {
        let available = UnsafeRawBufferPointer(rebasing: rest.prefix(header.byteCount))
        guard let message = BindMessage(available) else {
            if available.count < header.byteCount && available.count < FrameLimits.name {
                return .wait(byteCount: available.count + 1)
            }
            throw .layout(type: header.type)
        }
        let parsed = statements.lookUp(message.statement, segment: ledger.segment)
        var record = parsed
        var warning: [UInt8]?
        var values: [String?]?
        if let parsed, rules.recordsParameters, header.byteCount <= Self.readableBindByteCount {
            guard available.count == header.byteCount else { return .wait(byteCount: header.byteCount) }
            values = recorded(message, of: parsed)
        }
        if let parsed, !parsed.parameterized.isEmpty {
            let isRead = rules.judgesWholeTables && header.byteCount <= Self.readableBindByteCount
            guard !isRead || available.count == header.byteCount else { return .wait(byteCount: header.byteCount) }
            let bound = isRead ? bound(parsed, message, judge: &judge) : parsed
            record = bound.facts.leavesNothing ? nil : bound
            if bound !== parsed {
                let judgement = judge.judge(remembered: bound.facts, rules: rules)
                switch judgement.verdict {
                case .allow: break
                case .warn(let match):
                    warning = newWarning(match, bound, parsed, judge: judge)
                case .block where isAskedAtBind(bound.facts): break
                case .block(let match):
                    refuseBind(header, match, judgement, sql: bound.sql, parameters: values)
                    return nil
                }
            }
        }
        if let asked = record, isAskedAtBind(asked.facts) {
            // A plan is made, or was; FETCH can run the portal from here on.
            let remembered = judge.judge(remembered: asked.facts, rules: rules)
            let names =
                asked.hasOneReading
                ? Names(areSequence: false, areCertain: asked.readsCertainly, arePlanned: true) : nil
            var sql = asked.sql
            let consultation = sql.withUTF8 {
                consult(remembered, isQuery: false, names: names, text: UnsafeRawBufferPointer($0), judge: judge)
            }
            switch consultation {
            case .waits(let next): return next
            case .judged(let final):
                if case .block(let match) = final.verdict {
                    refuseBind(header, match, final, sql: asked.sql, parameters: values)
                    return nil
                }
                if final.facts != asked.facts {
                    record = RememberedStatement(
                        facts: final.facts, sql: asked.sql, secrets: asked.secrets,
                        hasOneReading: asked.hasOneReading,
                        readsCertainly: asked.readsCertainly)
                }
            }
        }
        if let asked = record, let values { record = asked.bound(to: values) }
        // Planning may run functions of the user's.
        settings.mayChange()
        if record == nil && warning == nil && portals.holdsNothing(under: message.portal) {
            forward(.bind, header)
            return nil
        }
        let key = NameLedger.key(message.portal)
        portals.define(key, record, segment: ledger.segment)
        let note = ReplyNote()
        note.naming = .bound(key, record)
        note.notice = warning
        clientState = .decided(MessageDecision(kind: .bind, byteCount: header.byteCount, note: note))
        return nil
    }

    /// The statement with its parameters' values; the same one if they change nothing.
    private func bound(
        _ record: RememberedStatement, _ message: BindMessage, judge: inout StatementJudge
    ) -> RememberedStatement {
        guard let values = message.values else { return record }
        var facts = record.facts
        for statement in record.parameterized {
            let parameters = values.enumerated().map { index, value in
                ParameterValue(value.bytes, isBinary: value.isBinary, type: statement.type(index))
            }
            judge.bind(parameters, in: statement, to: &facts)
        }
        return facts == record.facts
            ? record
            : RememberedStatement(
                facts: facts, sql: record.sql, secrets: record.secrets, hasOneReading: record.hasOneReading,
                readsCertainly: record.readsCertainly)
    }

    /// So many bytes of a parameter's value are recorded.
    private static let recordedValueBytes = 1024

    /// The parameters' values as the trail takes them: binary ones that are no text in hexadecimal digits, long ones cut,
    /// those that stand where a secret would, and all of a statement that has secrets in it, not at all.
    private func recorded(_ message: BindMessage, of statement: RememberedStatement) -> [String?]? {
        let hidesAll = !statement.secrets.isEmpty
        var sql = statement.sql
        let secrets = sql.withUTF8 { SecretRedaction.secretParameters(UnsafeRawBufferPointer($0)) }
        return message.values?.enumerated().map { index, value in
            guard let bytes = value.bytes else { return nil }
            return hidesAll || secrets.contains(index + 1) ? "***" : Self.recorded(bytes, isBinary: value.isBinary)
        }
    }

    private static func recorded(_ bytes: UnsafeRawBufferPointer, isBinary: Bool) -> String {
        let isText = !isBinary || bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        guard isText, let text = String(validating: bytes, as: UTF8.self) else {
            let digits = bytes.prefix(recordedValueBytes).reduce(into: "\\x") { digits, byte in
                digits += byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16)
            }
            return bytes.count > recordedValueBytes ? "\(digits)… (\(bytes.count) bytes)" : digits
        }
        // Redacted whole: what is cut first may not be known for a secret.
        let shown = SecretRedaction.redacted(text: text)
        guard shown.utf8.count > recordedValueBytes else { return shown }
        return "\(String(decoding: shown.utf8.prefix(recordedValueBytes), as: UTF8.self))… (\(bytes.count) bytes)"
    }

    /// The warning that the values call for; what the text alone calls for was said at Parse.
    private mutating func newWarning(
        _ match: RuleMatch, _ bound: RememberedStatement, _ parsed: RememberedStatement,
        judge: borrowing StatementJudge
    ) -> [UInt8]? {
        guard case .allow = judge.judge(remembered: parsed.facts, rules: rules).verdict else { return nil }
        return notice(match, bound.facts, sql: bound.sql)
    }

    /// The Bind is replaced by one of a statement that does not exist.
    private mutating func refuseBind(
        _ header: FrameHeader, _ match: RuleMatch, _ judgement: Judgement, sql: String, parameters: [String?]?
    ) {
        settings.mayChange()
        var sql = sql
        let refusal = sql.withUTF8 {
            refuse(match, judgement, text: UnsafeRawBufferPointer($0), parameters: parameters)
        }
        let note = ReplyNote()
        note.refusal = refusal
        clientState = .decided(
            MessageDecision(
                kind: .bind, byteCount: header.byteCount, note: note,
                replacement: .message(WireWriter.bind(statement: refusal.name))))
    }
}
