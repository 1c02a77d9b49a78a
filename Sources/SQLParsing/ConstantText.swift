internal import CPgQuery

/// The text that an expression yields, as far as it can be known without running it.
struct ConstantText {
    /// One piece of the text.
    enum Piece: Hashable {
        case text([UInt8])
        /// One quoted name, whatever it is: `quote_ident(x)`, `%I`, `x::regclass`.
        case name
        /// One quoted literal: `quote_literal(x)`, `%L`.
        case literal
        /// A number or a date: no white space, quote or semicolon can be in it.
        case number
        /// The piece behind this one may be nothing: `format('%s', x)` and `concat(x)` write a null so.
        case optional
        /// Anything.
        case unknown
    }

    private static let depthLimit = 200
    private static let pieceLimit = 2_000

    /// What is known of the variables that the expression mentions, by name.
    var variables: [Swift.String: [Piece]] = [:]

    /// The whole text, if nothing about it is unknown.
    static func constant(_ node: TreeNode) -> [UInt8]? {
        var bytes: [UInt8] = []
        for piece in ConstantText().pieces(of: node) {
            guard case .text(let text) = piece else { return nil }
            bytes += text
        }
        return bytes
    }

    /// The pieces that the expression's text is made of.
    func pieces(of node: TreeNode) -> [Piece] {
        let pieces = pieces(of: node, depth: 0)
        return pieces.count > Self.pieceLimit ? [.unknown] : pieces
    }

    private func pieces(of node: TreeNode, depth: Int) -> [Piece] {
        guard depth < Self.depthLimit else { return [.unknown] }
        switch node.tag {
        case T_A_Const: return constant(node.node(A_Const.self))
        case T_TypeCast: return cast(node.node(TypeCast.self), depth: depth)
        case T_CollateClause:
            guard let argument = node.node(CollateClause.self).pointee.arg else { return [.unknown] }
            return pieces(of: TreeNode(argument), depth: depth + 1)
        case T_NamedArgExpr:
            guard let argument = node.node(NamedArgExpr.self).pointee.arg else { return [.unknown] }
            return pieces(of: TreeNode(argument), depth: depth + 1)
        case T_ColumnRef:
            let fields = TreeList(node.node(ColumnRef.self).pointee.fields).compactMap { TreeName.text(of: $0) }
            guard fields.count == 1, let name = fields.first else { return [.unknown] }
            return variables[name] ?? [.unknown]
        case T_A_Expr: return concatenation(node)
        case T_FuncCall: return call(node.node(FuncCall.self), depth: depth)
        case T_CoalesceExpr:
            // Only a constant is surely not null: quote_ident(x) is null where x is.
            for argument in TreeList(node.node(CoalesceExpr.self).pointee.args) {
                guard argument.tag == T_A_Const else { return [.unknown] }
                if cpg_constant_tag(argument.node(A_Const.self)) == T_Invalid.rawValue { continue }
                return constant(argument.node(A_Const.self))
            }
            return [.unknown]
        default: return [.unknown]
        }
    }

    private func constant(_ constant: UnsafePointer<A_Const>) -> [Piece] {
        switch NodeTag(rawValue: cpg_constant_tag(constant)) {
        case T_String:
            guard let bytes = cpg_constant_string(constant) else { return [.unknown] }
            return [.text(Array(CStringBytes(bytes)))]
        case T_Integer: return [.text(Array("\(cpg_constant_integer(constant))".utf8))]
        case T_Float: return [.text(cpg_constant_float(constant).map { Array(CStringBytes($0)) } ?? [])]
        case T_Invalid: return [.text([])]
        default: return [.unknown]
        }
    }

    /// `a || b || c`: the left operand nests, so it is followed in a loop.
    private func concatenation(_ node: TreeNode) -> [Piece] {
        var operands: [TreeNode] = []
        var current: TreeNode? = node
        while let node = current, node.tag == T_A_Expr {
            let expression = node.node(A_Expr.self).pointee
            guard Self.isConcatenation(expression.name), let left = expression.lexpr,
                let right = expression.rexpr, operands.count < Self.pieceLimit
            else { return [.unknown] }
            operands.append(TreeNode(right))
            current = TreeNode(left)
        }
        if let current { operands.append(current) }
        var result: [Piece] = []
        for operand in operands.reversed() {
            // A right operand that is itself a concatenation stands in parentheses: rare, and not followed far.
            result += operand.tag == T_A_Expr ? parenthesized(operand) : pieces(of: operand, depth: 1)
        }
        return result
    }

    /// `||`, not another schema's operator of that name.
    private static func isConcatenation(_ name: UnsafeMutablePointer<List>?) -> Bool {
        TreeName.text(of: TreeList(name).last) == "||" && isOfCatalog(name)
    }

