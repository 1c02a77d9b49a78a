/// Durations and sizes as `proxy.conf` writes them: a whole number and a unit.
enum Quantity {
    /// `500ms`, `30s`, `5m`, `2h`, as milliseconds; nil when the text is none or too large to count.
    static func milliseconds(_ text: String) -> Int? {
        read(text, units: ["ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000])
    }

    /// `512kB`, `64MB`, `1GiB`, as bytes. As in PostgreSQL's own settings the factor is 1024 in every spelling.
    static func bytes(_ text: String) -> Int? {
        let (kilo, mega, giga) = (1 << 10, 1 << 20, 1 << 30)
        return read(
            text,
            units: [
                "b": 1, "kb": kilo, "kib": kilo, "mb": mega, "mib": mega, "gb": giga, "gib": giga,
            ])
    }

    /// `50/s`, `600/m`: so many in so many milliseconds, 1 to 1,000,000; nil when the text is none.
    static func rate(_ text: String) -> (count: Int, milliseconds: Int)? {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let count = Int(parts[0]),
            (1...1_000_000).contains(count), let unit = ["s": 1000, "m": 60_000, "h": 3_600_000][parts[1]]
        else { return nil }
        return (count, unit)
    }

    /// The shortest exact way to write it: `30s`, `1500ms`.
    static func text(milliseconds: Int) -> String {
        for (unit, factor) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)]
        where milliseconds >= factor && milliseconds % factor == 0 {
            return "\(milliseconds / factor)\(unit)"
        }
        return "\(milliseconds)ms"
    }

    /// The shortest exact way to write it: `64MB`, `1000B`.
    static func text(bytes: Int) -> String {
        for (unit, factor) in [("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)]
        where bytes >= factor && bytes % factor == 0 {
            return "\(bytes / factor)\(unit)"
        }
        return "\(bytes)B"
    }

    private static func read(_ text: String, units: [String: Int]) -> Int? {
        let digits = text.utf8.prefix { $0 >= 0x30 && $0 <= 0x39 }
        guard !digits.isEmpty, let number = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
        let unit = String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self)
        guard let factor = units[unit.drop { $0 == " " }.lowercased()] else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }
}
