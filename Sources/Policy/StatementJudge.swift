import SQLParsing

/// **Where a statement is judged.** Text, readings and rules in; facts and verdict out. Pure: no clock, no I/O.
///
/// One judge belongs to one thread. On ordinary traffic judging costs the analysis of the text and one AND.
package struct StatementJudge: ~Copyable {
    private var analyzer = StatementAnalyzer()
    private var cache = FactsCache()
    /// To prove a shorter text plain costs less than to look for it; with a longer one it is the other way round.
    private static let cachedLength = 256

    package init() {}

    /// What code in the database of the session at hand may do; whoever judges for another database sets it anew.
    package var hazards: HazardIndex {
        get { analyzer.hazards }
        set { analyzer.hazards = newValue }
    }

    /// Judges one text under every reading that may hold; the worst verdict counts, and its facts are returned.
    ///
    /// Between equal verdicts the reading that puts the text into the audit trail counts, then the first.
    ///
    /// - Parameters:
    ///   - text: a Query's or a Parse's SQL without the terminating NUL.
    ///   - proof: from ``isPlain(_:settings:proof:)`` of the same text, under the first reading.
    package mutating func judge(
        _ text: UnsafeRawBufferPointer, readings: LexicalReadings, after proof: PlainProof? = nil,
        rules: borrowing SubjectRules
    ) -> Judgement {
        guard let first = readings.first else { return judge(text, readings: readings.orBoth, rules: rules) }
        var worst = judge(text, settings: first, after: proof, rules: rules)
        for settings in readings.others { worst.worsen(by: judge(text, settings: settings, after: nil, rules: rules)) }
        return worst
    }

    /// Adds to a text's facts the tables that it deletes from or updates as a whole with these values of its parameters.
    package mutating func bind(_ values: [ParameterValue], in statement: ParameterizedText, to facts: inout TextFacts) {
        for settings in statement.readings.orBoth.settings {
            statement.text.withUnsafeBytes {
                facts.addWholeTables(of: analyzer.facts(of: $0, settings: settings, values: values))
            }
        }
    }

    /// The arguments of an SQL-level `EXECUTE name(…)`, for ``bind(_:in:to:)``.
    package mutating func executeArguments(
        of text: UnsafeRawBufferPointer, settings: LexicalSettings
    ) -> [ParameterValue] {
        analyzer.executeArguments(of: text, settings: settings)
    }

    /// Whether the text's tokens alone show that it has no class, so that no rule can be about it (``PlainQuery``): what
    /// `judge` would find too, without a judgement to carry about. A tenth of a pgbench SELECT's instructions.
    ///
    /// - Parameter proof: what the tokens have shown, for who judges the text next.
    package mutating func isPlain(
        _ text: UnsafeRawBufferPointer, settings: LexicalSettings, proof: inout PlainProof?
    ) -> Bool {
        if text.count >= Self.cachedLength, let facts = cache.facts(of: text, settings: settings, hazards: hazards) {
            return facts == TextFacts()
        }
        if analyzer.isPlain(text, settings: settings) { return true }
        let found = analyzer.proof(of: text, settings: settings)
        proof = found
        guard analyzer.isPlain(found, text, settings: settings) else { return false }
        if text.count >= Self.cachedLength { cache.note(TextFacts(), of: text, settings: settings, hazards: hazards) }
        return true
    }

    /// Judges facts that were remembered from a Parse under the rules of now.
    package func judge(remembered facts: TextFacts, rules: borrowing SubjectRules) -> Judgement {
        guard !rules.isOfNoInterest(facts.classes) else {
            return Judgement(facts: facts, verdict: .allow, isAudited: false)
        }
        let verdict = rules.verdict(on: facts)
        return Judgement(facts: facts, verdict: verdict, isAudited: rules.isAudited(facts, verdict: verdict))
    }

    /// Judges a statement that is too large to be held and read: its class is `oversized`.
    ///
    /// - Parameter oversizedByteCount: the text's length as the message header says.
    package func judge(oversizedByteCount: Int, rules: borrowing SubjectRules) -> Judgement {
        let facts = Self.singleEffect(
            Effect(.oversized), command: "", byteCount: oversizedByteCount,
            remarks: ["the statement has \(oversizedByteCount) bytes, too many to be read"])
        return judge(remembered: facts, rules: rules)
    }

    /// Judges a FunctionCall message, which runs a function by its OID without any SQL text.
    ///
    /// The large-object functions that libpq and JDBC call this way are ordinary. Every other function has the class
    /// `function_call`: which one it is only the server's catalog knows.
    package func judge(functionCall oid: UInt32, rules: borrowing SubjectRules) -> Judgement {
        let facts =
            switch FastPathFunction(oid: oid) {
            case .largeObjectAccess:
                TextFacts()
            case .largeObjectRemoval:
                Self.singleEffect(
                    Effect(.dangerousFunction, ObjectName(.largeObject, name: "lo_unlink")), command: "FUNCTION CALL")
            case .other:
                Self.singleEffect(
                    Effect(.functionCall, ObjectName(.function, name: String(oid))), command: "FUNCTION CALL")
            }
        return judge(remembered: facts, rules: rules)
    }

    /// Judges a Query on a connection in replication mode: the walsender's own commands by what they do, all else,
    /// which the walsender runs as SQL, as SQL.
    ///
    /// - Parameter text: the Query's text without the terminating NUL.
    package mutating func judge(
        replicationCommand text: UnsafeRawBufferPointer, readings: LexicalReadings, rules: borrowing SubjectRules
    ) -> Judgement {
        guard let command = ReplicationCommand(text) else { return judge(text, readings: readings, rules: rules) }
        guard let effectClass = command.statementClass else {
            return Judgement(facts: TextFacts(), verdict: .allow, isAudited: false)
        }
        let facts = Self.singleEffect(
            Effect(effectClass, ObjectName(.other, name: command.slotName(in: text))), command: command.rawValue,
            byteCount: text.count)
        return judge(remembered: facts, rules: rules)
    }

    private mutating func judge(
        _ text: UnsafeRawBufferPointer, settings: LexicalSettings, after proof: PlainProof?,
        rules: borrowing SubjectRules
    ) -> Judgement {
        if let facts = cache.facts(of: text, settings: settings, hazards: hazards) {
            return judge(remembered: facts, rules: rules)
        }
        let facts = analyzer.facts(of: text, settings: settings, after: proof)
        if facts.classes.isEmpty { cache.note(facts, of: text, settings: settings, hazards: hazards) }
        return judge(remembered: facts, rules: rules)
    }

    /// A text's facts under one reading.
    mutating func facts(of text: UnsafeRawBufferPointer, settings: LexicalSettings) -> TextFacts {
        analyzer.facts(of: text, settings: settings)
    }

    private static func singleEffect(
        _ effect: Effect, command: String, byteCount: Int = 0, remarks: [String] = []
    ) -> TextFacts {
        let classes = ClassSet(effect.statementClass)
        let statement = StatementFacts(
            range: 0..<max(0, byteCount), command: command, classes: classes, effects: [effect], remarks: remarks)
        return TextFacts(classes: classes, statements: [statement])
    }
}