    /// Without a schema, or PostgreSQL's own.
    private static func isOfCatalog(_ name: UnsafeMutablePointer<List>?) -> Bool {
        let names = TreeList(name)
        return names.count == 1 || names.count == 2 && TreeName.text(of: names.first) == "pg_catalog"
    }

    private func parenthesized(_ node: TreeNode) -> [Piece] {
        let expression = node.node(A_Expr.self).pointee
        guard Self.isConcatenation(expression.name), let left = expression.lexpr,
            let right = expression.rexpr, TreeNode(left).tag != T_A_Expr, TreeNode(right).tag != T_A_Expr
        else { return [.unknown] }
        return pieces(of: TreeNode(left), depth: 2) + pieces(of: TreeNode(right), depth: 2)
    }

    private func cast(_ cast: UnsafePointer<TypeCast>, depth: Int) -> [Piece] {
        guard let argument = cast.pointee.arg, let type = cast.pointee.typeName else { return [.unknown] }
        let inner = pieces(of: TreeNode(argument), depth: depth + 1)
        let names = TreeList(type.pointee.names).compactMap { TreeName.text(of: $0) }
        // Another schema's type of that name may be anything.
        guard cpg_count(type.pointee.arrayBounds) == 0, let name = names.last,
            names.count == 1 || names[0] == "pg_catalog"
        else { return [.unknown] }
        switch name {
        case "text", "varchar", "bpchar", "unknown":
            // A length cuts, perhaps a closing quote.
            return cpg_count(type.pointee.typmods) == 0 ? inner : [.unknown]
        case "name":
            // NAMEDATALEN cuts too.
            guard inner.count == 1, case .text(let bytes) = inner[0], bytes.count < 64 else { return [.unknown] }
            return inner
        default: return Self.pieces(ofType: name)
        }
    }

    /// What a value of a type looks like as text.
    static func pieces(ofType name: Swift.String) -> [Piece] {
        switch name {
        // regclassout and its like quote what needs quoting.
        case "regclass", "regtype", "regnamespace", "regrole", "regproc", "regcollation": [.name]
        // true, false, t or f: one word, which must stand alone as a literal must.
        case "bool", "boolean": [.literal]
        case "int2", "int4", "int8", "int", "integer", "bigint", "smallint", "oid", "numeric", "float4", "float8",
            "date", "uuid", "serial", "bigserial", "real":
            [.number]
        default: [.unknown]
        }
    }

    private func call(_ call: UnsafePointer<FuncCall>, depth: Int) -> [Piece] {
        guard let name = TreeName.text(of: TreeList(call.pointee.funcname).last),
            Self.isOfCatalog(call.pointee.funcname)
        else { return [.unknown] }
        let arguments = TreeList(call.pointee.args).map { $0 }
        func piece(_ index: Int) -> [Piece] {
            index < arguments.count ? pieces(of: arguments[index], depth: depth + 1) : [.unknown]
        }
        switch name {
        case "quote_ident": return Self.converted(piece(0), UInt8(ascii: "I"))
        case "quote_literal", "quote_nullable": return [.literal]
        case "concat": return arguments.indices.flatMap { Self.optional(piece($0)) }
        case "concat_ws":
            // A null takes its separator with it: white space is not missed.
            let separator = piece(0)
            guard separator.allSatisfy({ $0.isWhiteSpace }) else { return [.unknown] }
            return arguments.indices.dropFirst().flatMap {
                $0 == 1 ? Self.optional(piece($0)) : separator + Self.optional(piece($0))
            }
        case "format": return format(arguments.indices.map { piece($0) })
        case "lower", "upper", "btrim", "ltrim", "rtrim", "trim":
            guard arguments.count == 1 else { return [.unknown] }
            return changed(piece(0), by: name)
        case "txid_current", "nextval", "random", "length", "count": return [.number]
        default: return [.unknown]
        }
    }

