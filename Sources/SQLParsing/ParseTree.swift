internal import CPgQuery

// The raw parse tree, as seen from Swift: untyped pointers that live until the parse's memory context goes. C's `String`
// node hides Swift's String in this file and wherever CPgQuery is imported, hence `Swift.String`.

/// A node of the raw parse tree.
typealias TreeNode = UnsafeRawPointer

extension UnsafeRawPointer {
    /// The node's tag (`T_SelectStmt` …).
    var tag: NodeTag { NodeTag(rawValue: cpg_tag(self)) }

    /// The node as its struct. Its tag must say that it is one.
    func node<Struct>(_ type: Struct.Type) -> UnsafePointer<Struct> { assumingMemoryBound(to: type) }
}

/// The elements of a `List` of nodes; nil ones are left out.
struct TreeList: Sequence, IteratorProtocol {
    private let list: UnsafePointer<List>?
    private let length: Int32
    private var index: Int32 = 0

    init(_ list: UnsafeMutablePointer<List>?) {
        self.list = UnsafePointer(list)
        length = cpg_count(list)
    }

    var count: Int { Int(length) }
    var first: TreeNode? { self[0] }
    var last: TreeNode? { self[Int(length) - 1] }

    subscript(position: Int) -> TreeNode? {
        guard position >= 0, position < Int(length), let list else { return nil }
        return cpg_nth(list, Int32(position))
    }

    mutating func next() -> TreeNode? {
        while index < length, let list {
            defer { index += 1 }
            if let node = cpg_nth(list, index) { return node }
        }
        return nil
    }
}

/// What the parse tree says, as the words of ``ObjectName``.
enum TreeName {
    static func text(_ bytes: UnsafePointer<CChar>?) -> Swift.String { bytes.map { Swift.String(cString: $0) } ?? "" }

    /// The text of a `String` node.
    static func text(of node: TreeNode?) -> Swift.String? { cpg_string(node).map { Swift.String(cString: $0) } }

    static func object(_ kind: ObjectKind, _ relation: UnsafePointer<RangeVar>?) -> ObjectName {
        guard let relation else { return ObjectName(kind, name: "") }
        var schema = relation.pointee.schemaname.map { Swift.String(cString: $0) }
        // CREATE TEMP TABLE, SELECT INTO TEMP: says by itself where it goes. RELPERSISTENCE_TEMP is 't'.
        if schema == nil, relation.pointee.relpersistence == CChar(UInt8(ascii: "t")) { schema = "pg_temp" }
        return ObjectName(kind, schema: schema, name: text(relation.pointee.relname))
    }

    static func object(_ kind: ObjectKind, _ relation: UnsafeMutablePointer<RangeVar>?) -> ObjectName {
        object(kind, UnsafePointer(relation))
    }

    /// A name written as a list of `String`: name, schema.name or database.schema.name.
    static func object(_ kind: ObjectKind, list: UnsafeMutablePointer<List>?) -> ObjectName {
        let parts = TreeList(list).compactMap { text(of: $0) }
        return object(kind, parts: parts)
    }

    static func object(_ kind: ObjectKind, parts: [Swift.String]) -> ObjectName {
        guard let name = parts.last else { return ObjectName(kind, name: "") }
        return ObjectName(kind, schema: parts.count > 1 ? parts[parts.count - 2] : nil, name: name)
    }

    /// A trigger, rule, policy or constraint on a table: the last name is the part's.
    static func part(_ kind: ObjectKind, parts: [Swift.String]) -> ObjectName {
        guard let part = parts.last, parts.count > 1 else { return object(kind, parts: parts) }
        var owner = object(kind, parts: parts.dropLast())
        owner.part = part
        return owner
    }

    /// The name in a node that DROP, COMMENT, ALTER … accept: String, List, TypeName or ObjectWithArgs.
    static func object(_ kind: ObjectKind, node: TreeNode?) -> ObjectName {
        guard let node else { return ObjectName(kind, name: "") }
        switch node.tag {
        case T_String: return ObjectName(kind, name: text(of: node) ?? "")
        case T_List: return list(kind, node)
        case T_TypeName: return object(kind, list: node.node(TypeName.self).pointee.names)
        case T_ObjectWithArgs: return object(kind, list: node.node(ObjectWithArgs.self).pointee.objname)
        case T_RangeVar: return object(kind, node.node(RangeVar.self))
        default: return ObjectName(kind, name: "")
        }
    }

