import Audit

/// What the wire showed of one statement, put so that rows of the server's log can be held against it.
struct ShownEffects {
    private let statement: AuditRecord.Statement
    private let text: String
    private let remarks: String
    private let classes: Set<String>
    /// The names of whole objects, as written.
    private let names: Set<String>
    /// The names of columns, as written, with their tables.
    private let columns: Set<String>
    /// The tables of named columns, constraints, triggers, and the like.
    private let owners: Set<String>
    /// The own names of such parts.
    private let parts: Set<String>

    private static let partKinds: Set<String> = ["column", "constraint", "trigger", "rule", "policy", "index"]

    init(_ statement: AuditRecord.Statement) {
        self.statement = statement
        text = statement.sql.lowercased()
        remarks = statement.remarks.joined(separator: "\n")
        classes = Set(statement.classes)
        var (names, columns, owners, parts) = (Set<String>(), Set<String>(), Set<String>(), Set<String>())
        for object in statement.objects {
            guard Self.partKinds.contains(object.kind) else {
                names.insert(object.name)
                continue
            }
            if object.kind == "column" { columns.insert(object.name) } else { names.insert(object.name) }
            // A name may hold dots itself: every place where it can be cut counts.
            for dot in object.name.indices where object.name[dot] == "." {
                owners.insert(String(object.name[..<dot]))
                parts.insert(String(object.name[object.name.index(after: dot)...]))
            }
        }
        (self.names, self.columns, self.owners, self.parts) = (names, columns, owners, parts)
    }

    /// Whether the row is what the statement says, or what PostgreSQL does along with that without being asked.
    ///
    /// - Parameter ancestors: the names of the tables that the row's table is a partition or a child of; nil if it is gone by
    ///   now, so that nobody can tell any more.
    func explain(_ row: ServerDDL, ancestors: [[String]]? = []) -> Bool {
        let identity = row.identity.map { ObjectIdentity($0) }
        let isInherited = (ancestors ?? []).contains { shows($0) || isMentionedOwner($0) }
        switch row.phase {
        case .command: return explainsCommand(row, identity)
        case .drop: return explainsDrop(row, identity)
        case .rewrite:
            return row.tag == statement.command || shows(identity?.object ?? [])
                || isMentionedOwner(identity?.object ?? [])
                || isInherited
        case .truncate:
            guard classes.contains("truncate") || statement.command == "TRUNCATE TABLE" || isUnread else {
                return false
            }
            // Without CASCADE only partitions and children go along.
            if ancestors == nil, !text.contains("cascade") { return true }
            return shows(identity?.object ?? []) || isInherited || isListed(identity)
                || isUnread && isMentioned(identity?.object)
        }
    }

    // MARK: - Created and altered

    private func explainsCommand(_ row: ServerDDL, _ identity: ObjectIdentity?) -> Bool {
        if row.isInExtension { return isAboutExtension || isUnread }
        guard let identity, !identity.object.isEmpty else {
            return row.tag == statement.command || sharesFirstWord(with: row.tag) || isUnread
        }
        if shows(identity.object) || showsPart(identity, row) || isMentioned(identity.object) { return true }
        if statement.command == "CREATE EXTENSION" {
            // The extension's schema, and with CASCADE the extensions that it needs.
            return row.tag == "CREATE SCHEMA" || row.tag == "CREATE EXTENSION" && text.contains("cascade")
        }
        if statement.command == "IMPORT FOREIGN SCHEMA" { return row.tag == "CREATE FOREIGN TABLE" }
        if Self.sweeping.contains(statement.command) {
            return row.tag == statement.command || row.tag.hasPrefix("ALTER")
        }
        // A key's index, a serial column's sequence, a partition's constraint.
        return Self.madeAlong.contains(row.objectType) && !classes.isDisjoint(with: Self.making)
    }

    /// Commands that name no object but concern many.
    private static let sweeping: Set<String> = ["REASSIGN OWNED", "ALTER DEFAULT PRIVILEGES", "GRANT", "REVOKE"]
    private static let madeAlong: Set<String> = [
        "index", "sequence", "table constraint", "domain constraint", "statistics object", "type", "default value",
    ]
    private static let making: Set<String> = [
        "create", "alter", "alter_column_type", "overwrite_column", "select_into", "detach_partition", "drop_column",
        "drop_constraint", "drop_partition", "rename", "move_schema",
    ]

    // MARK: - Dropped

