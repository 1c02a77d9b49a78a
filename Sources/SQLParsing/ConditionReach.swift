internal import CPgQuery
import Glibc

/// Whether a WHERE clause chooses among a table's rows, or takes them all or none.
///
/// A condition that mentions no column of the table (`true`, `1=1`, `random() >= 0`, another table's column) is no
/// choice; nor is `a = a` or `x OR true`, nor a bound that every key of the table passes (``KeyCondition``).
struct ConditionReach {
    /// Conditions nested deeper are taken for no choice.
    private static let depthLimit = 100

    let target: UnsafeMutablePointer<RangeVar>?

    init(target: UnsafeMutablePointer<RangeVar>?) { self.target = target }

    /// The name that a column reference carries to mean the table.
    var qualifier: Swift.String {
        TreeName.text(target?.pointee.alias?.pointee.aliasname ?? target?.pointee.relname)
    }

    var key: KeyCondition { KeyCondition(target: target) }

    /// Whether the condition can take every row of the table at once.
    func selectsAll(_ condition: TreeNode?) -> Bool {
        guard let condition else { return true }
        return selectsAll(condition, depth: 0)
    }

    private func selectsAll(_ condition: TreeNode, depth: Int) -> Bool {
        guard depth < Self.depthLimit else { return true }
        switch condition.tag {
        case T_BoolExpr:
            let expression = condition.node(BoolExpr.self).pointee
            let parts = TreeList(expression.args)
            switch expression.boolop {
            case AND_EXPR: return parts.allSatisfy { selectsAll($0, depth: depth + 1) }
            case OR_EXPR: return isExhaustive(parts) || parts.contains { selectsAll($0, depth: depth + 1) }
            default: return parts.first.map { excludesAll($0, depth: depth + 1) } ?? true
            }
        case T_A_Const:
            return !isFalse(condition.node(A_Const.self))
        case T_CoalesceExpr:
            return Self.deciding(condition).map { selectsAll($0, depth: depth + 1) } ?? false
        case T_A_Expr:
            let expression = condition.node(A_Expr.self).pointee
            guard let left = expression.lexpr, let right = expression.rexpr else { return !mentionsTarget(condition) }
            if let constant = Self.comparesConstants(expression) { return constant }
            let (one, other) = (Self.settled(TreeNode(left)), Self.settled(TreeNode(right)))
            if let whole = comparesWithItself(expression, one, other) { return whole }
            if !Self.isEquality(expression) {
                if Self.matchesAnything(expression) || key.isFulfilledByAll(expression) { return true }
            }
            // The common case, answered without a walk.
            if Self.isPlainColumn(TreeNode(left)) || Self.isPlainColumn(TreeNode(right)) { return false }
            return !mentionsTarget(condition)
        case T_SubLink: return choosesItself(condition.node(SubLink.self)) || !mentionsTarget(condition)
        case T_CurrentOfExpr: return false
        case T_NullTest: return isNeverNull(condition.node(NullTest.self)) || !mentionsTarget(condition)
        case T_BooleanTest:
            let test = condition.node(BooleanTest.self).pointee
            guard let tested = test.arg else { return true }
            switch test.booltesttype {
            case IS_TRUE, IS_NOT_FALSE: return selectsAll(TreeNode(tested), depth: depth + 1)
            case IS_FALSE, IS_NOT_TRUE: return excludesAll(TreeNode(tested), depth: depth + 1)
            default: return !mentionsTarget(condition)
            }
        case T_MinMaxExpr:
            let expression = condition.node(MinMaxExpr.self).pointee
            let parts = TreeList(expression.args)
            return expression.op == IS_GREATEST
                ? parts.contains { selectsAll($0, depth: depth + 1) }
                : parts.allSatisfy { selectsAll($0, depth: depth + 1) }
        default: return !mentionsTarget(condition)
        }
    }

