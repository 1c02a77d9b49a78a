import ServerLink

/// What the catalog says of the things that a snapshot is to hold, as of the exported snapshot.
struct SnapshotReading {
    /// `pg_dump --snapshot`.
    let exported: String
    /// The relations that can be seen from outside; empty if none can.
    let relations: [SnapshotManifest.Table]
    let dependents: [SnapshotManifest.Thing]
    let needs: [SnapshotManifest.Thing]
    /// Tables that the definitions leave out.
    let leftOut: [SnapshotManifest.Table]
    /// What was asked for by a name that nothing has.
    let unknownNames: [String]
    /// Names of what belongs to an extension.
    private let members: [String]
    /// Names of what the client's own transaction has locked.
    private let locked: [String]
    /// OIDs of what cannot be seen and was not made by the client's own transaction either.
    private let vanished: [UInt32]

    private static let (relationCatalog, functionCatalog, typeCatalog) = (1259, 1255, 1247)

    init(_ wish: SnapshotWish, _ link: ServerConnection, patience: Duration) throws(ServerFault) {
        func rows(_ sql: String, _ parameters: [String?] = []) throws(ServerFault) -> [[String?]] {
            try link.query(sql, parameters, within: patience).rows
        }
        exported = try rows(SnapshotQueries.export).first?.first.flatMap(\.self) ?? ""
        var wanted: [UInt32] = []
        var staying: Set<UInt32> = []
        var others: [(catalog: Int, oid: UInt32)] = []
        var unknown: [String] = []
        switch wish.scope {
        case .things(let going, let kept, let functions, let types):
            wanted = going + kept
            staying = Set(kept).subtracting(going)
            others =
                functions.map { (Self.functionCatalog, $0) } + types.map { (Self.typeCatalog, $0) }
        case .named(let names):
            for row in try rows(SnapshotQueries.named, [Self.array(names)]) where row.count == 2 {
                if let oid = row[1].flatMap({ UInt32($0) }) {
                    wanted.append(oid)
                } else {
                    unknown.append(row[0] ?? "")
                }
            }
        case .database:
            wanted = try rows(SnapshotQueries.allRelations).compactMap { $0.first?.flatMap { UInt32($0) } }
        }
        unknownNames = unknown
        var relations: [SnapshotManifest.Table] = []
        var members: [String] = []
        func add(_ oids: [UInt32]) throws(ServerFault) {
            for row in try rows(SnapshotQueries.relations, [Self.array(oids.map(String.init))]) where row.count == 9 {
                guard let oid = row[0].flatMap({ UInt32($0) }) else { continue }
                let given = row[7].flatMap { UInt32($0) } ?? oid
                let table = SnapshotManifest.Table(
                    schema: row[1] ?? "", name: row[2] ?? "", qualifiedName: row[3] ?? "", kind: row[4] ?? "", oid: oid,
                    rows: row[5].flatMap { Int64($0) } ?? 0, bytes: row[6].flatMap { Int64($0) } ?? 0,
                    stays: staying.contains(oid) || (staying.contains(given) && !wanted.contains(oid)))
                relations.append(table)
                if row[8] == "t" { members.append("\(table.kindName) \(table.qualifiedName)") }
            }
        }
        var owners: [UInt32: UInt32] = [:]
        func things(
            _ sql: String, _ given: [(catalog: Int, oid: UInt32)]
        ) throws(ServerFault) -> [SnapshotManifest.Thing] {
            let parameters = [given.map { String($0.catalog) }, given.map { String($0.oid) }].map(Self.array)
            return try rows(sql, parameters).compactMap { row in
                guard row.count == 10, let catalog = row[0].flatMap({ UInt32($0) }),
                    let oid = row[1].flatMap({ UInt32($0) })
                else { return nil }
                owners[oid] = row[7].flatMap { UInt32($0) }
                let referred = row[9]?.dropFirst().dropLast().split(separator: ",").compactMap { UInt32($0) }
                return SnapshotManifest.Thing(
                    catalog: catalog, oid: oid, type: row[2] ?? "", names: row[3] ?? "{}", arguments: row[4] ?? "{}",
                    text: row[5] ?? "", isEntry: row[6] == "t", statement: row[8],
                    refers: row[8] == nil ? nil : referred)
            }
        }
        try add(wanted)
        let lockedOIDs: Set<UInt32> =
            if let backend = wish.backend {
                Set(
                    try rows(SnapshotQueries.locked, [String(backend)]).compactMap { row in
                        row.first.flatMap(\.self).flatMap { UInt32($0) }
                    })
            } else {
                []
            }
        // Whoever makes a relation holds it locked until the transaction's end.
        let visible = Set(relations.map(\.oid))
        vanished = wanted.filter { !visible.contains($0) && !lockedOIDs.contains($0) }
        guard !relations.isEmpty else {
            self.relations = []
            self.members = []
            dependents = []
            needs = []
            leftOut = []
            locked = []
            return
        }
        let roots = relations.map { (catalog: Self.relationCatalog, oid: $0.oid) } + others
        let all = try things(SnapshotQueries.dependents, roots)
        if relations.contains(where: { !$0.stays }) {
            // What comes and goes with tables is held like them.
            let known = Set(relations.map(\.oid))
            let types = ["view", "materialized view", "sequence"]
            try add(
                all.filter { thing in
                    thing.catalog == Self.relationCatalog && types.contains(thing.type) && thing.isEntry
                        && !known.contains(thing.oid)
                }.map(\.oid))
        }
        self.relations = relations
        self.members = members
        let held = Set(relations.map(\.oid))
        locked = relations.filter { lockedOIDs.contains($0.oid) }.map(\.qualifiedName)

        let goingTypes = Set(all.filter { $0.catalog == Self.typeCatalog }.map(\.oid))
        dependents = all.compactMap { thing in
            if thing.catalog == Self.relationCatalog, held.contains(thing.oid) { return nil }
            var thing = thing
            // Part of a table that is held as a whole, or of a domain that is made anew.
            let isOfDomain = thing.statement?.hasPrefix("ALTER DOMAIN") == true
            if let owner = owners[thing.oid], (isOfDomain ? goingTypes : held).contains(owner) {
                (thing.statement, thing.refers) = (nil, nil)
            }
            return thing
        }
        let given = roots + dependents.map { (catalog: Int($0.catalog), oid: $0.oid) }
        needs = try things(SnapshotQueries.needs, given)
        leftOut = try rows(SnapshotQueries.unreadable).compactMap { row in
            guard row.count == 4, let oid = row[0].flatMap({ UInt32($0) }), !held.contains(oid) else { return nil }
            return SnapshotManifest.Table(
                schema: row[1] ?? "", name: row[2] ?? "", qualifiedName: row[3] ?? "", kind: "r", oid: oid, rows: 0,
                bytes: 0, stays: true)
        }
    }

    /// - Throws: it cannot be dumped, or would not come back.
    func require() throws(SnapshotFault) {
        if let oid = vanished.first { throw .vanished(oid) }
        guard locked.isEmpty else { throw .lockedByClient(locked) }
        if let member = members.first {
            throw .beyondReach(
                "\(member) belongs to an extension, and pg_dump holds nothing of it but the extension's name")
        }
    }

    /// PostgreSQL's array of texts.
    static func array(_ values: [String]) -> String {
        let quoted = values.map { "\"" + $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" }
        return "{" + quoted.joined(separator: ",") + "}"
    }
}
