internal import CPgQuery

/// Conditions that compare a row with itself, and so choose nothing.
extension ConditionReach {
    /// What comparing an expression with itself comes to: `a = a`, `lower(a) LIKE lower(a)`, `a IN (a)`, `a BETWEEN a AND
    /// a`, `ctid = ANY (ARRAY(SELECT ctid FROM the table))` take every row, `a <> a` none; nil for anything else.
    func comparesWithItself(_ expression: A_Expr, _ left: TreeNode, _ right: TreeNode) -> Bool? {
        let name = TreeName.text(of: TreeList(expression.name).last) ?? ""
        switch expression.kind {
        case AEXPR_IN:
            guard right.tag == T_List, mentionsTarget(left) else { return nil }
            let values = TreeList(UnsafeMutablePointer(mutating: right.node(List.self)))
            return values.contains { areSame(left, $0) } ? name != "<>" : nil
        case AEXPR_BETWEEN, AEXPR_BETWEEN_SYM:
            guard right.tag == T_List, mentionsTarget(left) else { return nil }
            let bounds = TreeList(UnsafeMutablePointer(mutating: right.node(List.self)))
            return bounds.allSatisfy { areSame(left, $0) } ? true : nil
        case AEXPR_OP_ANY:
            return right.tag == T_SubLink && choosesItself(right.node(SubLink.self)) ? true : nil
        case AEXPR_DISTINCT, AEXPR_NOT_DISTINCT:
            return areSame(left, right) && mentionsTarget(left) ? expression.kind == AEXPR_NOT_DISTINCT : nil
        default:
            guard areSame(left, right), mentionsTarget(left) else { return nil }
            // a = a, a >= a, a LIKE a …, but not a <> a, a < a.
            return !["<>", "!=", "<", ">", "!~", "!~~", "!~*", "!~~*"].contains(name)
        }
    }

    /// A row's place is never NULL, nor is its key.
    func isNeverNull(_ test: UnsafePointer<NullTest>) -> Bool {
        guard test.pointee.nulltesttype == IS_NOT_NULL, let tested = test.pointee.arg,
            TreeNode(tested).tag == T_ColumnRef
        else { return false }
        return key.isKey(TreeNode(tested)) || Self.names(TreeNode(tested)).last == "ctid"
    }

    /// `id IN (SELECT id FROM the table itself)` with nothing that chooses among its rows, the same as an array, and
    /// `EXISTS (SELECT FROM the table itself t WHERE t.id = the row's id)`.
    func choosesItself(_ link: UnsafePointer<SubLink>) -> Bool {
        guard let query = link.pointee.subselect, TreeNode(query).tag == T_SelectStmt else { return false }
        let select = TreeNode(query).node(SelectStmt.self).pointee
        guard select.op == SETOP_NONE, select.havingClause == nil, select.limitCount == nil, select.limitOffset == nil
        else { return false }
        let sources = TreeList(select.fromClause)
        guard sources.count == 1, let source = sources.first, source.tag == T_RangeVar else { return false }
        let table = source.node(RangeVar.self).pointee
        guard TreeName.text(table.relname) == TreeName.text(target?.pointee.relname) else { return false }
        switch link.pointee.subLinkType {
        case ANY_SUBLINK, ARRAY_SUBLINK:
            return select.whereClause == nil
        case EXISTS_SUBLINK:
            guard let condition = select.whereClause else { return true }
            let inner = TreeName.text(table.alias?.pointee.aliasname ?? table.relname)
            return inner != qualifier && findsItself(TreeNode(condition), inner: inner)
        default:
            return false
        }
    }

    /// `t.id = leads.id`: the row of the inner table is found in the outer one.
    private func findsItself(_ condition: TreeNode, inner: Swift.String) -> Bool {
        guard condition.tag == T_A_Expr else { return false }
        let expression = condition.node(A_Expr.self).pointee
        guard expression.kind == AEXPR_OP, TreeName.text(of: TreeList(expression.name).last) == "=",
            let left = expression.lexpr, let right = expression.rexpr, TreeNode(left).tag == T_ColumnRef,
            TreeNode(right).tag == T_ColumnRef
        else { return false }
        let sides = [Self.names(TreeNode(left)), Self.names(TreeNode(right))]
        guard sides.allSatisfy({ $0.count > 1 }), sides[0].last == sides[1].last else { return false }
        return Set(sides.map { $0[$0.count - 2] }) == [inner, qualifier]
    }

    /// Operators that together are true for every value but NULL.
    private static let complements = ["=": "<>", "<": ">=", "<=": ">", "~~": "!~~", "~": "!~"]

