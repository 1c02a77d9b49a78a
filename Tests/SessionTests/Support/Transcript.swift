import Foundation
import Policy
import PostgresWire
import SQLParsing

@testable import Session

/// An exchange written down as a text file, and the machine that must produce it.
///
/// Lines: `c>` the client sends, `s>` the server must then have received, `s<` the server sends, `c<` the client must
/// then have received, `audit>` what the trail must have been told (`intent DROP TABLE`, `refusal DROP TABLE`,
/// `outcome committed DROP TABLE`), `process>` the server's process as the machine knows it. `*` in an expectation stands
/// for any text; `{mark}` in what the server sends is the text
/// of the last refusal it received. `asked> temporary I`: the server must have received a question about names, and answers
/// that they are `temporary`, `permanent` or `missing`; where it came as a Query the answer ends with that status.
/// `asked> fails 57014 …` answers with an error. `trail fails` makes the trail refuse from there on, `trail works` ends that;
/// `snapshots taken` lets losses pass, each after a snapshot (`audit> snapshot DROP TABLE 99`); `snapshots fail` and
/// `snapshots not-needed` have another answer;
/// `rules allow` and `rules block` change the rules, `rules block data_loss` makes them concern a group more; `end` ends the connection. `#` begins a comment.
struct Transcript {
    let name: String
    let lines: [(number: Int, text: String)]

    static func all() throws -> [Transcript] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Transcripts")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "transcript" }.sorted { $0.path < $1.path }
            .map { try Transcript(name: $0.lastPathComponent, text: String(contentsOf: $0, encoding: .utf8)) }
    }

    init(name: String, text: String) {
        self.name = name
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .map { (number: $0.offset + 1, text: String($0.element).trimmed) }
            .filter { !$0.text.isEmpty && !$0.text.hasPrefix("#") }
    }

    /// Plays the transcript with the bytes cut into pieces of `chunk`.
    ///
    /// - Parameter orders: which texts are read by another judge.
    /// - Returns: the first line that does not hold, with what was seen instead; nil if all hold.
    func failure(chunk: Int, orders: FactsOrder.Policy = .none) -> String? {
        var exchange = Exchange(chunk: chunk, orders: orders)
        for (number, text) in lines {
            if let wrong = exchange.play(text) { return "\(name):\(number): \(text)\n    \(wrong)" }
        }
        return exchange.leftOver.map { "\(name): not expected: \($0)" }
    }
}

/// A session machine between two queues.
struct Exchange: ~Copyable {
    private var machine: SessionMachine
    private var judge = StatementJudge()
    private var otherJudge = StatementJudge()
    private let chunk: Int
    private var toServer: [UInt8] = []
    private var toClient: [UInt8] = []
    private var fromClient: [UInt8] = []
    private var fromServer: [UInt8] = []
    private var audit: [String] = []
    private var commands: [String: String] = [:]
    private var trailFault: String?
    private var snapshotAnswer = SnapshotAnswer.notNeeded
    private var mark = ""
    private var fault: WireFault?
    private var clock: Int64 = 0