    private func explainsDrop(_ row: ServerDDL, _ identity: ObjectIdentity?) -> Bool {
        guard let identity, !identity.object.isEmpty else { return row.tag == statement.command || isUnread }
        let isColumn = row.objectType.hasSuffix("column")
        // An extension's script replaces its own functions and views; it has no business with others' tables.
        if isAboutExtension, row.isInExtension || runsScript && !isColumn && !Self.holdingRows.contains(row.objectType)
        {
            return true
        }
        guard Self.weighty.contains(row.objectType) || isColumn else {
            // Nothing of a table's is lost with it.
            return row.tag == statement.command || shows(identity.object) || showsPart(identity, row)
                || isUnread && isMentioned(identity.object) || !row.isOriginal && losesByName
        }
        guard losesByName || isUnread else { return false }
        if isColumn ? showsColumn(identity.object) : shows(identity.object) { return true }
        if isListed(identity) { return true }
        if isUnread, isMentioned(identity.object) { return true }
        // Without CASCADE only what is part of it goes along: partitions, owned sequences, an extension's members.
        if row.isOriginal { return false }
        if isListCut { return true }
        if !cascades { return row.tag == statement.command || classes.contains("do_block") || isUnread }
        // A table's own sequences; whole schemas hold others.
        return row.objectType == "sequence"
            && classes.isDisjoint(with: ["drop_schema", "drop_owned", "drop_extension"])
    }

    /// What holds data, or what code and people find by its name.
    private static let weighty: Set<String> = [
        "table", "view", "materialized view", "foreign table", "schema", "sequence", "function", "procedure",
        "aggregate",
        "extension", "event trigger",
    ]

    private static let holdingRows: Set<String> = ["table", "materialized view", "foreign table", "schema", "sequence"]

    private var runsScript: Bool { statement.command == "CREATE EXTENSION" || statement.command == "ALTER EXTENSION" }
    private var isAboutExtension: Bool { statement.objects.contains { $0.kind == "extension" } }

    /// Something goes, by its classes or its command. What was missing when the server was asked for its meaning
    /// (`Session/Question/NameResolution.swift`) has no class that says so, and its name stands among the objects all the same.
    private var losesByName: Bool {
        classes.contains { $0.hasPrefix("drop_") || $0.hasPrefix("cascade") || $0 == "do_block" }
            || statement.command.hasPrefix("DROP ")
    }

    private var cascades: Bool {
        classes.contains("cascade") || classes.contains("cascade_dependents") || classes.contains("drop_owned")
    }

    /// The wire showed the text, but it could not be read, or not as a whole.
    private var isUnread: Bool { classes.contains("unparsable") || classes.contains("oversized") }

    // MARK: - Names

    private func shows(_ name: [String]) -> Bool {
        guard let last = name.last else { return false }
        return !names.isDisjoint(with: ObjectIdentity.spellings(of: name)) || parts.contains(last)
    }

    private func showsColumn(_ name: [String]) -> Bool {
        // A bare column's name alone is not one.
        !columns.isDisjoint(with: ObjectIdentity.spellings(of: name).subtracting(name.suffix(1)))
    }

    private func showsPart(_ identity: ObjectIdentity, _ row: ServerDDL) -> Bool {
        isMentionedOwner(identity.object) || isMentionedOwner(identity.owner(objectType: row.objectType))
            || shows(identity.owner(objectType: row.objectType))
    }

    private func isMentionedOwner(_ name: [String]) -> Bool {
        !owners.isDisjoint(with: ObjectIdentity.spellings(of: name))
    }

    /// The record lists it among what would go along.
    private func isListed(_ identity: ObjectIdentity?) -> Bool {
        guard let name = identity?.object, !name.isEmpty, !remarks.isEmpty else { return false }
        return Self.holds(remarks.lowercased(), word: name.joined(separator: ".").lowercased())
    }

    /// The record says that more would go along than it lists (`Session/Question/BlastRadius.swift`).
    private var isListCut: Bool {
        statement.remarks.contains { remark in
            remark.hasPrefix("More would go") || remark.hasPrefix("It would take: ") && remark.hasSuffix(" more")
        }
    }

    /// The name stands in the statement's text.
    private func isMentioned(_ name: [String]?) -> Bool {
        guard let last = name?.last, !last.isEmpty else { return false }
        return Self.holds(text, word: last.lowercased())
    }

    private func sharesFirstWord(with tag: String) -> Bool {
        tag.split(separator: " ").first == statement.command.split(separator: " ").first
    }

    private static func holds(_ text: String, word: String) -> Bool {
        let (haystack, needle) = (text.utf8, Array(word.utf8))
        guard let first = needle.first else { return false }
        var start = haystack.startIndex
        while let found = haystack[start...].firstIndex(of: first) {
            start = haystack.index(after: found)
            guard let end = haystack.index(found, offsetBy: needle.count, limitedBy: haystack.endIndex) else {
                return false
            }
            guard haystack[found..<end].elementsEqual(needle) else { continue }
            let before = found == haystack.startIndex ? nil : haystack[haystack.index(before: found)]
            let after = end == haystack.endIndex ? nil : haystack[end]
            if !isWordByte(before), !isWordByte(after) { return true }
        }
        return false
    }

    private static func isWordByte(_ byte: UInt8?) -> Bool {
        guard let byte else { return false }
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
            UInt8(ascii: "$"), 0x80...0xFF:
            return true
        default: return false
        }
    }
}
