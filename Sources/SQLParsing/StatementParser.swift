internal import CPgQuery

/// Runs libpg_query (PostgreSQL 15's own grammar) and hands its raw parse tree to a ``StatementReader``.
///
/// Only PostgreSQL's `raw_parser` is called: the library's serialisers recurse without a check, and its PL/pgSQL entry
/// point aborts the process on valid statements. The library keeps its state per thread.
enum StatementParser {
    /// One statement of a parse.
    struct Parsed {
        /// Where it begins and how long it is; 0 means up to the text's end (`RawStmt` in parsenodes.h).
        var location: Int
        var length: Int
    }

    /// Parses a text and calls `body` for every statement, in order, while the tree lives.
    ///
    /// - Parameter text: canonical (``CanonicalText``), NUL-terminated.
    /// - Returns: false if the text is not of this grammar; then `body` was not called.
    static func parse(_ text: UnsafePointer<CChar>, _ body: (TreeNode, Parsed) -> Void) -> Bool {
        var tree: UnsafeMutablePointer<List>?
        guard cpg_parse(text, &tree) else { return false }
        defer { cpg_free_tree() }
        for node in TreeList(tree) {
            guard node.tag == T_RawStmt else { continue }
            let raw = node.node(RawStmt.self).pointee
            guard let statement = raw.stmt else { continue }
            body(
                TreeNode(statement), Parsed(location: max(0, Int(raw.stmt_location)), length: max(0, Int(raw.stmt_len)))
            )
        }
        return true
    }

    /// The statement node types of the grammar, as nodes.h numbers them (`T_InsertStmt` … `T_AlterStatsStmt`).
    static var statementTags: ClosedRange<UInt32> { T_InsertStmt.rawValue...T_AlterStatsStmt.rawValue }

    /// Those of them that are parts of a statement, or made by the server only.
    static var partTags: [UInt32] {
        [T_ReturnStmt, T_PLAssignStmt, T_AlterTableCmd, T_SetOperationStmt, T_ReplicaIdentityStmt].map { $0.rawValue }
    }

    /// The node type of a text's first statement; nil if it does not parse.
    static func firstTag(of text: [UInt8]) -> UInt32? {
        var tag: UInt32?
        (text + [0]).withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            _ = parse(base.assumingMemoryBound(to: CChar.self)) { node, _ in tag = tag ?? node.tag.rawValue }
        }
        return tag
    }

    /// Where libpg_query sees the statements of a text; nil if it does not parse.
    static func statementCount(of text: [UInt8]) -> Int? {
        var count = 0
        let parsed = (text + [0]).withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return parse(base.assumingMemoryBound(to: CChar.self)) { _, _ in count += 1 }
        }
        return parsed ? count : nil
    }

    /// The text that the expression `SELECT <expression>` yields, as far as it can be known; nil if it is no expression.
    static func pieces(ofExpression expression: [UInt8], variables: [Swift.String: [ConstantText.Piece]])
        -> [ConstantText.Piece]?
    {
        var pieces: [ConstantText.Piece]?
        let text = Array("SELECT ".utf8) + expression.filter { $0 != 0 } + [0]
        text.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            _ = parse(base.assumingMemoryBound(to: CChar.self)) { node, _ in
                guard node.tag == T_SelectStmt else { return }
                let targets = TreeList(node.node(SelectStmt.self).pointee.targetList)
                guard targets.count == 1, let target = targets.first, target.tag == T_ResTarget,
                    let value = target.node(ResTarget.self).pointee.val
                else { return }
                pieces = ConstantText(variables: variables).pieces(of: TreeNode(value))
            }
        }
        return pieces
    }
}
