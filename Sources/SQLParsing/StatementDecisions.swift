internal import CPgQuery

/// What DROP of one kind of object loses, alone and with CASCADE.
struct DropDecision {
    var statementClass: StatementClass
    /// The class that CASCADE adds; nil where nothing can hang on such an object.
    var cascade: StatementClass?

    init(_ type: ObjectType) {
        switch type {
        case OBJECT_TABLE, OBJECT_FOREIGN_TABLE: self.init(.dropTable, .cascade)
        case OBJECT_SCHEMA: self.init(.dropSchema, .cascade)
        case OBJECT_DATABASE: self.init(.dropDatabase, nil)
        case OBJECT_VIEW: self.init(.dropView, .cascade)
        case OBJECT_MATVIEW: self.init(.dropMaterializedView, .cascade)
        case OBJECT_SEQUENCE: self.init(.dropSequence, .cascade)
        case OBJECT_INDEX: self.init(.dropIndex, .cascadeDependents)
        case OBJECT_TYPE, OBJECT_DOMAIN: self.init(.dropType, .cascade)
        case OBJECT_FUNCTION, OBJECT_PROCEDURE, OBJECT_ROUTINE, OBJECT_AGGREGATE: self.init(.dropFunction, .cascade)
        case OBJECT_EXTENSION: self.init(.dropExtension, .cascade)
        case OBJECT_ROLE: self.init(.dropRole, nil)
        // Nothing hangs on these.
        case OBJECT_TRIGGER, OBJECT_RULE, OBJECT_POLICY, OBJECT_EVENT_TRIGGER, OBJECT_PUBLICATION,
            OBJECT_STATISTIC_EXT, OBJECT_TRANSFORM, OBJECT_SUBSCRIPTION, OBJECT_CAST:
            self.init(.dropOther, nil)
        // On an access method, a language, a server, an operator, a collation … hang tables, columns, functions.
        default: self.init(.dropOther, .cascade)
        }
    }

    private init(_ statementClass: StatementClass, _ cascade: StatementClass?) {
        self.statementClass = statementClass
        self.cascade = cascade
    }
}

/// What one subcommand of ALTER TABLE does.
struct AlterTableDecision {
    var statementClass = StatementClass.alter
    /// A second class of the same subcommand.
    var second: StatementClass?
    var object: ObjectName
    /// The class that CASCADE adds.
    var cascade: StatementClass?
    /// `def` may hold expressions.
    var holdsExpressions = false

