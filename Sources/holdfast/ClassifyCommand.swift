import ArgumentParser
import Configuration
import Foundation
import Gateway
import Policy
import SQLParsing
import ServerLink

/// `holdfast classify`: what a statement would do, and what the rules would say, without any server.
struct ClassifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify",
        abstract: "Say what statements would do and whether they would be refused.",
        discussion: """
            Takes SQL from the arguments, or from standard input, and judges it as the proxy does. Each argument is one \
            text; a text may hold several statements, and one that is refused stops them all.

            Exits with 0 when everything is allowed (warnings included), with 3 when something is refused, with 1 when \
            proxy.conf is invalid, with 64 when the command line is. With --json-lines it exits with 0 after every line \
            has been answered, whatever the verdicts.

            With --json-lines, each line of standard input is a JSON object
              {"sql": "…", "tag": "production", "settings": {"standard_conforming_strings": "off", "client_encoding": "SJIS"}}
            where tag and settings may be absent, and sql_hex (hexadecimal digits) may stand for sql. Each line of output \
            answers one line of input, in the same order:
              {"verdict": "block", "classes": ["drop_table"], "objects": [{"kind": "table", "name": "public.users"}], "rule": "keep tables"}
            A line that cannot be read is answered by {"error": "…"}.

            Examples:
              holdfast classify 'DROP TABLE users'
              holdfast classify --tag test 'DROP TABLE users'
              holdfast classify --catalog 'postgresql://db.example/shop' 'INSERT INTO orders DEFAULT VALUES'
              holdfast classify --database shop_test --user ci < migration.sql
              holdfast classify --json-lines < statements.jsonl
            """)

    @Argument(help: "SQL texts; none reads standard input.")
    var sql: [String] = []

    @Flag(help: "Read and write one JSON object a line.")
    var jsonLines = false

    @Option(
        help: "The file with the rules; default: proxy.conf in the working directory, then /etc/holdfast/proxy.conf.")
    var config: String?

    @Option(help: "Judge for this tag; default: the tag that proxy.conf gives to the connection described below.")
    var tag: String?

    @Option(
        help: "Read from this database (a libpq connection string or URL) which functions, triggers … it has, too.")
    var catalog: String?

    @Option(help: "The connection's database.")
    var database = ""

    @Option(help: "The connection's user.")
    var user = ""

    @Option(help: "The connection's application_name.")
    var applicationName = ""

    @Option(help: "The client's address, or \"local\" for a Unix-domain socket.")
    var client = "local"

    @Option(help: "The operating-system user of a client on a Unix-domain socket.")
    var osUser: String?

    @Option(help: "The listener that the client came in by, as written in proxy.conf; default: the first.")
    var listener: String?

    func validate() throws {
        if jsonLines, !sql.isEmpty {
            throw ValidationError("--json-lines reads standard input; leave the SQL arguments away")
        }
        if client != "local", NetworkAddress(client) == nil {
            throw ValidationError("\"\(client)\" is no address; write one like 10.1.2.3, or local")
        }
    }

    func run() throws {
        let configuration = try loadedConfiguration()
        let subject = Subject(
            database: database, user: user, applicationName: applicationName, clientAddress: NetworkAddress(client),
            listener: listener ?? configuration.listeners.first?.text ?? "", osUser: osUser)
        let hazards = try loadedHazards()
        if jsonLines {
            try classifyLines(configuration.rules, subject: subject, hazards: hazards)
        } else {
            let texts = sql.isEmpty ? [try standardInputText()] : sql.map { Array($0.utf8) }
            let rules = configuration.rules.rules(
                forTag: tag ?? configuration.rules.tag(of: subject), subject: subject)
            var report = ClassificationReport(rules: rules, hazards: hazards)
            for text in texts {
                print(report.describe(text))
            }
            if report.hasRefusal { throw ExitCode(3) }
        }
    }

    /// The file that is named or found; where none is, the rules that Holdfast is shipped with.
    private func loadedConfiguration() throws -> ProxyConfiguration {
        if ConfigurationFile.locate(config) != nil { return try ConfigurationOption.load(config) }
        ConfigurationOption.printError(
            "holdfast: no proxy.conf here nor in /etc/holdfast: judging by the rules that Holdfast is shipped with "
                + "(name a file with --config FILE)")
        do throws(ConfigurationError) {
            return try ConfigurationReader.read(ShippedConfiguration.text, file: "shipped proxy.conf", version: 1)
        } catch {
            ConfigurationOption.printError(error.description)
            throw ExitCode.failure
        }
    }

    /// What code in the database may do; nothing without `--catalog`.
    private func loadedHazards() throws -> HazardIndex {
        guard let catalog else { return HazardIndex() }
        do throws(ServerFault) {
            return try CatalogReader(connection: catalog, database: nil).read()
        } catch {
            throw Complaint("the catalog cannot be read: \(error)")
        }
    }

    private func standardInputText() throws -> [UInt8] {
        var text: [UInt8] = []
        var input = LineInput()
        while let chunk = try input.readChunk() { text.append(contentsOf: chunk) }
        if text.last == UInt8(ascii: "\n") { text.removeLast() }
        return text
    }

    private func classifyLines(_ rules: RuleSet, subject: Subject, hazards: HazardIndex) throws {
        var classifier = LineClassifier(rules: rules, subject: subject, tag: tag, hazards: hazards)
        var input = LineInput()
        var output = BufferedOutput()
        while try input.readMore() {
            try input.forEachLine { line in
                switch line {
                case .text(let bytes): classifier.classify(bytes, into: &output.bytes)
                case .tooLong: output.bytes.append(contentsOf: "{\"error\": \"the line is too long\"}\n".utf8)
                }
                if output.bytes.count >= BufferedOutput.limit { try output.flush() }
            }
            // A program at the other end of the pipe waits for the answer to its last line.
            if !input.hasMoreReady { try output.flush() }
        }
        try output.flush()
    }
}