    /// `a = 1 OR a <> 1`.
    func isComplementary(_ parts: TreeList) -> Bool {
        let comparisons = parts.filter { $0.tag == T_A_Expr }.prefix(8).map { $0.node(A_Expr.self).pointee }
        for one in comparisons {
            guard let name = TreeName.text(of: TreeList(one.name).last), let opposite = Self.complements[name],
                let left = one.lexpr, let right = one.rexpr
            else { continue }
            for other in comparisons where TreeName.text(of: TreeList(other.name).last) == opposite {
                if let otherLeft = other.lexpr, let otherRight = other.rexpr, other.kind == one.kind,
                    areSame(TreeNode(left), TreeNode(otherLeft)), areSame(TreeNode(right), TreeNode(otherRight))
                {
                    return true
                }
            }
        }
        return false
    }

    /// Whether two expressions are the same one, as far as kinds of expressions are compared here.
    func areSame(_ left: TreeNode, _ right: TreeNode) -> Bool { areSame(left, right, depth: 0) }

    private func areSame(_ left: TreeNode, _ right: TreeNode, depth: Int) -> Bool {
        guard left.tag == right.tag, depth < 20 else { return false }
        func areAlike(_ one: UnsafeMutablePointer<List>?, _ other: UnsafeMutablePointer<List>?) -> Bool {
            let (one, other) = (TreeList(one), TreeList(other))
            return one.count == other.count && one.count <= 16
                && zip(one, other).allSatisfy { areSame($0, $1, depth: depth + 1) }
        }
        func areAlike(_ one: UnsafeMutablePointer<Node>?, _ other: UnsafeMutablePointer<Node>?) -> Bool {
            guard let one, let other else { return one == nil && other == nil }
            return areSame(TreeNode(one), TreeNode(other), depth: depth + 1)
        }
        switch left.tag {
        case T_ColumnRef: return areSameColumn(left, right)
        case T_String: return TreeName.text(of: left) == TreeName.text(of: right)
        case T_A_Const:
            guard let one = ConstantText.constant(left), let other = ConstantText.constant(right) else { return false }
            return one == other
        case T_FuncCall:
            let (one, other) = (left.node(FuncCall.self).pointee, right.node(FuncCall.self).pointee)
            return areAlike(one.funcname, other.funcname) && areAlike(one.args, other.args)
        case T_TypeCast:
            let (one, other) = (left.node(TypeCast.self).pointee, right.node(TypeCast.self).pointee)
            return areAlike(one.typeName?.pointee.names, other.typeName?.pointee.names) && areAlike(one.arg, other.arg)
        case T_A_Expr:
            let (one, other) = (left.node(A_Expr.self).pointee, right.node(A_Expr.self).pointee)
            return one.kind == other.kind && areAlike(one.name, other.name) && areAlike(one.lexpr, other.lexpr)
                && areAlike(one.rexpr, other.rexpr)
        case T_CoalesceExpr:
            return areAlike(left.node(CoalesceExpr.self).pointee.args, right.node(CoalesceExpr.self).pointee.args)
        default: return false
        }
    }

    /// Whether something of a column is in what the expression comes to: not in `1`, `nullif(a, a)` or `CASE WHEN false
    /// THEN a END`.
    static func keepsColumn(_ expression: TreeNode) -> Bool {
        let reach = ConditionReach(target: nil)
        switch expression.tag {
        case T_A_Expr:
            let operation = expression.node(A_Expr.self).pointee
            if operation.kind == AEXPR_NULLIF, let left = operation.lexpr, let right = operation.rexpr,
                reach.areSame(TreeNode(left), TreeNode(right))
            {
                return false
            }
            return mentionsColumn(expression)
        case T_CaseExpr:
            let choice = expression.node(CaseExpr.self).pointee
            if let tested = choice.arg, mentionsColumn(TreeNode(tested)) { return true }
            if let otherwise = choice.defresult, mentionsColumn(TreeNode(otherwise)) { return true }
            for branch in TreeList(choice.args) where branch.tag == T_CaseWhen {
                let when = branch.node(CaseWhen.self).pointee
                guard let test = when.expr, let result = when.result else { continue }
                let isDead = TreeNode(test).tag == T_A_Const && reach.isFalse(TreeNode(test).node(A_Const.self))
                if !isDead, mentionsColumn(TreeNode(test)) || mentionsColumn(TreeNode(result)) { return true }
            }
            return false
        default:
            return mentionsColumn(expression)
        }
    }

    private static func names(_ column: TreeNode) -> [Swift.String] {
        TreeList(column.node(ColumnRef.self).pointee.fields).compactMap { TreeName.text(of: $0) }
    }
}
