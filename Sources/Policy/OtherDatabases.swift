import SQLParsing

extension SubjectRules {
    /// Judges what a statement does to other databases of the server, by the tags that those have: a production database
    /// cannot be dropped from a session in a test database, and a test database can be dropped from anywhere.
    ///
    /// A target is tagged like a session of the same user, address and application in that database. Where it is not known
    /// which database it is, it is taken for one that no tag claims: production.
    package struct Elsewhere: Sendable {
        let rules: RuleSet
        let subject: Subject

        /// The classes that can concern another database.
        static let classes = ClassSet([
            .dropDatabase, .closeDatabase, .rename, .alter, .alterOwner, .dropRole, .dropOther, .subscription,
            .foreignServer, .dangerousFunction,
        ]).union(ClassGroup.tableLoss.classes).union(ClassGroup.dataLoss.classes)

        /// The facts without what is done to other databases and not to this one: their tags alone decide about that.
        func withoutOtherDatabases(_ facts: TextFacts) -> TextFacts {
            guard facts.statements.contains(where: { $0.effects.contains(where: isOnOtherDatabaseOnly) }) else {
                return facts
            }
            var kept = facts
            kept.classes = facts.classes.subtracting(
                facts.statements.reduce(into: ClassSet()) { $0.formUnion($1.classes) })
            for index in kept.statements.indices {
                let gone = ClassSet(
                    kept.statements[index].effects.filter(isOnOtherDatabaseOnly).map(\.statementClass))
                kept.statements[index].effects.removeAll(where: isOnOtherDatabaseOnly)
                let left = ClassSet(kept.statements[index].effects.map(\.statementClass))
                kept.statements[index].classes = kept.statements[index].classes.subtracting(gone.subtracting(left))
                kept.classes.formUnion(kept.statements[index].classes)
            }
            return kept
        }

        /// The strictest of what the other databases' rules say.
        func verdict(on facts: TextFacts) -> Verdict {
            var strictest = Verdict.allow
            for (index, statement) in facts.statements.enumerated() {
                for effect in statement.effects {
                    guard let target = target(of: effect) else { continue }
                    let (tag, database) = tag(of: target)
                    var alone = effect
                    alone.place = .here
                    let verdict = rules.ownRules(forTag: tag, subject: subject(in: database)).ownVerdict(
                        on: TextFacts(
                            classes: ClassSet(effect.statementClass),
                            statements: [
                                StatementFacts(
                                    range: statement.range, command: statement.command,
                                    classes: ClassSet(effect.statementClass), effects: [alone])
                            ]))
                    guard verdict.action.strictness > strictest.action.strictness else { continue }
                    strictest = verdict.placed(at: index, RuleMatch.Elsewhere(tag: tag, database: database))
                }
            }
            return strictest
        }

        private enum Target {
            case database(String)
            case any
        }

        /// The other database that an effect is on; nil if it is on none.
        private func target(of effect: Effect) -> Target? {
            if let object = effect.object {
                switch object.kind {
                case .database: return object.name == subject.database ? nil : .database(object.name)
                // Of the whole server: what they are in, or own, may be anywhere.
                case .role where effect.statementClass == .dropRole: return .any
                case .tablespace where effect.statementClass == .dropOther: return .any
                default: break
                }
            }
            switch effect.place {
            case .here, .later: return nil
            case .database(let name): return name == subject.database ? nil : .database(name)
            case .unknown: return .any
            }
        }

        private func isOnOtherDatabaseOnly(_ effect: Effect) -> Bool {
            guard let object = effect.object, object.kind == .database, object.name != subject.database else {
                return false
            }
            return [.dropDatabase, .closeDatabase, .rename, .alter, .alterOwner].contains(effect.statementClass)
        }

        private func tag(of target: Target) -> (tag: String, database: String?) {
            switch target {
            case .database(let name): (rules.tag(of: subject(in: name)), name)
            case .any: (Tag.production, nil)
            }
        }

        private func subject(in database: String?) -> Subject {
            var other = subject
            if let database { other.database = database }
            return other
        }
    }
}

extension Verdict {
    fileprivate func placed(at index: Int, _ elsewhere: RuleMatch.Elsewhere) -> Verdict {
        switch self {
        case .allow: return self
        case .warn(var match):
            match.statementIndex = index
            match.elsewhere = elsewhere
            return .warn(match)
        case .block(var match):
            match.statementIndex = index
            match.elsewhere = elsewhere
            return .block(match)
        }
    }
}
