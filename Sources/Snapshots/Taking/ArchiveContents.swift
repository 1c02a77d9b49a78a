/// The table of contents of a pg_dump archive, as `pg_restore --list --verbose` prints it. Pure.
///
/// Objects are known by their OIDs at the time of the dump, so no name is ever taken apart.
struct ArchiveContents: Sendable {
    struct Entry: Sendable, Equatable {
        var number: Int
        /// OIDs of the catalog and of the object in it; 0 where the archive has none.
        var catalog: UInt32
        var oid: UInt32
        /// `TABLE`, `FK CONSTRAINT`, and what follows on the line: schema, name, owner.
        var words: String
        /// Numbers of the entries that it depends on.
        var dependencies: [Int] = []
        /// The whole line, as `pg_restore --use-list` takes it.
        var line: String

        func isKind(_ kind: String) -> Bool { words == kind || words.hasPrefix(kind + " ") }
    }

    private(set) var entries: [Entry] = []
    private var numbers: [UInt64: Int] = [:]

    /// - Parameter listing: what pg_restore printed.
    init(listing: String) {
        for line in listing.split(separator: "\n", omittingEmptySubsequences: true) {
            if line.hasPrefix(";\tdepends on:") {
                let numbers = line.dropFirst(";\tdepends on:".count).split(separator: " ").compactMap { Int($0) }
                if !entries.isEmpty { entries[entries.count - 1].dependencies = numbers }
                continue
            }
            guard !line.hasPrefix(";") else { continue }
            // "215; 1259 16385 TABLE public t postgres"
            let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count == 4, parts[0].hasSuffix(";"), let number = Int(parts[0].dropLast()),
                let catalog = UInt32(parts[1]), let oid = UInt32(parts[2])
            else { continue }
            entries.append(
                Entry(number: number, catalog: catalog, oid: oid, words: String(parts[3]), line: String(line)))
            let key = UInt64(catalog) << 32 | UInt64(oid)
            if numbers[key] == nil { numbers[key] = number }
        }
    }

    /// Kinds of entries that belong to another one and go with it.
    private static let attachedKinds = [
        "COMMENT", "SECURITY LABEL", "ACL", "SEQUENCE OWNED BY", "TABLE ATTACH", "INDEX ATTACH", "ROW SECURITY",
        "SEQUENCE SET", "TABLE DATA", "MATERIALIZED VIEW DATA",
    ]

    /// Whether it is part of another entry's object rather than one of its own.
    static func isAttached(_ entry: Entry) -> Bool {
        (entry.catalog == 0) && attachedKinds.contains { entry.isKind($0) }
    }

    /// The chosen entries and what is attached to them (comments, privileges, ownership, attachments to partitioned tables).
    func withAttached(_ chosen: Set<Int>) -> Set<Int> {
        var all = chosen
        var isGrowing = true
        while isGrowing {
            isGrowing = false
            for entry in entries where !all.contains(entry.number) && Self.isAttached(entry) {
                if entry.dependencies.contains(where: all.contains) {
                    all.insert(entry.number)
                    isGrowing = true
                }
            }
        }
        return all
    }

    /// The entry of an object.
    func number(catalog: UInt32, oid: UInt32) -> Int? { numbers[UInt64(catalog) << 32 | UInt64(oid)] }
}