    /// Whether the condition can refuse every row of the table at once, so that NOT takes them all.
    private func excludesAll(_ condition: TreeNode, depth: Int) -> Bool {
        guard depth < Self.depthLimit else { return true }
        switch condition.tag {
        case T_BoolExpr:
            let expression = condition.node(BoolExpr.self).pointee
            let parts = TreeList(expression.args)
            switch expression.boolop {
            case AND_EXPR: return parts.contains { excludesAll($0, depth: depth + 1) }
            case OR_EXPR: return parts.allSatisfy { excludesAll($0, depth: depth + 1) }
            default: return parts.first.map { selectsAll($0, depth: depth + 1) } ?? true
            }
        case T_A_Const:
            // NOT NULL is NULL, which takes no row.
            return isFalse(condition.node(A_Const.self)) && !Self.isNull(condition)
        case T_A_Expr:
            let expression = condition.node(A_Expr.self).pointee
            if let constant = Self.comparesConstants(expression) { return !constant }
            if let left = expression.lexpr, let right = expression.rexpr,
                let whole = comparesWithItself(expression, TreeNode(left), TreeNode(right))
            {
                return !whole
            }
            return key.isFulfilledByNone(expression) || !mentionsTarget(condition)
        case T_NullTest:
            let test = condition.node(NullTest.self).pointee
            return test.nulltesttype == IS_NULL && key.isKey(test.arg.map { TreeNode($0) })
                || !mentionsTarget(condition)
        case T_CurrentOfExpr: return false
        default: return !mentionsTarget(condition)
        }
    }

    /// `NULL`, `NULL::text`.
    private static func isNull(_ node: TreeNode) -> Bool {
        if node.tag == T_A_Const { return isNullConstant(node.node(A_Const.self)) }
        guard node.tag == T_TypeCast, let argument = node.node(TypeCast.self).pointee.arg else { return false }
        return TreeNode(argument).tag == T_A_Const && isNullConstant(TreeNode(argument).node(A_Const.self))
    }

    /// The first argument of a `coalesce` that is not NULL by its very spelling.
    private static func deciding(_ coalesce: TreeNode) -> TreeNode? {
        TreeList(coalesce.node(CoalesceExpr.self).pointee.args).first { !isNull($0) }
    }

    /// What a `coalesce` with leading NULLs comes to, as far as it is known: `coalesce(NULL, name)` is `name`.
    private static func settled(_ node: TreeNode) -> TreeNode {
        node.tag == T_CoalesceExpr ? deciding(node) ?? node : node
    }

    /// The operator is `=`, which most conditions have: told without a copy of its name.
    private static func isEquality(_ expression: A_Expr) -> Bool {
        guard expression.kind == AEXPR_OP, let name = cpg_string(TreeList(expression.name).last) else { return false }
        return name[0] == CChar(UInt8(ascii: "=")) && name[1] == 0
    }

    private static func isNullConstant(_ constant: UnsafePointer<A_Const>) -> Bool {
        NodeTag(rawValue: cpg_constant_tag(constant)) == T_Invalid
    }

    func isFalse(_ constant: UnsafePointer<A_Const>) -> Bool {
        switch NodeTag(rawValue: cpg_constant_tag(constant)) {
        case T_Invalid: return true
        case T_Boolean: return !cpg_constant_boolean(constant)
        case T_String:
            let text = TreeName.text(cpg_constant_string(constant)).lowercased()
            return ["f", "false", "n", "no", "off", "0"].contains(text)
        default: return false
        }
    }

    /// `a LIKE '%'`; `a <> ALL ('{}')`, which nothing can fail.
    private static func matchesAnything(_ expression: A_Expr) -> Bool {
        if expression.kind == AEXPR_OP_ALL, let elements = expression.rexpr {
            return ConstantText.constant(TreeNode(elements)) == Array("{}".utf8)
        }
        guard expression.kind == AEXPR_LIKE || expression.kind == AEXPR_ILIKE, let pattern = expression.rexpr else {
            return false
        }
        guard let text = ConstantText.constant(TreeNode(pattern)), !text.isEmpty else { return false }
        return (text.allSatisfy { $0 == UInt8(ascii: "%") } || LeftOutLiteral.isIn(text))
            && TreeName.text(of: TreeList(expression.name).last)?.hasPrefix("!") == false
    }

