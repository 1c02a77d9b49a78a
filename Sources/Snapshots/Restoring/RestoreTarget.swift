import ServerLink

/// What of a snapshot is there in the database that it is restored to.
struct RestoreTarget {
    /// By the OIDs that the snapshot knows: the OIDs here of the relations that are there under the same names.
    let existing: [UInt32: UInt32]
    /// Keys of what is not there.
    let missing: Set<String>
    let hasDefaultPrivileges: Bool

    /// - Parameter contents: of the definitions: what has no entry there comes with something else.
    init(
        _ manifest: SnapshotManifest, _ contents: ArchiveContents, _ link: ServerConnection
    ) throws(ServerFault) {
        var existing: [UInt32: UInt32] = [:]
        for table in manifest.tables {
            let found = try link.query("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid", [table.qualifiedName]).value
            if let oid = found.flatMap({ UInt32($0) }) { existing[table.oid] = oid }
        }
        var missing: Set<String> = []
        for thing in manifest.dependents + manifest.needs
        where contents.number(catalog: thing.catalog, oid: thing.oid) != nil || thing.statement != nil {
            if try !Self.isThere(thing, link) { missing.insert(thing.key) }
        }
        self.existing = existing
        self.missing = missing
        hasDefaultPrivileges =
            try link.query(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole "
                    + "WHERE r.rolname = current_user AND d.defaclobjtype IN ('r', 'S'))"
            ).value == "t"
    }

    private static func isThere(_ thing: SnapshotManifest.Thing, _ link: ServerConnection) throws(ServerFault) -> Bool {
        do throws(ServerFault) {
            try link.query(
                "SELECT objid FROM pg_catalog.pg_get_object_address($1, $2::pg_catalog.text[], $3::pg_catalog.text[])",
                [thing.type, thing.names, thing.arguments])
            return true
        } catch {
            // Undefined: object, table, function, schema, column, database; or a relation of another kind.
            let undefined = ["42704", "42P01", "42883", "3F000", "42703", "42809"]
            guard let state = error.sqlState, undefined.contains(state) else { throw error }
            return false
        }
    }

    func hasRows(_ table: SnapshotManifest.Table, _ link: ServerConnection) throws(SnapshotFault) -> Bool {
        do throws(ServerFault) {
            return try link.query("SELECT EXISTS (SELECT FROM ONLY \(table.qualifiedName))").value == "t"
        } catch {
            throw .server(error.description)
        }
    }

    /// Statements that give a table's triggers the state that they are in now: filling it enables them all.
    func triggerStates(of table: SnapshotManifest.Table, _ link: ServerConnection) throws(SnapshotFault) -> [String] {
        do throws(ServerFault) {
            return try link.query(
                """
                SELECT format('ALTER TABLE %s %s TRIGGER %I', g.tgrelid::regclass, CASE g.tgenabled
                              WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, g.tgname)
                FROM pg_trigger g WHERE g.tgrelid = $1::regclass AND g.tgenabled <> 'O' ORDER BY g.tgname
                """, [table.qualifiedName]
            ).rows.compactMap { $0.first.flatMap(\.self) }
        } catch {
            throw .server(error.description)
        }
    }

    /// What goes with tables that are dropped.
    struct Going {
        var keys: Set<String> = []
        /// Of relations, here.
        var oids: Set<UInt32> = []
    }

    /// What CASCADE takes along with tables that are dropped.
    ///
    /// - Throws: something of it is not in the snapshot.
    func going(
        with tables: [SnapshotManifest.Table], _ manifest: SnapshotManifest, _ link: ServerConnection
    ) throws(SnapshotFault) -> Going {
        var going = Going()
        let here = tables.compactMap { existing[$0.oid] }
        guard !here.isEmpty else { return going }
        let followers = Set(manifest.tables.filter(\.isFollower).compactMap { existing[$0.oid] })
        let held = Set(manifest.dependents.map(\.key))
        do throws(ServerFault) {
            let parameters = [here.map { _ in "1259" }, here.map(String.init)].map(SnapshotReading.array)
            let rows = try link.query(SnapshotQueries.dependents, parameters).rows
            for row in rows where row.count == 10 {
                let key = SnapshotManifest.Thing.key(row[2] ?? "", row[3] ?? "", row[4] ?? "")
                let text = row[5] ?? ""
                let oid = row[1].flatMap { UInt32($0) } ?? 0
                if row[0] == "1259", here.contains(oid) || followers.contains(oid) {
                    going.oids.insert(oid)
                    continue
                }
                guard held.contains(key) else {
                    // What comes with its table again.
                    if row[6] != "t" { continue }
                    throw ServerFault.unreachable(
                        "dropping what is there would take \(text), which the snapshot does not hold")
                }
                going.keys.insert(key)
            }
        } catch {
            throw .beyondReach(error.description)
        }
        return going
    }
}

extension SnapshotManifest.Thing {
    /// By its name.
    var key: String { Self.key(type, names, arguments) }

    static func key(_ type: String, _ names: String, _ arguments: String) -> String {
        "\(type)\u{0}\(names)\u{0}\(arguments)"
    }
}
