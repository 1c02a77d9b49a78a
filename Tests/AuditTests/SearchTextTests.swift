import Foundation
import Testing

@testable import Audit

@Suite struct SearchNeedleTests {
    @Test("a needle is found exactly where a plain search finds it, at every place and length")
    func everywhere() {
        var dice = Dice(state: 3)
        for round in 0..<4000 {
            let length = Int.random(in: 0...150, using: &dice)
            // Few letters, so that there are many near misses.
            let text = (0..<length).map { _ in [UInt8]("abAB\"1".utf8).randomElement(using: &dice) ?? 0 }
            let size = Int.random(in: 1...6, using: &dice)
            let wanted = (0..<size).map { _ in [UInt8]("abAB\"1".utf8).randomElement(using: &dice) ?? 0 }
            let isCaseless = round.isMultiple(of: 2)
            guard let needle = SearchNeedle(wanted, isCaseless: isCaseless) else { continue }
            let fold: (UInt8) -> UInt8 = { isCaseless ? FoldedText.fold($0) : $0 }
            var start = 0
            while start <= length {
                let expected = (start...max(start, length)).first { place in
                    place + size <= length && (0..<size).allSatisfy { fold(text[place + $0]) == fold(wanted[$0]) }
                }
                let found = text.withUnsafeBufferPointer { needle.first(in: $0, from: start) }
                #expect(found == expected)
                start += 1 + length / 3
            }
        }
        #expect(SearchNeedle([]) == nil)
    }

    @Test("what holds a text, folded, holds its needle: no match is sieved out")
    func sieve() {
        let texts = [
            "DROP TABLE Orders", "größe ÄNDERN", "a\"quoted\"name", "tab\tand\\slash", "Kelvin \u{212A} sign",
            "日本語 table", "İstanbul", "x/y/z", "ß", "\u{1F600} smile",
        ]
        for text in texts {
            let line = Array(AuditEncoder.line(Sample.intent("i", sql: text)).utf8)
            for start in text.indices {
                for length in 1...5 {
                    let part = FoldedText(String(text[start...].prefix(length)).uppercased())
                    guard RecordTexts.hold(part, in: line), let needle = SearchNeedle.caseless(part.bytes) else {
                        continue
                    }
                    #expect(line.withUnsafeBufferPointer { needle.first(in: $0, from: 0) } != nil, "\(part.text)")
                }
            }
        }
    }
}

@Suite struct FoldedTextTests {
    struct Row {
        var part: String
        var text: String
        var isIn: Bool
    }

    private static let rows = [
        Row(part: "", text: "", isIn: true), Row(part: "a", text: "", isIn: false),
        Row(part: "ORDERS", text: "drop table orders", isIn: true), Row(part: "orders", text: "OrDeRs", isIn: true),
        Row(part: "ÄNDERN", text: "größe ändern", isIn: true), Row(part: "straße", text: "STRASSE", isIn: false),
        Row(part: "k", text: "\u{212A}", isIn: false), Row(part: "\u{212A}", text: "\u{212A}", isIn: true),
        Row(part: "aab", text: "aaab", isIn: true), Row(part: "aab", text: "aaac", isIn: false),
    ]

    @Test("a text is found whatever the size of its letters", arguments: rows.indices)
    func folds(_ index: Int) {
        let row = Self.rows[index]
        #expect(FoldedText(row.part).isIn(row.text) == row.isIn)
    }

    @Test("a record's texts are looked into, not its ids and codes; a line that is none has none")
    func texts() {
        let line = Array(AuditEncoder.line(Sample.intent("the-id", sql: "DROP TABLE \"A\nb\"")).utf8)
        for part in ["drop table", "\"a\nb\"", "public.orders", "alice", "psql"] {
            #expect(RecordTexts.hold(FoldedText(part), in: line), "\(part)")
        }
        for part in ["the-id", "production", "127.0.0.1", "allow", "2023-11"] {
            #expect(!RecordTexts.hold(FoldedText(part), in: line), "\(part)")
        }
        let deep = String(repeating: "{\"a\":[", count: 5000)
        for text in ["", "{", "{\"sql\":\"x", "[]", "{\"sql\":{\"a\":\"x\"}}", deep] {
            #expect(!RecordTexts.hold(FoldedText("x"), in: Array(text.utf8)))
        }
    }
}

