/// RFC 3339 times in UTC, and nanoseconds since 1970 (`Int64`: the years 1677 to 2262).
package enum AuditTime {
    /// Appends `2026-11-22T10:11:12.123456Z`: always 27 bytes, always UTC, fractions below a microsecond cut off
    /// (towards the past).
    package static func append(_ nanoseconds: Int64, to bytes: inout [UInt8]) {
        let (seconds, fraction) = split(nanoseconds, by: 1_000_000_000)
        let (days, secondOfDay) = split(seconds, by: 86_400)
        let date = civil(fromDays: days)
        digits(date.year, 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        digits(date.month, 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        digits(date.day, 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        digits(secondOfDay / 3600, 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        digits(secondOfDay / 60 % 60, 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        digits(secondOfDay % 60, 2, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        digits(fraction / 1000, 6, to: &bytes)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// The same as text, for logs and for people.
    package static func text(_ nanoseconds: Int64) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(27)
        append(nanoseconds, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads a date (`2026-11-22`: midnight UTC) or a date and time (`2026-11-22T10:11`, seconds, fraction and zone
    /// optional, a space in place of the `T` allowed, no zone means UTC). Nil if it is neither, or if a part is out of
    /// its range, or the year lies outside 1678 to 2261.
    package static func parse(_ text: some StringProtocol) -> Int64? {
        var scanner = TimeScanner(Array(text.utf8))
        return scanner.time()
    }

    /// Quotient rounded down, and the remainder from 0 to `divisor - 1`.
    private static func split(_ value: Int64, by divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func digits(_ value: Int64, _ count: Int, to bytes: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<count { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    /// Days since 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant's `civil_from_days`).
    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = split(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    /// A date of the Gregorian calendar to days since 1970-01-01.
    fileprivate static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = split(shiftedYear, by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

/// Reads the parts of a time from left to right.
private struct TimeScanner {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func time() -> Int64? {
        guard let year = number(4), (1678...2261).contains(year), skip("-"), let month = number(2),
            (1...12).contains(month), skip("-"), let day = number(2), day >= 1,
            day <= Self.dayCount(year: year, month: month)
        else { return nil }
        var seconds = AuditTime.days(year: year, month: month, day: day) * 86_400
        var nanoseconds: Int64 = 0
        if position < bytes.count {
            guard skip("T") || skip("t") || skip(" "), let hour = number(2), hour < 24, skip(":"),
                let minute = number(2), minute < 60
            else { return nil }
            seconds += hour * 3600 + minute * 60
            if skip(":") {
                guard let second = number(2), second <= 60 else { return nil }
                seconds += second
                if skip(".") {
                    guard let fraction = fraction() else { return nil }
                    nanoseconds = fraction
                }
            }
            guard let offset = zone() else { return nil }
            seconds -= offset
        }
        return seconds * 1_000_000_000 + nanoseconds
    }

    /// Seconds east of Greenwich; 0 if there is no zone.
    private mutating func zone() -> Int64? {
        if position == bytes.count { return 0 }
        if skip("Z") || skip("z") { return position == bytes.count ? 0 : nil }
        let isEast = skip("+")
        guard isEast || skip("-"), let hour = number(2), hour < 24 else { return nil }
        _ = skip(":")
        guard let minute = position == bytes.count ? 0 : number(2), minute < 60, position == bytes.count else {
            return nil
        }
        return (hour * 3600 + minute * 60) * (isEast ? 1 : -1)
    }

    private mutating func number(_ count: Int) -> Int64? {
        guard bytes.count - position >= count else { return nil }
        var value: Int64 = 0
        for byte in bytes[position..<position + count] {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        position += count
        return value
    }

    /// One or more digits after the point, as nanoseconds; digits after the ninth are dropped.
    private mutating func fraction() -> Int64? {
        var value: Int64 = 0
        var weight: Int64 = 100_000_000
        let start = position
        while position < bytes.count, bytes[position] >= UInt8(ascii: "0"), bytes[position] <= UInt8(ascii: "9") {
            value += weight * Int64(bytes[position] - UInt8(ascii: "0"))
            weight /= 10
            position += 1
        }
        return position > start ? value : nil
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private static func dayCount(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension AuditTime {
    /// A stretch of time before `now`: `90s`, `30m`, `2h`, `7d`, `1w`, also in words: `2 hours`, `2 hours ago`, `an hour ago`,
    /// `1 day 12 hours`; or `now`, `today` and `yesterday` (midnight, UTC). Nil if it is none, or longer than a hundred years.
    package static func moment(_ text: String, now: Int64) -> Int64? {
        var words = text.lowercased().split(whereSeparator: { $0 == " " || $0 == "_" || $0 == "," }).map(Substring.init)
        let day: Int64 = 86_400 * 1_000_000_000
        let midnight = now - (now % day + day) % day
        switch words {
        case ["now"]: return now
        case ["today"]: return midnight
        case ["yesterday"]: return midnight - day
        default: break
        }
        if words.last == "ago" { words.removeLast() }
        guard !words.isEmpty else { return nil }
        var seconds: Int64 = 0
        var index = 0
        while index < words.count {
            let word = words[index]
            let digits = word.prefix { $0.isASCII && $0.isNumber }
            let isOne = word == "a" || word == "an"
            guard let count = isOne ? 1 : Int64(digits), count <= 3_155_760_000 else { return nil }
            var name = isOne ? "" : word.dropFirst(digits.count)
            if name.isEmpty {
                index += 1
                guard index < words.count else { return nil }
                name = words[index]
            }
            guard let unit = secondCount(of: name), count <= 3_155_760_000 / unit else { return nil }
            seconds += count * unit
            index += 1
        }
        return seconds <= 3_155_760_000 ? now - seconds * 1_000_000_000 : nil
    }

    private static func secondCount(of unit: Substring) -> Int64? {
        switch unit {
        case "s", "sec", "secs", "second", "seconds": 1
        case "m", "min", "mins", "minute", "minutes": 60
        case "h", "hour", "hours": 3600
        case "d", "day", "days": 86_400
        case "w", "week", "weeks": 604_800
        default: nil
        }
    }
}
