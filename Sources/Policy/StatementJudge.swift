import SQLParsing

/// **Where a statement is judged.** Text, readings and rules in; facts and verdict out. Pure: no clock, no I/O.
package struct StatementJudge: ~Copyable {
    private var analyzer = StatementAnalyzer()

    package init() {}

    /// Judges one text under every reading that may hold; the worst verdict counts, and its facts are returned.
    ///
    /// - Parameter text: a Query's or a Parse's SQL without the terminating NUL.
    package mutating func judge(
        _ text: UnsafeRawBufferPointer, readings: LexicalReadings, rules: borrowing SubjectRules
    ) -> Judgement {
        Judgement(facts: TextFacts(), verdict: .allow, isAudited: false)
    }

    /// Judges facts that were remembered from a Parse under the rules of now.
    package func judge(remembered facts: TextFacts, rules: borrowing SubjectRules) -> Judgement {
        Judgement(facts: facts, verdict: .allow, isAudited: false)
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
}
