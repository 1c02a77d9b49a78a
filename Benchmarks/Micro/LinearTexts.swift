import Glibc
import SQLParsing

// What judging a byte of a text costs, by the text's length: 1 KB to 100 MB of each kind, as a table and as a plot.
//
//     swift run -c release holdfast-benchmark linear docs/images/judging-by-length.svg

/// What applications send, then what costs most and what is made to cost much.
private let plotted: [HostileText] = [
    HostileText(
        name: "SELECT, literals", head: "SELECT f(U&\"a\")", unit: ", 'a text of some forty bytes, as they come' AS c"),
    HostileText(
        name: "SELECT, a condition", head: "SELECT f(1) FROM t WHERE a = 1", unit: " OR (t.b = 12 AND c < 'x')"),
    HostileText(name: "SELECT, numbers in IN", head: "SELECT * FROM t WHERE id IN (1", unit: ", 1234567", tail: ")"),
    HostileText(name: "SELECT, names", head: "SELECT a", unit: ", some_schema.\"A table\".a_column"),
    HostileText(name: "INSERT, rows", head: "INSERT INTO t VALUES (1, 'x')", unit: ",(12, 'some text here', 3.5)"),
    HostileText(
        name: "INSERT, one escape literal", head: "INSERT INTO t VALUES (E'", unit: "some\\n text, ", tail: "')"),
    HostileText(name: "UPDATE, dollar quotes", head: "UPDATE t SET a = 'x'", unit: " || $a$some text of $1 or $2$a$"),
    HostileText(name: "DELETE, numbers in IN", head: "DELETE FROM t WHERE id IN (1", unit: ", 1234567", tail: ")"),
    HostileText(name: "a script of UPDATEs", unit: "UPDATE t SET a = a + 1 WHERE b = 12;\n"),
    HostileText(name: "comments", unit: "-- a line of words\n/* and another */ ", tail: "SELECT 1"),
    HostileText(name: "nested comments", unit: "/*", tail: "SELECT 1", closing: "*/"),
    HostileText(name: "parentheses", head: "SELECT ", unit: "(", tail: "", closing: ")"),
    HostileText(name: "a dollar quote that nearly ends", head: "SELECT $abcdefgh$", unit: "$abcdefg"),
    HostileText(name: "a DO's body", head: "DO $$ BEGIN ", unit: "PERFORM 1; ", tail: "END $$"),
]

private let lengths = [1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20, 100 << 20]

/// Prints a row for each kind, and writes the plot.
func measureLinearTexts(plot path: String?) {
    print("| text | 1 KB | 10 KB | 100 KB | 1 MB | 10 MB | 100 MB |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    var series: [(name: String, values: [Double])] = []
    var worst = (growth: 0.0, row: "")
    for text in plotted {
        let costs = lengths.map { cost(of: text, length: $0) }
        series.append((text.name, costs))
        print("| \(text.name) | " + costs.map(shown).joined(separator: " | ") + " |")
        // Under a third of a nanosecond a byte is not read: the memory's speed shows.
        for (index, pair) in zip(costs, costs.dropFirst()).enumerated()
        where pair.1 > 0.3 && pair.1 / pair.0 > worst.growth {
            worst = (pair.1 / pair.0, "\(text.name), from \(lengths[index]) to \(lengths[index + 1]) bytes")
        }
    }
    print("\nns a byte. A byte grows dearest in \(worst.row): \(shown(worst.growth)) times")
    guard let path else { return }
    let plot = LogPlot(
        title: "Judging: nanoseconds a byte, by the text's length", marks: lengths.map(Double.init), series: series)
    guard let file = fopen(path, "w") else { return print("cannot write \(path)") }
    fputs(plot.svg, file)
    fclose(file)
}

/// Nanoseconds a byte, the best of several rounds.
private func cost(of text: HostileText, length: Int) -> Double {
    let bytes = text.bytes(length)
    let rounds = max(2, min(200, (4 << 20) / length))
    // What it keeps between texts is part of what a text costs, as in a session's loop.
    var analyzer = StatementAnalyzer()
    var best = Int64.max
    for _ in 0..<rounds {
        let start = now()
        let facts = bytes.withUnsafeBytes { analyzer.facts(of: $0, settings: LexicalSettings()) }
        best = min(best, now() - start)
        if facts.classes.contains(.dropTable) { print("a drop where there is none") }
    }
    return Double(max(best, 1)) / Double(bytes.count)
}

/// Two or three digits.
private func shown(_ value: Double) -> String {
    if value >= 100 { return "\(Int(value.rounded()))" }
    let digits = value >= 10 ? 10.0 : value >= 1 ? 100 : 1000
    return "\((value * digits).rounded() / digits)"
}
