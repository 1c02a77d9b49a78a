/// What a statement can do: the closed list that rules of `proxy.conf` are written in.
///
/// A statement has a set of classes (``ClassSet``). A statement with none is ordinary: it reads, inserts, or changes
/// chosen rows. The raw value is its bit's position in a ``ClassSet`` (0 to 63).
package enum StatementClass: UInt8, CaseIterable, Sendable {
    case dropDatabase
    case dropSchema
    case dropTable
    case dropOwned
    case dropColumn
    case dropPartition
    case dropView
    case dropMaterializedView
    case dropSequence
    case dropType
    case dropFunction
    case dropIndex
    case dropConstraint
    case dropExtension
    case dropRole
    case dropOther
    /// CASCADE from something that tables, or columns of other tables, can hang on.
    case cascade
    /// CASCADE from a column, constraint or index: views, materialized views and foreign keys can hang on it, no table.
    case cascadeDependents
    case truncate
    case deleteAll
    case updateAll
    case alterColumnType
    /// ALTER COLUMN TYPE … USING an expression that throws the column's values away: a constant, a cast that cuts.
    case overwriteColumn
    case alterOwner
    case disableTrigger
    case disableRowSecurity
    /// A table, view, materialized view, foreign table, sequence, schema or database is no longer found by its name.
    case rename
    /// ALTER INDEX … RENAME. PostgreSQL also takes a table's name there (RenameRelation in tablecmds.c).
    case renameIndex
    /// ALTER DATABASE … ALLOW_CONNECTIONS false or CONNECTION LIMIT 0.
    case closeDatabase
    case moveSchema
    case detachPartition
    case selectInto
    case create
    case alter
    case grant
    case comment
    case doBlock
    case copyProgram
    case serverFile
    case untrustedLanguage
    case subscription
    case foreignServer
    case dangerousFunction
    /// INSERT, UPDATE, DELETE, MERGE, COPY or TRUNCATE on a table of pg_catalog.
    case catalogWrite
    case dynamicSQL
    case functionCall
    case roleChange
    case sessionSetting
    case opaque
    case unparsable
    case oversized
    /// A call of a routine of the database's own while its catalog cannot be read, where that is to pass.
    case unreadCall

    /// The name used in `proxy.conf`, in the audit trail and on the command line.
    package var name: String {
        switch self {
        case .dropDatabase: "drop_database"
        case .dropSchema: "drop_schema"
        case .dropTable: "drop_table"
        case .dropOwned: "drop_owned"
        case .dropColumn: "drop_column"
        case .dropPartition: "drop_partition"
        case .dropView: "drop_view"
        case .dropMaterializedView: "drop_materialized_view"
        case .dropSequence: "drop_sequence"
        case .dropType: "drop_type"
        case .dropFunction: "drop_function"
        case .dropIndex: "drop_index"
        case .dropConstraint: "drop_constraint"
        case .dropExtension: "drop_extension"
        case .dropRole: "drop_role"
        case .dropOther: "drop_other"
        case .cascade: "cascade"
        case .cascadeDependents: "cascade_dependents"
        case .truncate: "truncate"
        case .deleteAll: "delete_all"
        case .updateAll: "update_all"
        case .alterColumnType: "alter_column_type"
        case .overwriteColumn: "overwrite_column"
        case .alterOwner: "alter_owner"
        case .disableTrigger: "disable_trigger"
        case .disableRowSecurity: "disable_row_security"
        case .rename: "rename"
        case .renameIndex: "rename_index"
        case .closeDatabase: "close_database"
        case .moveSchema: "move_schema"
        case .detachPartition: "detach_partition"
        case .selectInto: "select_into"
        case .create: "create"
        case .alter: "alter"
        case .grant: "grant"
        case .comment: "comment"
        case .doBlock: "do_block"
        case .copyProgram: "copy_program"
        case .serverFile: "server_file"
        case .untrustedLanguage: "untrusted_language"
        case .subscription: "subscription"
        case .foreignServer: "foreign_server"
        case .dangerousFunction: "dangerous_function"
        case .catalogWrite: "catalog_write"
        case .dynamicSQL: "dynamic_sql"
        case .functionCall: "function_call"
        case .roleChange: "role_change"
        case .sessionSetting: "session_setting"
        case .opaque: "opaque"
        case .unparsable: "unparsable"
        case .oversized: "oversized"
        case .unreadCall: "unread_call"
        }
    }

    /// The class of that name, or nil.
    package init?(name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}
