import Glibc
import SQLParsing

// What hostile texts cost, by length: milliseconds and memory per megabyte must not grow with it.
//
//     swift run -c release holdfast-benchmark hostile              1, 10 and 100 MB of each
//     swift run -c release holdfast-benchmark hostile comments     those with the word in their name

/// A text that is made to cost much: a beginning, then the same over and over, then an end.
struct HostileText {
    var name: String
    var head = ""
    var unit: String
    var tail = ""
    /// Repeated behind the units, once for each.
    var closing = ""

    /// The text of about so many bytes.
    func bytes(_ count: Int) -> [UInt8] {
        let repetitions = max(1, (count - head.utf8.count - tail.utf8.count) / (unit.utf8.count + closing.utf8.count))
        var bytes = Array(head.utf8)
        bytes.reserveCapacity(count + 1024)
        for _ in 0..<repetitions { bytes += unit.utf8 }
        if !closing.isEmpty { for _ in 0..<repetitions { bytes += closing.utf8 } }
        return bytes + tail.utf8
    }

    static let all = [
        HostileText(name: "comment openers", unit: "/*"),
        HostileText(name: "nested comments, closed", unit: "/*", tail: "DROP TABLE t", closing: "*/"),
        HostileText(name: "line comments", unit: "--\n", tail: "DROP TABLE t"),
        HostileText(name: "parentheses, open", head: "SELECT ", unit: "("),
        HostileText(name: "parentheses, closed", head: "SELECT ", unit: "(", tail: "", closing: ")"),
        HostileText(name: "brackets", head: "SELECT a", unit: "[1]"),
        HostileText(name: "dollar signs", unit: "$a"),
        HostileText(name: "dollar quotes, each another", unit: "$a$b$c$ "),
        HostileText(name: "a dollar quote that nearly ends", head: "SELECT $abcdefgh$", unit: "$abcdefg"),
        HostileText(name: "semicolons", unit: ";", tail: "DROP TABLE t"),
        HostileText(name: "statements: SELECT 1;", unit: "SELECT 1;", tail: "DROP TABLE t"),
        HostileText(name: "statements: DROP TABLE a;", unit: "DROP TABLE a;"),
        HostileText(name: "statements that do not parse", unit: "DROP TABEL a;"),
        HostileText(name: "one long operator", head: "SELECT 1 ", unit: "*"),
        HostileText(name: "signs", head: "SELECT ", unit: "+-", tail: " 1"),
        HostileText(name: "a sum", head: "SELECT 1", unit: "+1"),
        HostileText(name: "deep NOT", head: "DELETE FROM t WHERE ", unit: "NOT ", tail: "a"),
        HostileText(name: "deep CASE", head: "SELECT ", unit: "CASE WHEN 1=1 THEN ", tail: "1", closing: " END"),
        HostileText(name: "open CASE in BEGIN ATOMIC", head: "CREATE FUNCTION f() BEGIN ATOMIC ", unit: "CASE "),
        HostileText(name: "casts", head: "SELECT 1", unit: "::int"),
        HostileText(name: "a UNION", head: "SELECT 1", unit: " UNION SELECT 1"),
        HostileText(name: "a list of names to drop", head: "DROP TABLE a", unit: ", a"),
        HostileText(name: "IN, numbers", head: "DELETE FROM t WHERE id IN (1", unit: ", 1234567", tail: ")"),
        HostileText(name: "IN, strings", head: "SELECT * FROM t WHERE a IN ('x'", unit: ", 'some text'", tail: ")"),
        HostileText(name: "quotes", unit: "'"),
        HostileText(name: "continued literals", unit: "'\n"),
        HostileText(name: "commented literals", head: "SELECT 'a", unit: "'--x\n'", tail: "'"),
        HostileText(name: "escapes", head: "SELECT E'", unit: "\\'", tail: "'"),
        HostileText(name: "one word", head: "SELECT ", unit: "a"),
        HostileText(name: "one number", head: "SELECT ", unit: "1"),
        HostileText(name: "quoted names", head: "SELECT 1 AS ", unit: "\"\""),
        HostileText(name: "bytes that are no token", unit: "\u{1}"),
        HostileText(name: "a DO's body", head: "DO $$ BEGIN ", unit: "PERFORM 1; ", tail: "DROP TABLE t; END $$"),
        HostileText(name: "DO in DO", unit: "DO $a$ BEGIN "),
        HostileText(
            name: "a DO's concatenation", head: "DO $$ BEGIN EXECUTE 'DROP '", unit: " || ''",
            tail: " || 'TABLE t'; END $$"),
        HostileText(name: "INSERT, rows", head: "INSERT INTO t VALUES (1, 'x')", unit: ",(12, 'some text here', 3.5)"),
        HostileText(name: "INSERT, one literal", head: "INSERT INTO t VALUES ('", unit: "some text, ", tail: "')"),
    ]
}

