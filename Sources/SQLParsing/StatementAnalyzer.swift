/// Reads SQL text into facts: lexer, libpg_query's raw tree, sieve, routine bodies.
///
/// One analyzer belongs to one thread. It holds reusable buffers, no state of any session.
package struct StatementAnalyzer: ~Copyable {
    /// Texts up to these limits are parsed in one go; what is larger, statement by statement.
    static let wholeTextLimit = 256 << 10
    /// A statement with more tokens is judged by the sieve: libpg_query needs about 40 ns and up to 250 bytes for each.
    static let tokenLimit = 60_000
    /// A statement with more bytes is not parsed.
    static let statementLimit = 1 << 20
    /// A text with more bytes of long literals is parsed without them: libpg_query copies literals byte by byte.
    static let literalLimit = 8 << 10
    /// A routine, whose body is a literal, may be this large.
    static let routineLimit = 8 << 20
    /// Texts within texts (a DO in a DO …) are followed this deep.
    static let nestingLimit = 5

    var canonical = CanonicalText()
    private var reader: StatementReader
    private var entries: [Entry] = []
    var nesting: Int

    /// One statement's draft, until the text's parse tree is freed.
    private struct Entry {
        var range: Range<Int>
        var draft: StatementDraft
        var innerTexts: [InnerText]
    }

    package init() {
        self.init(functions: KnownFunctionIndex(), nesting: 0)
    }

    /// An analyzer for a text that stands inside another.
    init(functions: KnownFunctionIndex, nesting: Int) {
        reader = StatementReader(functions: functions)
        self.nesting = nesting
    }

    /// What code that is in the session's database may do.
    package var hazards: HazardIndex {
        get { reader.functions.hazards }
        set { reader.functions.hazards = newValue }
    }

    /// Names go into a log from here on.
    mutating func collectMentions(in log: MentionLog) { reader.functions.log = log }

    /// Whether the text's bytes alone prove that it has no facts, whatever is in the session's database (``PlainScan``).
    ///
    /// Mutating, lest the analyzer be copied for it.
    package mutating func isPlain(_ text: UnsafeRawBufferPointer, settings: LexicalSettings) -> Bool {
        settings.encoding.isASCIISafe && PlainScan.isProven(text)
            && !reader.functions.hazards.mayConcern(text, settings: settings, mayCall: false)
    }

    /// What the text's tokens alone prove.
    package mutating func proof(of text: UnsafeRawBufferPointer, settings: LexicalSettings) -> PlainProof {
        PlainQuery.proof(of: text, settings: settings, functions: reader.functions)
    }

    /// Whether the text is plain, and uses nothing hazardous that is in the session's database.
    package mutating func isPlain(
        _ proof: PlainProof, _ text: UnsafeRawBufferPointer, settings: LexicalSettings
    ) -> Bool {
        proof.isProven
            && !reader.functions.hazards.mayConcern(text, settings: settings, mayCall: proof.mayCall)
    }

    /// Whether the text begins with DO or CREATE, whose literals may be code.
    package static func mayHoldCode(_ text: UnsafeRawBufferPointer) -> Bool {
        var lexer = Lexer(text)
        let first = lexer.next()
        guard first.kind == .word else { return false }
        let word = Keyword(first, text)
        return word == .do || word == .create
    }

    /// Whether a text that begins so may be one that becomes short by leaving out literals and rows: its first word is
    /// INSERT, UPDATE, DELETE or SELECT.
    package static func mayBeCondensed(_ head: UnsafeRawBufferPointer) -> Bool {
        var lexer = Lexer(head)
        let first = lexer.next()
        guard first.kind == .word, first.end < head.count else { return false }
        let word = Keyword(first, head)
        return word == .insert || word == .update || word == .delete || word == .select
    }

    /// The facts of a text that is one Query message's or one Parse message's.
    ///
    /// - Parameters:
    ///   - text: the bytes without the terminating NUL; a NUL within ends the text, as it does for the server.
    ///   - known: ``proof(of:settings:)`` of the same text and settings, if somebody has it.
    package mutating func facts(
        of text: UnsafeRawBufferPointer, settings: LexicalSettings, after known: PlainProof? = nil
    ) -> TextFacts {
        let proof = known ?? proof(of: text, settings: settings)
        if reader.functions.log == nil, isPlain(proof, text, settings: settings) {
            return TextFacts()
        }
        canonical.load(text, settings: settings, outlivesUse: true, after: proof)
        var facts = readCanonical(settings)
        let (hasInvalidCharacter, hasPossibleASCII) = (canonical.hasInvalidCharacter, canonical.hasPossibleASCII)
        // The server refuses a text with an invalid character, if the encoding is what it is believed to be.
        if hasInvalidCharacter { addReading(of: text, settings, as: .asciiSafe, to: &facts) }
        if hasPossibleASCII { addReading(of: text, settings, as: .sjis, to: &facts) }
        canonical.release()
        return facts
    }

    /// Adds what the text would do if it were in another encoding.
    private mutating func addReading(
        of text: UnsafeRawBufferPointer, _ settings: LexicalSettings, as encoding: ClientEncoding,
        to facts: inout TextFacts
    ) {
        let settings = LexicalSettings(
            standardConformingStrings: settings.standardConformingStrings, encoding: encoding)
        canonical.load(text, settings: settings, outlivesUse: true)
        let other = readCanonical(settings)
        facts.classes.formUnion(other.classes)
        facts.statements += other.statements
        facts.choosesByParameter = facts.choosesByParameter || other.choosesByParameter
    }

    private mutating func readCanonical(_ settings: LexicalSettings) -> TextFacts {
        entries.removeAll(keepingCapacity: true)
        if canonical.statements.isEmpty { return TextFacts() }
        if !parseWhole() {
            for span in canonical.statements { read(span) }
        }
        var isOrdinary = !canonical.isTruncated && !canonical.hasDoubtfulTag
        for index in entries.indices {
            if !entries[index].innerTexts.isEmpty { readInnerTexts(of: index, settings) }
            isOrdinary = isOrdinary && entries[index].draft.isOrdinary
        }
        let choosesByParameter = entries.contains { $0.draft.choosesByParameter }
        if isOrdinary { return TextFacts(choosesByParameter: choosesByParameter) }
        var facts = gathered()
        facts.choosesByParameter = choosesByParameter
        return facts
    }

    private func gathered() -> TextFacts {
        var facts = TextFacts()
        facts.statements.reserveCapacity(entries.count + 1)
        for entry in entries {
            facts.classes.formUnion(entry.draft.classes)
            facts.statements.append(entry.draft.facts(range: entry.range))
        }
        if canonical.isTruncated {
            facts.classes.insert(.oversized)
            let end = canonical.statements.last?.range.upperBound ?? 0
            facts.statements.append(
                StatementFacts(
                    range: end..<max(end, canonical.count), command: "", classes: ClassSet(.oversized),
                    effects: [Effect(.oversized)], remarks: ["more statements than are told apart"]))
        }
        if canonical.hasDoubtfulTag {
            facts.classes.insert(.unparsable)
            facts.statements.append(
                StatementFacts(
                    range: 0..<canonical.count, command: "", classes: ClassSet(.unparsable),
                    effects: [Effect(.unparsable)],
                    remarks: ["a dollar quote's tag has characters that the server may take for others"]))
        }
        return facts
    }

    /// Parses the text in one go; false if that cannot be or fails.
    private mutating func parseWhole() -> Bool {
        guard canonical.isParseable, !canonical.isTruncated, canonical.count <= Self.wholeTextLimit,
            canonical.tokenCount <= Self.tokenLimit, canonical.longLiteralBytes <= Self.literalLimit
        else { return false }
        return parse(0..<canonical.count)
    }

    private mutating func parse(_ range: Range<Int>) -> Bool {
        guard let text = canonical.terminated(range) else { return false }
        let parsed = StatementParser.parse(text) { node, place in
            reader.reset()
            reader.read(node)
            let location = range.lowerBound + place.location
            let end = place.length > 0 ? location + place.length : range.upperBound
            let statement = location..<max(location, min(end, range.upperBound))
            entries.append(
                Entry(
                    range: Self.trimmed(statement, canonical.bytes), draft: reader.draft, innerTexts: reader.innerTexts)
            )
        }
        canonical.restore()
        return parsed
    }

    /// Without white space (blanked comments included) at either end.
    private static func trimmed(_ range: Range<Int>, _ bytes: UnsafeRawBufferPointer) -> Range<Int> {
        var start = range.lowerBound
        var end = min(range.upperBound, bytes.count)
        while start < end, Lexer.isSpace(bytes[start]) { start += 1 }
        while end > start, Lexer.isSpace(bytes[end - 1]) { end -= 1 }
        return start..<max(start, end)
    }

    /// Reads one statement: by the grammar if it can, else by the sieve.
    private mutating func read(_ span: StatementSpan) {
        let size = span.range.count
        let fits = span.isParseable && span.tokenCount <= Self.tokenLimit
        if fits, !span.isRoutine, span.longLiteralBytes > Self.literalLimit {
            if parseElided(span) { return }
        } else if fits, size <= (span.isRoutine ? Self.routineLimit : Self.statementLimit) {
            if parse(span.range) { return }
        }
        let statement = UnsafeRawBufferPointer(rebasing: canonical.bytes[span.range])
        let draft = Sieve.draft(
            of: statement, functions: reader.functions, isOversized: !fits || size > Self.statementLimit)
        entries.append(Entry(range: span.range, draft: draft, innerTexts: []))
    }

    /// Parses a large statement without the contents of its long literals.
    private mutating func parseElided(_ span: StatementSpan) -> Bool {
        let text = ElidedText.bytes(of: UnsafeRawBufferPointer(rebasing: canonical.bytes[span.range]))
        guard text.count <= Self.statementLimit else { return false }
        return text.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return StatementParser.parse(base.assumingMemoryBound(to: CChar.self)) { node, _ in
                reader.reset()
                reader.read(node)
                entries.append(Entry(range: span.range, draft: reader.draft, innerTexts: reader.innerTexts))
            }
        }
    }

    /// Judges the texts that a statement would have the server run.
    private mutating func readInnerTexts(of index: Int, _ settings: LexicalSettings) {
        let inner = entries[index].innerTexts
        entries[index].innerTexts = []
        guard nesting < Self.nestingLimit else { return entries[index].draft.add(.opaque) }
        for text in inner {
            if text.isLeftOut {
                entries[index].draft.addOnce(.opaque)
                entries[index].draft.remarks.append(text.place + ": too long to be read")
            }
            let facts = facts(of: text, standardConformingStrings: settings.standardConformingStrings, settings)
            if let effect = text.ifUnknown, !isTrusted(text, settings) {
                entries[index].draft.add(effect.statementClass, effect.object, in: text.database)
            }
            entries[index].draft.absorb(facts, from: text.place, in: text.database)
            guard text.hasTwoReadings else { continue }
            // It runs later: by then the setting can be another. What that reading cannot make sense of does not count.
            var other = self.facts(
                of: text, standardConformingStrings: !settings.standardConformingStrings, settings)
            other.statements.removeAll { $0.classes.subtracting(facts.classes).subtracting(.unread).isEmpty }
            entries[index].draft.absorb(
                other, from: text.place + ", read with the other standard_conforming_strings", in: text.database)
        }
    }

    private func facts(
        of text: InnerText, standardConformingStrings: Bool, _ outer: LexicalSettings
    ) -> TextFacts {
        let settings = LexicalSettings(
            standardConformingStrings: standardConformingStrings, encoding: outer.encoding.ofInnerText)
        switch text.language {
        case .sql: return readInner(text.text, settings)
        case .pieces(let pieces): return DynamicText.facts(of: pieces) { readInner($0, settings) }
        case .plpgsql:
            return RoutineBody.facts(
                of: text.text, parameters: text.parameters, settings: settings, functions: reader.functions,
                nesting: nesting + 1)
        }
    }

    /// Whether nothing that a text leaves open can change what it does, under either reading.
    private func isTrusted(_ text: InnerText, _ settings: LexicalSettings) -> Bool {
        guard case .pieces(let pieces) = text.language else { return true }
        return (text.hasTwoReadings ? [true, false] : [true]).allSatisfy {
            HoleCheck.isTrusted(pieces, standardConformingStrings: $0, functions: reader.functions)
        }
    }

    private func readInner(_ text: [UInt8], _ settings: LexicalSettings) -> TextFacts {
        var analyzer = StatementAnalyzer(functions: reader.functions, nesting: nesting + 1)
        return text.withUnsafeBytes { analyzer.facts(of: $0, settings: settings) }
    }
}

