import SQLParsing

/// `holdfast classify --json-lines`: a line with a statement in, a line with its verdict out, through the very
/// ``StatementJudge`` that judges on the wire.
///
/// In: `{"sql": "…", "tag": "production", "settings": {"standard_conforming_strings": "off", "client_encoding": "SJIS"}}`;
/// `tag` and `settings` may be absent, `sql_hex` (hexadecimal digits) may stand for `sql` where the bytes are no UTF-8,
/// other members are ignored. Out: `{"verdict", "classes", "objects", "rule"}`, or `{"error"}` for a line that cannot
/// be used.
package struct LineClassifier: ~Copyable {
    private let ruleSet: RuleSet
    private let subject: Subject
    private let standardTag: String
    private var judge = StatementJudge()
    private var rulesByTag: [String: SubjectRules] = [:]
    /// The statement of the line at hand; kept for its storage.
    private var sql: [UInt8] = []

    /// How many tags' rules are kept compiled.
    private static let keptTags = 256

    /// - Parameters:
    ///   - subject: whose session the statements are judged for.
    ///   - tag: the tag of lines that name none; nil finds it by the subject.
    ///   - hazards: what code in the database may do.
    package init(rules: RuleSet, subject: Subject, tag: String?, hazards: HazardIndex = HazardIndex()) {
        judge.hazards = hazards
        ruleSet = rules
        self.subject = subject
        standardTag = tag ?? rules.tag(of: subject)
    }

    /// Judges one line (without its newline) and appends one line of output.
    package mutating func classify(_ line: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        do throws(JSONLine.Fault) {
            let request = try read(line)
            let judgement = judge(request)
            Self.write(judgement, into: &output)
        } catch {
            output.append(contentsOf: #"{"error": "#.utf8)
            JSONText.append(error.text, to: &output)
            output.append(contentsOf: "}\n".utf8)
        }
    }

    /// What a line asks, apart from the statement itself.
    private struct Request {
        var tag: String?
        var settings = LexicalSettings()
    }

    private mutating func judge(_ request: Request) -> Judgement {
        let tag = request.tag ?? standardTag
        if rulesByTag[tag] == nil {
            if rulesByTag.count >= Self.keptTags { rulesByTag.removeAll(keepingCapacity: true) }
            rulesByTag[tag] = ruleSet.rules(forTag: tag, subject: subject)
        }
        let rules = rulesByTag[tag] ?? ruleSet.rules(forTag: tag, subject: subject)
        let readings = LexicalReadings(request.settings)
        return sql.withUnsafeBytes { judge.judge($0, readings: readings, rules: rules) }
    }

    /// Reads a line; the statement's bytes are in ``sql`` afterwards.
    private mutating func read(_ line: UnsafeRawBufferPointer) throws(JSONLine.Fault) -> Request {
        var sql: [UInt8] = []
        swap(&sql, &self.sql)
        defer { swap(&sql, &self.sql) }
        sql.removeAll(keepingCapacity: true)
        var request = Request()
        var hasSQL = false
        var json = JSONLine(line)
        try json.readObject { (key, json) throws(JSONLine.Fault) in
            switch key {
            case "sql", "sql_hex":
                guard !hasSQL else { throw JSONLine.Fault(message: "the statement is given twice") }
                hasSQL = true
                try json.readString(into: &sql)
                if key == "sql_hex" { sql = try Self.bytes(ofHex: sql) }
            case "tag":
                if json.takeNull() { return }
                var tag: [UInt8] = []
                try json.readString(into: &tag)
                request.tag = String(decoding: tag, as: UTF8.self)
            case "settings":
                if json.takeNull() { return }
                request.settings = try Self.settings(&json)
            default:
                try json.skipValue()
            }
        }
        guard hasSQL else { throw JSONLine.Fault(message: "the line has no \"sql\"") }
        guard !sql.contains(0) else { throw JSONLine.Fault(message: "a statement cannot contain a NUL byte") }
        return request
    }

    private static func settings(_ json: inout JSONLine) throws(JSONLine.Fault) -> LexicalSettings {
        var settings = LexicalSettings()
        try json.readMembers { (key, json) throws(JSONLine.Fault) in
            switch key {
            case "standard_conforming_strings":
                switch try json.readSetting().lowercased() {
                case "on", "true", "yes", "1": settings.standardConformingStrings = true
                case "off", "false", "no", "0": settings.standardConformingStrings = false
                default: throw JSONLine.Fault(message: "standard_conforming_strings is \"on\" or \"off\"")
                }
            case "client_encoding":
                settings.encoding = ClientEncoding(serverName: try json.readSetting())
            default:
                try json.skipValue()
            }
        }
        return settings
    }

    private static func bytes(ofHex digits: [UInt8]) throws(JSONLine.Fault) -> [UInt8] {
        guard digits.count % 2 == 0 else { throw JSONLine.Fault(message: "\"sql_hex\" has half a byte") }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = HexDigit.value(digits[index]), let low = HexDigit.value(digits[index + 1]) else {
                throw JSONLine.Fault(message: "\"sql_hex\" holds hexadecimal digits only")
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func write(_ judgement: Judgement, into output: inout [UInt8]) {
        output.append(contentsOf: #"{"verdict": ""#.utf8)
        output.append(contentsOf: judgement.verdict.action.rawValue.utf8)
        output.append(contentsOf: #"", "classes": ["#.utf8)
        for (index, member) in judgement.facts.classes.members.enumerated() {
            if index > 0 { output.append(contentsOf: ", ".utf8) }
            JSONText.append(member.name, to: &output)
        }
        output.append(contentsOf: #"], "objects": ["#.utf8)
        for (index, object) in judgement.facts.objects.enumerated() {
            if index > 0 { output.append(contentsOf: ", ".utf8) }
            output.append(contentsOf: #"{"kind": ""#.utf8)
            output.append(contentsOf: object.kind.rawValue.utf8)
            output.append(contentsOf: #"", "name": "#.utf8)
            JSONText.append(object.qualifiedName, to: &output)
            output.append(UInt8(ascii: "}"))
        }
        output.append(contentsOf: #"], "rule": "#.utf8)
        if let match = judgement.verdict.match {
            JSONText.append(match.rule, to: &output)
        } else {
            output.append(contentsOf: "null".utf8)
        }
        output.append(contentsOf: "}\n".utf8)
    }
}

extension TextFacts {
    /// Every object that the text's effects name, each once, in the order of the text.
    package var objects: [ObjectName] {
        var seen: Set<ObjectName> = []
        var objects: [ObjectName] = []
        for statement in statements {
            for effect in statement.effects {
                if let object = effect.object, seen.insert(object).inserted { objects.append(object) }
            }
        }
        return objects
    }
}

extension Verdict {
    /// The rule that decided; nil when the text is allowed.
    package var match: RuleMatch? {
        switch self {
        case .allow: nil
        case .warn(let match), .block(let match): match
        }
    }
}

/// Writes JSON texts.
enum JSONText {
    /// Appends the text in double quotes.
    static func append(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case 0..<0x20, 0x7F:
                let digits = Array("0123456789abcdef".utf8)
                output.append(contentsOf: #"\u00"#.utf8)
                output.append(digits[Int(byte >> 4)])
                output.append(digits[Int(byte & 15)])
            default:
                output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
