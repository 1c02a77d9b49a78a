internal import CPgQuery

/// Whether a comparison of a table's own key chooses among its rows.
///
/// Keys are taken to be numbers from 1 on, as sequences give them: `id > -1`, `id <> 0` and `id <= 2147483647` are true of
/// every key. A key is a column named `id`, or after its table: `leads.lead_id`, `leads.leads_id`.
struct KeyCondition {
    /// Casts and signs around a number are followed this deep.
    private static let depthLimit = 8
    /// The largest `integer`: as an upper bound it is none.
    private static let largest = 2_147_483_647.0

    let target: UnsafeMutablePointer<RangeVar>?

    /// Whether every key fulfils the comparison.
    func isFulfilledByAll(_ expression: A_Expr) -> Bool {
        switch expression.kind {
        case AEXPR_OP, AEXPR_DISTINCT:
            guard let (name, bound) = bound(in: expression) else { return false }
            switch name {
            // IS DISTINCT FROM has the name of equality.
            case "=": return expression.kind == AEXPR_DISTINCT && bound < 1
            case ">", "<>", "!=": return bound < 1
            case ">=": return bound <= 1
            case "<", "<=": return bound >= Self.largest
            default: return false
            }
        case AEXPR_IN:
            // NOT IN (0, -1)
            guard TreeName.text(of: TreeList(expression.name).last) == "<>" else { return false }
            return isKey(expression.lexpr.map { TreeNode($0) })
                && numbers(expression.rexpr)?.allSatisfy { $0 < 1 } == true
        case AEXPR_BETWEEN:
            guard isKey(expression.lexpr.map { TreeNode($0) }), let bounds = numbers(expression.rexpr),
                bounds.count == 2
            else {
                return false
            }
            return bounds[0] <= 1 && bounds[1] >= Self.largest
        default: return false
        }
    }

    /// Whether no key fulfils the comparison, so that NOT takes every row.
    func isFulfilledByNone(_ expression: A_Expr) -> Bool {
        switch expression.kind {
        case AEXPR_OP, AEXPR_NOT_DISTINCT:
            guard let (name, bound) = bound(in: expression) else { return false }
            switch name {
            case "=", "<=": return bound < 1
            case "<": return bound <= 1
            case ">", ">=": return bound >= Self.largest
            default: return false
            }
        case AEXPR_IN:
            guard TreeName.text(of: TreeList(expression.name).last) == "=" else { return false }
            return isKey(expression.lexpr.map { TreeNode($0) })
                && numbers(expression.rexpr)?.allSatisfy { $0 < 1 } == true
        default: return false
        }
    }

    /// Whether the node is the table's key: `id`, `t.id`, `id::bigint`.
    func isKey(_ node: TreeNode?) -> Bool {
        guard var column = node else { return false }
        if column.tag == T_TypeCast, let argument = column.node(TypeCast.self).pointee.arg,
            let type = column.node(TypeCast.self).pointee.typeName,
            ["int2", "int4", "int8", "numeric"].contains(TreeName.text(of: TreeList(type.pointee.names).last) ?? "")
        {
            column = TreeNode(argument)
        }
        guard column.tag == T_ColumnRef else { return false }
        let fields = TreeList(column.node(ColumnRef.self).pointee.fields).compactMap { TreeName.text(of: $0) }
        guard let name = fields.last?.lowercased(), name == "id" || name.hasSuffix("_id"),
            fields.count == 1 || fields[fields.count - 2] == ConditionReach(target: target).qualifier
        else { return false }
        if name == "id" { return true }
        let owner = name.dropLast(3)
        let table = TreeName.text(target?.pointee.relname).lowercased()
        return owner == table || table.hasSuffix("s") && owner == table.dropLast()
    }

    /// The number that the key is compared with, and the operator as if the key stood on the left.
    private func bound(in expression: A_Expr) -> (name: Swift.String, bound: Double)? {
        guard let name = TreeName.text(of: TreeList(expression.name).last) else { return nil }
        if let bound = Self.number(expression.rexpr) {
            return isKey(expression.lexpr.map { TreeNode($0) }) ? (name, bound) : nil
        }
        guard let bound = Self.number(expression.lexpr), isKey(expression.rexpr.map { TreeNode($0) }) else {
            return nil
        }
        switch name {
        case ">": return ("<", bound)
        case ">=": return ("<=", bound)
        case "<": return (">", bound)
        case "<=": return (">=", bound)
        default: return (name, bound)
        }
    }

    /// The numbers of a list; nil if one of its elements is none.
    private func numbers(_ list: UnsafeMutablePointer<Node>?) -> [Double]? {
        guard let list, TreeNode(list).tag == T_List else { return nil }
        var numbers: [Double] = []
        for element in TreeList(UnsafeMutablePointer(mutating: TreeNode(list).node(List.self))) {
            guard let number = Self.number(element, depth: 0) else { return nil }
            numbers.append(number)
        }
        return numbers
    }

    /// A literal's number: `5`, `-1`, `'-1'`, `-1::bigint`.
    private static func number(_ node: UnsafeMutablePointer<Node>?) -> Double? {
        node.flatMap { number(TreeNode($0), depth: 0) }
    }

    private static func number(_ node: TreeNode, depth: Int) -> Double? {
        guard depth < depthLimit else { return nil }
        switch node.tag {
        case T_A_Const:
            let constant = node.node(A_Const.self)
            switch NodeTag(rawValue: cpg_constant_tag(constant)) {
            case T_Integer: return Double(cpg_constant_integer(constant))
            case T_Float: return cpg_constant_float(constant).flatMap { Double(Swift.String(cString: $0)) }
            case T_String:
                guard let bytes = cpg_constant_string(constant) else { return nil }
                // No number is longer; int4in and its like skip white space on both sides.
                let text = CStringBytes(bytes).prefix(64).filter { !Lexer.isSpace($0) }
                return Double(Swift.String(decoding: text, as: UTF8.self))
            default: return nil
            }
        case T_TypeCast:
            return node.node(TypeCast.self).pointee.arg.flatMap { number(TreeNode($0), depth: depth + 1) }
        case T_A_Expr:
            // A sign that the grammar has not drawn into the literal: -1::int is -(1::int).
            let expression = node.node(A_Expr.self).pointee
            guard expression.kind == AEXPR_OP, expression.lexpr == nil, let operand = expression.rexpr,
                let value = number(TreeNode(operand), depth: depth + 1)
            else { return nil }
            switch TreeName.text(of: TreeList(expression.name).last) {
            case "-": return -value
            case "+": return value
            default: return nil
            }
        default: return nil
        }
    }
}