/// Facts and verdict of one text.
package struct Judgement: Sendable {
    package var facts: TextFacts
    package var verdict: Verdict
    /// The text belongs in the audit trail: an intent before it is forwarded, an outcome after.
    package var isAudited: Bool

    package init(facts: TextFacts, verdict: Verdict, isAudited: Bool) {
        self.facts = facts
        self.verdict = verdict
        self.isAudited = isAudited
    }

    /// Nothing to refuse, to record or to remember (``TextFacts/leavesNothing``).
    package var isOrdinary: Bool {
        guard facts.leavesNothing, !isAudited, case .allow = verdict else { return false }
        return true
    }

    /// Whether this reading of a text must count rather than another.
    package func isWorse(than other: Judgement) -> Bool {
        let (mine, theirs) = (verdict.action.strictness, other.verdict.action.strictness)
        return mine == theirs ? isAudited && !other.isAudited : mine > theirs
    }
}

extension Judgement {
    /// Counts another reading of the same text in.
    mutating func worsen(by other: Judgement) {
        let choosesByParameter = facts.choosesByParameter || other.facts.choosesByParameter
        if other.isWorse(than: self) { self = other }
        facts.choosesByParameter = choosesByParameter
    }
}

extension RuleAction {
    /// block > warn > allow.
    var strictness: Int {
        switch self {
        case .allow: 0
        case .warn: 1
        case .block: 2
        }
    }
}