    private static func list(_ kind: ObjectKind, _ node: TreeNode) -> ObjectName {
        let elements = TreeList(UnsafeMutablePointer(mutating: node.node(List.self)))
        let parts = elements.compactMap { text(of: $0) }
        switch kind {
        case .trigger, .rule, .policy, .constraint:
            if parts.count > 1 { return part(kind, parts: parts) }
        case .operatorClass, .operatorFamily:
            // The access method stands first.
            if parts.count > 1 { return object(kind, parts: Array(parts.dropFirst())) }
        default: break
        }
        if parts.isEmpty, let first = elements.first { return object(kind, node: first) }
        return object(kind, parts: parts)
    }

    static func role(_ role: UnsafeMutablePointer<RoleSpec>?) -> ObjectName {
        guard let role else { return ObjectName(.role, name: "") }
        let name: Swift.String
        switch role.pointee.roletype {
        case ROLESPEC_CSTRING: name = text(role.pointee.rolename)
        case ROLESPEC_CURRENT_ROLE: name = "current_role"
        case ROLESPEC_CURRENT_USER: name = "current_user"
        case ROLESPEC_SESSION_USER: name = "session_user"
        case ROLESPEC_PUBLIC: name = "public"
        default: name = ""
        }
        return ObjectName(.role, name: name)
    }
}

extension ObjectKind {
    /// The kind of an `ObjectType` of the grammar.
    init(_ type: ObjectType) {
        switch type {
        case OBJECT_ACCESS_METHOD: self = .accessMethod
        case OBJECT_AGGREGATE: self = .aggregate
        case OBJECT_ATTRIBUTE, OBJECT_COLUMN, OBJECT_DEFAULT: self = .column
        case OBJECT_CAST: self = .cast
        case OBJECT_COLLATION: self = .collation
        case OBJECT_CONVERSION: self = .conversion
        case OBJECT_DATABASE: self = .database
        case OBJECT_DOMAIN: self = .domain
        case OBJECT_DOMCONSTRAINT, OBJECT_TABCONSTRAINT: self = .constraint
        case OBJECT_EVENT_TRIGGER: self = .eventTrigger
        case OBJECT_EXTENSION: self = .extension
        case OBJECT_FDW: self = .foreignDataWrapper
        case OBJECT_FOREIGN_SERVER: self = .server
        case OBJECT_FOREIGN_TABLE: self = .foreignTable
        case OBJECT_FUNCTION, OBJECT_ROUTINE: self = .function
        case OBJECT_INDEX: self = .index
        case OBJECT_LANGUAGE: self = .language
        case OBJECT_LARGEOBJECT: self = .largeObject
        case OBJECT_MATVIEW: self = .materializedView
        case OBJECT_OPCLASS: self = .operatorClass
        case OBJECT_OPERATOR: self = .operator
        case OBJECT_OPFAMILY: self = .operatorFamily
        case OBJECT_PARAMETER_ACL: self = .setting
        case OBJECT_POLICY: self = .policy
        case OBJECT_PROCEDURE: self = .procedure
        case OBJECT_PUBLICATION, OBJECT_PUBLICATION_NAMESPACE, OBJECT_PUBLICATION_REL: self = .publication
        case OBJECT_ROLE: self = .role
        case OBJECT_RULE: self = .rule
        case OBJECT_SCHEMA: self = .schema
        case OBJECT_SEQUENCE: self = .sequence
        case OBJECT_SUBSCRIPTION: self = .subscription
        case OBJECT_STATISTIC_EXT: self = .statistics
        case OBJECT_TABLE: self = .table
        case OBJECT_TABLESPACE: self = .tablespace
        case OBJECT_TRANSFORM: self = .transform
        case OBJECT_TRIGGER: self = .trigger
        case OBJECT_TSCONFIGURATION, OBJECT_TSDICTIONARY, OBJECT_TSPARSER, OBJECT_TSTEMPLATE: self = .textSearch
        case OBJECT_TYPE: self = .type
        case OBJECT_USER_MAPPING: self = .userMapping
        case OBJECT_VIEW: self = .view
        default: self = .other
        }
    }

    /// As in `ALTER TABLE`, `DROP MATERIALIZED VIEW`: the word of the command tag.
    var commandWord: Swift.String { rawValue.uppercased().split(separator: "_").joined(separator: " ") }
}