extension Keyword {
    static let insert = Keyword("insert")
    static let update = Keyword("update")
    static let delete = Keyword("delete")
}

extension InnerText {
    /// Its reading depends on standard_conforming_strings.
    fileprivate var hasTwoReadings: Bool {
        switch language {
        case .sql, .plpgsql: return LexicalSettings.standardConformingStringsMatter(to: text)
        case .pieces(let pieces): return DynamicText.hasTwoReadings(pieces)
        }
    }
}

extension ClassSet {
    /// Not read.
    static let unread = ClassSet([.unparsable, .oversized])
}

/// A statement without the contents of its long literals.
enum ElidedText {
    /// Literals longer than this are left out.
    static let literalLimit = 256

    /// The statement with ``LeftOutLiteral`` in place of each long literal; ended by a NUL.
    static func bytes(of statement: UnsafeRawBufferPointer) -> [UInt8] {
        var result: [UInt8] = []
        var lexer = Lexer(statement)
        var copied = 0
        while true {
            let token = lexer.next()
            if token.kind == .end { break }
            // U&'' may be followed by UESCAPE, which no other literal may.
            guard token.isString, token.kind != .unicodeString, token.end - token.start > literalLimit,
                !token.isUnterminated
            else { continue }
            result += statement[copied..<token.start]
            result += LeftOutLiteral.token
            copied = token.end
        }
        result += statement[copied..<statement.count]
        result.append(0)
        return result
    }
}

