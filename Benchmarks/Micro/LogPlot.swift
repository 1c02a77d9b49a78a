import Glibc

/// Lines over two logarithmic axes, as an SVG picture.
struct LogPlot {
    var title: String
    /// The places on the x axis, the same for every line.
    var marks: [Double]
    /// Nanoseconds a byte at each mark.
    var series: [(name: String, values: [Double])]

    private static let colours = [
        "#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#16a085", "#7f8c8d", "#2c3e50", "#e84393", "#6c5ce7",
        "#00b894", "#b8860b", "#0984e3", "#636e72",
    ]
    private let left = 70.0
    private let top = 40.0
    private let width = 520.0
    private let height = 380.0

    init(title: String, marks: [Double], series: [(name: String, values: [Double])]) {
        (self.title, self.marks, self.series) = (title, marks, series)
    }

    var svg: String {
        let values = series.flatMap(\.values)
        let lowest = log10(values.min() ?? 1).rounded(.down)
        let highest = log10(values.max() ?? 10).rounded(.up)
        let (first, last) = (log10(marks.first ?? 1), log10(marks.last ?? 10))
        func place(_ mark: Double, _ value: Double) -> (x: Double, y: Double) {
            (
                left + width * (log10(mark) - first) / max(last - first, 1),
                top + height * (1 - (log10(value) - lowest) / max(highest - lowest, 1))
            )
        }
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 480" font-family="sans-serif" font-size="12">"#,
            #"<rect width="840" height="480" fill="white"/>"#,
            #"<text x="\#(left)" y="22" font-size="15">\#(title)</text>"#,
        ]
        for decade in Int(lowest)...max(Int(lowest), Int(highest)) {
            let y = place(marks.first ?? 1, pow(10, Double(decade))).y
            lines.append(
                #"<line x1="\#(left)" x2="\#(left + width)" y1="\#(shown(y))" y2="\#(shown(y))" stroke="gainsboro"/>"#)
            lines.append(
                #"<text x="\#(left - 8)" y="\#(shown(y + 4))" text-anchor="end">\#(Self.time(decade))</text>"#)
        }
        for mark in marks {
            let x = place(mark, pow(10, lowest)).x
            lines.append(
                #"<line x1="\#(shown(x))" x2="\#(shown(x))" y1="\#(top)" y2="\#(top + height)" stroke="whitesmoke"/>"#)
            lines.append(
                #"<text x="\#(shown(x))" y="\#(top + height + 18)" text-anchor="middle">\#(Self.size(mark))</text>"#)
        }
        for (index, line) in series.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            let points = zip(marks, line.values).map { place($0, $1) }
                .map { "\(shown($0.x)),\(shown($0.y))" }.joined(separator: " ")
            lines.append(#"<polyline points="\#(points)" fill="none" stroke="\#(colour)" stroke-width="2"/>"#)
            let y = top + 14 + 20 * Double(index)
            lines.append(
                #"<line x1="\#(left + width + 16)" x2="\#(left + width + 36)" y1="\#(y - 4)" y2="\#(y - 4)" stroke="\#(colour)" stroke-width="2"/>"#
            )
            lines.append(#"<text x="\#(left + width + 42)" y="\#(y)">\#(line.name)</text>"#)
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private func shown(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    /// A power of ten of nanoseconds.
    private static func time(_ decade: Int) -> String {
        let value = pow(10, Double(decade))
        return decade >= 0 ? "\(Int(value)) ns" : "\(value) ns"
    }

    private static func size(_ bytes: Double) -> String {
        let count = Int(bytes)
        return count >= 1 << 20 ? "\(count >> 20) MB" : "\(count >> 10) KB"
    }
}
