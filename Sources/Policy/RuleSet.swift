import SQLParsing

/// All tags and rules of one valid `proxy.conf`: an immutable snapshot that sessions hold until the next one.
package struct RuleSet: Sendable {
    /// Counts up with every reload; sessions compare it to know when to ask again.
    package var version: Int

    package init(version: Int) { self.version = version }

    /// The rules that can concern one session, compiled for its subject.
    package func rules(for subject: Subject) -> SubjectRules {
        SubjectRules(tag: "production", isGuarded: true)
    }
}

/// The rules for one session's subject. Cheap to keep, cheap to ask.
package struct SubjectRules: Sendable {
    package var tag: String
    /// Some rule may block something for this subject. Doubt ends in a refusal only here.
    package var isGuarded: Bool

    package init(tag: String, isGuarded: Bool) {
        self.tag = tag
        self.isGuarded = isGuarded
    }

    /// The verdict on known facts (used again at Execute, after a reload).
    package func verdict(on facts: TextFacts) -> Verdict { .allow }

    /// Whether a text with these facts and this verdict belongs in the audit trail.
    package func isAudited(_ facts: TextFacts, verdict: Verdict) -> Bool { false }
}