    /// - Parameter group: a group of classes that is judged as well.
    private static func rules(_ action: RuleAction, _ group: ClassGroup? = nil) -> SubjectRules {
        let subject = Subject(
            database: "app", user: "ann", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
        let rule = Rule(
            name: "keep tables",
            classes: [
                ClassGroup.tableLoss.classes, ClassGroup.escape.classes, ClassGroup.opaque.classes,
                group?.classes ?? [],
            ],
            action: action)
        return RuleSet(version: 1, rules: [rule]).rules(for: subject)
    }

    private static var rulesThatLetLossesPass: SubjectRules {
        let subject = Subject(
            database: "app", user: "ann", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
        let losses = Rule(
            name: "migrations", classes: [ClassGroup.tableLoss.classes, ClassGroup.dataLoss.classes], action: .allow)
        let others = Rule(name: "readable", classes: ClassGroup.opaque.classes, action: .block)
        return RuleSet(version: 1, rules: [losses, others]).rules(for: subject)
    }

    init(chunk: Int, orders: FactsOrder.Policy) {
        self.chunk = chunk
        let packet: [UInt8] = [0, 0, 0, 18, 0, 3, 0, 0] + Array("user\0ann\0\0".utf8)
        let parameters = packet.withUnsafeBytes { try? StartupParameters(packet: $0) }
        let subject = Subject(
            database: "app", user: "ann", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
        guard let parameters else { fatalError("the test's own startup packet is wrong") }
        machine = SessionMachine(
            sessionID: SessionID(0x0123_4567_89ab_cdef), subject: subject, parameters: parameters,
            rules: Self.rules(.block), maximumStatementBytes: 4096)
        machine.orders = orders
    }

    mutating func play(_ line: String) -> String? {
        let (word, rest) = WireText.split(line)
        switch word {
        case "c>":
            guard let bytes = WireText.clientMessage(rest) else { return "no such message" }
            sendClient(bytes)
        case "s<":
            guard let bytes = WireText.serverMessage(rest.replacing("{mark}", with: mark)) else {
                return "no such message"
            }
            sendServer(bytes)
        case "s>":
            guard let seen = Self.takeFrame(&toServer, fromClient: true) else {
                return "the server has received nothing"
            }
            if seen.contains("holdfast refused") {
                mark = String(seen[(seen.firstRange(of: "holdfast refused")?.lowerBound ?? seen.startIndex)...])
            }
            if !Self.matches(seen, rest) { return "the server received: \(seen)" }
        case "c<":
            guard let seen = Self.takeFrame(&toClient, fromClient: false) else {
                return "the client has received nothing"
            }
            if !Self.matches(seen, rest) { return "the client received: \(seen)" }
        case "audit>":
            guard !audit.isEmpty else { return "the trail was told nothing" }
            let seen = audit.removeFirst()
            if !Self.matches(seen, rest) { return "the trail was told: \(seen)" }
        case "process>":
            let seen = machine.backendProcessID.map(String.init) ?? "none"
            if seen != rest { return "the server's process is \(seen)" }
        case "asked>":
            return playQuestion(rest)
        case "trail":
            trailFault = rest == "fails" ? "the disk is full" : nil
        case "snapshots":
            let answers: [String: SnapshotAnswer] = [
                "taken": .taken("s-1"), "not-needed": .notNeeded, "fail": .refused("the disk is full"),
            ]
            guard let answer = answers[rest] else { return "no such answer" }
            snapshotAnswer = answer
            machine.snapshotClasses = SessionMachine.standardSnapshotClasses
            machine.rulesChanged(Self.rulesThatLetLossesPass)
        case "rules":
            let (word, group) = WireText.split(rest)
            guard let action = RuleAction(rawValue: word) else { return "no such action" }
            machine.rulesChanged(Self.rules(action, ClassGroup(rawValue: group)))
        case "fault>":
            guard let seen = fault.map({ "\($0)" }) else { return "no fault" }
            fault = nil
            if !Self.matches(seen, rest) { return "the fault is: \(seen)" }
        case "end":
            machine.connectionEnded()
            takeNotes()
        default:
            return "no such line"
        }
        return nil
    }

    /// The server has received a question of Holdfast's own, and answers it.
    private mutating func playQuestion(_ line: String) -> String? {
        let (meaning, rest) = WireText.split(line)
        guard let first = Self.takeFrame(&toServer, fromClient: true) else { return "the server has received nothing" }
        let isSimple = first.hasPrefix("Query ")
        if isSimple ? !first.contains("'session'") : !first.hasPrefix("Parse holdfast asks") {
            return "the server received: \(first)"
        }
        for _ in 0..<(isSimple ? 0 : 5) { _ = Self.takeFrame(&toServer, fromClient: true) }
        if meaning == "fails" {
            guard let error = WireText.serverMessage("ErrorResponse \(rest)") else { return "no such message" }
            sendServer(error)
            return nil
        }
        let isFound = meaning != "missing"
        var answer: [String] = isSimple ? ["RowDescription"] : ["ParseComplete", "BindComplete"]
        answer.append("Row -1 session read\u{A0}committed NULL NULL NULL f 77 NULL NULL f")
        for item in 0..<3 {
            answer.append(
                isFound
                    ? "Row \(item) name r public w NULL \(meaning == "temporary" ? "t" : "f") 99 5 8192 f"
                    : "Row \(item) name NULL NULL NULL NULL NULL NULL NULL NULL f")
        }
        answer += ["CommandComplete SELECT 4"]
        answer += isSimple ? ["ReadyForQuery \(rest)"] : ["CloseComplete", "CloseComplete"]
        for message in answer {
            guard let bytes = WireText.serverMessage(message) else { return "no such message: \(message)" }
            sendServer(bytes)
        }
        return nil
    }

    var leftOver: String? {
        if let fault { return "\(fault)" }
        if let first = audit.first { return "audit> \(first)" }
        var (server, client) = (toServer, toClient)
        if let frame = Self.takeFrame(&server, fromClient: true) { return "s> \(frame)" }
        return Self.takeFrame(&client, fromClient: false).map { "c< \($0)" }
    }

    private mutating func sendClient(_ bytes: [UInt8]) {
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            fromClient += bytes[start..<min(start + chunk, bytes.count)]
            pumpClient()
        }
    }

    private mutating func pumpClient() {
        while fault == nil {
            let step = consumeClient()
            toServer += fromClient.prefix(step.forward)
            fromClient.removeFirst(step.forward)
            takeNotes()
            switch step.next {
            case .wait, .pause: return
            case .substitute(let dropping, let replacement):
                fromClient.removeFirst(dropping)
                toServer += replacement
            case .record(let notes):
                if let request = machine.takeSnapshotRequest() {
                    let things = request.things.map { $0.map { "\($0.oid)\($0.stays ? " stays" : "")" } } ?? ["unknown"]
                    audit.append("snapshot \(request.command) \(things.joined(separator: ","))")
                    clock += 1_000_000
                    let now = clock
                    machine.snapshotAnswered(snapshotAnswer, now: { now })
                    if case .refused = snapshotAnswer {
                        takeNotes()
                        continue
                    }
                }
                for note in notes {
                    commands[note.id] = note.command
                    audit.append("intent \(note.action.rawValue) \(note.command)")
                }
                machine.trailAnswered(trailFault)
                takeNotes()
            case .order(let order): machine.factsDelivered(otherJudge.deliver(order))
            case .close(let found): fault = found
            }
        }
    }

    private mutating func consumeClient() -> RelayStep {
        let bytes = fromClient
        clock += 1_000_000
        let now = clock
        return bytes.withUnsafeBytes { machine.consumeClient($0, judge: &judge, now: { now }) }
    }

    private mutating func sendServer(_ bytes: [UInt8]) {
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            fromServer += bytes[start..<min(start + chunk, bytes.count)]
            pumpServer()
        }
        pumpClient()
    }

    private mutating func pumpServer() {
        while fault == nil {
            let bytes = fromServer
            clock += 1_000_000
            let now = clock
            let step = bytes.withUnsafeBytes { machine.consumeServer($0, now: { now }) }
            toClient += fromServer.prefix(step.forward)
            fromServer.removeFirst(step.forward)
            takeNotes()
            switch step.next {
            case .wait, .pause, .record, .order: return
            case .substitute(let dropping, let replacement):
                fromServer.removeFirst(dropping)
                toClient += replacement
            case .close(let found): fault = found
            }
        }
    }

    private mutating func takeNotes() {
        for note in machine.takeRefusals() { audit.append("refusal \(note.command)") }
        for note in machine.takeOutcomes() {
            let result = note.sqlState ?? note.commandTag ?? note.message ?? "no answer"
            audit.append("outcome \(note.transaction) \(commands[note.id] ?? "?"): \(result)")
        }
    }

    private static func takeFrame(_ bytes: inout [UInt8], fromClient: Bool) -> String? {
        guard bytes.count >= 5 else { return nil }
        let length = bytes[1..<5].reduce(0) { $0 << 8 | Int($1) } + 1
        guard bytes.count >= length else { return nil }
        let frame = Array(bytes.prefix(length))
        bytes.removeFirst(length)
        return WireText.describe(frame, fromClient: fromClient)
    }

    /// `*` stands for any text.
    private static func matches(_ text: String, _ pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
        guard let first = parts.first, text.hasPrefix(first) else { return false }
        if parts.count == 1 { return text == pattern }
        var rest = text.dropFirst(first.count)
        for part in parts.dropFirst() {
            if part.isEmpty { continue }
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return parts.last?.isEmpty == true || rest.isEmpty
    }
}
