import SQLParsing

/// All tags and rules of one valid `proxy.conf`: an immutable snapshot that sessions hold until the next one.
package struct RuleSet: Sendable {
    /// Counts up with every reload; sessions compare it to know when to ask again.
    package var version: Int
    /// The `[[tag]]` blocks in the order of the file; the first that matches gives the tag.
    package var tagRules: [TagRule]
    /// The `[[rule]]` blocks in the order of the file; for each effect the first that matches decides.
    package var rules: [Rule]
    /// What goes to the audit trail even when it is allowed. Every statement that changes the catalog is always in it.
    package var auditedClasses: ClassSet {
        didSet { auditedClasses.formUnion(Self.alwaysAudited) }
    }

    /// The trail is told what the parameters of recorded statements are bound to.
    package var recordsParameters = false

    /// Databases that are production whatever the `[[tag]]` blocks say.
    package var marks = DatabaseMarks()

    /// Recorded whatever `[audit] record` says: what changes the catalog, and what passed although it could not be read.
    private static let alwaysAudited = ClassGroup.ddl.classes.union(ClassSet(.unreadCall))

    /// The classes that are audited when `[audit] record` is not given.
    package static let defaultAuditedClasses: ClassSet = [
        ClassGroup.ddl.classes, ClassGroup.tableLoss.classes, ClassGroup.dataLoss.classes, ClassGroup.opaque.classes,
        ClassGroup.escape.classes, ClassSet(.doBlock),
    ]

    package init(
        version: Int, tagRules: [TagRule] = [], rules: [Rule] = [],
        auditedClasses: ClassSet = RuleSet.defaultAuditedClasses
    ) {
        self.version = version
        self.tagRules = tagRules
        self.rules = rules
        self.auditedClasses = auditedClasses.union(Self.alwaysAudited)
    }

    /// The rules that can concern one session, compiled for its subject.
    package func rules(for subject: Subject) -> SubjectRules {
        let configured = configuredTag(of: subject)
        let tag = effectiveTag(configured, in: subject.database)
        return rules(forTag: tag, subject: subject, configuredTag: configured == tag ? nil : configured)
    }

    /// The rules for a session whose tag is given rather than found (`holdfast classify --tag`).
    ///
    /// - Parameter configuredTag: what the `[[tag]]` blocks say, if the database says otherwise.
    package func rules(forTag tag: String, subject: Subject, configuredTag: String? = nil) -> SubjectRules {
        // What concerns another database is judged by that one's tag.
        let mayRefuse = rules.contains { $0.action != .allow }
        return ownRules(
            forTag: tag, subject: subject, configuredTag: configuredTag,
            elsewhere: mayRefuse ? SubjectRules.Elsewhere(rules: self, subject: subject) : nil)
    }

    /// - Parameter elsewhere: what decides about other databases; without it, what a statement does there counts for nothing.
    func ownRules(
        forTag tag: String, subject: Subject, configuredTag: String? = nil, elsewhere: SubjectRules.Elsewhere? = nil
    ) -> SubjectRules {
        SubjectRules(
            tag: tag, configuredTag: configuredTag, rules: rules.filter { $0.concerns(tag: tag, subject: subject) },
            audited: auditedClasses, recordsParameters: recordsParameters, elsewhere: elsewhere)
    }

    /// The tag of the first `[[tag]]` block that matches; `production` when none does, or when the database itself is marked
    /// as production.
    package func tag(of subject: Subject) -> String {
        effectiveTag(configuredTag(of: subject), in: subject.database)
    }

    private func configuredTag(of subject: Subject) -> String {
        tagRules.first { $0.matches(subject) }?.tag ?? Tag.production
    }

    private func effectiveTag(_ configured: String, in database: String) -> String {
        marks.isProduction(database) ? Tag.production : configured
    }
}