extension StatementAnalyzer {
    /// Compares what libpg_query builds with the struct layout that this program was compiled for, at start.
    ///
    /// - Returns: what does not fit, or nil. A program whose layout does not fit must not run: it would misread.
    package static func layoutFault() -> String? {
        let probes: [(sql: String, command: String, classes: [StatementClass], object: String?)] = [
            ("SELECT 1", "", [], nil),
            ("DROP TABLE IF EXISTS s.t CASCADE", "DROP TABLE", [.dropTable, .cascade], "s.t"),
            ("ALTER TABLE ONLY s.t DROP COLUMN c", "ALTER TABLE", [.dropColumn], "s.t.c"),
            ("TRUNCATE s.t", "TRUNCATE TABLE", [.truncate], "s.t"),
            ("DELETE FROM s.t", "DELETE", [.deleteAll], "s.t"),
            ("WITH x AS (DELETE FROM s.t WHERE true) SELECT 1", "SELECT", [.deleteAll], "s.t"),
            ("ALTER TABLE s.t RENAME TO u", "ALTER TABLE", [.rename], "s.t"),
            ("DROP DATABASE d", "DROP DATABASE", [.dropDatabase], "d"),
            ("DO LANGUAGE plpgsql 'BEGIN DROP TABLE s.t; END'", "DO", [.dropTable, .doBlock], nil),
        ]
        var analyzer = StatementAnalyzer()
        for probe in probes {
            let bytes = Array(probe.sql.utf8)
            let facts = bytes.withUnsafeBytes { analyzer.facts(of: $0, settings: LexicalSettings()) }
            let statement = facts.statements.first
            let fits =
                facts.classes == ClassSet(probe.classes) && (statement?.command ?? "") == probe.command
                && (probe.object == nil || statement?.effects.first?.object?.qualifiedName == probe.object)
            if !fits { return "libpg_query's parse tree does not have the layout of PostgreSQL 15: \(probe.sql)" }
        }
        return nil
    }
}
