internal import CPgQuery

/// What a statement names that the catalog may have code behind.
extension StatementReader {
    /// Notes what one node of the tree names; its children are read on their own.
    mutating func noteMentions(_ node: TreeNode) {
        switch node.tag {
        case T_FuncCall: mentionCall(node.node(FuncCall.self))
        case T_RangeVar: mention(.select, node.node(RangeVar.self))
        case T_ColumnRef:
            let fields = TreeList(node.node(ColumnRef.self).pointee.fields)
            if fields.count > 1 { mention(.field, nil, cpg_string(fields.last)) }
        case T_A_Indirection:
            for step in TreeList(node.node(A_Indirection.self).pointee.indirection) {
                mention(.field, nil, cpg_string(step))
            }
        case T_TypeName: mention(.type, list: node.node(TypeName.self).pointee.names)
        case T_A_Expr: mentionOperator(node.node(A_Expr.self))
        case T_SubLink:
            let link = node.node(SubLink.self).pointee
            if link.operName != nil { mention(.operator, list: link.operName) } else { mention(.operator, named: "=") }
        case T_CaseExpr: if node.node(CaseExpr.self).pointee.arg != nil { mention(.operator, named: "=") }
        case T_JoinExpr:
            let join = node.node(JoinExpr.self).pointee
            if join.isNatural || join.usingClause != nil { mention(.operator, named: "=") }
        case T_SortBy: mention(.operator, list: node.node(SortBy.self).pointee.useOp)
        case T_InsertStmt, T_UpdateStmt, T_DeleteStmt, T_MergeStmt: mentionChanged(node)
        default: mentionInCommand(node)
        }
    }

    /// What planning alone runs: the planner computes what is not volatile.
    mutating func notePlanned(_ query: UnsafeMutablePointer<Node>?) {
        guard functions.noticesNames else { return }
        isOnlyPlanned = true
        var planned = TreeWorklist()
        planned.add(query)
        while let node = planned.next() {
            noteMentions(node)
            guard !planned.addChildren(of: node) else { continue }
            switch node.tag {
            case T_CreateTableAsStmt: planned.add(node.node(CreateTableAsStmt.self).pointee.query)
            case T_DeclareCursorStmt: planned.add(node.node(DeclareCursorStmt.self).pointee.query)
            default: break
            }
        }
        isOnlyPlanned = false
    }

    private mutating func mentionCall(_ call: UnsafePointer<FuncCall>) {
        let isPlain = !call.pointee.func_variadic && !call.pointee.agg_within_group
        let count = isPlain ? Int(cpg_count(call.pointee.args)) : nil
        mention(.call(argumentCount: count), list: call.pointee.funcname)
        // `name(x)` is a cast if `name` is a type.
        if count == 1 { mention(.type, list: call.pointee.funcname) }
        guard let unknownCall = functions.hazards.unknownCall, functions.log == nil else { return }
        let function = TreeName.object(.function, list: call.pointee.funcname)
        let isBuiltin = BuiltinFunctions.contains(function.name) && (function.schema ?? "pg_catalog") == "pg_catalog"
        guard !isBuiltin else { return }
        add(unknownCall, function)
        draft.remarks.append(
            "the catalog could not be read: what the function \(function.qualifiedName) does is not known")
    }

    private mutating func mentionOperator(_ expression: UnsafePointer<A_Expr>) {
        switch expression.pointee.kind {
        case AEXPR_BETWEEN, AEXPR_NOT_BETWEEN, AEXPR_BETWEEN_SYM, AEXPR_NOT_BETWEEN_SYM:
            for name in ["<=", ">=", "<", ">"] { mention(.operator, named: name) }
        default: mention(.operator, list: expression.pointee.name)
        }
    }

    private mutating func mentionChanged(_ node: TreeNode) {
        switch node.tag {
        case T_InsertStmt:
            let insert = node.node(InsertStmt.self).pointee
            mention(.insert, insert.relation)
            if insert.returningList != nil || insert.onConflictClause != nil { mention(.select, insert.relation) }
            if insert.onConflictClause?.pointee.action == ONCONFLICT_UPDATE { mention(.update, insert.relation) }
        case T_UpdateStmt:
            mention(.update, node.node(UpdateStmt.self).pointee.relation)
            mention(.select, node.node(UpdateStmt.self).pointee.relation)
        case T_DeleteStmt:
            mention(.delete, node.node(DeleteStmt.self).pointee.relation)
            mention(.select, node.node(DeleteStmt.self).pointee.relation)
        default:
            let merge = node.node(MergeStmt.self).pointee
            mention(.select, merge.relation)
            for clause in TreeList(merge.mergeWhenClauses) {
                switch clause.node(MergeWhenClause.self).pointee.commandType {
                case CMD_INSERT: mention(.insert, merge.relation)
                case CMD_UPDATE: mention(.update, merge.relation)
                case CMD_DELETE: mention(.delete, merge.relation)
                default: break
                }
            }
        }
    }

