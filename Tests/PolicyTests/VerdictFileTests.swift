import Configuration
import Foundation
import Policy
import SQLParsing
import Testing

/// A `.verdicts` file: tags and rules as in proxy.conf (or the line `proxy.conf` for the shipped file), a line `---`,
/// then lines `expect | tag | SQL`.
///
/// - expect: `allow`, `warn` or `block`, for the latter two with the rule's name behind a colon where it matters.
/// - tag: the tag, and where they matter `user=…` and `database=…`.
/// - `\n` in SQL is a line end. Empty lines and lines that begin with `#` say nothing.
struct VerdictFile: CustomTestStringConvertible {
    struct Line {
        var number: Int
        var expected: String
        var tag: String
        var subject: Subject
        var sql: String
    }

    /// A file that is not in this form.
    struct Fault: Error, CustomStringConvertible {
        var description: String
    }

    var name: String
    var rules: RuleSet
    var lines: [Line]

    var testDescription: String { name }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    static func all() throws -> [VerdictFile] {
        let folder = folder.appendingPathComponent("Verdicts")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
            $0.hasSuffix(".verdicts")
        }
        return try names.sorted().map { name in
            try VerdictFile(name: name, text: String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8))
        }
    }

    private init(name: String, text: String) throws {
        self.name = name
        let all = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let divider = all.firstIndex(of: "---") else { throw Fault(description: "\(name) has no line ---") }
        var rulesText = all[..<divider].filter { !$0.hasPrefix("#") }.joined(separator: "\n")
        if rulesText.trimmingCharacters(in: .whitespacesAndNewlines) == "proxy.conf" {
            rulesText = ShippedConfiguration.text
        }
        rules = try ConfigurationReader.read(rulesText, file: name, version: 1).rules
        lines = try all.enumerated().dropFirst(divider + 1).compactMap { index, line in
            if line.isEmpty || line.hasPrefix("#") { return nil }
            let fields = line.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard fields.count == 3 else { throw Fault(description: "\(name):\(index + 1) is not expect | tag | SQL") }
            var subject = Subject(
                database: "shop", user: "app", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
            let words = fields[1].split(separator: " ").map(String.init)
            for word in words.dropFirst() {
                if word.hasPrefix("user=") { subject.user = String(word.dropFirst(5)) }
                if word.hasPrefix("database=") { subject.database = String(word.dropFirst(9)) }
            }
            return Line(
                number: index + 1, expected: fields[0], tag: words.first ?? "", subject: subject,
                sql: fields[2].replacingOccurrences(of: "\\n", with: "\n"))
        }
    }
}

@Suite struct `Verdict files` {
    @Test(arguments: try VerdictFile.all())
    func `hold`(file: VerdictFile) {
        #expect(!file.lines.isEmpty)
        var judge = StatementJudge()
        for line in file.lines {
            let rules = file.rules.rules(forTag: line.tag, subject: line.subject)
            let judgement = Array(line.sql.utf8).withUnsafeBytes { text in
                judge.judge(text, readings: LexicalReadings(LexicalSettings()), rules: rules)
            }
            var found = judgement.verdict.action.rawValue
            if line.expected.contains(":"), let rule = judgement.verdict.match?.rule { found += ": " + rule }
            #expect(
                found == line.expected,
                "\(file.name):\(line.number): \(line.sql) [\(judgement.facts.classes.names.joined(separator: " "))]")
        }
    }
}
