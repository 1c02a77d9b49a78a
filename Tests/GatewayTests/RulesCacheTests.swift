import Policy
import SQLParsing
import Testing

@testable import Gateway

@Suite struct `The rules a loop remembers` {
    private static func subject(user: String, database: String = "shop") -> Subject {
        Subject(database: database, user: user, applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
    }

    private static func rules(_ version: Int, _ action: RuleAction) -> RuleSet {
        let rule = Rule(name: "v\(version)", classes: ClassGroup.any.classes, action: action)
        return RuleSet(version: version, rules: [rule])
    }

    private static let drop = TextFacts(classes: ClassSet(.dropTable))

    private static func action(
        _ cache: inout RulesCache, _ subject: Subject, in rules: RuleSet
    ) -> RuleAction {
        let found = cache.rules(for: subject, in: rules)
        #expect(found.subject == subject)
        return StatementJudge().judge(remembered: drop, rules: found.rules).verdict.action
    }

    @Test func `are those of the newest reload, and of the one before if that is asked for again`() {
        var cache = RulesCache()
        let (first, second) = (Self.rules(1, .block), Self.rules(2, .warn))
        let subject = Self.subject(user: "app")
        for _ in 0..<2 {
            for _ in 0..<2 { #expect(Self.action(&cache, subject, in: first) == .block) }
            for _ in 0..<2 { #expect(Self.action(&cache, subject, in: second) == .warn) }
        }
    }

    @Test func `are each subject's own`() {
        var cache = RulesCache()
        let exceptions = Rule.Exceptions(users: [Glob("owner")], databases: [Glob("sandbox")])
        let rule = Rule(name: "keep", classes: ClassGroup.any.classes, exceptions: exceptions, action: .block)
        let rules = RuleSet(version: 1, rules: [rule])
        for _ in 0..<2 {
            #expect(Self.action(&cache, Self.subject(user: "app"), in: rules) == .block)
            #expect(Self.action(&cache, Self.subject(user: "owner"), in: rules) == .allow)
            #expect(Self.action(&cache, Self.subject(user: "app", database: "sandbox"), in: rules) == .allow)
        }
    }

    @Test func `stay right beyond the number of subjects that is remembered`() {
        var cache = RulesCache()
        let rules = Self.rules(1, .block)
        for round in 0..<2 {
            for number in 0..<(2 * RulesCache.capacity) {
                #expect(Self.action(&cache, Self.subject(user: "u\(number)"), in: rules) == .block, "\(round)")
            }
        }
    }

    @Test func `are no more than their limit, and a subject that is known puts none out`() {
        var cache = RulesCache()
        let rules = Self.rules(1, .block)
        for number in 0..<RulesCache.capacity { _ = cache.rules(for: Self.subject(user: "u\(number)"), in: rules) }
        #expect(cache.count == RulesCache.capacity)
        _ = cache.rules(for: Self.subject(user: "u0"), in: rules)
        #expect(cache.count == RulesCache.capacity)
        _ = cache.rules(for: Self.subject(user: "one more"), in: rules)
        #expect(cache.count == 1)
    }
}
