import SQLParsing
import Testing

@testable import Policy

@Suite struct `Texts that come again` {
    private static let subject = Subject(
        database: "shop", user: "app", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
    private static let strict = RuleSet(
        version: 1, rules: [Rule(name: "all", classes: ClassGroup.any.classes, action: .block)]
    ).rules(for: subject)
    private static let lax = RuleSet(version: 2, rules: []).rules(for: subject)

    /// Every way in which a text can be read.
    private static let settings = [true, false].flatMap { strings in
        ClientEncoding.allCases.map { LexicalSettings(standardConformingStrings: strings, encoding: $0) }
    }

    /// One judge sees every text under every setting, catalog and rule, several times and in turn: whatever it remembers of
    /// the one must not be what it says of another.
    @Test func `are judged as if they came for the first time`() throws {
        let tables = HazardIndex().withUnknownCalls(as: .opaque)
        let catalogs = [HazardIndex(), tables, HazardIndex().withUnknownCalls(as: .unreadCall)]
        let texts =
            try VerdictFile.all().flatMap { $0.lines.map(\.sql) }
            + [#"SELECT f('\'), 'DROP TABLE t'"#, "BEGIN", "EXECUTE p", "SELECT '\u{E9}\\'; DROP TABLE t --'"]
        var judge = StatementJudge()
        // Remembers nothing.
        var analyzer = StatementAnalyzer()
        for text in texts.map({ Array($0.utf8) }) {
            text.withUnsafeBytes { bytes in
                for settings in Self.settings.prefix(3) + Self.settings.suffix(1) {
                    for hazards in catalogs {
                        analyzer.hazards = hazards
                        judge.hazards = hazards
                        let facts = analyzer.facts(of: bytes, settings: settings)
                        for round in 0..<3 {
                            let isLax = round == 1
                            let found =
                                isLax
                                ? judge.judge(bytes, readings: LexicalReadings(settings), rules: Self.lax)
                                : judge.judge(bytes, readings: LexicalReadings(settings), rules: Self.strict)
                            let expected =
                                isLax
                                ? judge.judge(remembered: facts, rules: Self.lax)
                                : judge.judge(remembered: facts, rules: Self.strict)
                            #expect(found.facts == expected.facts, "\(String(decoding: text, as: UTF8.self))")
                            #expect(found.verdict == expected.verdict)
                            #expect(found.isAudited == expected.isAudited)
                        }
                    }
                }
            }
        }
    }

    private func kept(_ cache: borrowing FactsCache, _ text: String, _ settings: LexicalSettings = LexicalSettings())
        -> TextFacts?
    {
        Array(text.utf8).withUnsafeBytes { cache.facts(of: $0, settings: settings, hazards: HazardIndex()) }
    }

    private func note(_ cache: inout FactsCache, _ text: String, _ facts: TextFacts = TextFacts()) {
        Array(text.utf8).withUnsafeBytes {
            cache.note(facts, of: $0, settings: LexicalSettings(), hazards: HazardIndex())
        }
    }

    @Test func `are kept when they have come twice, whole, and for their settings only`() {
        var cache = FactsCache()
        note(&cache, "SELECT f(1)")
        let once = kept(cache, "SELECT f(1)")
        #expect(once == nil)
        note(&cache, "SELECT f(1)")
        let twice = kept(cache, "SELECT f(1)")
        #expect(twice == TextFacts())
        let others = [
            kept(cache, "SELECT f(2)"), kept(cache, "SELECT f(1) "),
            kept(cache, "SELECT f(1)", LexicalSettings(standardConformingStrings: false)),
            kept(cache, "SELECT f(1)", LexicalSettings(encoding: .sjis)),
        ]
        #expect(others == [nil, nil, nil, nil])
    }

    /// Two of these differ at least in one part of what facts are made of.
    @Test func `are kept for one encoding, one reading of strings and one catalog`() {
        let catalogs = [
            HazardIndex(), HazardIndex().withUnknownCalls(as: .opaque), HazardIndex().withUnknownCalls(as: .opaque),
        ]
        let states = Self.settings.flatMap { settings in catalogs.map { (settings, $0) } }
        for kept in states.indices {
            var cache = FactsCache()
            Array("SELECT f(1)".utf8).withUnsafeBytes { text in
                for _ in 0..<2 { cache.note(TextFacts(), of: text, settings: states[kept].0, hazards: states[kept].1) }
                let found = states.indices.filter {
                    cache.facts(of: text, settings: states[$0].0, hazards: states[$0].1) != nil
                }
                #expect(found == [kept])
            }
        }
    }

    /// A reload of the catalog makes another snapshot, even where it says the same.
    @Test func `are forgotten with the catalog they were judged under, and kept anew`() {
        let (before, after) = (
            HazardIndex().withUnknownCalls(as: .opaque), HazardIndex().withUnknownCalls(as: .unreadCall)
        )
        var cache = FactsCache()
        Array("SELECT f(1)".utf8).withUnsafeBytes { text in
            for _ in 0..<2 { cache.note(TextFacts(), of: text, settings: LexicalSettings(), hazards: before) }
            let stale = cache.facts(of: text, settings: LexicalSettings(), hazards: after)
            #expect(stale == nil)
            for _ in 0..<2 { cache.note(TextFacts(), of: text, settings: LexicalSettings(), hazards: after) }
            let renewed = cache.facts(of: text, settings: LexicalSettings(), hazards: after)
            let old = cache.facts(of: text, settings: LexicalSettings(), hazards: before)
            #expect(renewed == TextFacts())
            #expect(old == nil)
        }
    }

    /// A script of texts that come once each must not put out one that comes always.
    @Test func `stay when others come once in between`() {
        var cache = FactsCache()
        note(&cache, "SELECT f(1)")
        note(&cache, "SELECT f(1)")
        for number in 0..<(8 * FactsCache.slotCount) { note(&cache, "SELECT g(\(number))") }
        let found = kept(cache, "SELECT f(1)")
        #expect(found == TextFacts())
    }

    @Test(arguments: [0, 1, FactsCache.textLimit - 1, FactsCache.textLimit])
    func `are kept at every length up to the limit, none for an empty one`(length: Int) {
        var cache = FactsCache()
        let text = String(repeating: "a", count: length)
        for _ in 0..<2 { note(&cache, text) }
        let found = kept(cache, text)
        #expect((found != nil) == (length > 0))
        let longer = kept(cache, text + "b")
        #expect(longer == nil)
    }

    @Test func `are not kept if a rule could be about them, or if they are long`() {
        var cache = FactsCache()
        let long = String(repeating: "a", count: FactsCache.textLimit + 1)
        for _ in 0..<3 {
            note(&cache, "DROP TABLE t", TextFacts(classes: ClassSet(.dropTable)))
            note(&cache, long)
        }
        let found = [kept(cache, "DROP TABLE t"), kept(cache, long)]
        #expect(found == [nil, nil])
    }

    @Test func `take bounded memory: a text puts out the one in its slot`() {
        var cache = FactsCache()
        let texts = (0..<(4 * FactsCache.slotCount)).map { "SELECT f(\($0))" }
        for text in texts {
            note(&cache, text)
            note(&cache, text)
        }
        var count = 0
        for text in texts where kept(cache, text) != nil { count += 1 }
        #expect(count <= FactsCache.slotCount)
        #expect(count > FactsCache.slotCount / 2)
    }
}
