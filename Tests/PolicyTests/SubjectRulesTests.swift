import SQLParsing
import Testing

@testable import Policy

/// Facts of one statement with these effects.
private func facts(_ effects: Effect...) -> TextFacts {
    let classes = ClassSet(effects.map(\.statementClass))
    return TextFacts(
        classes: classes, statements: [StatementFacts(range: 0..<1, command: "", classes: classes, effects: effects)])
}

private func table(_ name: String, schema: String? = nil) -> ObjectName {
    ObjectName(.table, schema: schema, name: name)
}

private let subject = Subject(
    database: "shop", user: "app", applicationName: "", clientAddress: NetworkAddress("10.0.0.1"),
    listener: "127.0.0.1:6543")

@Suite struct `Tags` {
    private func tag(_ rules: [TagRule], database: String = "shop", user: String = "app", local: Bool = false) -> String
    {
        RuleSet(version: 1, tagRules: rules).tag(
            of: Subject(
                database: database, user: user, applicationName: "pytest",
                clientAddress: local ? nil : NetworkAddress("10.0.0.1"), listener: "127.0.0.1:6543"))
    }

    @Test func `are production when no block matches`() {
        #expect(tag([]) == "production")
        #expect(tag([TagRule(tag: "test", databases: [Glob("*_test")])]) == "production")
    }

    @Test func `come from the first block that matches`() {
        let rules = [TagRule(tag: "a", databases: [Glob("shop")]), TagRule(tag: "b", databases: [Glob("*")])]
        #expect(tag(rules) == "a")
        #expect(tag(rules, database: "other") == "b")
    }

    @Test func `need every condition, and of each list one entry`() throws {
        let rule = TagRule(
            tag: "ci", databases: [Glob("a"), Glob("shop")], users: [Glob("app")], applicationNames: [Glob("py*")],
            clients: [.range(try AddressRange("10.0.0.0/8")), .local], listeners: [Glob("127.0.0.1:6543")])
        #expect(tag([rule]) == "ci")
        #expect(tag([rule], local: true) == "ci")
        #expect(tag([rule], user: "other") == "production")
        #expect(tag([rule], database: "b") == "production")
    }
}

@Suite struct `Rules for a subject` {
    private func compiled(_ rules: Rule..., tag: String = "production") -> SubjectRules {
        RuleSet(version: 1, rules: rules).rules(forTag: tag, subject: subject)
    }

    private func patterns(_ texts: String...) throws -> [ObjectPattern] {
        try texts.map { text throws in try ObjectPattern(text) }
    }

    private let keepTables = Rule(name: "keep tables", classes: ClassGroup.tableLoss.classes, action: .block)

