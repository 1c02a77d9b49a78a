import Policy

/// The rules of the subjects that a loop has met lately: a pool's sessions are all the same subject, and share one copy.
struct RulesCache {
    private var known: [Subject: SubjectRules] = [:]
    private var version = Int.min
    /// So many subjects; one more, and all are forgotten.
    static let capacity = 512

    /// How many subjects are remembered.
    var count: Int { known.count }

    /// The rules for the subject, and the subject as sessions that are like it hold it already.
    mutating func rules(for subject: Subject, in rules: RuleSet) -> (subject: Subject, rules: SubjectRules) {
        if rules.version != version {
            known = [:]
            version = rules.version
        }
        if let index = known.index(forKey: subject) { return (known[index].key, known[index].value) }
        if known.count >= Self.capacity { known = [:] }
        let compiled = rules.rules(for: subject)
        known[subject] = compiled
        return (subject, compiled)
    }
}
