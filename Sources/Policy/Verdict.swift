import SQLParsing

/// What a rule does with the effects it matches.
package enum RuleAction: String, Sendable, CaseIterable {
    case allow
    /// Pass, with a NoticeResponse and a mark in the audit trail.
    case warn
    case block
}

/// The rule that decided, and what it decided about.
package struct RuleMatch: Sendable, Hashable {
    /// The rule's name, or `holdfast: …` for decisions that need no rule (an audit trail that cannot be written).
    package var rule: String
    /// The operator's own words, if the rule has any.
    package var message: String?
    package var hint: String?
    /// Which statement of the text, from 0.
    package var statementIndex: Int
    /// The effects that the rule matched.
    package var effects: [Effect]
    /// The tag of another database that decided, and that database's name if it is known.
    package var elsewhere: Elsewhere?

    package struct Elsewhere: Sendable, Hashable {
        package var tag: String
        package var database: String?
    }

    package init(rule: String, message: String?, hint: String?, statementIndex: Int, effects: [Effect]) {
        self.rule = rule
        self.message = message
        self.hint = hint
        self.statementIndex = statementIndex
        self.effects = effects
    }
}

/// The outcome of judging a text.
package enum Verdict: Sendable, Hashable {
    case allow
    case warn(RuleMatch)
    case block(RuleMatch)

    /// `allow`, `warn` or `block`.
    package var action: RuleAction {
        switch self {
        case .allow: .allow
        case .warn: .warn
        case .block: .block
        }
    }
}
