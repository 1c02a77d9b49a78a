import CLinux
import Glibc
import Policy
import PostgresWire
import SQLParsing
import Session

// What the proxy's own code costs per statement, without a socket: nanoseconds, best of several rounds.
//
//     swift run -c release holdfast-benchmark            everything
//     swift run -c release holdfast-benchmark machine    what has the word in its name
//     swift run -c release holdfast-benchmark hostile    hostile texts, by length (HostileTexts.swift)
//     swift run -c release holdfast-benchmark linear     texts of 1 KB to 100 MB, as a table and a plot (LinearTexts.swift)

/// A monotonic clock in nanoseconds.
func now() -> Int64 { linux_clock_monotonic() }

if CommandLine.arguments.dropFirst().first == "hostile" {
    measureHostileTexts(CommandLine.arguments.dropFirst(2).first)
    exit(0)
}
if CommandLine.arguments.dropFirst().first == "linear" {
    measureLinearTexts(plot: CommandLine.arguments.dropFirst(2).first)
    exit(0)
}

/// Runs `body` in rounds of `count` and prints the best round's time per run, and per byte where that says something.
func measure(_ name: String, count: Int, byteCount: Int? = nil, _ body: () -> Void) {
    let arguments = CommandLine.arguments.dropFirst()
    if let wanted = arguments.first, !name.contains(wanted) { return }
    // A second argument is the number of runs in all: for counting instructions under callgrind.
    let runs = arguments.dropFirst().first.flatMap { Int($0) }
    let (rounds, count) = runs.map { (1, $0) } ?? (7, count)
    var best = Int64.max
    for _ in 0..<rounds {
        let start = linux_clock_monotonic()
        for _ in 0..<count { body() }
        best = min(best, (linux_clock_monotonic() - start) / Int64(count))
    }
    let rate = byteCount.map { "  \($0 * 1000 / max(1, Int(best))) MB/s" } ?? ""
    print("\(name.padding(to: 52)) \(String(best).padding(to: 12, left: true)) ns\(rate)")
}

extension String {
    func padding(to width: Int, left: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - count))
        return left ? blanks + self : self + blanks
    }
}

let subject = Subject(
    database: "app", user: "ann", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
let guarded = ClassGroup.tableLoss.classes.union(ClassGroup.opaque.classes).union(ClassGroup.escape.classes)
let ruleSet = RuleSet(version: 1, rules: [Rule(name: "keep tables", classes: [guarded], action: .block)])
let rules = ruleSet.rules(for: subject)
let known = LexicalReadings(LexicalSettings())

let join =
    "SELECT " + (0..<40).map { "t\($0 % 4).column_number_\($0) AS c\($0)" }.joined(separator: ", ")
    + " FROM orders t0 JOIN customers t1 ON t1.id = t0.customer_id LEFT JOIN items t2 ON t2.order_id = t0.id AND t2.kind = 'x'"
    + " JOIN prices t3 USING (sku) WHERE "
    + (0..<14).map { "t\($0 % 4).column_number_\($0) = \($0) AND t0.note LIKE '%abc\($0)%'" }.joined(separator: " AND ")
    + " ORDER BY t0.created_at DESC, t1.name LIMIT 50 OFFSET 10000"
// What hides a name from the lexer has to be parsed.
let texts: [(String, String, Int)] = [
    ("SELECT 1", "SELECT 1", 200_000),
    ("pgbench SELECT", "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;", 200_000),
    ("pgbench SELECT, a parenthesis", "SELECT abalance FROM pgbench_accounts WHERE (aid = 12345);", 200_000),
    ("pgbench SELECT, parsed", "SELECT abalance FROM pgbench_accounts WHERE (U&\"aid\" = 12345);", 200_000),
    ("pgbench UPDATE", "UPDATE pgbench_accounts SET abalance = abalance + 17 WHERE aid = 12345;", 200_000),
    (
        "pgbench INSERT",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, 17, CURRENT_TIMESTAMP + 12345);",
        200_000
    ),
    ("BEGIN", "BEGIN", 200_000),
    ("2 KB join (\(join.utf8.count) bytes)", join, 10_000),
    ("2 KB join, parsed", join.replacing("t0.created_at", with: "t0.U&\"created_at\""), 10_000),
    ("DROP TABLE a, b CASCADE", "DROP TABLE a, b CASCADE", 100_000),
    (
        "100 KB INSERT",
        "INSERT INTO t VALUES " + Array(repeating: "(1, 'some text here', 3.5)", count: 4000).joined(separator: ","),
        100
    ),
]

