import Policy
import SQLParsing

/// A message's facts with the server's answer in place of the worst that its text could mean.
struct NameResolution {
    let question: CatalogQuestion
    let answer: CatalogAnswer

    /// Every statement's effects: on temporary tables marked as such, on nothing left out, CASCADE spelled out.
    ///
    /// - Parameter isAllowed: whether the rules let an effect pass. A name's schema is filled in where that makes it pass.
    func resolved(_ facts: TextFacts, isAllowed: (Effect) -> Bool) -> TextFacts {
        var result = facts
        result.classes = []
        for index in facts.statements.indices {
            resolve(&result.statements[index], index, isAllowed)
            result.classes.formUnion(result.statements[index].classes)
        }
        // A class that no statement explains stays.
        let explained = facts.statements.reduce(into: ClassSet()) { $0.formUnion($1.classes) }
        result.classes.formUnion(facts.classes.subtracting(explained))
        return result
    }

    /// The relations that the message may lose, as OIDs; nil if not all of them are known.
    var relations: [UInt32]? {
        guard question.incomplete.isEmpty, !answer.isCut, !answer.isSnapshotOld else { return nil }
        var oids: [UInt32] = []
        for index in question.items.indices {
            if let meaning = answer.meanings[index], meaning.state == .permanent { oids.append(meaning.oid) }
            for going in answer.going[index] ?? [] where going.relationKind != nil || going.object.kind == .column {
                oids.append(going.oid)
            }
        }
        return oids.isEmpty ? nil : Array(Set(oids)).sorted()
    }

    /// What the message may lose, things of other catalogs than pg_class included; nil if not all of it is known.
    var losses: [LostThing]? {
        guard question.incomplete.isEmpty, !answer.isCut, !answer.isSnapshotOld else { return nil }
        var things: Set<LostThing> = []
        for index in question.items.indices {
            let item = question.items[index]
            let isDrop = item.reach == .drop(cascade: true) || item.reach == .drop(cascade: false)
            if let meaning = answer.meanings[index], meaning.state == .permanent, !meaning.isIndex {
                things.insert(LostThing(.relation, oid: meaning.oid, stays: item.object.part != nil || !isDrop))
            }
            for going in answer.going[index] ?? [] where !going.isTemporary {
                switch going.object.kind {
                case .column where going.isAttribute: break
                case .column: things.insert(LostThing(.relation, oid: going.oid, stays: true))
                case .function: things.insert(LostThing(.function, oid: going.oid))
                case .type: things.insert(LostThing(.type, oid: going.oid))
                default:
                    if going.relationKind != nil {
                        things.insert(LostThing(.relation, oid: going.oid, stays: !isDrop))
                    }
                }
            }
        }
        return things.sorted { ($0.oid, $0.stays ? 1 : 0) < ($1.oid, $1.stays ? 1 : 0) }
    }

    private func resolve(_ statement: inout StatementFacts, _ index: Int, _ isAllowed: (Effect) -> Bool) {
        let items = question.items.indices.filter { question.items[$0].statement == index }
        guard !items.isEmpty else { return }
        let isComplete = !question.incomplete.contains(index) && !answer.isSnapshotOld && !answer.isCut
        var effects: [Effect] = []
        for effect in statement.effects {
            if effect.object == nil, Self.spelledOut.contains(effect.statementClass) {
                if !isComplete { effects.append(effect) }
                continue
            }
            guard effect.place == .here, let item = items.first(where: { question.items[$0].object == effect.object })
            else {
                effects.append(effect)
                continue
            }
            let kept = resolved(effect, item, isComplete: isComplete)
            effects.append(isAllowed(kept) ? kept : worse(effect, kept))
        }
        for item in items {
            for going in answer.dragged(item, by: question.items[item]) {
                let effect = Self.effect(of: going, isTruncate: question.items[item].reach.isTruncate)
                let isNamed = effects.contains { $0.object?.sameRelation(as: effect.object) == true }
                if !isNamed, !effects.contains(effect) { effects.append(effect) }
                // A column that somebody names is a migration's; one that goes along with something else is an accident.
                if effect.statementClass == .dropColumn { effects.append(Effect(.cascade, effect.object)) }
            }
        }
        statement.effects = effects
        statement.classes = statement.classes.subtracting(CatalogQuestion.liftableClasses)
            .union(ClassSet(effects.map(\.statementClass)))
        let radius = BlastRadius(question: question, answer: answer, statement: index)
        statement.remarks += radius.lines
        statement.losses = radius.figures
    }