    init(_ command: UnsafePointer<AlterTableCmd>, of table: ObjectName) {
        object = table
        let isTemporary = table.isTemporaryByName
        switch command.pointee.subtype {
        case AT_AddColumn, AT_AddColumnRecurse, AT_AddColumnToView:
            holdsExpressions = true
            if let column = command.pointee.def, TreeNode(column).tag == T_ColumnDef {
                nameColumn(TreeName.text(TreeNode(column).node(ColumnDef.self).pointee.colname))
            }
            if !isTemporary, Self.hasTemporaryType(command.pointee.def) { second = .cascade }
        case AT_DropColumn, AT_DropColumnRecurse:
            statementClass = isTemporary ? .alter : .dropColumn
            // A column of a table; an attribute of a type, which typed tables have as a column.
            cascade = table.kind == .type ? .cascade : .cascadeDependents
            nameColumn(TreeName.text(command.pointee.name))
        case AT_AlterColumnType:
            statementClass = isTemporary ? .alter : .alterColumnType
            nameColumn(TreeName.text(command.pointee.name))
            holdsExpressions = true
            if !isTemporary, Self.overwrites(command.pointee.def) { second = .overwriteColumn }
            if !isTemporary, Self.hasTemporaryType(command.pointee.def) { second = .cascade }
        case AT_ColumnDefault, AT_CookedColumnDefault, AT_DropNotNull, AT_SetNotNull, AT_DropExpression,
            AT_CheckNotNull, AT_SetStatistics, AT_SetOptions, AT_ResetOptions, AT_SetStorage, AT_SetCompression,
            AT_AddIdentity, AT_SetIdentity, AT_DropIdentity, AT_AlterColumnGenericOptions:
            nameColumn(TreeName.text(command.pointee.name))
            holdsExpressions = true
        case AT_DropConstraint, AT_DropConstraintRecurse:
            statementClass = .dropConstraint
            cascade = .cascadeDependents
            object.kind = .constraint
            object.part = TreeName.text(command.pointee.name)
        case AT_AddConstraint, AT_AddConstraintRecurse, AT_AddIndexConstraint, AT_AlterConstraint,
            AT_ValidateConstraint, AT_ValidateConstraintRecurse:
            holdsExpressions = true
        case AT_ChangeOwner: statementClass = .alterOwner
        case AT_DisableTrig, AT_DisableTrigAll, AT_DisableTrigUser, AT_DisableRule, AT_EnableReplicaTrig,
            AT_EnableReplicaRule:
            statementClass = .disableTrigger
            object.part = command.pointee.name.map { Swift.String(cString: $0) }
        case AT_DisableRowSecurity, AT_NoForceRowSecurity: statementClass = .disableRowSecurity
        case AT_DetachPartition, AT_DetachPartitionFinalize:
            statementClass = .detachPartition
            if let partition = command.pointee.def, TreeNode(partition).tag == T_PartitionCmd {
                object = TreeName.object(.table, TreeNode(partition).node(PartitionCmd.self).pointee.name)
            }
        // The parent no longer shows the child's rows.
        case AT_DropInherit: statementClass = isTemporary ? .alter : .detachPartition
        case AT_AttachPartition: holdsExpressions = true
        // Storage, options, replica identity, enabling: the table and its rows stay.
        case AT_ClusterOn, AT_DropCluster, AT_SetLogged, AT_SetUnLogged, AT_DropOids, AT_SetAccessMethod,
            AT_SetTableSpace, AT_SetRelOptions, AT_ResetRelOptions, AT_ReplaceRelOptions, AT_EnableTrig,
            AT_EnableAlwaysTrig, AT_EnableTrigAll, AT_EnableTrigUser, AT_EnableRule, AT_EnableAlwaysRule, AT_AddInherit,
            AT_AddOf, AT_DropOf, AT_ReplicaIdentity, AT_EnableRowSecurity, AT_ForceRowSecurity, AT_GenericOptions:
            break
        // What only the server's own rewriting makes, and what a newer grammar may add.
        default: statementClass = .opaque
        }
    }

    private mutating func nameColumn(_ name: Swift.String) {
        object.kind = .column
        object.part = name
    }

    /// A type of `pg_temp`: when the session ends it takes the column along, without any statement.
    private static func hasTemporaryType(_ definition: UnsafeMutablePointer<Node>?) -> Bool {
        guard let definition, TreeNode(definition).tag == T_ColumnDef,
            let type = TreeNode(definition).node(ColumnDef.self).pointee.typeName
        else { return false }
        return TreeName.object(.type, list: type.pointee.names).isTemporaryByName
    }

