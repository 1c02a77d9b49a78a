internal import CPgQuery

/// Reads the raw parse tree of one statement into a draft of its facts.
///
/// Every statement node type of the grammar has its decision in ``decide(_:)``; one that has none is `opaque`.
struct StatementReader {
    var draft = StatementDraft()
    /// Texts that the statement would have the server run.
    var innerTexts: [InnerText] = []
    var worklist = TreeWorklist()
    var functions: KnownFunctionIndex
    /// EXPLAIN without ANALYZE: the planner alone is run.
    var isOnlyPlanned = false
    /// The statement has placeholders in it (``HoleCheck``): `dynamic_sql` where one decides what the statement does.
    var holdsPlaceholders = false

    init(functions: KnownFunctionIndex) { self.functions = functions }

    /// Starts afresh, keeping the worklist's buffer.
    mutating func reset() {
        draft = StatementDraft()
        isOnlyPlanned = false
        if !innerTexts.isEmpty { innerTexts = [] }
        worklist.removeAll()
    }

    /// Reads one statement: its own decision, and what its queries and expressions hold.
    mutating func read(_ statement: TreeNode) {
        worklist.add(statement)
        let noticesNames = functions.noticesNames
        while let node = worklist.next() {
            if noticesNames { noteMentions(node) }
            switch node.tag {
            case T_ColumnRef, T_A_Const, T_String: break
            case T_ParamRef: draft.mentionsParameter = true
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
        if noticesNames { noteEventTriggers() }
    }

    mutating func add(_ statementClass: StatementClass, _ object: ObjectName? = nil, in place: EffectPlace = .here) {
        draft.add(statementClass, object, in: place)
    }

    /// Names the command after the outermost statement.
    mutating func name(_ command: @autoclosure () -> Swift.String) {
        if draft.command.isEmpty { draft.command = command() }
    }

    /// Loss of a temporary table is none; the catalog changes all the same.
    mutating func lose(_ statementClass: StatementClass, _ object: ObjectName) {
        add(object.isTemporaryByName ? .dropOther : statementClass, object)
    }

    // MARK: - Queries and changes of rows

    mutating func readSelect(_ select: UnsafePointer<SelectStmt>) {
        if draft.command.isEmpty { draft.command = "SELECT" }
        guard let into = select.pointee.intoClause else { return }
        if draft.command == "SELECT" { draft.command = "SELECT INTO" }
        add(.selectInto, TreeName.object(.table, into.pointee.rel))
    }

    mutating func readChange(_ node: TreeNode) {
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

    mutating func readMerge(_ merge: UnsafePointer<MergeStmt>) {
        noteCatalogWrite(merge.pointee.relation)
        let reach = ConditionReach(target: merge.pointee.relation)
        draft.choosesRows = true
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

    mutating func noteWholeTable(
        _ statementClass: StatementClass, _ relation: UnsafeMutablePointer<RangeVar>?, isWhole: Bool
    ) {
        if noteCatalogWrite(relation) { return }
        guard isWhole else {
            draft.choosesRows = true
            return
        }
        let object = TreeName.object(.table, relation)
        if !object.isTemporaryByName { add(statementClass, object) }
    }

    @discardableResult
    mutating func noteCatalogWrite(_ relation: UnsafeMutablePointer<RangeVar>?) -> Bool {
        // Cheap test first: most tables' names begin neither with pg_ nor with ho and have no schema of that kind.
        guard let relation, let bytes = relation.pointee.relname else { return false }
        let hasPrefix =
            bytes[0] == CChar(UInt8(ascii: "p")) && bytes[1] == CChar(UInt8(ascii: "g"))
            || bytes[0] == CChar(UInt8(ascii: "h")) && bytes[1] == CChar(UInt8(ascii: "o"))
        guard hasPrefix || relation.pointee.schemaname != nil else { return false }
        let object = TreeName.object(.table, relation)
        guard SystemCatalogs.contains(object) else { return false }
        // An UPDATE of the view pg_settings is a set_config (its rule pg_settings_u); nothing else can be written there.
        add(object.name == "pg_settings" ? .sessionSetting : .catalogWrite, object)
        return true
    }

    // MARK: - Calls

    mutating func readCall(_ call: UnsafePointer<FuncCall>) {
        let names = TreeList(call.pointee.funcname)
        guard let bytes = cpg_string(names.last) else { return }
        noteUnknownName(Swift.String(cString: bytes))
        guard let known = functions.function(named: CStringBytes(bytes)) else { return }
        let schema = names.count > 1 ? TreeName.text(of: names[names.count - 2]) : nil
        if known.schema != nil, let schema { noteUnknownName(schema) }
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
    mutating func noteRunText(
        _ call: UnsafePointer<FuncCall>, _ function: ObjectName, _ unknown: StatementClass?
    ) {
        var texts = TreeList(call.pointee.args).filter { !OptionValue.isBoolean($0) }
        var database = EffectPlace.here
        if function.name.hasPrefix("dblink") {
            database = ConnectionText.place(of: texts.dropLast().first)
        } else if unknown != nil {
            database = .later
        }
        if unknown != nil { texts = texts.suffix(1) }
        for text in texts {
            let pieces = ConstantText().pieces(of: text)
            if let unknown, !DynamicText.isKnown(pieces) { add(unknown, function, in: database) }
            if pieces == [.unknown] { continue }
            innerTexts.append(
                InnerText(
                    language: .pieces(pieces), text: [], ifUnknown: unknown.map { Effect($0, function) },
                    place: "in the text given to \(function.name)", database: database))
        }
    }

    /// A name that decides what the statement does, and is not known.
    mutating func noteUnknownName(_ name: @autoclosure () -> Swift.String) {
        if holdsPlaceholders, ConstantText.Piece.isIn(name()) { add(.dynamicSQL) }
    }

    mutating func noteSetting(_ name: Swift.String?) {
        guard let name = name?.lowercased() else { return add(.sessionSetting) }
        noteUnknownName(name)
        switch name {
        case "role", "session_authorization": add(.roleChange, ObjectName(.setting, name: name))
        // Its one use is to write pg_catalog by hand, perhaps through a view that has another name.
        case "allow_system_table_mods": add(.catalogWrite, ObjectName(.setting, name: name))
        default: add(.sessionSetting, ObjectName(.setting, name: name))
        }
    }

    // MARK: - The decision for every other statement

    /// - Returns: false for a node that is no statement this grammar knows.
    mutating func decide(_ node: TreeNode) -> Bool {
        switch node.tag {
        case T_RawStmt: worklist.add(node.node(RawStmt.self).pointee.stmt)

        // What takes objects away.
        case T_DropStmt: decideDrop(node.node(DropStmt.self))
        case T_DropdbStmt:
            name("DROP DATABASE")
            draft.mustRunAlone = true
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
            draft.mustRunAlone = true
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
            draft.mayCommit = true
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