    /// `format()` (`text_format` in varlena.c): `%s %I %L`, positions and widths.
    private func format(_ arguments: [[Piece]]) -> [Piece] {
        guard let first = arguments.first, first.count == 1, case .text(let pattern) = first[0] else {
            return [.unknown]
        }
        var result: [Piece] = []
        var plain: [UInt8] = []
        var next = 1
        var at = 0
        while at < pattern.count {
            guard pattern[at] == UInt8(ascii: "%") else {
                plain.append(pattern[at])
                at += 1
                continue
            }
            at += 1
            guard at < pattern.count else { return [.unknown] }
            if pattern[at] == UInt8(ascii: "%") {
                plain.append(pattern[at])
                at += 1
                continue
            }
            var digits = 0
            var position: Int?
            var isPadded = false
            while at < pattern.count, !Self.isConversion(pattern[at]) {
                switch pattern[at] {
                case UInt8(ascii: "0")...UInt8(ascii: "9"):
                    digits = min(10_000, digits * 10 + Int(pattern[at] - UInt8(ascii: "0")))
                case UInt8(ascii: "$"):
                    position = digits
                    digits = 0
                case UInt8(ascii: "-"): isPadded = true
                default: return [.unknown]
                }
                at += 1
            }
            guard at < pattern.count, !isPadded, digits == 0 else { return [.unknown] }
            let index = position ?? next
            next = index + 1
            if !plain.isEmpty { result.append(.text(plain)) }
            plain = []
            let argument = index > 0 && index < arguments.count ? arguments[index] : [.unknown]
            result += Self.converted(argument, pattern[at])
            at += 1
        }
        if !plain.isEmpty { result.append(.text(plain)) }
        return result
    }

    private static func isConversion(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "s") || byte == UInt8(ascii: "I") || byte == UInt8(ascii: "L")
    }

    private static func converted(_ argument: [Piece], _ conversion: UInt8) -> [Piece] {
        switch conversion {
        case UInt8(ascii: "I"):
            guard argument.count == 1, case .text(let name) = argument[0] else { return [.name] }
            // What quote_ident does not quote, and the grammar may take for a keyword.
            let isKeyword = (name + [0]).withUnsafeBytes { bytes in
                guard name.count < 32, let base = bytes.baseAddress else { return false }
                return cpg_is_unreserved_keyword(base.assumingMemoryBound(to: CChar.self))
            }
            if isKeyword { return [.text(name)] }
            return [.text(quoted(name, with: UInt8(ascii: "\"")))]
        case UInt8(ascii: "L"):
            guard argument.count == 1, case .text(let value) = argument[0] else { return [.literal] }
            guard value.contains(UInt8(ascii: "\\")) else { return [.text(quoted(value, with: UInt8(ascii: "'")))] }
            let doubled = value.flatMap { $0 == UInt8(ascii: "\\") ? [$0, $0] : [$0] }
            return [.text([UInt8(ascii: "E")] + quoted(doubled, with: UInt8(ascii: "'")))]
        default: return optional(argument)
        }
    }

    /// The pieces of what may be null where null is written as nothing.
    private static func optional(_ pieces: [Piece]) -> [Piece] {
        let isConstant = pieces.allSatisfy { piece in
            if case .text = piece { return true }
            return false
        }
        if isConstant { return pieces }
        return pieces.count == 1 ? [.optional] + pieces : pieces.contains(.unknown) ? [.unknown] : optionalWhole(pieces)
    }

    /// Several pieces that vanish together, known or not: too rare to be followed.
    private static func optionalWhole(_ pieces: [Piece]) -> [Piece] { pieces.flatMap { [.optional, $0] } }

    /// The text in the other case, or without the spaces at its ends.
    private func changed(_ pieces: [Piece], by function: Swift.String) -> [Piece] {
        guard pieces.count == 1 else { return [.unknown] }
        guard case .text(let text) = pieces[0] else { return pieces }
        guard !text.contains(where: { $0 >= 0x80 }) else { return [.unknown] }
        let space = UInt8(ascii: " ")
        var result = text[...]
        switch function {
        case "lower": return [.text(Array(Swift.String(decoding: text, as: UTF8.self).lowercased().utf8))]
        case "upper": return [.text(Array(Swift.String(decoding: text, as: UTF8.self).uppercased().utf8))]
        case "ltrim": result = result.drop { $0 == space }
        case "rtrim": while result.last == space { result = result.dropLast() }
        default:
            result = result.drop { $0 == space }
            while result.last == space { result = result.dropLast() }
        }
        return [.text(Array(result))]
    }

    private static func quoted(_ text: [UInt8], with quote: UInt8) -> [UInt8] {
        [quote] + text.flatMap { $0 == quote ? [quote, quote] : [$0] } + [quote]
    }
}

extension ConstantText.Piece {
    /// Stands for what is not known in the text that is judged.
    static let placeholder = "holdfast_unknown"
    /// Stands for a number where it must be told from all others: it fits an integer.
    static let numberPlaceholder = "907128463"

    /// Whether a name or literal is, or has in it, what is not known.
    static func isIn(_ text: Swift.String) -> Bool { text.contains(placeholder) || text.contains(numberPlaceholder) }

    /// A constant of spaces only.
    var isWhiteSpace: Bool {
        if case .text(let bytes) = self { return bytes.allSatisfy { Lexer.isSpace($0) } }
        return false
    }
}
