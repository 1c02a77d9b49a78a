import Glibc
import SQLParsing

// What judging a text costs, by its length: 1 KB to 100 MB of each kind, as a table and as a plot.
//
//     swift run -c release holdfast-benchmark linear docs/images/judging-by-length.svg

/// The kinds that are plotted: what applications send, and the dearest.
private let plotted: [HostileText] = [
    HostileText(name: "INSERT, one literal", head: "INSERT INTO t VALUES ('", unit: "some text, ", tail: "')"),
    HostileText(
        name: "INSERT, one escape literal", head: "INSERT INTO t VALUES (E'", unit: "some\\n text, ", tail: "')"),
    HostileText(name: "INSERT, rows", head: "INSERT INTO t VALUES (1, 'x')", unit: ",(12, 'some text here', 3.5)"),
    HostileText(name: "SELECT, numbers in IN", head: "SELECT * FROM t WHERE id IN (1", unit: ", 1234567", tail: ")"),
    HostileText(
        name: "SELECT, a condition", head: "SELECT f(1) FROM t WHERE a = 1", unit: " OR (t.b = 12 AND c < 'x')"),
    HostileText(name: "a script of UPDATEs", unit: "UPDATE t SET a = a + 1 WHERE b = 12;\n"),
    HostileText(name: "comments", unit: "-- a line of words\n/* and another */ ", tail: "SELECT 1"),
    HostileText(name: "a DO's body", head: "DO $$ BEGIN ", unit: "PERFORM 1; ", tail: "END $$"),
]

private let lengths = [1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20, 100 << 20]

/// Prints a row for each kind, and writes the plot.
func measureLinearTexts(plot path: String?) {
    print("| text | 1 KB | 10 KB | 100 KB | 1 MB | 10 MB | 100 MB |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    var series: [(name: String, microseconds: [Double])] = []
    for text in plotted {
        var times: [Double] = []
        for length in lengths {
            let bytes = text.bytes(length)
            // A text of its own each time: what one text has taken is given back before the next.
            let rounds = max(3, min(200, (4 << 20) / length))
            var best = Int64.max
            for _ in 0..<rounds {
                var analyzer = StatementAnalyzer()
                let start = now()
                let facts = bytes.withUnsafeBytes { analyzer.facts(of: $0, settings: LexicalSettings()) }
                best = min(best, now() - start)
                if facts.classes.contains(.dropTable) { print("a drop where there is none") }
            }
            times.append(Double(max(best, 1)) / 1000)
        }
        series.append((text.name, times))
        print("| \(text.name) | " + times.map(shown).joined(separator: " | ") + " |")
    }
    guard let path else { return }
    let plot = LogPlot(
        title: "Judging a text, by its length", x: "bytes", y: "time", marks: lengths.map(Double.init),
        series: series.map { ($0.name, $0.microseconds) })
    guard let file = fopen(path, "w") else { return print("cannot write \(path)") }
    fputs(plot.svg, file)
    fclose(file)
}

private func shown(_ microseconds: Double) -> String {
    switch microseconds {
    case ..<1000: return "\(rounded(microseconds)) µs"
    case ..<1_000_000: return "\(rounded(microseconds / 1000)) ms"
    default: return "\(rounded(microseconds / 1_000_000)) s"
    }
}

/// Two or three digits.
private func rounded(_ value: Double) -> String {
    value >= 10 ? "\(Int(value.rounded()))" : "\((value * 10).rounded() / 10)"
}
