import SQLParsing

/// The rules for one session's subject, shared by all sessions that are like it. Cheap to keep, cheap to ask: a text whose
/// classes no rule and no audit setting names is decided by one AND.
package final class SubjectRules: Sendable {
    package let tag: String
    /// What the `[[tag]]` blocks say, where the database's own mark says otherwise.
    package let configuredTag: String?
    /// Some rule may block something for this subject. Doubt ends in a refusal only here.
    package let isGuarded: Bool
    /// What the parameters of recorded statements are bound to belongs in the trail.
    package let recordsParameters: Bool

    /// The rules of this tag, user and database, in order, without those that can decide nothing.
    private let rules: [Rule]
    /// The classes that some rule may block or warn about; everything else is allowed without asking.
    private let judgedClasses: ClassSet
    private let auditedClasses: ClassSet
    /// What decides about other databases of the server; nil if nothing can be refused anywhere.
    let elsewhere: Elsewhere?

    /// No rules at all: everything passes and nothing is recorded.
    package init(tag: String, isGuarded: Bool) {
        self.tag = tag
        configuredTag = nil
        self.isGuarded = isGuarded
        rules = []
        judgedClasses = []
        auditedClasses = []
        recordsParameters = false
        elsewhere = nil
    }

    /// - Parameter rules: those that concern the subject, in the order of the file.
    init(
        tag: String, configuredTag: String? = nil, rules: [Rule], audited: ClassSet, recordsParameters: Bool = false,
        elsewhere: Elsewhere?
    ) {
        self.tag = tag
        self.configuredTag = configuredTag
        self.recordsParameters = recordsParameters
        self.elsewhere = elsewhere
        auditedClasses = audited
        var reachable: [Rule] = []
        var undecided = ClassGroup.any.classes
        var judged: ClassSet = []
        var isGuarded = false
        for var rule in rules {
            rule.classes.formIntersection(undecided)
            guard !rule.classes.isEmpty else { continue }
            if rule.isUnconditional { undecided.subtract(rule.classes) }
            reachable.append(rule)
            if rule.action != .allow { judged.formUnion(rule.classes) }
            if rule.action == .block { isGuarded = true }
        }
        self.rules = reachable
        judgedClasses = judged
        self.isGuarded = isGuarded
    }

    /// Whether a text of these classes is neither judged by a rule nor recorded.
    func isOfNoInterest(_ classes: ClassSet) -> Bool {
        classes.rawValue & (judgedClasses.rawValue | auditedClasses.rawValue) == 0
            && (elsewhere == nil || classes.isDisjoint(with: Elsewhere.classes))
    }

    /// Whether some rule may block or warn about the loss of all of a table's rows: only then do parameters' values matter.
    package var judgesWholeTables: Bool {
        !judgedClasses.isDisjoint(with: ClassSet([.deleteAll, .updateAll]))
    }

    /// The verdict on known facts (used again at Execute, after a reload).
    ///
    /// Every effect is decided by the first rule that matches it; the strictest decision counts for the whole text.
    package func verdict(on facts: TextFacts) -> Verdict {
        guard let elsewhere, !facts.classes.isDisjoint(with: Elsewhere.classes) else { return ownVerdict(on: facts) }
        let own = ownVerdict(on: elsewhere.withoutOtherDatabases(facts))
        let other = elsewhere.verdict(on: facts)
        return other.action.strictness > own.action.strictness ? other : own
    }

    /// What the session's own tag says.
    func ownVerdict(on facts: TextFacts) -> Verdict {
        guard facts.classes.rawValue & judgedClasses.rawValue != 0 else { return .allow }
        var warning: RuleMatch?
        var unexplained = facts.classes
        for (index, statement) in facts.statements.enumerated() {
            unexplained.subtract(statement.classes)
            guard statement.classes.rawValue & judgedClasses.rawValue != 0 else { continue }
            switch verdict(on: Self.allEffects(of: statement), statementIndex: index) {
            case .allow: break
            case .warn(let match): warning = warning ?? match
            case .block(let match): return .block(match)
            }
        }
        if !unexplained.isEmpty {
            switch verdict(on: unexplained.members.map { Effect($0) }, statementIndex: 0) {
            case .allow: break
            case .warn(let match): warning = warning ?? match
            case .block(let match): return .block(match)
            }
        }
        return warning.map { .warn($0) } ?? .allow
    }

    /// Whether a text with these facts and this verdict belongs in the audit trail.
    package func isAudited(_ facts: TextFacts, verdict: Verdict) -> Bool {
        if facts.classes.rawValue & auditedClasses.rawValue != 0 { return true }
        switch verdict {
        case .allow: return false
        case .warn, .block: return true
        }
    }

    /// The statement's effects, and for a class that came without any an effect on no named object: what the
    /// analysis left unsaid is judged, not passed.
    private static func allEffects(of statement: StatementFacts) -> [Effect] {
        var unexplained = statement.classes
        for effect in statement.effects { unexplained.remove(ClassSet(effect.statementClass)) }
        return unexplained.isEmpty ? statement.effects : statement.effects + unexplained.members.map { Effect($0) }
    }

    /// The strictest decision over the effects, with all that the deciding rule matched.
    private func verdict(on effects: [Effect], statementIndex: Int) -> Verdict {
        var strictest: Rule?
        var matched: [Effect] = []
        for effect in effects where !effect.isOnTemporaryTableOnly {
            guard let rule = rules.first(where: { $0.matches(effect) }), rule.action != .allow else { continue }
            if let current = strictest, rule.name == current.name {
                matched.append(effect)
            } else if strictest == nil || (rule.action == .block && strictest?.action == .warn) {
                strictest = rule
                matched = [effect]
            }
        }
        guard let strictest else { return .allow }
        let match = RuleMatch(
            rule: strictest.name, message: strictest.message, hint: strictest.hint, statementIndex: statementIndex,
            effects: matched)
        return strictest.action == .block ? .block(match) : .warn(match)
    }
}

extension Effect {
    /// Whether the effect loses nothing but a table of this session that is temporary by its very name (`pg_temp.x`).
    ///
    /// Types and functions are left out: permanent columns can depend on them.
    var isOnTemporaryTableOnly: Bool {
        guard let object, object.isTemporaryByName, object.kind.isRelation || object.kind.isPartOfRelation else {
            return false
        }
        return ClassGroup.tableLoss.classes.contains(statementClass)
            || ClassGroup.dataLoss.classes.contains(statementClass)
    }
}
