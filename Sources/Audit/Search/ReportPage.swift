/// A report as one HTML page that needs nothing else: no script, no font, no image, no network. It forbids itself to load
/// anything (Content-Security-Policy), and is readable in light and in dark.
package enum ReportPage {
    package static func html(_ report: TrailReport) -> String {
        var body = "<h1>\(ReportOutline.title)</h1>\n"
        for part in ReportOutline(report).parts {
            switch part {
            case .heading(let title): body += "<h2>\(escaped(title))</h2>\n"
            case .text(let sentence): body += "<p>\(escaped(sentence))</p>\n"
            case .table(let columns, let rows): body += table(columns, rows)
            case .chart: body += ReportChart.svg(report)
            }
        }
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(ReportOutline.title)</title>
            <style>
            \(style)
            </style>
            </head>
            <body>
            <main>
            \(body)</main>
            </body>
            </html>

            """
    }

    private static func table(_ columns: [String], _ rows: [[String]]) -> String {
        // Counts stand to the right.
        func alignment(_ column: Int) -> String {
            rows.allSatisfy { column < $0.count && !$0[column].isEmpty && $0[column].allSatisfy(\.isNumber) }
                ? " class=\"number\"" : ""
        }
        let kind = columns.first == "time" ? " class=\"rows\"" : ""
        var text = "<div class=\"wide\"><table\(kind)>\n<thead><tr>"
        for (index, column) in columns.enumerated() { text += "<th\(alignment(index))>\(escaped(column))</th>" }
        text += "</tr></thead>\n<tbody>\n"
        let alignments = columns.indices.map(alignment)
        for row in rows {
            text += "<tr>"
            for (cell, alignment) in zip(row, alignments) { text += "<td\(alignment)>\(escaped(cell))</td>" }
            text += "</tr>\n"
        }
        return text + "</tbody></table></div>\n"
    }

    /// Text that stays text in an element and in a quoted attribute: names and statements come from whoever connected.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "\0"..."\u{8}", "\u{B}"..."\u{1F}", "\u{7F}"..."\u{9F}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    private static let style = """
        :root { --text: #1c2024; --faint: #60656c; --line: #d9dce0; --page: #fff; --head: #f4f5f7;
          --passed: #3b7dbd; --warned: #c98a00; --refused: #c4372f; }
        @media (prefers-color-scheme: dark) {
          :root { --text: #e6e8eb; --faint: #9aa0a8; --line: #3a3f45; --page: #16191c; --head: #20242a;
            --passed: #5b9bd8; --warned: #e0a82e; --refused: #e5625a; } }
        body { margin: 0; background: var(--page); color: var(--text);
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
        main { max-width: 66rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
        h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
        h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
        p { margin: .4rem 0; color: var(--faint); }
        .wide { display: inline-block; vertical-align: top; max-width: 100%; overflow-x: auto; margin: .6rem 2rem .6rem 0; }
        .rows td:nth-child(1), .rows td:nth-child(3) { white-space: nowrap; }
        table { border-collapse: collapse; font-size: .88rem; }
        th, td { text-align: left; vertical-align: top; padding: .3rem .75rem; border-bottom: 1px solid var(--line);
          overflow-wrap: anywhere; min-width: 3.5rem; }
        th { background: var(--head); font-weight: 600; white-space: nowrap; }
        .number { text-align: right; font-variant-numeric: tabular-nums; }
        svg { width: 100%; height: auto; margin: .8rem 0; }
        svg text { fill: var(--faint); font-size: 11px; }
        .axis { stroke: var(--line); }
        .passed { fill: var(--passed); } .warned { fill: var(--warned); } .refused { fill: var(--refused); }
        @media print { main { max-width: none; } }
        """
}

/// Statements over time, as bars of an inline SVG.
enum ReportChart {
    private static let width = 960.0
    private static let height = 200.0
    private static let left = 44.0
    private static let bottom = 24.0
    private static let top = 24.0

    static func svg(_ report: TrailReport) -> String {
        let (bars, unit) = report.bars
        guard let most = bars.map(\.total).max(), most > 0 else { return "" }
        let floor = height - bottom
        let scale = (floor - top) / Double(most)
        let step = (width - left) / Double(max(bars.count, 12))
        var svg = """
            <svg viewBox="0 0 \(Int(width)) \(Int(height))" role="img" aria-label="Statements by \(unit)">
            <text x="0" y="12">Statements by \(unit)</text>
            <text x="\(text(left - 6))" y="\(text(top + 4))" text-anchor="end">\(most)</text>
            <text x="\(text(left - 6))" y="\(text(floor))" text-anchor="end">0</text>
            <line class="axis" x1="\(text(left))" y1="\(text(floor))" x2="\(text(width))" y2="\(text(floor))"/>
            <line class="axis" x1="\(text(left))" y1="\(text(top))" x2="\(text(width))" y2="\(text(top))"/>

            """
        for (index, name) in ["passed", "warned", "refused"].enumerated() {
            let x = width - 230 + Double(index) * 80
            svg += "<rect class=\"\(name)\" x=\"\(text(x))\" y=\"3\" width=\"10\" height=\"10\"/>"
            svg += "<text x=\"\(text(x + 15))\" y=\"12\">\(name)</text>\n"
        }
        let labelled = max(1, (bars.count + 7) / 8)
        for (index, bar) in bars.enumerated() {
            let x = left + Double(index) * step
            var y = floor
            let time = AuditRowText.time(bar.time)
            svg += "<g><title>\(time.prefix(16)): \(bar.allowed) passed, \(bar.warned) warned, "
            svg += "\(bar.blocked) refused</title>"
            for (name, count) in [("passed", bar.allowed), ("warned", bar.warned), ("refused", bar.blocked)]
            where count > 0 {
                // What there is must be seen, however much more there is of the rest.
                let length = max(1.5, Double(count) * scale)
                y -= length
                svg += "<rect class=\"\(name)\" x=\"\(text(x + step * 0.1))\" y=\"\(text(y))\" "
                svg += "width=\"\(text(min(step * 0.8, 60)))\" height=\"\(text(length))\"/>"
            }
            svg += "</g>\n"
            if index % labelled == 0 {
                let label = unit == "hour" ? String(time.prefix(16).dropFirst(5)) : String(time.prefix(10))
                svg += "<text x=\"\(text(x))\" y=\"\(text(height - 8))\">\(label)</text>\n"
            }
        }
        return svg + "</svg>\n"
    }

    /// One digit behind the point.
    private static func text(_ number: Double) -> String {
        let tenths = Int((number * 10).rounded())
        return tenths % 10 == 0 ? String(tenths / 10) : "\(tenths / 10).\(abs(tenths % 10))"
    }
}
