internal import CPgQuery

/// Reads the raw parse tree of one statement into a draft of its facts.
///
/// Every statement node type of the grammar has its decision in ``decide(_:)``; one that has none is `opaque`.
struct StatementReader {
    private(set) var draft = StatementDraft()
    /// Texts that the statement would have the server run.
    private(set) var innerTexts: [InnerText] = []
    private var worklist = TreeWorklist()
    let functions: KnownFunctionIndex

    init(functions: KnownFunctionIndex) { self.functions = functions }

    /// Starts afresh, keeping the worklist's buffer.
    mutating func reset() {
        draft = StatementDraft()
        if !innerTexts.isEmpty { innerTexts = [] }
        worklist.removeAll()
    }

    /// Reads one statement: its own decision, and what its queries and expressions hold.
    mutating func read(_ statement: TreeNode) {
        worklist.add(statement)
        while let node = worklist.next() {
            switch node.tag {
            case T_ColumnRef, T_A_Const, T_String, T_ParamRef: break
            case T_FuncCall:
                readCall(node.node(FuncCall.self))
                _ = worklist.addChildren(of: node)
            case T_SelectStmt:
                readSelect(node.node(SelectStmt.self))
                _ = worklist.addChildren(of: node)
            case T_DeleteStmt, T_UpdateStmt, T_InsertStmt, T_MergeStmt:
                readChange(node)
                _ = worklist.addChildren(of: node)
            default:
                if !worklist.addChildren(of: node), !decide(node) { draft.add(.opaque) }
            }
        }
    }

    private mutating func add(_ statementClass: StatementClass, _ object: ObjectName? = nil) {
        draft.add(statementClass, object)
    }

    /// Names the command after the outermost statement.
    private mutating func name(_ command: @autoclosure () -> Swift.String) {
        if draft.command.isEmpty { draft.command = command() }
    }

    /// Loss of a temporary table is none; the catalog changes all the same.
    private mutating func lose(_ statementClass: StatementClass, _ object: ObjectName) {
        add(object.isTemporaryByName ? .dropOther : statementClass, object)
    }

    // MARK: - Queries and changes of rows

    private mutating func readSelect(_ select: UnsafePointer<SelectStmt>) {
        if draft.command.isEmpty { draft.command = "SELECT" }
        guard let into = select.pointee.intoClause else { return }
        if draft.command == "SELECT" { draft.command = "SELECT INTO" }
        add(.selectInto, TreeName.object(.table, into.pointee.rel))
    }

    private mutating func readChange(_ node: TreeNode) {
        switch node.tag {
        case T_InsertStmt:
            name("INSERT")
            noteCatalogWrite(node.node(InsertStmt.self).pointee.relation)
        case T_DeleteStmt:
            name("DELETE")
            let delete = node.node(DeleteStmt.self).pointee
            let reach = ConditionReach(target: delete.relation)
            noteWholeTable(
                .deleteAll, delete.relation, isWhole: reach.selectsAll(delete.whereClause.map { TreeNode($0) }))
        case T_UpdateStmt:
            name("UPDATE")
            let update = node.node(UpdateStmt.self).pointee
            let reach = ConditionReach(target: update.relation)
            noteWholeTable(
                .updateAll, update.relation, isWhole: reach.selectsAll(update.whereClause.map { TreeNode($0) }))
        default:
            name("MERGE")
            readMerge(node.node(MergeStmt.self))
        }
    }

    private mutating func readMerge(_ merge: UnsafePointer<MergeStmt>) {
        noteCatalogWrite(merge.pointee.relation)
        let reach = ConditionReach(target: merge.pointee.relation)
        guard reach.selectsAll(merge.pointee.joinCondition.map { TreeNode($0) }) else { return }
        for case let clause? in TreeList(merge.pointee.mergeWhenClauses).map({ $0 as TreeNode? }) {
            let action = clause.node(MergeWhenClause.self).pointee
            guard action.matched, reach.selectsAll(action.condition.map { TreeNode($0) }) else { continue }
            switch action.commandType {
            case CMD_DELETE: noteWholeTable(.deleteAll, merge.pointee.relation, isWhole: true)
            case CMD_UPDATE: noteWholeTable(.updateAll, merge.pointee.relation, isWhole: true)
            default: break
            }
        }
    }

    private mutating func noteWholeTable(
        _ statementClass: StatementClass, _ relation: UnsafeMutablePointer<RangeVar>?, isWhole: Bool
    ) {
        if noteCatalogWrite(relation) || !isWhole { return }
        let object = TreeName.object(.table, relation)
        if !object.isTemporaryByName { add(statementClass, object) }
    }

    @discardableResult
    private mutating func noteCatalogWrite(_ relation: UnsafeMutablePointer<RangeVar>?) -> Bool {
        // Cheap test first: most tables' names do not begin with pg_ and have no schema of that kind.
        guard let relation, let bytes = relation.pointee.relname else { return false }
        let hasPrefix = bytes[0] == CChar(UInt8(ascii: "p")) && bytes[1] == CChar(UInt8(ascii: "g"))
        guard hasPrefix || relation.pointee.schemaname != nil else { return false }
        let object = TreeName.object(.table, relation)
        guard SystemCatalogs.contains(object) else { return false }
        // An UPDATE of the view pg_settings is a set_config (its rule pg_settings_u); nothing else can be written there.
        add(object.name == "pg_settings" ? .sessionSetting : .catalogWrite, object)
        return true
    }

    // MARK: - Calls

    private mutating func readCall(_ call: UnsafePointer<FuncCall>) {
        let names = TreeList(call.pointee.funcname)
        guard let bytes = cpg_string(names.last) else { return }
        guard let known = functions.function(named: CStringBytes(bytes)) else { return }
        let schema = names.count > 1 ? TreeName.text(of: names[names.count - 2]) : nil
        if let required = known.schema, required != schema { return }
        let function = ObjectName(.function, schema: schema, name: Swift.String(cString: bytes))
        if let statementClass = known.statementClass { add(statementClass, function) }
        switch known.runs {
        case .nothing: break
        case .text(let unknown): noteRunText(call, function, unknown)
        case .setting:
            let name = TreeList(call.pointee.args).first.flatMap { ConstantText.constant($0) }
            noteSetting(name.map { Swift.String(decoding: $0, as: UTF8.self) })
        }
    }

