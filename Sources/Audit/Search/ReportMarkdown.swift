/// A report as Markdown (tables as GitHub and most others read them).
package enum ReportMarkdown {
    package static func text(_ report: TrailReport) -> String {
        var text = "# \(ReportOutline.title)\n"
        for part in ReportOutline(report).parts {
            text += "\n"
            switch part {
            case .heading(let title): text += "## \(title)\n"
            case .text(let sentence): text += escaped(sentence) + "\n"
            case .table(let columns, let rows):
                text += line(columns) + line(columns.map { _ in "---" }, escapes: false)
                text += rows.map { line($0) }.joined()
            case .chart: text += chart(report)
            }
        }
        return text
    }

    private static func line(_ cells: [String], escapes: Bool = true) -> String {
        "| " + cells.map { escapes ? escaped($0) : $0 }.joined(separator: " | ") + " |\n"
    }

    /// What no reader of Markdown takes for anything but text: names and statements come from whoever connected.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\", "`", "*", "_", "{", "}", "[", "]", "(", ")", "#", "+", "!", "|", "~", "$":
                escaped += "\\"
                escaped.unicodeScalars.append(character)
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "&": escaped += "&amp;"
            // A bare address becomes a link in some readers.
            case ":" where escaped.hasSuffix("http") || escaped.hasSuffix("https") || escaped.hasSuffix("ftp"):
                escaped += "&#58;"
            case "@": escaped += "&#64;"
            case "\n", "\r": escaped += " "
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    /// Bars of text: a line for each stretch of time with anything in it.
    private static func chart(_ report: TrailReport) -> String {
        let (bars, unit) = report.bars
        guard let most = bars.map(\.total).max(), most > 0 else { return "" }
        var text = "Statements by \(unit) (█ passed, ▒ warned, ░ refused):\n\n```\n"
        for bar in bars where bar.total > 0 {
            func length(_ count: Int) -> Int { count == 0 ? 0 : max(1, count * 50 / most) }
            text += AuditRowText.time(bar.time).prefix(16) + "  "
            text += String(repeating: "█", count: length(bar.allowed))
            text += String(repeating: "▒", count: length(bar.warned))
            text += String(repeating: "░", count: length(bar.blocked)) + " \(bar.total)\n"
        }
        return text + "```\n"
    }
}