/// A statement of a session's, as the machine has it judged. No top-level variable: those belong to the main actor, and
/// asking whether it runs took more instructions than judging.
func judgeOnce(_ text: UnsafeRawBufferPointer, _ judge: inout StatementJudge, _ rules: SubjectRules) {
    var proof: PlainProof?
    if judge.isPlain(text, settings: LexicalSettings(), proof: &proof) { return }
    _ = judge.judge(text, readings: LexicalReadings(LexicalSettings()), after: proof, rules: rules)
}
func measureStatements(_ texts: [(String, String, Int)], _ rules: SubjectRules) {
    var judge = StatementJudge()
    for (name, text, count) in texts {
        var bytes = Array(text.utf8)
        let byteCount = bytes.count > 1000 ? bytes.count : nil
        // The same text every time: it is remembered.
        measure("judge again: \(name)", count: count, byteCount: byteCount) {
            bytes.withUnsafeBytes { judgeOnce($0, &judge, rules) }
        }
        // Another number each time, so that no text comes twice: the last digits in the text are counted up.
        let digits = bytes.indices.filter { bytes[$0] >= UInt8(ascii: "0") && bytes[$0] <= UInt8(ascii: "9") }
        guard digits.count >= 5, let last = digits.last, digits.contains(last - 4) else { continue }
        measure("judge \(name)", count: count, byteCount: byteCount) {
            var at = last
            while at > last - 5 {
                bytes[at] = bytes[at] == UInt8(ascii: "9") ? UInt8(ascii: "0") : bytes[at] + 1
                if bytes[at] != UInt8(ascii: "0") { break }
                at -= 1
            }
            bytes.withUnsafeBytes { judgeOnce($0, &judge, rules) }
        }
    }
}
measureStatements(texts, rules)

// Long text, heavy with literals: what the lexer alone does with it, and the whole judgement.
func repeated(_ head: String, _ unit: String, _ tail: String) -> [UInt8] {
    Array((head + String(repeating: unit, count: (100 << 20) / unit.utf8.count) + tail).utf8)
}
func measureLongTexts() {
    var judge = StatementJudge()
    let longTexts: [(String, [UInt8], Bool)] = [
        ("one literal", repeated("INSERT INTO t VALUES ('", "some text that is long, ", "')"), true),
        (
            "literals of 1 KB",
            repeated(
                "INSERT INTO t VALUES (''", ",'" + String(repeating: "some text that is long, ", count: 42) + "'", ")"),
            true
        ),
        (
            "literals of 100 bytes",
            repeated(
                "INSERT INTO t VALUES (''", ",'" + String(repeating: "some text that is long, ", count: 4) + "'", ")"),
            true
        ),
        ("one escape literal", repeated("INSERT INTO t VALUES (E'", "some text that is\\n long, ", "')"), true),
        ("one dollar quote", repeated("INSERT INTO t VALUES ($a$", "some text that is long, ", "$a$)"), true),
        (
            "one literal with backslashes, strings not conforming",
            repeated("INSERT INTO t VALUES ('", "some text that is\\n long, ", "')"), false
        ),
        (
            "one literal, strings not conforming",
            repeated("INSERT INTO t VALUES ('", "some text that is long, ", "')"),
            false
        ),
    ]
    for (name, bytes, conforming) in longTexts {
        bytes.withUnsafeBytes { text in
            measure("lex 100 MB: \(name)", count: 1, byteCount: text.count) {
                var lexer = Lexer(text, standardConformingStrings: conforming)
                while lexer.next().kind != .end {}
            }
            let readings = LexicalReadings(LexicalSettings(standardConformingStrings: conforming))
            measure("judge 100 MB: \(name)", count: 1, byteCount: text.count) {
                _ = judge.judge(text, readings: readings, rules: rules)
            }
        }
    }
}
if CommandLine.arguments.dropFirst().first.map({ $0.contains("MB") || $0.contains("lex") }) ?? true {
    measureLongTexts()
}

// One transaction of pgbench -S through the machine: a Query, then RowDescription, DataRow, CommandComplete, Ready.
let startup: [UInt8] = [0, 0, 0, 18, 0, 3, 0, 0] + Array("user\0ann\0\0".utf8)
func frame(_ type: Character, _ body: [UInt8]) -> [UInt8] {
    let length = UInt32(body.count + 4)
    return [type.asciiValue ?? 0] + (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * $0)) } + body
}
let parameters = try startup.withUnsafeBytes { try StartupParameters(packet: $0) }
var judge = StatementJudge()
var machine = SessionMachine(
    sessionID: SessionID(0x0123_4567_89ab_cdef), subject: subject, parameters: parameters, rules: rules,
    maximumStatementBytes: 64 << 20)
let ready = frame("Z", [UInt8(ascii: "I")])
_ = ready.withUnsafeBytes { machine.consumeServer($0, now: linux_clock_monotonic) }
let simple = frame("Q", Array("SELECT abalance FROM pgbench_accounts WHERE aid = 12345;\0".utf8))
let row = frame("T", [UInt8](repeating: 0, count: 33)) + frame("D", [UInt8](repeating: 0, count: 11))
let answer = row + frame("C", Array("SELECT 1\0".utf8)) + ready
measure("machine: a simple SELECT and its reply", count: 200_000) {
    _ = simple.withUnsafeBytes { machine.consumeClient($0, judge: &judge, now: linux_clock_monotonic) }
    _ = answer.withUnsafeBytes { machine.consumeServer($0, now: linux_clock_monotonic) }
}
let bound =
    frame("B", Array("\0P_0\0".utf8) + [0, 0, 0, 1, 0, 0, 0, 5, 49, 50, 51, 52, 53, 0, 0])
    + frame("D", Array("P\0".utf8))
    + frame("E", [0, 0, 0, 0, 0]) + frame("S", [])
let boundAnswer = frame("2", []) + answer
measure("machine: a prepared SELECT and its reply", count: 200_000) {
    _ = bound.withUnsafeBytes { machine.consumeClient($0, judge: &judge, now: linux_clock_monotonic) }
    _ = boundAnswer.withUnsafeBytes { machine.consumeServer($0, now: linux_clock_monotonic) }
}
