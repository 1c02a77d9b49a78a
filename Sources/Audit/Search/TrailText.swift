import Foundation

/// Some lines of a trail, whole ones. The last may lack its end: it is being written, or was torn.
struct TrailText {
    let bytes: UnsafeBufferPointer<UInt8>
    /// Whether it begins as Holdfast writes lines: then `"event":"start"` and the like stand in it just so, and nowhere in
    /// a text (where quotes are escaped). What another program has written anew is read line by line.
    let isAsWritten: Bool

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        isAsWritten = bytes.starts(with: SealedLine.prefix) || bytes.starts(with: Self.unsealed)
    }

    private static let unsealed = Array(#"{"v":1,"time":""#.utf8)

    /// The places of all lines, without their ends; empty ones left out.
    func lines() -> [Range<Int>] {
        var lines: [Range<Int>] = []
        var start = 0
        while start < bytes.count {
            let end = lineEnd(from: start)
            if end > start { lines.append(start..<end) }
            start = end + 1
        }
        return lines
    }

    /// The lines that hold one of the needles, in their order.
    func lines(holding needles: [SearchNeedle]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        for needle in needles {
            var place = 0
            while let hit = needle.first(in: bytes, from: place) {
                let end = lineEnd(from: hit)
                found.append(lineStart(of: hit)..<end)
                place = end
            }
        }
        guard needles.count > 1 else { return found }
        found.sort { $0.lowerBound < $1.lowerBound }
        var unique: [Range<Int>] = []
        for line in found where unique.last != line { unique.append(line) }
        return unique
    }

    func line(_ place: Range<Int>) -> UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: bytes[place]) }

    var lineCount: Int {
        var count = 0
        var start = 0
        while start < bytes.count {
            start = lineEnd(from: start) + 1
            count += 1
        }
        return count
    }

    private func lineEnd(from place: Int) -> Int {
        guard let base = bytes.baseAddress, let end = memchr(base + place, 0x0A, bytes.count - place) else {
            return bytes.count
        }
        return UnsafeRawPointer(end) - UnsafeRawPointer(base)
    }

    private func lineStart(of place: Int) -> Int {
        var start = place
        while start > 0, bytes[start - 1] != UInt8(ascii: "\n") { start -= 1 }
        return start
    }
}

/// The records of a text that have some event, by their ids.
struct EventTable {
    /// Where lines stand, by the token of their id; of several the last.
    private(set) var lines: [UInt64: Range<Int>] = [:]

    init(of event: AuditRecord.Event, in text: TrailText) {
        guard text.isAsWritten, let needle = SearchNeedle.field("event", event.rawValue), let key = Self.idKey else {
            for line in text.lines() {
                guard let record = try? AuditDecoder.decode(text.line(line)), record.event == event else { continue }
                lines[SearchToken.of(.id, record.id)] = line
            }
            return
        }
        for line in text.lines(holding: [needle]) {
            let bytes = text.line(line)
            guard let place = key.first(in: bytes, from: 0) else { continue }
            let rest = bytes[(place + key.bytes.count)...]
            lines[SearchToken.of(.id, rest.prefix { $0 != UInt8(ascii: "\"") })] = line
        }
    }

    static let idKey = SearchNeedle(Array(#""id":""#.utf8))
}