/// Readable text about one SQL text after the other.
private struct ClassificationReport: ~Copyable {
    private let rules: SubjectRules
    private var judge = StatementJudge()
    private(set) var hasRefusal = false

    init(rules: SubjectRules, hazards: HazardIndex) {
        self.rules = rules
        judge.hazards = hazards
    }

    /// A block for each statement, and for several the verdict on the whole text.
    mutating func describe(_ text: [UInt8]) -> String {
        let judgement = text.withUnsafeBytes { bytes in
            judge.judge(bytes, readings: LexicalReadings(LexicalSettings()), rules: rules)
        }
        if judgement.verdict.action == .block { hasRefusal = true }
        let statements = judgement.facts.statements
        guard !statements.isEmpty else {
            return block(
                excerpt: text[...], classes: [], facts: judgement.facts, verdict: judgement.verdict, remarks: [])
        }
        var blocks = statements.map { statement in
            let alone = TextFacts(classes: statement.classes, statements: [statement])
            let range = statement.range.clamped(to: 0..<text.count)
            return block(
                excerpt: text[range], classes: statement.classes.names, facts: alone,
                verdict: rules.verdict(on: alone), remarks: statement.remarks)
        }
        if statements.count > 1 {
            blocks.append("All \(statements.count) statements as one text: \(sentence(judgement.verdict))\n")
        }
        return blocks.joined(separator: "\n")
    }

    private func block(
        excerpt: ArraySlice<UInt8>, classes: [String], facts: TextFacts, verdict: Verdict, remarks: [String]
    ) -> String {
        var lines = [Self.oneLine(excerpt), "  verdict  \(sentence(verdict))"]
        lines.append("  classes  " + (classes.isEmpty ? "none: it is ordinary" : classes.joined(separator: ", ")))
        let objects = facts.objects.map { "\($0.kind.rawValue) \($0.qualifiedName)" }
        if !objects.isEmpty { lines.append("  objects  " + objects.joined(separator: ", ")) }
        lines += remarks.map { "  remark   \($0)" }
        if let message = verdict.match?.message { lines.append("  message  \(message)") }
        if let hint = verdict.match?.hint { lines.append("  hint     \(hint)") }
        return lines.joined(separator: "\n") + "\n"
    }

    private func sentence(_ verdict: Verdict) -> String {
        switch verdict {
        case .allow: "allow (tag \(rules.tag))"
        case .warn(let match): "warn, by rule \"\(match.rule)\" (tag \(rules.tag))"
        case .block(let match): "block, by rule \"\(match.rule)\" (tag \(rules.tag))"
        }
    }

    /// The statement on one line, cut where it gets long.
    private static func oneLine(_ bytes: ArraySlice<UInt8>) -> String {
        let words = String(decoding: bytes.prefix(2000), as: UTF8.self)
            .unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : Character($0) }
        let text = String(words).trimmingCharacters(in: .whitespaces)
        return text.count > 100 ? text.prefix(100) + "…" : text
    }
}
