/// Hands out the rows of a search one by one, reading ahead as far as a few pieces: in the order of their lines, or the newest
/// first.
package struct TrailCursor {
    /// What could not be read, and where.
    package enum Complaint: Sendable, Equatable {
        /// A line that is no record.
        case line(path: String, number: Int, AuditDecodeFault)
        /// Part of a file: rows may be missing.
        case broken(AuditFault)
    }

    private let search: TrailSearch
    private let isNewestFirst: Bool
    private var waiting: ArraySlice<Int>
    private var rows: ArraySlice<AuditRow> = []
    private var windowCount = 2
    private static let mostInWindow = 32
    /// Where pieces are full of rows, few are held at once.
    private static let manyRows = 5000
    /// Lines beyond these are counted, not looked up.
    private static let toldFaultCount = 20
    package private(set) var complaints: [Complaint] = []
    package private(set) var faultCount = 0

    package init(_ search: TrailSearch, newestFirst: Bool = false) {
        self.search = search
        isNewestFirst = newestFirst
        waiting = search.candidates[...]
    }

    /// The next row; nil at the end.
    package mutating func next() -> AuditRow? {
        while rows.isEmpty {
            guard !waiting.isEmpty else { return nil }
            let window = isNewestFirst ? waiting.suffix(windowCount) : waiting.prefix(windowCount)
            waiting = isNewestFirst ? waiting.dropLast(window.count) : waiting.dropFirst(window.count)
            take(search.search(window))
            windowCount = rows.count > Self.manyRows ? max(2, windowCount / 2) : min(2 * windowCount, Self.mostInWindow)
        }
        return isNewestFirst ? rows.popLast() : rows.popFirst()
    }

    /// What the search has to complain of since the last time.
    package mutating func takeComplaints() -> [Complaint] {
        defer { complaints = [] }
        return complaints
    }

    private mutating func take(_ results: [(piece: Int, found: TrailSearch.Found)]) {
        var all: [AuditRow] = []
        for (piece, found) in results {
            all += found.rows
            if let broken = found.broken { complaints.append(.broken(broken)) }
            for (offset, fault) in found.faults {
                faultCount += 1
                guard faultCount <= Self.toldFaultCount else { continue }
                let path = search.trail.places[piece].file.path
                let number = search.trail.lineNumber(piece: piece, offset: offset)
                complaints.append(.line(path: path, number: number, fault))
            }
        }
        // Rows that were found by their outcomes stand where those do.
        if !search.plan.startsFromRecords || !search.filter.texts.isEmpty {
            all = all.enumerated().sorted { ($0.element.record.time, $0.offset) < ($1.element.record.time, $1.offset) }
                .map(\.element)
        }
        rows = all[...]
    }
}

/// The rows of several trails, in the order of their times.
package struct TrailMerge {
    private var cursors: [TrailCursor]
    private var heads: [AuditRow?]
    private let isNewestFirst: Bool

    package init(_ searches: [TrailSearch], newestFirst: Bool = false) {
        isNewestFirst = newestFirst
        cursors = searches.map { TrailCursor($0, newestFirst: newestFirst) }
        heads = []
        for index in cursors.indices { heads.append(cursors[index].next()) }
    }

    package mutating func next() -> AuditRow? {
        var best: Int?
        for (index, head) in heads.enumerated() {
            guard let head else { continue }
            guard let chosen = best, let other = heads[chosen] else {
                best = index
                continue
            }
            let isFirst = isNewestFirst ? head.record.time > other.record.time : head.record.time < other.record.time
            if isFirst { best = index }
        }
        guard let best else { return nil }
        defer { heads[best] = cursors[best].next() }
        return heads[best]
    }

    /// What the searches have to complain of since the last time.
    package mutating func takeComplaints() -> [TrailCursor.Complaint] {
        cursors.indices.flatMap { cursors[$0].takeComplaints() }
    }

    /// Lines that are no records, of all trails.
    package var faultCount: Int { cursors.reduce(0) { $0 + $1.faultCount } }
}