    @Test func `are guarded when a rule can block something`() {
        #expect(compiled(keepTables).isGuarded)
        #expect(!compiled().isGuarded)
        #expect(!compiled(Rule(name: "w", classes: ClassGroup.any.classes, action: .warn)).isGuarded)
        #expect(
            !compiled(Rule(name: "x", tags: [Glob("test")], classes: ClassSet(.truncate), action: .block)).isGuarded)
        #expect(
            !compiled(Rule(name: "a", classes: ClassGroup.any.classes, action: .allow), keepTables).isGuarded,
            "an allow rule above it leaves the block rule nothing")
        #expect(
            compiled(Rule(name: "a", classes: ClassSet(.dropTable), action: .allow), keepTables).isGuarded,
            "the other classes are left")
    }

    @Test func `apply the exceptions for users and databases once`() {
        var rule = keepTables
        rule.exceptions.users = [Glob("app")]
        #expect(!compiled(rule).isGuarded)
        rule.exceptions.users = [Glob("dba")]
        #expect(compiled(rule).isGuarded)
        rule.exceptions.databases = [Glob("sh*")]
        #expect(!compiled(rule).isGuarded)
    }

    @Test func `let pass what no rule names`() {
        let rules = compiled(keepTables)
        #expect(rules.verdict(on: TextFacts()) == .allow)
        #expect(rules.verdict(on: facts(Effect(.create, table("a")))) == .allow)
        #expect(rules.isOfNoInterest([]))
        #expect(rules.isOfNoInterest(ClassSet(.sessionSetting)))
        #expect(!rules.isOfNoInterest(ClassSet(.dropTable)))
        #expect(!rules.isOfNoInterest(ClassSet(.create)), "it is recorded")
    }

    @Test func `block with the rule, the statement and the effects that it matched`() {
        let allowed = StatementFacts(range: 0..<5, command: "SELECT")
        let effects = [Effect(.dropTable, table("a")), Effect(.dropTable, table("b"))]
        let dropped = StatementFacts(
            range: 6..<9, command: "DROP TABLE", classes: ClassSet(.dropTable), effects: effects)
        var rule = keepTables
        rule.message = "m"
        rule.hint = "h"
        let verdict = compiled(rule).verdict(
            on: TextFacts(classes: ClassSet(.dropTable), statements: [allowed, dropped]))
        #expect(
            verdict
                == .block(RuleMatch(rule: "keep tables", message: "m", hint: "h", statementIndex: 1, effects: effects)))
    }

    @Test func `decide each effect by the first rule that matches it`() throws {
        let free = Rule(
            name: "scratch", classes: ClassSet([.dropTable]), objects: try patterns("scratch.*"), action: .allow)
        let rules = compiled(free, keepTables)
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("a", schema: "scratch")))) == .allow)
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("a")))).action == .block)
        let both = rules.verdict(
            on: facts(
                Effect(.dropTable, table("a", schema: "scratch")),
                Effect(.dropTable, table("users", schema: "public"))))
        #expect(both.match?.effects == [Effect(.dropTable, table("users", schema: "public"))])
        let cascading = facts(
            Effect(.dropTable, table("a", schema: "scratch")), Effect(.cascade, table("a", schema: "scratch")))
        #expect(rules.verdict(on: cascading).action == .block)
    }

    @Test func `let the strictest decision count for the whole text`() {
        let warn = Rule(name: "w", classes: ClassSet(.create), action: .warn)
        let rules = compiled(warn, keepTables)
        #expect(rules.verdict(on: facts(Effect(.create))).match?.rule == "w")
        let mixed = facts(Effect(.create), Effect(.dropTable, table("a")), Effect(.create))
        #expect(rules.verdict(on: mixed).match?.rule == "keep tables")
        #expect(rules.verdict(on: mixed).match?.effects.count == 1)
        let creates = StatementFacts(range: 0..<1, command: "", classes: ClassSet(.create), effects: [Effect(.create)])
        let drops = StatementFacts(
            range: 1..<2, command: "", classes: ClassSet(.dropTable), effects: [Effect(.dropTable)])
        let text = TextFacts(classes: [ClassSet(.create), ClassSet(.dropTable)], statements: [creates, drops])
        #expect(rules.verdict(on: text).match?.statementIndex == 1)
    }

    @Test func `except objects only when it is certain that they are meant`() throws {
        var rule = keepTables
        rule.exceptions.objects = try patterns("scratch.*", "tmp_*")
        let rules = compiled(rule)
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("a", schema: "scratch")))) == .allow)
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("tmp_1")))) == .allow)
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("tmp_1", schema: "public")))).action == .block)
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("a")))).action == .block)
        #expect(rules.verdict(on: facts(Effect(.dropTable))).action == .block)
    }

    @Test func `except objects from an allow rule when they could be meant`() throws {
        var free = Rule(name: "free", classes: ClassGroup.any.classes, action: .allow)
        free.exceptions.objects = try patterns("public.users")
        let rules = compiled(free, keepTables)
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("orders")))) == .allow)
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("users")))).action == .block)
        #expect(rules.verdict(on: facts(Effect(.dropSchema, ObjectName(.schema, name: "public")))).action == .block)
    }

    @Test func `judge a class that came without an effect`() {
        let statement = StatementFacts(range: 0..<1, command: "", classes: ClassSet(.dropTable))
        let rules = compiled(keepTables)
        let text = TextFacts(classes: ClassSet(.dropTable), statements: [statement])
        #expect(rules.verdict(on: text).match?.effects == [Effect(.dropTable)])
        #expect(rules.verdict(on: TextFacts(classes: ClassSet(.dropTable))).action == .block)
    }

    @Test func `leave temporary tables alone that are temporary by their name`() {
        let rules = compiled(Rule(name: "r", classes: ClassGroup.any.classes, action: .block))
        #expect(rules.verdict(on: facts(Effect(.dropTable, table("a", schema: "pg_temp")))) == .allow)
        #expect(rules.verdict(on: facts(Effect(.truncate, table("a", schema: "pg_temp_3")))) == .allow)
        #expect(rules.verdict(on: facts(Effect(.create, table("a", schema: "pg_temp")))).action == .block)
        #expect(rules.verdict(on: facts(Effect(.dropSchema, ObjectName(.schema, name: "pg_temp_3")))).action == .block)
        #expect(
            rules.verdict(on: facts(Effect(.dropType, ObjectName(.type, schema: "pg_temp", name: "t")))).action
                == .block)
    }

    @Test func `put catalog changes and whatever was not allowed into the trail`() {
        let rules = RuleSet(version: 1, rules: [keepTables], auditedClasses: []).rules(
            forTag: "production", subject: subject)
        let match = RuleMatch(rule: "r", message: nil, hint: nil, statementIndex: 0, effects: [])
        #expect(rules.isAudited(facts(Effect(.create)), verdict: .allow))
        #expect(!rules.isAudited(facts(Effect(.deleteAll)), verdict: .allow))
        #expect(rules.isAudited(facts(Effect(.deleteAll)), verdict: .warn(match)))
        #expect(rules.isAudited(TextFacts(), verdict: .block(match)))
        #expect(!rules.isAudited(TextFacts(), verdict: .allow))
    }

    @Test func `record by default every class of the ddl, loss, opaque and escape groups`() {
        for group in ClassGroup.allCases where group != .any {
            #expect(RuleSet.defaultAuditedClasses.isSuperset(of: group.classes), "\(group.rawValue)")
        }
    }
}
