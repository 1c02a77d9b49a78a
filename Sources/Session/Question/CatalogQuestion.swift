import Policy
import SQLParsing

/// What the server is asked about a message's names before the message is judged finally: what they are now, on the
/// client's own connection and in its own transaction, and what would go along with them.
///
/// A text says `DROP TABLE w`; only the server knows whether `w` is this session's temporary table, which schema's table
/// it is, and what hangs on it. Where no question can be made of a text, the worse is assumed.
struct CatalogQuestion: Equatable {
    /// A name and what of it is asked.
    struct Item: Hashable {
        /// Which statement of the text, from 0.
        var statement: Int
        var object: ObjectName
        var reach: Reach
        /// The attribute's owner is a composite type, not a table.
        var isTypeAttribute = false
        /// The name may mean something else when the statement gets there: it counts as temporary, or as nobody's, only
        /// if no permanent relation of that name exists in any schema that could be meant.
        var isStrict: Bool
    }

    enum Reach: Hashable {
        /// Only what the name stands for.
        case name
        /// Also what DROP takes along by itself (`auto` and `internal` in pg_depend), and with CASCADE the rest.
        case drop(cascade: Bool)
        /// Also the partitions and children, and with CASCADE the tables that refer to it.
        case truncate(cascade: Bool)
    }

    private(set) var items: [Item] = []
    /// Statements that name something which cannot be asked about: what CASCADE takes along there stays unknown.
    private(set) var incomplete: Set<Int> = []

    /// Questions about more names than these are not put; of relations there may be many, they cost the least.
    private static let itemLimit = 500
    private static let otherLimit = 20

    /// - Parameters:
    ///   - isSequence: the statements run one after the other, so that an early one may change what a later one's names
    ///     mean; else any one of them may be the one that runs.
    ///   - readsCertainly: the names are those that the server reads, whatever bytes are in them.
    ///   - isPlanned: the statements were parsed earlier. A plan keeps the table that its name meant then: a temporary
    ///     table made since does not stand before it (`RevalidateCachedQuery`, plancache.c, looks at search_path only).
    init?(_ facts: TextFacts, isSequence: Bool, readsCertainly: Bool, isPlanned: Bool) {
        guard !facts.classes.isDisjoint(with: Self.askableClasses) else { return nil }
        // What may not share a transaction with a question cannot be asked about.
        guard !facts.statements.contains(where: \.mustRunAlone) else { return nil }
        // A routine of the database has a search_path of its own, and may have made what it drops.
        guard !facts.statements.contains(where: \.runsStoredCode) else { return nil }
        let mayRename = !facts.classes.isDisjoint(with: Self.renamingClasses)
        var isSettled = true
        var usedNames: Set<String> = []
        for (index, statement) in facts.statements.enumerated() {
            let names = Set(statement.effects.compactMap { $0.object?.name })
            if !statement.classes.isDisjoint(with: Self.askableClasses), !statement.command.hasPrefix("CREATE") {
                let isPlannedChange = isPlanned && !statement.isUtility
                let isStrict =
                    !statement.remarks.isEmpty || isPlannedChange
                    || (isSequence && (!isSettled || !usedNames.isDisjoint(with: names)))
                if !isStrict || !mayRename { add(statement, index, isStrict: isStrict) }
            }
            usedNames.formUnion(names)
            isSettled = isSettled && statement.keepsNames
        }
        guard !items.isEmpty, items.count <= Self.itemLimit,
            items.count(where: { !$0.object.kind.isInRelation && $0.reach != .name }) <= Self.otherLimit
        else { return nil }
        guard items.allSatisfy({ $0.object.isAskable(readsCertainly: readsCertainly) }) else { return nil }
    }

