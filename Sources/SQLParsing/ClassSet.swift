/// A set of statement classes, as bits.
package struct ClassSet: OptionSet, Sendable, Hashable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(_ member: StatementClass) { rawValue = 1 << UInt64(member.rawValue) }

    package init(_ members: [StatementClass]) {
        rawValue = members.reduce(0) { $0 | (1 << UInt64($1.rawValue)) }
    }

    package func contains(_ member: StatementClass) -> Bool { rawValue & (1 << UInt64(member.rawValue)) != 0 }

    package mutating func insert(_ member: StatementClass) { self = union(ClassSet(member)) }

    /// The members in the order of ``StatementClass``.
    package var members: [StatementClass] {
        rawValue == 0 ? [] : StatementClass.allCases.filter { contains($0) }
    }

    /// The members' names in the order of ``StatementClass``.
    package var names: [String] { members.map(\.name) }
}

/// A named set of classes that rules may use in place of a class.
package enum ClassGroup: String, CaseIterable, Sendable {
    /// Whatever makes a table, schema or database disappear or unreachable under its name, cascades included.
    case tableLoss = "table_loss"
    /// Rows, columns or values are lost while the table stays.
    case dataLoss = "data_loss"
    /// Every statement that changes the catalog.
    case ddl
    /// What cannot be read, and so not be judged.
    case opaque
    /// Ways out of what can be read.
    case escape
    /// Every class.
    case any

    /// The group's classes.
    package var classes: ClassSet {
        switch self {
        case .tableLoss: Self.tableLossClasses
        case .dataLoss: Self.dataLossClasses
        case .ddl: Self.ddlClasses
        case .opaque: Self.opaqueClasses
        case .escape: Self.escapeClasses
        case .any: ClassSet(StatementClass.allCases)
        }
    }

    /// - drop_extension: the extension's own tables go with it, CASCADE or not.
    /// - cascade: what hangs on a type, a schema, a function or a table is known to the server only.
    /// - detach_partition: the parent no longer shows the partition's rows.
    /// - catalog_write: a row of pg_class is a table.
    ///
    /// Not here: drop_type, drop_function, drop_view, drop_sequence and drop_index (without CASCADE they take no table
    /// along), rename_index, cascade_dependents and drop_column (ordinary migrations; see data_loss).
    private static let tableLossClasses = ClassSet([
        .dropDatabase, .dropSchema, .dropTable, .dropOwned, .dropPartition, .dropMaterializedView, .dropExtension,
        .cascade, .rename, .closeDatabase, .moveSchema, .detachPartition, .catalogWrite,
    ])

    /// cascade_dependents: a materialized view's rows can go with the column or constraint that it hangs on.
    private static let dataLossClasses = ClassSet([
        .truncate, .dropColumn, .overwriteColumn, .cascadeDependents, .deleteAll, .updateAll,
    ])

    private static let ddlClasses = ClassSet([
        .dropDatabase, .dropSchema, .dropTable, .dropOwned, .dropColumn, .dropPartition, .dropView,
        .dropMaterializedView, .dropSequence, .dropType, .dropFunction, .dropIndex, .dropConstraint, .dropExtension,
        .dropRole, .dropOther, .cascade, .cascadeDependents, .truncate, .alterColumnType, .overwriteColumn, .alterOwner,
        .disableTrigger, .disableRowSecurity, .rename, .renameIndex, .closeDatabase, .moveSchema, .detachPartition,
        .selectInto, .create,
        .alter, .grant, .comment, .subscription, .foreignServer, .catalogWrite,
    ])

    private static let opaqueClasses = ClassSet([.opaque, .dynamicSQL, .unparsable, .oversized])

    private static let escapeClasses = ClassSet([
        .copyProgram, .serverFile, .functionCall, .untrustedLanguage, .subscription, .foreignServer, .dangerousFunction,
    ])
}