    /// USING a constant, an explicit cast to a type with a length (casts of that kind cut silently: `varchar()` in
    /// varchar.c, `bpchar()`, `bit()`), or a function that may keep less than the whole value.
    private static func overwrites(_ definition: UnsafeMutablePointer<Node>?) -> Bool {
        guard let definition, TreeNode(definition).tag == T_ColumnDef else { return false }
        let column = TreeNode(definition).node(ColumnDef.self).pointee
        // "char" keeps one byte and name 63, without a word (`text_char`, char.c; `text_name`, varlena.c).
        let type = column.typeName.flatMap { TreeName.text(of: TreeList($0.pointee.names).last) }
        if type == "char" || type == "name" { return true }
        guard let using = column.raw_default else { return false }
        let expression = TreeNode(using)
        if !ConditionReach.keepsColumn(expression) { return true }
        if expression.tag == T_FuncCall {
            let name = TreeName.text(of: TreeList(expression.node(FuncCall.self).pointee.funcname).last)
            return !Self.keepsValue.contains(name ?? "")
        }
        guard expression.tag == T_TypeCast, let type = expression.node(TypeCast.self).pointee.typeName else {
            return false
        }
        guard let name = TreeName.text(of: TreeList(type.pointee.names).last) else { return false }
        if name == "char" || name == "name" { return true }
        return ["varchar", "bpchar", "bit", "varbit"].contains(name) && cpg_count(type.pointee.typmods) > 0
    }

    /// Functions that only write a value in another type.
    private static let keepsValue: Set<Swift.String> = [
        "timezone", "to_timestamp", "to_date", "to_number", "to_json", "to_jsonb", "to_char", "encode", "decode",
        "convert_from", "convert_to", "btrim", "ltrim", "rtrim", "concat", "array", "string_to_array",
        "jsonb_build_array",
        "coalesce",
    ]
}

/// The value of an option in parentheses.
enum OptionValue {
    /// ALTER DATABASE … ALLOW_CONNECTIONS false, CONNECTION LIMIT 0: nobody gets at its tables any more.
    static func closesDatabase(_ options: UnsafeMutablePointer<List>?) -> Bool {
        for option in TreeList(options) {
            let element = option.node(DefElem.self).pointee
            switch TreeName.text(element.defname) {
            case "allow_connections": if !isCertainlyTrue(element.arg) { return true }
            case "connection_limit":
                if let value = element.arg, TreeNode(value).tag == T_Integer,
                    TreeNode(value).node(Integer.self).pointee.ival == 0
                {
                    return true
                }
            default: break
            }
        }
        return false
    }

    private static func isCertainlyTrue(_ value: UnsafeMutablePointer<Node>?) -> Bool {
        guard let value else { return true }
        switch TreeNode(value).tag {
        case T_Integer: return TreeNode(value).node(Integer.self).pointee.ival == 1
        case T_Boolean: return TreeNode(value).node(Boolean.self).pointee.boolval
        case T_String: return ["true", "on"].contains(TreeName.text(of: TreeNode(value))?.lowercased() ?? "")
        default: return false
        }
    }

    /// The constant `true` or `false`.
    static func isBoolean(_ node: TreeNode) -> Bool {
        guard node.tag == T_A_Const else { return false }
        return NodeTag(rawValue: cpg_constant_tag(node.node(A_Const.self))) == T_Boolean
    }

    /// Whether `defGetBoolean` (define.c) could read it as true.
    static func mayBeTrue(_ value: UnsafeMutablePointer<Node>?) -> Bool {
        guard let value else { return true }
        let node = TreeNode(value)
        switch node.tag {
        case T_Integer: return node.node(Integer.self).pointee.ival != 0
        case T_String:
            let text = TreeName.text(of: node)?.lowercased()
            return text != "false" && text != "off"
        case T_Boolean: return node.node(Boolean.self).pointee.boolval
        default: return true
        }
    }
}

/// What can be read of a routine written in a language.
enum RoutineLanguage: Equatable {
    case sql
    case plpgsql
    /// Not readable here, but confined to what SQL can do.
    case unreadable
    /// Can reach files, programs and memory.
    case untrusted

    init(name: Swift.String) {
        switch name.lowercased() {
        case "sql": self = .sql
        case "plpgsql": self = .plpgsql
        case "c", "internal", "plpythonu", "plpython2u", "plpython3u", "plperlu", "pltclu", "plsh", "plrubyu",
            "pljavau",
            "plrustu", "pllua", "plluau", "plr":
            self = .untrusted
        default: self = .unreadable
        }
    }
}
