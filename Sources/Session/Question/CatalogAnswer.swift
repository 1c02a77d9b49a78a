import PostgresWire
import SQLParsing

/// What the server answered to a ``CatalogQuestion``.
struct CatalogAnswer {
    /// What one name stands for.
    struct Meaning {
        enum State { case missing, temporary, permanent }
        var state: State
        /// `pg_class.relkind`.
        var relationKind: Character
        var schema: String
        /// A permanent relation of that name exists, in whatever schema the name could mean.
        var hasPermanentNamesake: Bool
        var oid: UInt32
        var rowCount: Int64?
        var byteCount: Int64?
    }

    /// Something that would go along.
    struct Going: Hashable {
        var object: ObjectName
        var isTemporary: Bool
        /// `pg_class.relkind`; nil for what is no relation.
        var relationKind: Character?
        /// A composite type's attribute.
        var isAttribute = false
        var oid: UInt32
        var rowCount: Int64?
        var byteCount: Int64?
    }

    /// By the item's index in the question.
    private(set) var meanings: [Int: Meaning] = [:]
    private(set) var going: [Int: [Going]] = [:]
    /// The server process behind the session.
    private(set) var backend: Int32?
    /// The transaction reads from a snapshot that may be older than what the catalogs say now: names are looked up as of
    /// now all the same, but what hangs on them is not known for certain.
    private(set) var isSnapshotOld = false
    /// More would go than was sent, or something could not be read.
    private(set) var isCut = false
    private var rowCount = 0

    private enum Column: Int { case item, what, kind, schema, name, part, isOwn, oid, rows, bytes, hasNamesake }

    /// What goes along with an item, without the item itself.
    func dragged(_ index: Int, by item: CatalogQuestion.Item) -> [Going] {
        let meaning = meanings[index]
        return (going[index] ?? []).filter { going in
            if let meaning, meaning.oid == going.oid, going.object.part == item.object.part { return false }
            let isItself =
                item.isTypeAttribute && going.isAttribute && going.object.part == item.object.part
                && going.object.name == item.object.name
            return !isItself
        }
    }

    /// Takes one DataRow message, whole.
    mutating func add(row message: UnsafeRawBufferPointer) {
        rowCount += 1
        guard let values = Self.values(of: message), values.count == 11 else {
            isCut = true
            return
        }
        func value(_ column: Column) -> String? { values[column.rawValue] }
        // A name in another encoding than UTF-8 cannot be matched with a rule.
        guard rowCount <= CatalogQuestionText.rowLimit, let item = value(.item).flatMap({ Int($0) }),
            !values.contains(where: { $0?.unicodeScalars.contains("\u{FFFD}") == true })
        else {
            isCut = true
            return
        }
        switch value(.what) {
        case "session":
            isSnapshotOld = value(.kind) != "read committed" && value(.kind) != "read uncommitted"
            backend = value(.oid).flatMap { Int32($0) }
        case "name":
            let isOwn = value(.isOwn) == "t"
            meanings[item] = Meaning(
                state: value(.oid) == nil ? .missing : isOwn ? .temporary : .permanent,
                relationKind: value(.kind)?.first ?? "?", schema: value(.schema) ?? "",
                hasPermanentNamesake: value(.hasNamesake) != "f", oid: value(.oid).flatMap { UInt32($0) } ?? 0,
                rowCount: value(.rows).flatMap { Int64($0) }, byteCount: value(.bytes).flatMap { Int64($0) })
        case "goes":
            let kind = value(.kind) ?? ""
            going[item, default: []].append(
                Going(
                    object: ObjectName(
                        Self.kind(kind), schema: value(.schema), name: value(.name) ?? "", part: value(.part)),
                    isTemporary: value(.isOwn) == "t", relationKind: kind.count == 1 ? kind.first : nil,
                    isAttribute: kind == "attribute", oid: value(.oid).flatMap { UInt32($0) } ?? 0,
                    rowCount: value(.rows).flatMap { Int64($0) },
                    byteCount: value(.bytes).flatMap { Int64($0) }))
        default:
            isCut = true
        }
    }

    /// `pg_class.relkind`, or the question's own words.
    private static func kind(_ text: String) -> ObjectKind {
        switch text {
        case "r", "p": .table
        case "m": .materializedView
        case "f": .foreignTable
        case "v": .view
        case "S": .sequence
        case "column", "attribute": .column
        case "function": .function
        case "type": .type
        case "constraint": .constraint
        default: .other
        }
    }

    private static func values(of message: UnsafeRawBufferPointer) -> [String?]? {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let count = reader.int16(), count >= 0 else { return nil }
        var values: [String?] = []
        for _ in 0..<count {
            guard let length = reader.int32() else { return nil }
            if length == -1 {
                values.append(nil)
            } else {
                guard let bytes = reader.bytes(Int(length)) else { return nil }
                values.append(bytes.text)
            }
        }
        return values
    }
}
