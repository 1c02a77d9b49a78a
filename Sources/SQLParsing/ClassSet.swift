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
        case .tableLoss:
            ClassSet([
                .dropDatabase, .dropSchema, .dropTable, .dropOwned, .dropPartition, .dropMaterializedView, .dropType,
                .dropExtension, .cascade, .rename, .moveSchema, .detachPartition,
            ])
        case .dataLoss:
            ClassSet([.truncate, .dropColumn, .deleteAll, .updateAll])
        case .ddl:
            ClassSet([
                .dropDatabase, .dropSchema, .dropTable, .dropOwned, .dropColumn, .dropPartition, .dropView,
                .dropMaterializedView, .dropSequence, .dropType, .dropFunction, .dropIndex, .dropConstraint,
                .dropExtension, .dropRole, .dropOther, .cascade, .alterColumnType, .rename, .moveSchema,
                .detachPartition, .selectInto, .create, .alter, .grant, .comment, .subscription, .foreignServer,
            ])
        case .opaque:
            ClassSet([.opaque, .dynamicSQL, .unparsable, .oversized])
        case .escape:
            ClassSet([
                .copyProgram, .serverFile, .functionCall, .untrustedLanguage, .subscription, .foreignServer,
                .dangerousFunction,
            ])
        case .any:
            ClassSet(StatementClass.allCases)
        }
    }
}