    private mutating func mentionInCommand(_ node: TreeNode) {
        switch node.tag {
        case T_CopyStmt:
            let copy = node.node(CopyStmt.self).pointee
            mention(copy.is_from ? .insert : .select, copy.relation)
        case T_TruncateStmt:
            for table in TreeList(node.node(TruncateStmt.self).pointee.relations) where table.tag == T_RangeVar {
                mention(.truncate, table.node(RangeVar.self))
            }
        case T_TableLikeClause: mention(.insert, node.node(TableLikeClause.self).pointee.relation)
        case T_CreateStmt:
            let create = node.node(CreateStmt.self).pointee
            for parent in TreeList(create.inhRelations) where parent.tag == T_RangeVar {
                mention(.insert, parent.node(RangeVar.self))
                if create.partbound != nil { mention(.maintain, parent.node(RangeVar.self)) }
            }
        case T_RefreshMatViewStmt: mention(.maintain, node.node(RefreshMatViewStmt.self).pointee.relation)
        case T_VacuumStmt:
            let relations = TreeList(node.node(VacuumStmt.self).pointee.rels)
            if relations.count == 0 { mention(.allRelations(.maintain), nil, nil) }
            for entry in relations where entry.tag == T_VacuumRelation {
                mention(.maintain, entry.node(VacuumRelation.self).pointee.relation)
            }
        case T_ClusterStmt:
            let relation = node.node(ClusterStmt.self).pointee.relation
            if relation == nil { mention(.allRelations(.maintain), nil, nil) } else { mention(.maintain, relation) }
        case T_ReindexStmt:
            let relation = node.node(ReindexStmt.self).pointee.relation
            if relation == nil { mention(.allRelations(.maintain), nil, nil) } else { mention(.maintain, relation) }
        case T_IndexStmt: mention(.select, node.node(IndexStmt.self).pointee.relation)
        case T_AlterTableStmt: mentionAltered(node.node(AlterTableStmt.self))
        case T_AlterDomainStmt: mention(.type, list: node.node(AlterDomainStmt.self).pointee.typeName)
        case T_RenameStmt: mentionMoved(node.node(RenameStmt.self).pointee.object)
        case T_AlterObjectSchemaStmt: mentionMoved(node.node(AlterObjectSchemaStmt.self).pointee.object)
        default: break
        }
    }

    private mutating func mentionAltered(_ alter: UnsafePointer<AlterTableStmt>) {
        mention(.maintain, alter.pointee.relation)
        for command in TreeList(alter.pointee.cmds) where command.tag == T_AlterTableCmd {
            let command = command.node(AlterTableCmd.self).pointee
            switch command.subtype {
            case AT_EnableTrig, AT_EnableAlwaysTrig, AT_EnableReplicaTrig, AT_EnableTrigAll, AT_EnableTrigUser,
                AT_EnableRule, AT_EnableAlwaysRule, AT_EnableReplicaRule, AT_EnableRowSecurity, AT_ForceRowSecurity:
                mention(.enable, alter.pointee.relation)
            case AT_AttachPartition:
                guard let definition = command.def, TreeNode(definition).tag == T_PartitionCmd else { continue }
                mention(.maintain, TreeNode(definition).node(PartitionCmd.self).pointee.name)
            default: break
            }
        }
    }

    /// Under its new name nobody would know a routine until the catalog is read again.
    private mutating func mentionMoved(_ object: UnsafeMutablePointer<Node>?) {
        guard let object, TreeNode(object).tag == T_ObjectWithArgs else { return }
        mention(.function, list: TreeNode(object).node(ObjectWithArgs.self).pointee.objname)
    }

    // MARK: - Looking up

    private mutating func mention(_ mode: AccessMode, _ relation: UnsafePointer<RangeVar>?) {
        guard let relation else { return }
        mention(.relation(mode), UnsafePointer(relation.pointee.schemaname), UnsafePointer(relation.pointee.relname))
    }

    private mutating func mention(_ mode: AccessMode, _ relation: UnsafeMutablePointer<RangeVar>?) {
        mention(mode, UnsafePointer(relation))
    }

    mutating func mention(_ use: Mention.Use, list: UnsafeMutablePointer<List>?) {
        let names = TreeList(list)
        guard let name = cpg_string(names.last) else { return }
        mention(use, names.count > 1 ? cpg_string(names[names.count - 2]) : nil, name)
    }

    private mutating func mention(_ use: Mention.Use, named name: Swift.String) {
        name.withCString { mention(use, nil, $0) }
    }

    private mutating func mention(
        _ use: Mention.Use, _ schema: UnsafePointer<CChar>?, _ name: UnsafePointer<CChar>?
    ) {
        if let name, functions.log == nil, !functions.hazards.mayKnow(hash: KnownFunctionIndex.hash(CStringBytes(name)))
        {
            // An array's type has an underscore before its element's name.
            guard use == .type, name[0] == CChar(UInt8(ascii: "_")) else { return }
        }
        note(Mention(use: use, schema: schema.map { Swift.String(cString: $0) }, name: TreeName.text(name)))
    }

    private mutating func note(_ mention: Mention) {
        if isOnlyPlanned, case .relation(let mode) = mention.use, mode != .select { return }
        if let log = functions.log {
            log.mentions.insert(mention)
            return
        }
        for hazard in functions.hazards.hazards(of: mention) where !(isOnlyPlanned && hazard.isVolatile) {
            draft.add(hazard, used: mention.description)
        }
    }

    /// Event triggers run at the end of what changes the catalog.
    mutating func noteEventTriggers() {
        let isDDL = !draft.classes.isDisjoint(with: ClassGroup.ddl.classes)
        guard isDDL || ["REFRESH MATERIALIZED VIEW", "REINDEX", "SECURITY LABEL"].contains(draft.command) else {
            return
        }
        for (tags, hazard) in functions.hazards.commands
        where tags.isEmpty || tags.contains(draft.command) {
            draft.add(hazard, used: draft.command)
        }
    }
}

extension Mention: CustomStringConvertible {
    /// `INSERT INTO orders`, `function f`.
    var description: Swift.String {
        let name = schema.map { $0 + "." + self.name } ?? self.name
        switch use {
        case .call, .field, .function: return "function " + name
        case .relation(let mode): return mode.verb + " " + name
        case .allRelations(let mode): return mode.verb + " all tables"
        case .type: return "type " + name
        case .operator: return "operator " + name
        }
    }
}