    /// `a IS NULL OR a IS NOT NULL`, `a = 1 OR a <> 1`.
    private func isExhaustive(_ parts: TreeList) -> Bool {
        if isComplementary(parts) { return true }
        let tests = parts.filter { $0.tag == T_NullTest }.map { $0.node(NullTest.self).pointee }
        for test in tests where test.nulltesttype == IS_NULL {
            for other in tests where other.nulltesttype == IS_NOT_NULL {
                if let left = test.arg, let right = other.arg, areSameColumn(TreeNode(left), TreeNode(right)) {
                    return true
                }
            }
        }
        return false
    }

    /// The outcome of comparing two integers (`1 = 0`); nil for anything else.
    private static func comparesConstants(_ expression: A_Expr) -> Bool? {
        guard expression.kind == AEXPR_OP, let left = integer(expression.lexpr), let right = integer(expression.rexpr),
            let name = TreeName.text(of: TreeList(expression.name).last)
        else { return nil }
        switch name {
        case "=": return left == right
        case "<>", "!=": return left != right
        case "<": return left < right
        case ">": return left > right
        case "<=": return left <= right
        case ">=": return left >= right
        default: return nil
        }
    }

    private static func integer(_ node: UnsafeMutablePointer<Node>?) -> Int32? {
        guard let node, TreeNode(node).tag == T_A_Const else { return nil }
        let constant = TreeNode(node).node(A_Const.self)
        guard NodeTag(rawValue: cpg_constant_tag(constant)) == T_Integer else { return nil }
        return cpg_constant_integer(constant)
    }

    private static func isPlainColumn(_ node: TreeNode) -> Bool {
        guard node.tag == T_ColumnRef else { return false }
        let fields = TreeList(node.node(ColumnRef.self).pointee.fields)
        guard fields.count == 1, let name = cpg_string(fields.first) else { return false }
        return strcmp(name, "tableoid") != 0
    }

    /// The same column twice: spelled alike, or once with the table's name and once without.
    func areSameColumn(_ left: TreeNode, _ right: TreeNode) -> Bool {
        guard left.tag == T_ColumnRef, right.tag == T_ColumnRef else { return false }
        let one = TreeList(left.node(ColumnRef.self).pointee.fields).compactMap { TreeName.text(of: $0) }
        let other = TreeList(right.node(ColumnRef.self).pointee.fields).compactMap { TreeName.text(of: $0) }
        guard let name = one.last, name == other.last else { return false }
        if one == other { return true }
        let qualifiers = [one, other].compactMap { $0.count > 1 ? $0[$0.count - 2] : nil }
        return qualifiers.allSatisfy { $0 == qualifier }
    }

    /// Whether some column reference below may be one of the table's.
    func mentionsTarget(_ node: TreeNode) -> Bool {
        Self.mentionsColumn(node) { fields in
            // a, t.a, s.t.a: unqualified may be the table's, qualified only under its name. System columns but ctid are
            // alike in all rows.
            if let name = fields.last, ["tableoid", "xmin", "xmax", "cmin", "cmax"].contains(name) { return false }
            return fields.count == 1 || fields[fields.count - 2] == qualifier
        }
    }

    /// Whether a column reference that passes the test stands below; `*` alone is none.
    static func mentionsColumn(_ node: TreeNode, _ isWanted: ([Swift.String]) -> Bool = { _ in true }) -> Bool {
        var worklist = TreeWorklist()
        worklist.add(node)
        while let node = worklist.next() {
            if node.tag == T_ColumnRef {
                let fields = TreeList(node.node(ColumnRef.self).pointee.fields).compactMap { TreeName.text(of: $0) }
                if !fields.isEmpty, isWanted(fields) { return true }
            } else if !worklist.addChildren(of: node) {
                return true
            }
        }
        return false
    }
}
