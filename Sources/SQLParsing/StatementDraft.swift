/// The facts of one statement while they are gathered.
struct StatementDraft {
    /// Effects beyond this many say nothing new: the rest keep their class and lose their object.
    private static let effectLimit = 20_000

    var command = ""
    private(set) var classes: ClassSet = []
    private(set) var effects: [Effect] = []
    var transaction = TransactionControl.none
    var prepared = PreparedStatementUse.none
    var isConditional = false
    var mustRunAlone = false
    var mayCommit = false
    var remarks: [String] = []
    /// A DELETE or UPDATE in it has a condition that chooses rows.
    var choosesRows = false
    var mentionsParameter = false
    var runsStoredCode = false

    /// Which rows it deletes or updates may depend on its parameters' values.
    var choosesByParameter: Bool { choosesRows && mentionsParameter }

    var isOrdinary: Bool { classes.isEmpty && transaction == .none && prepared == .none }

    mutating func add(
        _ statementClass: StatementClass, _ object: ObjectName? = nil, in place: EffectPlace = .here
    ) {
        if effects.count >= Self.effectLimit {
            guard !classes.contains(statementClass) || effects.count == Self.effectLimit else { return }
            effects.append(Effect(statementClass, in: place))
        } else {
            effects.append(Effect(statementClass, object, in: place))
        }
        classes.insert(statementClass)
    }

    /// Adds once, whatever the object.
    mutating func addOnce(_ statementClass: StatementClass) {
        if !classes.contains(statementClass) { add(statementClass) }
    }

    /// Takes over what a text inside the statement would do, and says where it stands.
    mutating func absorb(_ facts: TextFacts, from place: String, in database: EffectPlace = .here) {
        for statement in facts.statements where !statement.classes.isEmpty {
            if statement.runsStoredCode { runsStoredCode = true }
            for effect in statement.effects {
                add(effect.statementClass, effect.object, in: effect.place == .here ? database : effect.place)
            }
            let names = statement.effects.compactMap { $0.object?.qualifiedName }
            var remark = place + ": " + statement.command
            if let first = names.first { remark += " " + first }
            if remarks.count < 20, !remarks.contains(remark) { remarks.append(remark) }
            for inner in statement.remarks where remarks.count < 20 { remarks.append(inner) }
        }
    }

    func facts(range: Range<Int>) -> StatementFacts {
        var facts = StatementFacts(
            range: range, command: command, classes: classes, effects: effects, transaction: transaction,
            prepared: prepared, isConditional: isConditional, remarks: remarks)
        facts.mustRunAlone = mustRunAlone
        facts.mayCommit = mayCommit
        facts.runsStoredCode = runsStoredCode
        return facts
    }
}

/// A text inside a statement that the server would run as SQL: judged after the statement's own parse tree is freed.
struct InnerText {
    enum Language {
        case sql
        case plpgsql
        /// SQL of which only pieces are known.
        case pieces([ConstantText.Piece])
    }

    var language: Language
    var text: [UInt8]
    /// The names of the routine's parameters.
    var parameters: [String] = []
    /// What the statement does if the text is not known well enough.
    var ifUnknown: Effect?
    /// Where it stands, for remarks: `in a DO body`.
    var place: String
    /// Where it is run.
    var database = EffectPlace.here
}