    /// What cannot be allowed is judged as it was written, for the rules that go by that.
    private func worse(_ written: Effect, _ resolved: Effect) -> Effect {
        guard let object = resolved.object, !object.isTemporaryByName,
            resolved.statementClass == written.statementClass
        else { return resolved }
        return written
    }

    /// What the effect is, now that the name is known.
    private func resolved(_ effect: Effect, _ index: Int, isComplete: Bool) -> Effect {
        let item = question.items[index]
        switch effect.statementClass {
        // Their dependents say all: none is dropped, or each is named.
        case .dropSchema, .dropOwned, .dropExtension:
            return isComplete ? Effect(.dropOther, effect.object) : effect
        case .dropColumn where item.isTypeAttribute:
            return isComplete ? Effect(.alter, effect.object) : effect
        default: break
        }
        guard let meaning = answer.meanings[index], var object = effect.object else { return effect }
        let isIndexRename = effect.statementClass == .rename && object.kind == .index
        if item.isStrict, meaning.hasPermanentNamesake || meaning.state == .permanent {
            guard isIndexRename, !meaning.hasPermanentNamesake, !answer.isSnapshotOld, meaning.isIndex else {
                return effect
            }
        }
        if item.isStrict, answer.isSnapshotOld { return effect }
        switch meaning.state {
        case .missing:
            return Effect(.alter, object)
        case .temporary:
            // Through a view the rows of permanent tables go.
            let changesRows = effect.statementClass == .deleteAll || effect.statementClass == .updateAll
            if changesRows && meaning.relationKind != "r" && meaning.relationKind != "p" { return effect }
            object.schema = "pg_temp"
            return Effect(effect.statementClass, object)
        case .permanent:
            if isIndexRename, meaning.isIndex { return Effect(.renameIndex, object) }
            if object.schema == nil, !meaning.schema.isEmpty { object.schema = meaning.schema }
            return Effect(effect.statementClass, object)
        }
    }

    private static func effect(of going: CatalogAnswer.Going, isTruncate: Bool) -> Effect {
        var object = going.object
        if going.isTemporary { object.schema = "pg_temp" }
        if isTruncate { return Effect(.truncate, object) }
        switch object.kind {
        case .table, .foreignTable: return Effect(.dropTable, object)
        case .materializedView: return Effect(.dropMaterializedView, object)
        case .view: return Effect(.dropView, object)
        case .sequence: return Effect(.dropSequence, object)
        case .column: return Effect(.dropColumn, object)
        case .function: return Effect(.dropFunction, object)
        case .type: return Effect(.dropType, object)
        case .constraint: return Effect(.dropConstraint, object)
        default: return Effect(.dropOther, object)
        }
    }

    /// What the dependents replace.
    private static let spelledOut = ClassSet([.cascade, .cascadeDependents, .truncate])
}

extension CatalogQuestion.Reach {
    var isTruncate: Bool {
        if case .truncate = self { return true }
        return false
    }
}

extension CatalogAnswer.Meaning {
    var isIndex: Bool { relationKind == "i" || relationKind == "I" }
}

extension ObjectName {
    /// The same relation or column, whatever word for it was used.
    fileprivate func sameRelation(as other: ObjectName?) -> Bool {
        guard let other else { return false }
        return name == other.name && part == other.part && schema == other.schema
    }
}