    /// A function that runs SQL text: its last argument that is no flag; where unknown text is harmless, any constant one.
    private mutating func noteRunText(
        _ call: UnsafePointer<FuncCall>, _ function: ObjectName, _ unknown: StatementClass?
    ) {
        var texts = TreeList(call.pointee.args).filter { !OptionValue.isBoolean($0) }
        if unknown != nil { texts = texts.suffix(1) }
        for text in texts {
            let pieces = ConstantText().pieces(of: text)
            if let unknown, !DynamicText.isKnown(pieces) { add(unknown, function) }
            if pieces == [.unknown] { continue }
            innerTexts.append(
                InnerText(language: .pieces(pieces), text: [], place: "in the text given to \(function.name)"))
        }
    }

    private mutating func noteSetting(_ name: Swift.String?) {
        guard let name = name?.lowercased() else { return add(.sessionSetting) }
        switch name {
        case "role", "session_authorization": add(.roleChange, ObjectName(.setting, name: name))
        // Its one use is to write pg_catalog by hand, perhaps through a view that has another name.
        case "allow_system_table_mods": add(.catalogWrite, ObjectName(.setting, name: name))
        default: add(.sessionSetting, ObjectName(.setting, name: name))
        }
    }

    // MARK: - The decision for every other statement

    /// - Returns: false for a node that is no statement this grammar knows.
    private mutating func decide(_ node: TreeNode) -> Bool {
        switch node.tag {
        case T_RawStmt: worklist.add(node.node(RawStmt.self).pointee.stmt)

        // What takes objects away.
        case T_DropStmt: decideDrop(node.node(DropStmt.self))
        case T_DropdbStmt:
            name("DROP DATABASE")
            draft.isConditional = node.node(DropdbStmt.self).pointee.missing_ok
            add(.dropDatabase, ObjectName(.database, name: TreeName.text(node.node(DropdbStmt.self).pointee.dbname)))
        case T_DropOwnedStmt:
            name("DROP OWNED")
            for role in TreeList(node.node(DropOwnedStmt.self).pointee.roles) {
                add(.dropOwned, TreeName.role(UnsafeMutablePointer(mutating: role.node(RoleSpec.self))))
            }
            if node.node(DropOwnedStmt.self).pointee.behavior == DROP_CASCADE { add(.cascade) }
        case T_DropRoleStmt:
            name("DROP ROLE")
            draft.isConditional = node.node(DropRoleStmt.self).pointee.missing_ok
            for role in TreeList(node.node(DropRoleStmt.self).pointee.roles) {
                add(.dropRole, TreeName.role(UnsafeMutablePointer(mutating: role.node(RoleSpec.self))))
            }
        case T_DropTableSpaceStmt:
            name("DROP TABLESPACE")
            draft.isConditional = node.node(DropTableSpaceStmt.self).pointee.missing_ok
            add(
                .dropOther,
                ObjectName(.tablespace, name: TreeName.text(node.node(DropTableSpaceStmt.self).pointee.tablespacename)))
        case T_DropUserMappingStmt:
            name("DROP USER MAPPING")
            draft.isConditional = node.node(DropUserMappingStmt.self).pointee.missing_ok
            add(
                .dropOther,
                ObjectName(.userMapping, name: TreeName.text(node.node(DropUserMappingStmt.self).pointee.servername)))
        case T_DropSubscriptionStmt:
            name("DROP SUBSCRIPTION")
            draft.isConditional = node.node(DropSubscriptionStmt.self).pointee.missing_ok
            add(
                .subscription,
                ObjectName(.subscription, name: TreeName.text(node.node(DropSubscriptionStmt.self).pointee.subname)))
        case T_TruncateStmt: decideTruncate(node.node(TruncateStmt.self))
        case T_RefreshMatViewStmt:
            // WITH NO DATA leaves the materialized view empty and unreadable.
            name("REFRESH MATERIALIZED VIEW")
            let refresh = node.node(RefreshMatViewStmt.self).pointee
            if refresh.skipData { add(.truncate, TreeName.object(.materializedView, refresh.relation)) }

        // What alters them.
        case T_AlterTableStmt: decideAlterTable(node.node(AlterTableStmt.self))
        case T_RenameStmt: decideRename(node.node(RenameStmt.self))
        case T_AlterObjectSchemaStmt: decideSchemaMove(node.node(AlterObjectSchemaStmt.self))
        case T_AlterOwnerStmt:
            let alter = node.node(AlterOwnerStmt.self).pointee
            let kind = ObjectKind(alter.objectType)
            name("ALTER " + kind.commandWord)
            add(.alterOwner, alter.relation.map { TreeName.object(kind, $0) } ?? object(kind, alter.object))
        case T_ReassignOwnedStmt:
            name("REASSIGN OWNED")
            for role in TreeList(node.node(ReassignOwnedStmt.self).pointee.roles) {
                add(.alterOwner, TreeName.role(UnsafeMutablePointer(mutating: role.node(RoleSpec.self))))
            }

        // What the session does.
        case T_TransactionStmt: decideTransaction(node.node(TransactionStmt.self))
        case T_PrepareStmt:
            let prepare = node.node(PrepareStmt.self).pointee
            name("PREPARE")
            draft.prepared = .prepare(TreeName.text(prepare.name))
            worklist.add(prepare.query)
        case T_ExecuteStmt:
            let execute = node.node(ExecuteStmt.self).pointee
            name("EXECUTE")
            draft.prepared = .execute(TreeName.text(execute.name))
            worklist.add(execute.params)
        case T_DeallocateStmt:
            name("DEALLOCATE")
            let plan = node.node(DeallocateStmt.self).pointee.name
            draft.prepared = plan.map { .deallocate(Swift.String(cString: $0)) } ?? .deallocateAll
        case T_DiscardStmt:
            name("DISCARD")
            if node.node(DiscardStmt.self).pointee.target == DISCARD_ALL { draft.prepared = .deallocateAll }
        case T_VariableSetStmt: decideSet(node.node(VariableSetStmt.self))
        case T_VariableShowStmt: name("SHOW")
        case T_ConstraintsSetStmt: name("SET CONSTRAINTS")
        case T_ListenStmt: name("LISTEN")
        case T_UnlistenStmt: name("UNLISTEN")
        case T_NotifyStmt: name("NOTIFY")
        case T_FetchStmt: name(node.node(FetchStmt.self).pointee.ismove ? "MOVE" : "FETCH")
        case T_ClosePortalStmt: name("CLOSE CURSOR")
        case T_DeclareCursorStmt:
            name("DECLARE CURSOR")
            worklist.add(node.node(DeclareCursorStmt.self).pointee.query)
        case T_ExplainStmt: decideExplain(node.node(ExplainStmt.self))
        case T_CallStmt:
            name("CALL")
            worklist.add(node.node(CallStmt.self).pointee.funccall)
        case T_DoStmt: decideDo(node.node(DoStmt.self))
        case T_LoadStmt:
            name("LOAD")
            add(.untrustedLanguage, ObjectName(.file, name: TreeName.text(node.node(LoadStmt.self).pointee.filename)))
        case T_CopyStmt: decideCopy(node.node(CopyStmt.self))

        // Upkeep: changes no row and no definition.
        case T_LockStmt: name("LOCK TABLE")
        case T_VacuumStmt: name(node.node(VacuumStmt.self).pointee.is_vacuumcmd ? "VACUUM" : "ANALYZE")
        case T_ClusterStmt: name("CLUSTER")
        case T_ReindexStmt: name("REINDEX")
        case T_CheckPointStmt: name("CHECKPOINT")
        default: return decideDefinition(node) || decideAlteration(node)
        }
        return true
    }

