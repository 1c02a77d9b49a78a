internal import CPgQuery

/// A worklist over the raw parse tree: hostile nesting makes it long, never deep.
struct TreeWorklist {
    private var nodes: [TreeNode] = []

    mutating func removeAll() { nodes.removeAll(keepingCapacity: true) }

    mutating func next() -> TreeNode? { nodes.popLast() }

    mutating func add<Struct>(_ node: UnsafeMutablePointer<Struct>?) {
        if let node { nodes.append(TreeNode(node)) }
    }

    mutating func add(_ node: TreeNode?) {
        if let node { nodes.append(node) }
    }

    mutating func add(_ list: UnsafeMutablePointer<List>?) {
        // Last in, first out: the first element is to be read first.
        let elements = TreeList(list)
        var index = elements.count
        while index > 0 {
            index -= 1
            if let node = elements[index] { nodes.append(node) }
        }
    }

    /// Adds what hangs below an expression, a clause or a query; nothing for a leaf.
    ///
    /// - Returns: false for a node that no raw parse tree has here: what it holds is not known.
    mutating func addChildren(of node: TreeNode) -> Bool {
        switch node.tag {
        // Leaves.
        case T_String, T_Integer, T_Float, T_Boolean, T_BitString, T_A_Const, T_ColumnRef, T_ParamRef, T_A_Star,
            T_RangeVar, T_Alias, T_SQLValueFunction, T_SetToDefault, T_CurrentOfExpr, T_LockingClause, T_IntList,
            T_OidList, T_RoleSpec, T_TableLikeClause, T_ObjectWithArgs, T_AccessPriv, T_CTESearchClause,
            T_TriggerTransition, T_ReplicaIdentityStmt, T_VacuumRelation, T_CreateOpClassItem:
            return true
        case T_List: add(UnsafeMutablePointer(mutating: node.node(List.self)))
        default: return addQueryChildren(of: node)
        }
        return true
    }

    private mutating func addQueryChildren(of node: TreeNode) -> Bool {
        switch node.tag {
        case T_SelectStmt:
            let select = node.node(SelectStmt.self)
            add(select.pointee.distinctClause)
            add(select.pointee.targetList)
            add(select.pointee.fromClause)
            add(select.pointee.whereClause)
            add(select.pointee.groupClause)
            add(select.pointee.havingClause)
            add(select.pointee.windowClause)
            add(select.pointee.valuesLists)
            add(select.pointee.sortClause)
            add(select.pointee.limitOffset)
            add(select.pointee.limitCount)
            add(select.pointee.withClause)
            add(select.pointee.larg)
            add(select.pointee.rarg)
        case T_InsertStmt:
            let insert = node.node(InsertStmt.self)
            add(insert.pointee.cols)
            add(insert.pointee.selectStmt)
            add(insert.pointee.onConflictClause)
            add(insert.pointee.returningList)
            add(insert.pointee.withClause)
        case T_UpdateStmt:
            let update = node.node(UpdateStmt.self)
            add(update.pointee.targetList)
            add(update.pointee.whereClause)
            add(update.pointee.fromClause)
            add(update.pointee.returningList)
            add(update.pointee.withClause)
        case T_DeleteStmt:
            let delete = node.node(DeleteStmt.self)
            add(delete.pointee.usingClause)
            add(delete.pointee.whereClause)
            add(delete.pointee.returningList)
            add(delete.pointee.withClause)
        case T_MergeStmt:
            let merge = node.node(MergeStmt.self)
            add(merge.pointee.sourceRelation)
            add(merge.pointee.joinCondition)
            add(merge.pointee.mergeWhenClauses)
            add(merge.pointee.withClause)
        case T_MergeWhenClause:
            let clause = node.node(MergeWhenClause.self)
            add(clause.pointee.condition)
            add(clause.pointee.targetList)
            add(clause.pointee.values)
        case T_WithClause: add(node.node(WithClause.self).pointee.ctes)
        case T_CommonTableExpr:
            add(node.node(CommonTableExpr.self).pointee.ctequery)
            add(node.node(CommonTableExpr.self).pointee.cycle_clause)
        case T_CTECycleClause:
            add(node.node(CTECycleClause.self).pointee.cycle_mark_value)
            add(node.node(CTECycleClause.self).pointee.cycle_mark_default)
        case T_OnConflictClause:
            let clause = node.node(OnConflictClause.self)
            add(clause.pointee.infer)
            add(clause.pointee.targetList)
            add(clause.pointee.whereClause)
        case T_InferClause:
            add(node.node(InferClause.self).pointee.indexElems)
            add(node.node(InferClause.self).pointee.whereClause)
        case T_JoinExpr:
            let join = node.node(JoinExpr.self)
            add(join.pointee.larg)
            add(join.pointee.rarg)
            add(join.pointee.quals)
        case T_RangeSubselect: add(node.node(RangeSubselect.self).pointee.subquery)
        case T_RangeFunction:
            add(node.node(RangeFunction.self).pointee.functions)
            add(node.node(RangeFunction.self).pointee.coldeflist)
        case T_RangeTableSample:
            let sample = node.node(RangeTableSample.self)
            add(sample.pointee.relation)
            add(sample.pointee.args)
            add(sample.pointee.repeatable)
        case T_RangeTableFunc:
            let function = node.node(RangeTableFunc.self)
            add(function.pointee.docexpr)
            add(function.pointee.rowexpr)
            add(function.pointee.namespaces)
            add(function.pointee.columns)
        case T_RangeTableFuncCol:
            add(node.node(RangeTableFuncCol.self).pointee.colexpr)
            add(node.node(RangeTableFuncCol.self).pointee.coldefexpr)
        case T_ReturnStmt: add(node.node(ReturnStmt.self).pointee.returnval)
        case T_PLAssignStmt: add(node.node(PLAssignStmt.self).pointee.val)
        default: return addExpressionChildren(of: node)
        }
        return true
    }