/// Runs each hostile text whole and in the pieces that a socket gives, and prints a row of docs/benchmarks-judging.md.
func measureHostileTexts(_ wanted: String?) {
    print("| text | 1 MB | 10 MB | 100 MB | memory at 100 MB | in pieces, 100 MB | memory | classes |")
    print("| --- | --: | --: | --: | --: | --: | --: | --- |")
    for text in HostileText.all where wanted.map({ text.name.contains($0) }) ?? true {
        var cells: [String] = []
        var names = ""
        var memory = 0
        for megabytes in [1, 10, 100] {
            let bytes = text.bytes(megabytes << 20)
            resetPeak()
            let before = residentKilobytes("VmHWM:")
            let start = now()
            var analyzer = StatementAnalyzer()
            let facts = bytes.withUnsafeBytes { analyzer.facts(of: $0, settings: LexicalSettings()) }
            cells.append(perMegabyte(now() - start, megabytes))
            memory = residentKilobytes("VmHWM:") - before
            names = facts.classes.names.joined(separator: ", ")
            if megabytes == 100 {
                cells.append("\(memory >> 10) MB")
                cells += streamed(bytes, megabytes)
            }
        }
        print("| \(text.name) | " + cells.joined(separator: " | ") + " | \(names) |")
    }
}

/// Time and memory of the text in pieces of 64 KiB.
private func streamed(_ bytes: [UInt8], _ megabytes: Int) -> [String] {
    resetPeak()
    let before = residentKilobytes("VmHWM:")
    let start = now()
    let condenser = StatementCondenser(settings: LexicalSettings())
    bytes.withUnsafeBytes { text in
        for at in stride(from: 0, to: text.count, by: 64 << 10) {
            condenser.feed(UnsafeRawBufferPointer(rebasing: text[at..<min(at + 64 << 10, text.count)]))
        }
    }
    var analyzer = StatementAnalyzer()
    let short = condenser.finish()
    if let short { _ = short.withUnsafeBytes { analyzer.facts(of: $0, settings: LexicalSettings()) } }
    let time = perMegabyte(now() - start, megabytes) + (short == nil ? " (given up)" : "")
    return [time, "\((residentKilobytes("VmHWM:") - before) >> 10) MB"]
}

private func perMegabyte(_ nanoseconds: Int64, _ megabytes: Int) -> String {
    let microseconds = nanoseconds / Int64(megabytes) / 1000
    return "\(microseconds / 1000).\(String(microseconds % 1000 / 10 + 100).dropFirst()) ms"
}

/// glibc's malloc_trim, which the Glibc module does not export: gives free memory back, so that the next text pays its own.
@_silgen_name("malloc_trim")
private func releaseFreeMemory(_ padding: Int) -> CInt

/// Makes the kernel forget the process's peak of memory (proc(5), clear_refs).
private func resetPeak() {
    _ = releaseFreeMemory(0)
    let file = open("/proc/self/clear_refs", O_WRONLY)
    guard file >= 0 else { return }
    _ = write(file, "5", 1)
    close(file)
}

private func residentKilobytes(_ field: String) -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard text.hasPrefix(field) else { continue }
        return Int(text.filter { $0.isNumber }) ?? 0
    }
    return 0
}
