import SQLParsing

/// What a statement would take along, in words.
struct BlastRadius {
    let question: CatalogQuestion
    let answer: CatalogAnswer
    let statement: Int

    /// So many things are named; the rest is counted.
    private static let namedCount = 20

    /// One line with everything that would go, and one about what is not known; none if nothing permanent goes.
    var lines: [String] {
        var seen: Set<ObjectName> = []
        let all = things.filter { seen.insert($0.object).inserted }
        var lines: [String] = []
        if !all.isEmpty {
            let named = all.prefix(Self.namedCount).map(Self.text).joined(separator: ", ")
            let rest = all.count > Self.namedCount ? " and \(all.count - Self.namedCount) more" : ""
            lines.append("It would take: \(named)\(rest)")
            let tables = all.filter { $0.rank == 0 && $0.byteCount != nil }
            if tables.count > 1 {
                let rows = tables.reduce(Int64(0)) { $0 &+ max(0, $1.rowCount ?? 0) }
                let bytes = tables.reduce(Int64(0)) { $0 &+ max(0, $1.byteCount ?? 0) }
                lines.append("In all about \(rows) rows, \(Self.size(bytes)) in \(tables.count) tables")
            }
        }
        if answer.isCut { lines.append("More would go than can be listed here") }
        if answer.isSnapshotOld {
            lines.append("The transaction reads from an old snapshot: what hangs on these is not known for certain")
        }
        return lines
    }

    /// The same in numbers; nil if nothing permanent goes.
    var figures: LossFigures? {
        var seen: Set<ObjectName> = []
        let all = things.filter { seen.insert($0.object).inserted }
        guard !all.isEmpty else { return nil }
        let tables = all.filter { $0.rank == 0 }
        let rows = tables.compactMap(\.rowCount).filter { $0 >= 0 }
        let bytes = tables.compactMap(\.byteCount).filter { $0 >= 0 }
        return LossFigures(
            objectCount: all.count, tableCount: tables.count, rowCount: rows.isEmpty ? nil : rows.reduce(0, &+),
            byteCount: bytes.isEmpty ? nil : bytes.reduce(0, &+), isCut: answer.isCut)
    }

    /// The most rows first.
    private var things: [CatalogAnswer.Going] {
        var things: [CatalogAnswer.Going] = []
        for (index, item) in question.items.enumerated() where item.statement == statement && item.reach != .name {
            if let meaning = answer.meanings[index], meaning.state == .permanent {
                var object = item.object
                object.schema = meaning.schema
                things.append(
                    CatalogAnswer.Going(
                        object: object, isTemporary: false, relationKind: meaning.relationKind, oid: meaning.oid,
                        rowCount: meaning.holdsRows ? meaning.rowCount : nil,
                        byteCount: meaning.holdsRows && object.part == nil ? meaning.byteCount : nil))
            }
            things += answer.dragged(index, by: item).filter { !$0.isTemporary }
        }
        func place(_ thing: CatalogAnswer.Going) -> (Int, Int64, String) {
            (thing.rank, 0 - max(0, thing.rowCount ?? 0), thing.object.qualifiedName)
        }
        return things.sorted { place($0) < place($1) }
    }

    private static func text(_ thing: CatalogAnswer.Going) -> String {
        let name = "\(thing.object.kind.rawValue) \(thing.object.qualifiedName)"
        guard thing.rank < 2, let rows = thing.rowCount, rows >= 0 else { return name }
        guard let bytes = thing.byteCount else { return "\(name) (about \(rows) rows)" }
        return "\(name) (about \(rows) rows, \(size(bytes)))"
    }

    private static func size(_ bytes: Int64) -> String {
        let bytes = max(0, bytes)
        if bytes < 10 << 20 { return "\((bytes + 1023) >> 10) kB" }
        return bytes < 10 << 30 ? "\(bytes >> 20) MB" : "\(bytes >> 30) GB"
    }
}

extension CatalogAnswer.Meaning {
    fileprivate var holdsRows: Bool { ["r", "p", "m", "f"].contains(relationKind) }
}

extension CatalogAnswer.Going {
    /// Tables, then columns, then what holds no rows.
    fileprivate var rank: Int {
        switch object.kind {
        case .table, .materializedView, .foreignTable: 0
        case .column: 1
        default: 2
        }
    }
}