    private mutating func addExpressionChildren(of node: TreeNode) -> Bool {
        switch node.tag {
        case T_A_Expr:
            add(node.node(A_Expr.self).pointee.lexpr)
            add(node.node(A_Expr.self).pointee.rexpr)
        case T_BoolExpr: add(node.node(BoolExpr.self).pointee.args)
        case T_FuncCall:
            let call = node.node(FuncCall.self)
            add(call.pointee.args)
            add(call.pointee.agg_order)
            add(call.pointee.agg_filter)
            add(call.pointee.over)
        case T_ResTarget:
            add(node.node(ResTarget.self).pointee.indirection)
            add(node.node(ResTarget.self).pointee.val)
        case T_TypeCast:
            add(node.node(TypeCast.self).pointee.arg)
            add(node.node(TypeCast.self).pointee.typeName)
        case T_TypeName: add(node.node(TypeName.self).pointee.typmods)
        case T_SubLink:
            add(node.node(SubLink.self).pointee.testexpr)
            add(node.node(SubLink.self).pointee.subselect)
        case T_CaseExpr:
            add(node.node(CaseExpr.self).pointee.arg)
            add(node.node(CaseExpr.self).pointee.args)
            add(node.node(CaseExpr.self).pointee.defresult)
        case T_CaseWhen:
            add(node.node(CaseWhen.self).pointee.expr)
            add(node.node(CaseWhen.self).pointee.result)
        case T_RowExpr: add(node.node(RowExpr.self).pointee.args)
        case T_CoalesceExpr: add(node.node(CoalesceExpr.self).pointee.args)
        case T_MinMaxExpr: add(node.node(MinMaxExpr.self).pointee.args)
        case T_XmlExpr:
            add(node.node(XmlExpr.self).pointee.named_args)
            add(node.node(XmlExpr.self).pointee.args)
        case T_XmlSerialize:
            add(node.node(XmlSerialize.self).pointee.expr)
            add(node.node(XmlSerialize.self).pointee.typeName)
        case T_NullTest: add(node.node(NullTest.self).pointee.arg)
        case T_BooleanTest: add(node.node(BooleanTest.self).pointee.arg)
        case T_A_ArrayExpr: add(node.node(A_ArrayExpr.self).pointee.elements)
        case T_A_Indirection:
            add(node.node(A_Indirection.self).pointee.arg)
            add(node.node(A_Indirection.self).pointee.indirection)
        case T_A_Indices:
            add(node.node(A_Indices.self).pointee.lidx)
            add(node.node(A_Indices.self).pointee.uidx)
        case T_CollateClause: add(node.node(CollateClause.self).pointee.arg)
        case T_MultiAssignRef: add(node.node(MultiAssignRef.self).pointee.source)
        case T_SortBy: add(node.node(SortBy.self).pointee.node)
        case T_WindowDef:
            let window = node.node(WindowDef.self)
            add(window.pointee.partitionClause)
            add(window.pointee.orderClause)
            add(window.pointee.startOffset)
            add(window.pointee.endOffset)
        case T_GroupingSet: add(node.node(GroupingSet.self).pointee.content)
        case T_GroupingFunc: add(node.node(GroupingFunc.self).pointee.args)
        case T_NamedArgExpr: add(node.node(NamedArgExpr.self).pointee.arg)
        default: return addDefinitionChildren(of: node)
        }
        return true
    }

    private mutating func addDefinitionChildren(of node: TreeNode) -> Bool {
        switch node.tag {
        case T_IndexElem: add(node.node(IndexElem.self).pointee.expr)
        case T_StatsElem: add(node.node(StatsElem.self).pointee.expr)
        case T_PartitionElem: add(node.node(PartitionElem.self).pointee.expr)
        case T_PartitionSpec: add(node.node(PartitionSpec.self).pointee.partParams)
        case T_PartitionBoundSpec:
            let bound = node.node(PartitionBoundSpec.self)
            add(bound.pointee.listdatums)
            add(bound.pointee.lowerdatums)
            add(bound.pointee.upperdatums)
        case T_PartitionRangeDatum: add(node.node(PartitionRangeDatum.self).pointee.value)
        case T_PartitionCmd: add(node.node(PartitionCmd.self).pointee.bound)
        case T_ColumnDef:
            let column = node.node(ColumnDef.self)
            add(column.pointee.typeName)
            add(column.pointee.raw_default)
            add(column.pointee.constraints)
            add(column.pointee.fdwoptions)
        case T_Constraint:
            let constraint = node.node(Constraint.self)
            add(constraint.pointee.raw_expr)
            add(constraint.pointee.exclusions)
            add(constraint.pointee.options)
            add(constraint.pointee.where_clause)
        case T_DefElem: add(node.node(DefElem.self).pointee.arg)
        case T_FunctionParameter:
            add(node.node(FunctionParameter.self).pointee.argType)
            add(node.node(FunctionParameter.self).pointee.defexpr)
        case T_IntoClause:
            add(node.node(IntoClause.self).pointee.viewQuery)
            add(node.node(IntoClause.self).pointee.options)
        case T_PublicationObjSpec: add(node.node(PublicationObjSpec.self).pointee.pubtable)
        case T_PublicationTable: add(node.node(PublicationTable.self).pointee.whereClause)
        default: return false
        }
        return true
    }
}