@Suite struct ObjectGlobTests {
    struct Row {
        var pattern: String
        var kind = "table"
        var name: String
        var matches: Bool
    }

    private static let rows = [
        Row(pattern: "orders", name: "public.orders", matches: true),
        Row(pattern: "orders", name: "orders", matches: true),
        Row(pattern: "orders", name: "public.orders_2", matches: false),
        Row(pattern: "orders", name: "public.orders.price", matches: true),
        Row(pattern: "PUBLIC.Orders", name: "public.orders", matches: true),
        Row(pattern: "public.orders", name: "orders", matches: false),
        Row(pattern: "public.*", name: "public.orders", matches: true),
        Row(pattern: "public.*", name: "publication", matches: false),
        Row(pattern: "ord*", name: "public.orders", matches: true),
        Row(pattern: "*", name: "anything", matches: true),
        Row(pattern: "order?", name: "public.orders", matches: true),
        Row(pattern: "order?", name: "public.order", matches: false),
        Row(pattern: "table:orders", name: "public.orders", matches: true),
        Row(pattern: "view:orders", name: "public.orders", matches: false),
        Row(pattern: "materialized_view:*", kind: "materialized_view", name: "x.y", matches: true),
        Row(pattern: "größe", name: "public.GRÖSSE", matches: false),
        Row(pattern: "GRÖẞE", name: "public.größe", matches: true),
    ]

    @Test("patterns match names and their parts", arguments: rows.indices)
    func matches(_ index: Int) {
        let row = Self.rows[index]
        let object = AuditRecord.Object(kind: row.kind, name: row.name)
        let matches = ObjectGlob(row.pattern)?.matches(object)
        #expect(matches == row.matches, "\(row.pattern) on \(row.name)")
    }

    @Test("what a pattern matches has the tokens and the bytes that the search looks for")
    func sieve() throws {
        for row in Self.rows where row.matches {
            let glob = try #require(ObjectGlob(row.pattern))
            var record = Sample.intent("i")
            record.statement?.objects = [AuditRecord.Object(kind: row.kind, name: row.name)]
            var tokens: Set<UInt64> = []
            SearchToken.insert(record, into: &tokens)
            if let names = glob.indexedNames {
                #expect(names.contains { tokens.contains(SearchToken.of(.object, $0)) }, "\(row.pattern)")
            }
            let line = Array(AuditEncoder.line(record).utf8)
            if let needle = SearchNeedle.caseless(glob.certainBytes) {
                #expect(line.withUnsafeBufferPointer { needle.first(in: $0, from: 0) } != nil, "\(row.pattern)")
            }
        }
        #expect(ObjectGlob("") == nil && ObjectGlob("table:") == nil)
    }
}

@Suite struct MomentTests {
    private static let now: Int64 = 1_795_342_272_000_000_000
    private static let second: Int64 = 1_000_000_000

    @Test("stretches of time before now are read")
    func moments() {
        let rows: [(String, Int64)] = [
            ("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604_800), ("1w", 604_800), ("2 hours", 7200),
            ("2 hours ago", 7200), ("an hour ago", 3600), ("1 day 12 hours ago", 129_600), ("15 MIN", 900), ("0s", 0),
        ]
        for (text, seconds) in rows {
            #expect(AuditTime.moment(text, now: Self.now) == Self.now - seconds * Self.second, "\(text)")
        }
        #expect(AuditTime.moment("now", now: Self.now) == Self.now)
        #expect(AuditTime.moment("today", now: Self.now) == AuditTime.parse("2026-11-22"))
        #expect(AuditTime.moment("yesterday", now: Self.now) == AuditTime.parse("2026-11-21"))
    }

    @Test(
        "what is none is none",
        arguments: [
            "", "ago", "h", "2", "2x", "-2h", "2 hours later", "99999999999999999999h", "101 years", "9999999w", "1h30",
        ])
    func none(_ text: String) { #expect(AuditTime.moment(text, now: Self.now) == nil) }
}