    /// CREATE, of every kind, and GRANT and COMMENT.
    private mutating func decideDefinition(_ node: TreeNode) -> Bool {
        switch node.tag {
        case T_CreateStmt:
            let create = node.node(CreateStmt.self).pointee
            name("CREATE TABLE")
            noteCondition(create.if_not_exists)
            add(.create, TreeName.object(.table, create.relation))
            worklist.add(create.tableElts)
            worklist.add(create.constraints)
            worklist.add(create.partspec)
            worklist.add(create.partbound)
        case T_CreateForeignTableStmt:
            let create = node.node(CreateForeignTableStmt.self).pointee
            name("CREATE FOREIGN TABLE")
            noteCondition(create.base.if_not_exists)
            add(.foreignServer, ObjectName(.server, name: TreeName.text(create.servername)))
            add(.create, TreeName.object(.foreignTable, create.base.relation))
            worklist.add(create.base.tableElts)
        case T_CreateTableAsStmt:
            let create = node.node(CreateTableAsStmt.self).pointee
            let isView = create.objtype == OBJECT_MATVIEW
            name(isView ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS")
            noteCondition(create.if_not_exists)
            add(.create, TreeName.object(isView ? .materializedView : .table, create.into?.pointee.rel))
            worklist.add(create.query)
        case T_ViewStmt:
            let view = node.node(ViewStmt.self).pointee
            name("CREATE VIEW")
            add(.create, TreeName.object(.view, view.view))
            worklist.add(view.query)
        case T_IndexStmt:
            let index = node.node(IndexStmt.self).pointee
            name("CREATE INDEX")
            noteCondition(index.if_not_exists)
            var object = TreeName.object(.index, index.relation)
            object.part = index.idxname.map { Swift.String(cString: $0) }
            add(.create, object)
            worklist.add(index.indexParams)
            worklist.add(index.whereClause)
        case T_CreateSchemaStmt:
            let schema = node.node(CreateSchemaStmt.self).pointee
            name("CREATE SCHEMA")
            noteCondition(schema.if_not_exists)
            let owner = TreeName.role(schema.authrole).name
            add(.create, ObjectName(.schema, name: schema.schemaname.map { Swift.String(cString: $0) } ?? owner))
            worklist.add(schema.schemaElts)
        case T_RuleStmt:
            let rule = node.node(RuleStmt.self).pointee
            name("CREATE RULE")
            var object = TreeName.object(.rule, rule.relation)
            object.part = TreeName.text(rule.rulename)
            add(.create, object)
            if rule.event == CMD_SELECT {
                // Up to PostgreSQL 15 an empty table with such a rule becomes a view (DefineQueryRewrite,
                // rewriteDefine.c).
                add(.dropTable, TreeName.object(.table, rule.relation))
                draft.remarks.append("a rule ON SELECT turns a table into a view")
            }
            worklist.add(rule.whereClause)
            worklist.add(rule.actions)
        case T_CreateFunctionStmt: decideRoutine(node.node(CreateFunctionStmt.self))
        case T_CreateTrigStmt:
            let trigger = node.node(CreateTrigStmt.self).pointee
            name("CREATE TRIGGER")
            var object = TreeName.object(.trigger, trigger.relation)
            object.part = TreeName.text(trigger.trigname)
            add(.create, object)
            worklist.add(trigger.whenClause)
            noteNamedFunction(trigger.funcname)
        case T_CreatePolicyStmt:
            let policy = node.node(CreatePolicyStmt.self).pointee
            name("CREATE POLICY")
            var object = TreeName.object(.policy, policy.table)
            object.part = TreeName.text(policy.policy_name)
            add(.create, object)
            worklist.add(policy.qual)
            worklist.add(policy.with_check)
        case T_CreateSeqStmt:
            name("CREATE SEQUENCE")
            noteCondition(node.node(CreateSeqStmt.self).pointee.if_not_exists)
            add(.create, TreeName.object(.sequence, node.node(CreateSeqStmt.self).pointee.sequence))
        case T_CreateDomainStmt:
            name("CREATE DOMAIN")
            add(.create, TreeName.object(.domain, list: node.node(CreateDomainStmt.self).pointee.domainname))
            worklist.add(node.node(CreateDomainStmt.self).pointee.constraints)
        case T_CreateExtensionStmt: decideExtension(node.node(CreateExtensionStmt.self))
        case T_CreateSubscriptionStmt:
            name("CREATE SUBSCRIPTION")
            let subscription = node.node(CreateSubscriptionStmt.self).pointee
            add(.subscription, ObjectName(.subscription, name: TreeName.text(subscription.subname)))
        case T_CreateFdwStmt:
            name("CREATE FOREIGN DATA WRAPPER")
            let wrapper = node.node(CreateFdwStmt.self).pointee.fdwname
            add(.foreignServer, ObjectName(.foreignDataWrapper, name: TreeName.text(wrapper)))
        case T_CreateForeignServerStmt:
            name("CREATE SERVER")
            let server = node.node(CreateForeignServerStmt.self).pointee
            noteCondition(server.if_not_exists)
            add(.foreignServer, ObjectName(.server, name: TreeName.text(server.servername)))
        case T_CreateUserMappingStmt:
            name("CREATE USER MAPPING")
            let mapping = node.node(CreateUserMappingStmt.self).pointee
            add(.foreignServer, ObjectName(.userMapping, name: TreeName.text(mapping.servername)))
        case T_ImportForeignSchemaStmt:
            name("IMPORT FOREIGN SCHEMA")
            let schema = node.node(ImportForeignSchemaStmt.self).pointee
            add(.foreignServer, ObjectName(.server, name: TreeName.text(schema.server_name)))
        case T_CreatePLangStmt:
            name("CREATE LANGUAGE")
            let language = node.node(CreatePLangStmt.self).pointee.plname
            add(.untrustedLanguage, ObjectName(.language, name: TreeName.text(language)))
        default:
            guard let (command, object) = Self.plainDefinition(node) else { return false }
            name(command)
            add(.create, object)
            noteNamedFunctions(in: node)
        }
        return true
    }

    /// An operator, aggregate, cast or event trigger over a dangerous function calls it without naming it again.
    private mutating func noteNamedFunctions(in node: TreeNode) {
        switch node.tag {
        case T_DefineStmt:
            for option in TreeList(node.node(DefineStmt.self).pointee.definition) where option.tag == T_DefElem {
                guard let value = option.node(DefElem.self).pointee.arg else { continue }
                switch TreeNode(value).tag {
                case T_TypeName: noteNamedFunction(TreeNode(value).node(TypeName.self).pointee.names)
                case T_List: noteNamedFunction(UnsafeMutablePointer(mutating: TreeNode(value).node(List.self)))
                default: break
                }
            }
        case T_CreateCastStmt: noteNamedFunction(node.node(CreateCastStmt.self).pointee.func?.pointee.objname)
        case T_CreateEventTrigStmt: noteNamedFunction(node.node(CreateEventTrigStmt.self).pointee.funcname)
        default: break
        }
    }

    private mutating func noteNamedFunction(_ names: UnsafeMutablePointer<List>?) {
        guard let bytes = cpg_string(TreeList(names).last) else { return }
        guard let known = functions.function(named: CStringBytes(bytes)), known.schema == nil else { return }
        let function = TreeName.object(.function, list: names)
        switch known.runs {
        case .text(let unknown): if let unknown { add(unknown, function) }
        case .nothing: if let statementClass = known.statementClass { add(statementClass, function) }
        case .setting: break
        }
    }

    /// The kinds of CREATE that have nothing in them but a name.
    private static func plainDefinition(_ node: TreeNode) -> (command: Swift.String, object: ObjectName)? {
        switch node.tag {
        case T_CreatedbStmt:
            let database = node.node(CreatedbStmt.self).pointee.dbname
            return ("CREATE DATABASE", ObjectName(.database, name: TreeName.text(database)))
        case T_CreateRoleStmt:
            return ("CREATE ROLE", ObjectName(.role, name: TreeName.text(node.node(CreateRoleStmt.self).pointee.role)))
        case T_CreateTableSpaceStmt:
            let space = node.node(CreateTableSpaceStmt.self).pointee.tablespacename
            return ("CREATE TABLESPACE", ObjectName(.tablespace, name: TreeName.text(space)))
        case T_CompositeTypeStmt:
            return ("CREATE TYPE", TreeName.object(.type, node.node(CompositeTypeStmt.self).pointee.typevar))
        case T_CreateEnumStmt:
            return ("CREATE TYPE", TreeName.object(.type, list: node.node(CreateEnumStmt.self).pointee.typeName))
        case T_CreateRangeStmt:
            return ("CREATE TYPE", TreeName.object(.type, list: node.node(CreateRangeStmt.self).pointee.typeName))
        case T_DefineStmt:
            let define = node.node(DefineStmt.self).pointee
            let kind = ObjectKind(define.kind)
            return ("CREATE " + kind.commandWord, TreeName.object(kind, list: define.defnames))
        case T_CreateEventTrigStmt:
            let trigger = node.node(CreateEventTrigStmt.self).pointee.trigname
            return ("CREATE EVENT TRIGGER", ObjectName(.eventTrigger, name: TreeName.text(trigger)))
        case T_CreatePublicationStmt:
            let publication = node.node(CreatePublicationStmt.self).pointee.pubname
            return ("CREATE PUBLICATION", ObjectName(.publication, name: TreeName.text(publication)))
        case T_CreateStatsStmt:
            return (
                "CREATE STATISTICS",
                TreeName.object(.statistics, list: node.node(CreateStatsStmt.self).pointee.defnames)
            )
        case T_CreateAmStmt:
            let method = node.node(CreateAmStmt.self).pointee.amname
            return ("CREATE ACCESS METHOD", ObjectName(.accessMethod, name: TreeName.text(method)))
        case T_CreateCastStmt:
            let source = node.node(CreateCastStmt.self).pointee.sourcetype
            return ("CREATE CAST", TreeName.object(.cast, list: source?.pointee.names))
        case T_CreateConversionStmt:
            let name = node.node(CreateConversionStmt.self).pointee.conversion_name
            return ("CREATE CONVERSION", TreeName.object(.conversion, list: name))
        case T_CreateTransformStmt:
            let type = node.node(CreateTransformStmt.self).pointee.type_name
            return ("CREATE TRANSFORM", TreeName.object(.transform, list: type?.pointee.names))
        case T_CreateOpClassStmt:
            let name = node.node(CreateOpClassStmt.self).pointee.opclassname
            return ("CREATE OPERATOR CLASS", TreeName.object(.operatorClass, list: name))
        case T_CreateOpFamilyStmt:
            let name = node.node(CreateOpFamilyStmt.self).pointee.opfamilyname
            return ("CREATE OPERATOR FAMILY", TreeName.object(.operatorFamily, list: name))
        default: return nil
        }
    }

    /// ALTER of every other kind, GRANT and COMMENT: nothing is taken away.
    private mutating func decideAlteration(_ node: TreeNode) -> Bool {
        switch node.tag {
        case T_AlterDomainStmt:
            let alter = node.node(AlterDomainStmt.self).pointee
            name("ALTER DOMAIN")
            // 'X' is DROP CONSTRAINT.
            let isDrop = alter.subtype == CChar(UInt8(ascii: "X"))
            add(isDrop ? .dropConstraint : .alter, TreeName.object(.domain, list: alter.typeName))
            worklist.add(alter.def)
        case T_AlterSystemStmt:
            name("ALTER SYSTEM")
            decideStoredSetting(node.node(AlterSystemStmt.self).pointee.setstmt, of: nil)
        case T_AlterRoleSetStmt:
            name("ALTER ROLE")
            let alter = node.node(AlterRoleSetStmt.self).pointee
            decideStoredSetting(alter.setstmt, of: TreeName.role(alter.role))
        case T_AlterDatabaseSetStmt:
            name("ALTER DATABASE")
            let alter = node.node(AlterDatabaseSetStmt.self).pointee
            decideStoredSetting(alter.setstmt, of: ObjectName(.database, name: TreeName.text(alter.dbname)))
        case T_AlterFdwStmt:
            name("ALTER FOREIGN DATA WRAPPER")
            let wrapper = node.node(AlterFdwStmt.self).pointee.fdwname
            add(.foreignServer, ObjectName(.foreignDataWrapper, name: TreeName.text(wrapper)))
        case T_AlterForeignServerStmt:
            name("ALTER SERVER")
            let server = node.node(AlterForeignServerStmt.self).pointee.servername
            add(.foreignServer, ObjectName(.server, name: TreeName.text(server)))
        case T_AlterUserMappingStmt:
            name("ALTER USER MAPPING")
            let mapping = node.node(AlterUserMappingStmt.self).pointee.servername
            add(.foreignServer, ObjectName(.userMapping, name: TreeName.text(mapping)))
        case T_AlterSubscriptionStmt:
            name("ALTER SUBSCRIPTION")
            let subscription = node.node(AlterSubscriptionStmt.self).pointee.subname
            add(.subscription, ObjectName(.subscription, name: TreeName.text(subscription)))
        case T_AlterDatabaseStmt:
            name("ALTER DATABASE")
            let alter = node.node(AlterDatabaseStmt.self).pointee
            let database = ObjectName(.database, name: TreeName.text(alter.dbname))
            add(OptionValue.closesDatabase(alter.options) ? .closeDatabase : .alter, database)
        case T_GrantStmt: decideGrant(node.node(GrantStmt.self))
        case T_GrantRoleStmt:
            let grant = node.node(GrantRoleStmt.self).pointee
            name(grant.is_grant ? "GRANT ROLE" : "REVOKE ROLE")
            for role in TreeList(grant.grantee_roles) {
                add(.grant, TreeName.role(UnsafeMutablePointer(mutating: role.node(RoleSpec.self))))
            }
        case T_AlterDefaultPrivilegesStmt:
            name("ALTER DEFAULT PRIVILEGES")
            add(.grant)
        case T_CommentStmt:
            let comment = node.node(CommentStmt.self).pointee
            name("COMMENT")
            add(.comment, object(ObjectKind(comment.objtype), comment.object))
        case T_SecLabelStmt:
            let label = node.node(SecLabelStmt.self).pointee
            name("SECURITY LABEL")
            add(.comment, object(ObjectKind(label.objtype), label.object))
        default:
            guard let (command, object) = Self.plainAlteration(node) else { return false }
            name(command)
            add(.alter, object)
        }
        return true
    }

    private static func plainAlteration(_ node: TreeNode) -> (command: Swift.String, object: ObjectName)? {
        switch node.tag {
        case T_AlterSeqStmt:
            return ("ALTER SEQUENCE", TreeName.object(.sequence, node.node(AlterSeqStmt.self).pointee.sequence))
        case T_AlterEnumStmt:
            return ("ALTER TYPE", TreeName.object(.type, list: node.node(AlterEnumStmt.self).pointee.typeName))
        case T_AlterTypeStmt:
            return ("ALTER TYPE", TreeName.object(.type, list: node.node(AlterTypeStmt.self).pointee.typeName))
        case T_AlterFunctionStmt:
            let alter = node.node(AlterFunctionStmt.self).pointee
            let kind = ObjectKind(alter.objtype)
            return ("ALTER " + kind.commandWord, TreeName.object(kind, list: alter.func?.pointee.objname))
        case T_AlterRoleStmt: return ("ALTER ROLE", TreeName.role(node.node(AlterRoleStmt.self).pointee.role))
        case T_AlterDatabaseRefreshCollStmt:
            let database = node.node(AlterDatabaseRefreshCollStmt.self).pointee.dbname
            return ("ALTER DATABASE", ObjectName(.database, name: TreeName.text(database)))
        case T_AlterCollationStmt:
            return (
                "ALTER COLLATION",
                TreeName.object(.collation, list: node.node(AlterCollationStmt.self).pointee.collname)
            )
        case T_AlterExtensionStmt:
            let name = node.node(AlterExtensionStmt.self).pointee.extname
            return ("ALTER EXTENSION", ObjectName(.extension, name: TreeName.text(name)))
        case T_AlterExtensionContentsStmt:
            let name = node.node(AlterExtensionContentsStmt.self).pointee.extname
            return ("ALTER EXTENSION", ObjectName(.extension, name: TreeName.text(name)))
        case T_AlterObjectDependsStmt:
            let alter = node.node(AlterObjectDependsStmt.self).pointee
            let kind = ObjectKind(alter.objectType)
            let object = alter.relation.map { TreeName.object(kind, $0) }
            return (
                "ALTER " + kind.commandWord, object ?? TreeName.object(kind, node: alter.object.map { TreeNode($0) })
            )
        case T_AlterEventTrigStmt:
            let trigger = node.node(AlterEventTrigStmt.self).pointee.trigname
            return ("ALTER EVENT TRIGGER", ObjectName(.eventTrigger, name: TreeName.text(trigger)))
        case T_AlterPolicyStmt:
            let policy = node.node(AlterPolicyStmt.self).pointee
            var object = TreeName.object(.policy, policy.table)
            object.part = TreeName.text(policy.policy_name)
            return ("ALTER POLICY", object)
        case T_AlterPublicationStmt:
            let publication = node.node(AlterPublicationStmt.self).pointee.pubname
            return ("ALTER PUBLICATION", ObjectName(.publication, name: TreeName.text(publication)))
        case T_AlterStatsStmt:
            return (
                "ALTER STATISTICS", TreeName.object(.statistics, list: node.node(AlterStatsStmt.self).pointee.defnames)
            )
        case T_AlterOperatorStmt:
            let name = node.node(AlterOperatorStmt.self).pointee.opername
            return ("ALTER OPERATOR", TreeName.object(.operator, list: name?.pointee.objname))
        case T_AlterOpFamilyStmt:
            let name = node.node(AlterOpFamilyStmt.self).pointee.opfamilyname
            return ("ALTER OPERATOR FAMILY", TreeName.object(.operatorFamily, list: name))
        case T_AlterTSDictionaryStmt:
            let name = node.node(AlterTSDictionaryStmt.self).pointee.dictname
            return ("ALTER TEXT SEARCH DICTIONARY", TreeName.object(.textSearch, list: name))
        case T_AlterTSConfigurationStmt:
            let name = node.node(AlterTSConfigurationStmt.self).pointee.cfgname
            return ("ALTER TEXT SEARCH CONFIGURATION", TreeName.object(.textSearch, list: name))
        case T_AlterTableSpaceOptionsStmt:
            let space = node.node(AlterTableSpaceOptionsStmt.self).pointee.tablespacename
            return ("ALTER TABLESPACE", ObjectName(.tablespace, name: TreeName.text(space)))
        case T_AlterTableMoveAllStmt:
            let space = node.node(AlterTableMoveAllStmt.self).pointee.orig_tablespacename
            return ("ALTER TABLE", ObjectName(.tablespace, name: TreeName.text(space)))
        default: return nil
        }
    }

    // MARK: - Details

    private func object(_ kind: ObjectKind, _ node: UnsafeMutablePointer<Node>?) -> ObjectName {
        TreeName.object(kind, node: node.map { TreeNode($0) })
    }

    private mutating func noteCondition(_ isConditional: Bool) {
        if isConditional { draft.isConditional = true }
    }

    private mutating func decideDrop(_ drop: UnsafePointer<DropStmt>) {
        let kind = ObjectKind(drop.pointee.removeType)
        name("DROP " + kind.commandWord)
        noteCondition(drop.pointee.missing_ok)
        let decision = DropDecision(drop.pointee.removeType)
        var isAllTemporary = true
        for item in TreeList(drop.pointee.objects) {
            let object = TreeName.object(kind, node: item)
            isAllTemporary = isAllTemporary && object.isTemporaryByName
            lose(decision.statementClass, object)
        }
        if drop.pointee.behavior == DROP_CASCADE, !isAllTemporary, let cascade = decision.cascade { add(cascade) }
    }

    private mutating func decideTruncate(_ truncate: UnsafePointer<TruncateStmt>) {
        name("TRUNCATE TABLE")
        var isAllTemporary = true
        for item in TreeList(truncate.pointee.relations) {
            let object = TreeName.object(.table, node: item)
            if object.isTemporaryByName { continue }
            isAllTemporary = false
            add(.truncate, object)
            if SystemCatalogs.contains(object) { add(.catalogWrite, object) }
        }
        // The tables that refer to these, unnamed.
        if truncate.pointee.behavior == DROP_CASCADE, !isAllTemporary { add(.truncate) }
    }

    /// ALTER INDEX … RENAME also renames tables, and only the server knows which it is: a name that looks like an index's,
    /// as people and tools give them, is taken for one.
    private static func looksLikeIndex(_ name: Swift.String) -> Bool {
        let folded = name.lowercased()
        let ends = ["_idx", "_index", "_ix", "_pkey", "_pk", "_key", "_uniq", "_unique", "_uk", "_uq", "_excl", "_like"]
        let beginnings = ["idx_", "ix_", "index_", "uix_", "uq_", "uk_", "pk_"]
        return ends.contains { folded.hasSuffix($0) } || beginnings.contains { folded.hasPrefix($0) }
            || folded.contains("_idx")
    }

    private mutating func decideRename(_ rename: UnsafePointer<RenameStmt>) {
        let kind = ObjectKind(rename.pointee.renameType)
        let relationKind = rename.pointee.relation == nil ? kind : ObjectKind(rename.pointee.relationType)
        let isPart = kind == .column || kind == .constraint
        name("ALTER " + (isPart ? relationKind : kind).commandWord)
        noteCondition(rename.pointee.missing_ok)
        var object: ObjectName
        if let relation = rename.pointee.relation {
            object = TreeName.object(kind, relation)
            if [.column, .constraint, .trigger, .rule, .policy].contains(kind) {
                object.part = rename.pointee.subname.map { Swift.String(cString: $0) }
            }
        } else if rename.pointee.object != nil {
            object = self.object(kind, rename.pointee.object)
        } else {
            object = ObjectName(kind, name: TreeName.text(rename.pointee.subname))
        }
        switch rename.pointee.renameType {
        case OBJECT_TABLE, OBJECT_VIEW, OBJECT_MATVIEW, OBJECT_FOREIGN_TABLE, OBJECT_SEQUENCE, OBJECT_SCHEMA,
            OBJECT_DATABASE:
            add(object.isTemporaryByName ? .alter : .rename, object)
        case OBJECT_INDEX: add(Self.looksLikeIndex(object.name) ? .renameIndex : .rename, object)
        case OBJECT_FUNCTION, OBJECT_ROUTINE, OBJECT_PROCEDURE:
            add(.alter, object)
            // Under another name nobody would know it.
            if let node = rename.pointee.object, TreeNode(node).tag == T_ObjectWithArgs {
                noteNamedFunction(TreeNode(node).node(ObjectWithArgs.self).pointee.objname)
            }
        default: add(.alter, object)
        }
    }

    private mutating func decideSchemaMove(_ move: UnsafePointer<AlterObjectSchemaStmt>) {
        let kind = ObjectKind(move.pointee.objectType)
        name("ALTER " + kind.commandWord)
        noteCondition(move.pointee.missing_ok)
        let object = move.pointee.relation.map { TreeName.object(kind, $0) } ?? self.object(kind, move.pointee.object)
        switch move.pointee.objectType {
        case OBJECT_TABLE, OBJECT_VIEW, OBJECT_MATVIEW, OBJECT_FOREIGN_TABLE, OBJECT_SEQUENCE, OBJECT_EXTENSION:
            add(.moveSchema, object)
        default: add(.alter, object)
        }
    }

    private mutating func decideTransaction(_ statement: UnsafePointer<TransactionStmt>) {
        let savepoint = TreeName.text(statement.pointee.savepoint_name)
        switch statement.pointee.kind {
        case TRANS_STMT_BEGIN, TRANS_STMT_START:
            name(statement.pointee.kind == TRANS_STMT_BEGIN ? "BEGIN" : "START TRANSACTION")
            draft.transaction = .begin
        case TRANS_STMT_COMMIT:
            name("COMMIT")
            draft.transaction = .commit(chain: statement.pointee.chain)
        case TRANS_STMT_ROLLBACK:
            name("ROLLBACK")
            draft.transaction = .rollback(chain: statement.pointee.chain)
        case TRANS_STMT_SAVEPOINT:
            name("SAVEPOINT")
            draft.transaction = .savepoint(savepoint)
        case TRANS_STMT_RELEASE:
            name("RELEASE")
            draft.transaction = .release(savepoint)
        case TRANS_STMT_ROLLBACK_TO:
            name("ROLLBACK")
            draft.transaction = .rollbackTo(savepoint)
        case TRANS_STMT_PREPARE:
            name("PREPARE TRANSACTION")
            draft.transaction = .prepareTransaction
        case TRANS_STMT_COMMIT_PREPARED, TRANS_STMT_ROLLBACK_PREPARED:
            name(statement.pointee.kind == TRANS_STMT_COMMIT_PREPARED ? "COMMIT PREPARED" : "ROLLBACK PREPARED")
            draft.transaction = .endPrepared
        default: add(.opaque)
        }
    }

    /// SET and RESET. SET TRANSACTION and SET SESSION CHARACTERISTICS concern the transaction only.
    private mutating func decideSet(_ statement: UnsafePointer<VariableSetStmt>) {
        switch statement.pointee.kind {
        case VAR_RESET_ALL:
            name("RESET")
            add(.sessionSetting)
        case VAR_SET_MULTI:
            name("SET")
        default:
            name(statement.pointee.kind == VAR_RESET ? "RESET" : "SET")
            noteSetting(TreeName.text(statement.pointee.name))
            worklist.add(statement.pointee.args)
        }
    }

    /// ALTER SYSTEM, ALTER ROLE and ALTER DATABASE … SET.
    private mutating func decideStoredSetting(
        _ statement: UnsafeMutablePointer<VariableSetStmt>?, of owner: ObjectName?
    ) {
        let setting = TreeName.text(statement?.pointee.name).lowercased()
        add(.alter, owner ?? ObjectName(.setting, name: setting))
        guard let statement, statement.pointee.kind == VAR_SET_VALUE else { return }
        if setting == "allow_system_table_mods" { add(.catalogWrite, ObjectName(.setting, name: setting)) }
        if KnownFunction.commandSettings.contains(setting) { add(.copyProgram, ObjectName(.setting, name: setting)) }
        if KnownFunction.librarySettings.contains(setting) {
            add(.untrustedLanguage, ObjectName(.setting, name: setting))
        }
    }

    private mutating func decideExplain(_ explain: UnsafePointer<ExplainStmt>) {
        name("EXPLAIN")
        var runs = false
        for option in TreeList(explain.pointee.options) {
            let element = option.node(DefElem.self).pointee
            if TreeName.text(element.defname) == "analyze" { runs = runs || OptionValue.mayBeTrue(element.arg) }
        }
        // Without ANALYZE nothing runs; a volatile function is not called by planning it.
        if runs { worklist.add(explain.pointee.query) }
    }

    private mutating func decideCopy(_ copy: UnsafePointer<CopyStmt>) {
        name("COPY")
        let file = TreeName.text(copy.pointee.filename)
        if copy.pointee.is_program {
            add(.copyProgram, ObjectName(.program, name: file))
        } else if copy.pointee.filename != nil {
            add(.serverFile, ObjectName(.file, name: file))
        }
        if copy.pointee.is_from { noteCatalogWrite(copy.pointee.relation) }
        worklist.add(copy.pointee.query)
        worklist.add(copy.pointee.whereClause)
    }

    private mutating func decideGrant(_ grant: UnsafePointer<GrantStmt>) {
        name(grant.pointee.is_grant ? "GRANT" : "REVOKE")
        let kind = ObjectKind(grant.pointee.objtype)
        guard grant.pointee.targtype == ACL_TARGET_OBJECT else {
            for item in TreeList(grant.pointee.objects) { add(.grant, TreeName.object(.schema, node: item)) }
            return
        }
        for item in TreeList(grant.pointee.objects) { add(.grant, TreeName.object(kind, node: item)) }
        draft.addOnce(.grant)
    }

    private mutating func decideExtension(_ create: UnsafePointer<CreateExtensionStmt>) {
        name("CREATE EXTENSION")
        noteCondition(create.pointee.if_not_exists)
        let object = ObjectName(.extension, name: TreeName.text(create.pointee.extname))
        add(.create, object)
        if RoutineLanguage(name: object.name) == .untrusted { add(.untrustedLanguage, object) }
    }

    private mutating func decideAlterTable(_ alter: UnsafePointer<AlterTableStmt>) {
        let kind = ObjectKind(alter.pointee.objtype)
        name("ALTER " + kind.commandWord)
        noteCondition(alter.pointee.missing_ok)
        let table = TreeName.object(kind, alter.pointee.relation)
        for command in TreeList(alter.pointee.cmds) {
            let node = command.node(AlterTableCmd.self)
            let decision = AlterTableDecision(node, of: table)
            add(decision.statementClass, decision.object)
            if let second = decision.second { add(second, decision.object) }
            if node.pointee.behavior == DROP_CASCADE, let cascade = decision.cascade, !table.isTemporaryByName {
                add(cascade)
            }
            if decision.holdsExpressions { worklist.add(node.pointee.def) }
        }
    }

    // MARK: - Bodies

    private mutating func decideDo(_ statement: UnsafePointer<DoStmt>) {
        name("DO")
        add(.doBlock)
        var language = "plpgsql"
        var body: TreeNode?
        for option in TreeList(statement.pointee.args) {
            let element = option.node(DefElem.self).pointee
            switch TreeName.text(element.defname) {
            case "language": language = TreeName.text(of: element.arg.map { TreeNode($0) }) ?? language
            case "as": body = element.arg.map { TreeNode($0) }
            default: break
            }
        }
        noteBody(language: language, body: body, place: "in a DO body")
    }

    private mutating func decideRoutine(_ create: UnsafePointer<CreateFunctionStmt>) {
        let kind: ObjectKind = create.pointee.is_procedure ? .procedure : .function
        name(create.pointee.is_procedure ? "CREATE PROCEDURE" : "CREATE FUNCTION")
        let object = TreeName.object(kind, list: create.pointee.funcname)
        add(.create, object)
        worklist.add(create.pointee.parameters)
        var language = "sql"
        var body: TreeNode?
        for option in TreeList(create.pointee.options) {
            let element = option.node(DefElem.self).pointee
            switch TreeName.text(element.defname) {
            case "language": language = TreeName.text(of: element.arg.map { TreeNode($0) }) ?? language
            case "as": body = element.arg.map { TreeNode($0) }
            default: break
            }
        }
        if let tree = create.pointee.sql_body {
            worklist.add(tree)
            return
        }
        let parameters = TreeList(create.pointee.parameters).filter { $0.tag == T_FunctionParameter }
            .map { TreeName.text($0.node(FunctionParameter.self).pointee.name) }
        noteBody(
            language: language, body: body, parameters: parameters,
            place: "in the body of \(kind.rawValue) \(object.qualifiedName)")
    }

    private mutating func noteBody(
        language: Swift.String, body: TreeNode?, parameters: [Swift.String] = [], place: Swift.String
    ) {
        let name = ObjectName(.language, name: language)
        switch RoutineLanguage(name: language) {
        case .untrusted: add(.untrustedLanguage, name)
        case .unreadable: add(.opaque, name)
        case .sql: noteText(body, .sql, parameters, place)
        case .plpgsql: noteText(body, .plpgsql, parameters, place)
        }
    }

    private mutating func noteText(
        _ body: TreeNode?, _ language: InnerText.Language, _ parameters: [Swift.String], _ place: Swift.String
    ) {
        // CREATE FUNCTION … AS has a list of one string (two for a C library).
        var text = body
        if let list = body, list.tag == T_List {
            text = TreeList(UnsafeMutablePointer(mutating: list.node(List.self))).first
        }
        guard let bytes = cpg_string(text) else { return add(.opaque) }
        innerTexts.append(
            InnerText(language: language, text: Array(CStringBytes(bytes)), parameters: parameters, place: place))
    }
}

/// The bytes of a C string.
struct CStringBytes: Sequence, IteratorProtocol {
    private var next_: UnsafePointer<CChar>

    init(_ start: UnsafePointer<CChar>) { next_ = start }

    mutating func next() -> UInt8? {
        let byte = UInt8(bitPattern: next_.pointee)
        if byte == 0 { return nil }
        next_ += 1
        return byte
    }
}