    private mutating func add(_ statement: StatementFacts, _ index: Int, isStrict: Bool) {
        let cascades =
            !statement.classes.isDisjoint(with: ClassSet([.cascade, .cascadeDependents]))
            || statement.effects.contains(Effect(.truncate))
        for effect in statement.effects {
            guard let object = effect.object, Self.askableClasses.contains(effect.statementClass) else { continue }
            guard effect.place == .here else {
                incomplete.insert(index)
                continue
            }
            guard
                var item = Self.item(effect.statementClass, object, cascades, isType: statement.command == "ALTER TYPE")
            else {
                incomplete.insert(index)
                continue
            }
            if isStrict {
                incomplete.insert(index)
                guard object.kind.isInRelation || object.part != nil else { continue }
                item.reach = .name
            }
            item.statement = index
            item.isStrict = isStrict
            if !items.contains(item) { items.append(item) }
        }
    }

    private static func item(
        _ statementClass: StatementClass, _ object: ObjectName, _ cascades: Bool, isType: Bool
    ) -> Item? {
        var item = Item(statement: 0, object: object, reach: .name, isStrict: false)
        switch statementClass {
        case .dropTable, .dropView, .dropMaterializedView, .dropSequence, .dropIndex, .dropSchema, .dropType,
            .dropFunction, .dropExtension, .dropOwned, .dropOther:
            guard CatalogQuestionText.canFind(object.kind) else { return nil }
            item.reach = .drop(cascade: cascades)
        case .dropColumn:
            item.reach = .drop(cascade: cascades)
            item.isTypeAttribute = isType
        case .dropConstraint:
            guard object.part != nil else { return nil }
            item.reach = .drop(cascade: cascades)
        case .truncate:
            item.reach = .truncate(cascade: cascades)
        case .rename, .renameIndex, .moveSchema:
            guard object.kind.isInRelation else { return nil }
        default:
            break
        }
        return item
    }

    /// What a name's meaning, or what hangs on it, can make another thing of.
    static let askableClasses = ClassSet([
        .dropTable, .dropView, .dropMaterializedView, .dropSequence, .dropIndex, .dropSchema, .dropType, .dropFunction,
        .dropExtension, .dropOwned, .dropOther, .dropColumn, .dropConstraint, .truncate, .deleteAll, .updateAll,
        .rename, .renameIndex, .moveSchema, .detachPartition, .alterColumnType, .overwriteColumn,
    ])

    /// What can give an existing table another name while the text runs.
    private static let renamingClasses = ClassSet([
        .rename, .renameIndex, .moveSchema, .dynamicSQL, .opaque, .unparsable, .oversized, .functionCall, .catalogWrite,
    ])
}

extension StatementFacts {
    /// DROP, TRUNCATE, ALTER, DO: run by `ProcessUtility`, names looked up as it runs.
    var isUtility: Bool {
        ["DROP", "TRUNCATE", "ALTER", "REFRESH"].contains { command.hasPrefix($0) } || command == "DO"
    }

    /// Rows are changed: the statement is planned, and a portal of it may be run by FETCH.
    var isPlannedChange: Bool { ["DELETE", "UPDATE", "MERGE", "INSERT", "SELECT"].contains(command) }

    /// The names in the statements behind this one mean what they mean before it, but for the names that it uses.
    fileprivate var keepsNames: Bool {
        switch transaction {
        case .begin, .savepoint: return true
        case .commit, .rollback, .release, .rollbackTo, .prepareTransaction, .endPrepared: return false
        case .none: break
        }
        return !classes.isEmpty && ["DROP TABLE", "TRUNCATE TABLE"].contains(command) && remarks.isEmpty
    }
}

extension ObjectName {
    /// Its names can be written into a question so that the server finds the same object.
    fileprivate func isAskable(readsCertainly: Bool) -> Bool {
        for text in [schema, name, part].compactMap({ $0 }) {
            if text.isEmpty || text.utf8.contains(0) { return false }
            let isASCII = text.utf8.allSatisfy { $0 < 0x80 }
            // Cut names end where a character does not fit any more; where that was, only ASCII tells for certain.
            if !isASCII && (!readsCertainly || text.utf8.count >= 60 || text.unicodeScalars.contains("\u{FFFD}")) {
                return false
            }
        }
        return !holdsPlaceholder
    }
}
