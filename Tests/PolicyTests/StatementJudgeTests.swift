import SQLParsing
import Testing

@testable import Policy

private let subject = Subject(
    database: "shop", user: "app", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")

private let strictest = RuleSet(version: 1, rules: [Rule(name: "all", classes: ClassGroup.any.classes, action: .block)])
    .rules(for: subject)

@Suite struct `The judge` {
    @Test func `gives a statement that is too large its own class`() {
        let judgement = StatementJudge().judge(oversizedByteCount: 2_000_000_000, rules: strictest)
        #expect(judgement.facts.classes == ClassSet(.oversized))
        #expect(judgement.verdict.match?.rule == "all")
        #expect(judgement.isAudited)
        #expect(StatementJudge().judge(oversizedByteCount: -1, rules: strictest).verdict.action == .block)
    }

    @Test(arguments: [952, 953, 954, 955, 956, 957, 958, 715, 1004, 3170, 3171, 3172] as [UInt32])
    func `lets drivers use large objects over the fast path`(oid: UInt32) {
        let judgement = StatementJudge().judge(functionCall: oid, rules: strictest)
        #expect(judgement.facts.isOrdinary)
        #expect(judgement.verdict == .allow)
        #expect(!judgement.isAudited)
    }

    @Test func `takes the removal of a large object for dangerous`() {
        let judgement = StatementJudge().judge(functionCall: 964, rules: strictest)
        #expect(judgement.facts.classes == ClassSet(.dangerousFunction))
        #expect(judgement.facts.objects.map(\.kind) == [.largeObject])
        #expect(judgement.verdict.action == .block)
    }

    @Test(arguments: [0, 1, 764, 765, 16384, .max] as [UInt32])
    func `knows no other function by its OID`(oid: UInt32) {
        let judgement = StatementJudge().judge(functionCall: oid, rules: strictest)
        #expect(judgement.facts.classes == ClassSet(.functionCall))
        #expect(judgement.facts.objects.map(\.qualifiedName) == [String(oid)])
        #expect(judgement.verdict.action == .block)
    }

    @Test func `judges remembered facts under the rules of now`() {
        let facts = TextFacts(
            classes: ClassSet(.truncate),
            statements: [
                StatementFacts(
                    range: 0..<1, command: "TRUNCATE TABLE", classes: ClassSet(.truncate),
                    effects: [Effect(.truncate, ObjectName(.table, name: "a"))])
            ])
        let before = RuleSet(version: 1).rules(for: subject)
        #expect(StatementJudge().judge(remembered: facts, rules: before).verdict == .allow)
        #expect(StatementJudge().judge(remembered: facts, rules: strictest).verdict.action == .block)
    }

    struct ReplicationRow: CustomTestStringConvertible {
        var text: String
        var classes: ClassSet?
        var object: String?
        init(_ text: String, _ classes: ClassSet?, _ object: String? = nil) {
            (self.text, self.classes, self.object) = (text, classes, object)
        }
        var testDescription: String { text }
    }

    @Test(arguments: [
        ReplicationRow("IDENTIFY_SYSTEM", []), ReplicationRow(" \t\r\n\u{B}\u{C}IDENTIFY_SYSTEM;", []),
        ReplicationRow("START_REPLICATION SLOT a LOGICAL 0/0", []), ReplicationRow("BASE_BACKUP (LABEL 'x')", []),
        ReplicationRow("TIMELINE_HISTORY 1", []), ReplicationRow("READ_REPLICATION_SLOT a", []),
        ReplicationRow("UPLOAD_MANIFEST", []),
        ReplicationRow("CREATE_REPLICATION_SLOT \"My slot\" LOGICAL x", ClassSet(.create), "My"),
        ReplicationRow("DROP_REPLICATION_SLOT slot1 WAIT", ClassSet(.dropOther), "slot1"),
        ReplicationRow("DROP_REPLICATION_SLOT", ClassSet(.dropOther), ""),
        ReplicationRow("identify_system", nil), ReplicationRow("IDENTIFY_SYSTEMX", nil),
        ReplicationRow("/* */ IDENTIFY_SYSTEM", nil), ReplicationRow("SHOW x", nil), ReplicationRow("", nil),
        ReplicationRow("DROP TABLE a", nil),
    ])
    func `tells the walsender's commands from SQL by the first word`(row: ReplicationRow) {
        let bytes = Array(row.text.utf8)
        bytes.withUnsafeBytes { text in
            let command = ReplicationCommand(text)
            #expect((command == nil) == (row.classes == nil))
            if let command, let classes = row.classes {
                #expect(command.statementClass.map { ClassSet($0) } ?? [] == classes)
                if let object = row.object { #expect(command.slotName(in: text) == object) }
                var judge = StatementJudge()
                let judgement = judge.judge(
                    replicationCommand: text, readings: LexicalReadings(LexicalSettings()), rules: strictest)
                #expect(judgement.facts.classes == classes)
                #expect(judgement.verdict.action == (classes.isEmpty ? .allow : .block))
            }
        }
    }
}

@Suite struct `A line of JSON` {
    private static let rules = RuleSet(
        version: 1, rules: [Rule(name: "a \"rule\"", classes: ClassGroup.any.classes, action: .block)])

    private func answer(_ line: String) -> String { answer(Array(line.utf8)) }

    private func answer(_ line: [UInt8]) -> String {
        var classifier = LineClassifier(rules: Self.rules, subject: subject, tag: nil)
        var output: [UInt8] = []
        line.withUnsafeBytes { classifier.classify($0, into: &output) }
        return String(decoding: output, as: UTF8.self)
    }

    @Test func `about an ordinary statement is answered with allow`() {
        let allowed = "{\"verdict\": \"allow\", \"classes\": [], \"objects\": [], \"rule\": null}\n"
        #expect(answer(#"{"sql": "SELECT 1"}"#) == allowed)
        #expect(answer(" {\"sql\":\"SELECT \\u00e9 \\ud83d\\ude00 \\n\\/\" , \"tag\" : \"test\" }\r") == allowed)
        #expect(answer(#"{"sql_hex": "53454C4543542031", "tag": null, "settings": null}"#) == allowed)
        #expect(answer(#"{"other": {"a": [1, -2.5e+3, true, null, "x", {}, []]}, "sql": ""}"#) == allowed)
        #expect(
            answer(
                #"{"sql": "SELECT 1", "settings": {"standard_conforming_strings": "off", "client_encoding": "SJIS", "x": 1}}"#
            ) == allowed)
        #expect(answer(#"{"sql": "SELECT 1", "settings": {"standard_conforming_strings": false}}"#) == allowed)
    }

    @Test(arguments: [
        "", "   ", "nonsense", "[]", "null", "{", "{}", "{\"sql\"}", "{\"sql\": }", "{\"sql\": 1}", "{\"sql\": \"x\"",
        "{\"sql\": \"x}", "{\"sql\": \"x\"} {}", "{\"sql\": \"x\",}", "{\"sql\": \"x\" \"tag\": \"y\"}",
        "{\"sql\": \"\\q\"}", "{\"sql\": \"\\u12\"}", "{\"sql\": \"\\ud800\"}", "{\"sql\": \"\\ud800\\u0041\"}",
        "{\"sql\": \"\\udc00\"}", "{\"sql\": \"a\tb\"}", "{\"sql\": \"x\", \"sql\": \"y\"}", "{\"sql\": \"a\\u0000b\"}",
        "{\"sql\": \"x\", \"sql_hex\": \"00\"}", "{\"sql_hex\": \"4\"}", "{\"sql_hex\": \"4g\"}",
        "{\"sql_hex\": \"00\"}",
        "{\"sql\": \"x\", \"tag\": 7}", "{\"sql\": \"x\", \"settings\": []}", "{\"sql\": \"x\", \"a\": 01}",
        "{\"sql\": \"x\", \"a\": -}", "{\"sql\": \"x\", \"a\": 1.}", "{\"sql\": \"x\", \"a\": tru}",
        "{\"sql\": \"x\", \"settings\": {\"standard_conforming_strings\": \"maybe\"}}",
    ])
    func `that cannot be used is answered with an error`(line: String) {
        let output = answer(line)
        #expect(output.hasPrefix("{\"error\": \""), "\(output)")
        #expect(output.hasSuffix("\"}\n"))
        #expect(output.utf8.count < 200)
    }

    @Test func `that nests without end is answered with an error`() {
        for opening in ["[", "{\"a\":"] {
            let output = answer("{\"sql\": \"x\", \"a\": " + String(repeating: opening, count: 100_000))
            #expect(output.hasPrefix("{\"error\": \"values nest too deeply"))
        }
    }

    @Test func `that is not UTF-8 is answered with an error`() {
        let output = answer(Array("{\"sql\": \"x".utf8) + [0xFF] + Array("\"}".utf8))
        #expect(output == "{\"error\": \"a text is not UTF-8 at byte 8\"}\n")
    }

    @Test func `is escaped where it must be`() {
        var output: [UInt8] = []
        JSONText.append("a\"\\\n\u{1}é\u{7f}", to: &output)
        #expect(String(decoding: output, as: UTF8.self) == #""a\"\\\u000a\u0001é\u007f""#)
    }
}
