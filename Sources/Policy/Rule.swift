import SQLParsing

/// One `[[rule]]` block: what happens to certain effects on sessions with certain tags.
package struct Rule: Sendable, Hashable {
    /// Unique in its file; shown in refusals and in the audit trail.
    package var name: String
    /// The tags that the rule is for; `*` alone means every session.
    package var tags: [Glob]
    package var classes: ClassSet
    /// Which objects; empty means any, and also effects that name none.
    package var objects: [ObjectPattern]
    package var exceptions: Exceptions
    package var action: RuleAction
    /// The operator's words for the client, in place of the standard message.
    package var message: String?
    /// What to do instead.
    package var hint: String?

    /// What the rule leaves alone: it is as if the rule were not there.
    package struct Exceptions: Sendable, Hashable {
        package var users: [Glob]
        package var databases: [Glob]
        package var objects: [ObjectPattern]
        package init(users: [Glob] = [], databases: [Glob] = [], objects: [ObjectPattern] = []) {
            self.users = users
            self.databases = databases
            self.objects = objects
        }
    }

    package init(
        name: String, tags: [Glob] = [Glob("*")], classes: ClassSet, objects: [ObjectPattern] = [],
        exceptions: Exceptions = Exceptions(), action: RuleAction, message: String? = nil, hint: String? = nil
    ) {
        self.name = name
        self.tags = tags
        self.classes = classes
        self.objects = objects
        self.exceptions = exceptions
        self.action = action
        self.message = message
        self.hint = hint
    }

    /// Whether the rule is for sessions with this tag and subject at all.
    func concerns(tag: String, subject: Subject) -> Bool {
        tags.matches(tag) && !exceptions.users.matches(subject.user) && !exceptions.databases.matches(subject.database)
    }

    /// Whether the rule decides this effect.
    ///
    /// Doubt about the object leans to the stricter side: a `block` or `warn` rule matches an object that could be
    /// meant and excepts only one that certainly is; an `allow` rule the other way round.
    func matches(_ effect: Effect) -> Bool {
        guard classes.contains(effect.statementClass) else { return false }
        switch action {
        case .block, .warn:
            return (objects.isEmpty || objects.contains { $0.couldMatch(effect) })
                && !exceptions.objects.contains { $0.matchesAsWritten(effect) }
        case .allow:
            return (objects.isEmpty || objects.contains { $0.matchesAsWritten(effect) })
                && !exceptions.objects.contains { $0.couldMatch(effect) }
        }
    }

    /// Whether nothing of the rule's classes is left to rules below it, for sessions with tags like these.
    package func decidesEverything(for tags: [Glob]) -> Bool {
        isUnconditional && exceptions.users.isEmpty && exceptions.databases.isEmpty
            && (self.tags.contains(where: \.matchesEverything) || tags.allSatisfy(self.tags.contains))
    }

    /// Whether the rule decides every effect of its classes, whatever the object.
    var isUnconditional: Bool { objects.isEmpty && exceptions.objects.isEmpty }
}
