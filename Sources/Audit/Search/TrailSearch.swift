import Policy
import Foundation
import Synchronization

/// Searches a trail: finds the rows that a filter wants, piece by piece, several at once.
package final class TrailSearch: Sendable {
    /// What one piece gave.
    struct Found: Sendable {
        /// In the order of the lines that they were found by.
        var rows: [AuditRow] = []
        /// Lines that are no record: where they begin in the piece, and why.
        var faults: [(offset: Int, fault: AuditDecodeFault)] = []
        /// The piece, or another one that was needed for its rows, cannot be read.
        var broken: AuditFault?
    }

    let trail: Trail
    let filter: AuditFilter
    let plan: SearchPlan
    /// Pieces that can hold what is wanted, in the trail's order.
    let candidates: [Int]
    private let readers = Mutex<[Reading]>([])

    /// Belongs to one thread at a time: whoever took it out of `readers`.
    private final class Reading: @unchecked Sendable {
        let own = PieceReader()
        let other = PieceReader()
    }

    package init(_ trail: Trail, _ filter: AuditFilter) {
        self.trail = trail
        self.filter = filter
        let plan = SearchPlan(filter)
        self.plan = plan
        candidates = trail.places.indices.filter { plan.mayHold(trail.places[$0].piece) }
    }

    /// How many pieces there are, and how many are opened: an index leaves out the others.
    package var pieceCounts: (all: Int, opened: Int) { (trail.places.count, candidates.count) }

    /// The rows of some pieces, each with its piece; several threads work.
    func search(_ pieces: ArraySlice<Int>) -> [(piece: Int, found: Found)] {
        let results = Mutex<[Int: Found]>([:])
        let pieces = Array(pieces)
        DispatchQueue.concurrentPerform(iterations: pieces.count) { index in
            let reading = self.readers.withLock { $0.popLast() } ?? Reading()
            let found = self.search(pieces[index], reading)
            self.readers.withLock { $0.append(reading) }
            results.withLock { $0[index] = found }
        }
        return results.withLock { results in pieces.indices.map { (pieces[$0], results[$0] ?? Found()) } }
    }

    // MARK: - One piece

    private func search(_ number: Int, _ reading: Reading) -> Found {
        var found = Found()
        do throws(AuditFault) {
            let place = trail.places[number]
            let text = try reading.own.load(place.piece, of: place.file)
            var hits = Hits()
            collect(text, into: &hits, &found)
            try joinOutcomes(&hits, in: text, of: number, reading)
            try joinIntents(&hits, in: text, of: number, reading)
            found.rows = hits.rows.sorted { $0.offset < $1.offset }.map(\.row).filter(isWanted)
        } catch {
            found.broken = error
        }
        return found
    }

    private struct Hits {
        /// Each with the offset of the line that it was found by.
        var rows: [(offset: Int, row: AuditRow)] = []
        var outcomes: [(offset: Int, record: AuditRecord, line: [UInt8])] = []
    }

    private func isWanted(_ row: AuditRow) -> Bool {
        filter.accepts(row.record) && filter.acceptsShape(of: row) && filter.acceptsTexts(of: row)
    }

    /// Reads the lines that can matter.
    private func collect(_ text: TrailText, into hits: inout Hits, _ found: inout Found) {
        // Before a line is read: a time as it is written sorts as its text does.
        let since = filter.since.map { Array(AuditTime.text($0).utf8) }
        let until = plan.startsFromLateLines ? nil : filter.until.map { Array(AuditTime.text($0).utf8) }
        let isSieved = text.isAsWritten && !plan.needles.isEmpty
        for place in isSieved ? text.lines(holding: plan.needles) : text.lines() {
            let line = text.line(place)
            if since != nil || until != nil, let time = Self.time(in: line) {
                if let since, time.lexicographicallyPrecedes(since) { continue }
                if let until, until.lexicographicallyPrecedes(time) { continue }
            }
            do throws(AuditDecodeFault) {
                let record = try AuditDecoder.decode(line)
                if record.event == .outcome {
                    guard plan.startsFromOutcomes, mayStart(fromOutcome: record, line) else { continue }
                    hits.outcomes.append((place.lowerBound, record, Array(line)))
                } else if plan.startsFromRecords || record.outcome != nil, filter.accepts(record) {
                    var row = AuditRow(record: record)
                    row.line = Array(line)
                    guard startsHere(row) || record.outcome != nil else { continue }
                    if record.event == .intent { row.state = .pending }
                    hits.rows.append((place.lowerBound, row))
                }
            } catch {
                // Kinds of records that a later version writes are none for this one.
                if case .unknownEvent = error { continue }
                found.faults.append((place.lowerBound, error))
            }
        }
    }

    /// Whether a record is found by itself, and not by its outcome's text.
    private func startsHere(_ row: AuditRow) -> Bool { plan.startsFromRecords && filter.acceptsTexts(of: row) }

    private func mayStart(fromOutcome record: AuditRecord, _ line: UnsafeBufferPointer<UInt8>) -> Bool {
        if !filter.texts.isEmpty {
            let line = Array(line)
            return filter.texts.contains { RecordTexts.hold($0, in: line) }
        }
        guard plan.startsFromRecords else { return record.outcome.map(filter.accepts) ?? false }
        return filter.accepts(record)
    }

    /// The bytes of the line's time, if it is written as Holdfast does.
    private static func time(in line: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        let length = 27
        guard line.count > 64 + length, let key = SearchNeedle.time,
            let place = key.first(in: UnsafeBufferPointer(rebasing: line[..<64]), from: 0)
        else { return nil }
        let start = place + key.bytes.count
        return UnsafeBufferPointer(rebasing: line[start..<start + length])
    }

    // MARK: - Outcomes of intents

    private func joinOutcomes(
        _ hits: inout Hits, in text: TrailText, of number: Int, _ reading: Reading
    ) throws(AuditFault) {
        var waiting: [Int] = hits.rows.indices.filter { hits.rows[$0].row.state == .pending }
        guard !waiting.isEmpty else { return }
        take(outcomesIn: text, after: true, &waiting, &hits)
        var next = number + 1
        while !waiting.isEmpty, next < trail.places.count {
            defer { next += 1 }
            let tokens = waiting.map { SearchToken.of(.id, hits.rows[$0].row.record.id) }
            guard mayHold(next, tokens, orStart: true) else { continue }
            let place = trail.places[next]
            let text = try reading.other.load(place.piece, of: place.file)
            remember(next, text)
            take(outcomesIn: text, after: false, &waiting, &hits)
        }
    }

    /// Joins what stands in a text.
    ///
    /// - Parameter after: the intents stand in the same text: a start of the proxy counts only behind them.
    private func take(outcomesIn text: TrailText, after: Bool, _ waiting: inout [Int], _ hits: inout Hits) {
        let outcomes = EventTable(of: .outcome, in: text)
        let starts = EventTable(of: .start, in: text).lines.values.map(\.lowerBound)
        waiting = waiting.filter { index in
            let row = hits.rows[index]
            if let place = outcomes.lines[SearchToken.of(.id, row.row.record.id)],
                let record = try? AuditDecoder.decode(text.line(place)), record.id == row.row.record.id
            {
                hits.rows[index].row.take(outcome: record, line: Array(text.line(place)))
                return false
            }
            guard starts.contains(where: { !after || $0 > row.offset }) else { return true }
            hits.rows[index].row.state = .inDoubt
            return false
        }
    }

    // MARK: - Intents of outcomes

    private func joinIntents(
        _ hits: inout Hits, in text: TrailText, of number: Int, _ reading: Reading
    ) throws(AuditFault) {
        guard !hits.outcomes.isEmpty else { return }
        var outcomes = hits.outcomes
        take(intentsIn: text, &outcomes, &hits)
        var next = number - 1
        while !outcomes.isEmpty, next >= 0 {
            defer { next -= 1 }
            guard mayHold(next, outcomes.map { SearchToken.of(.id, $0.record.id) }, orStart: false) else { continue }
            let place = trail.places[next]
            let text = try reading.other.load(place.piece, of: place.file)
            remember(next, text)
            take(intentsIn: text, &outcomes, &hits)
        }
        // Their intents are no longer there.
        for outcome in outcomes {
            var row = AuditRow(record: outcome.record, outcome: outcome.record.outcome)
            row.endTime = outcome.record.time
            row.line = outcome.line
            hits.rows.append((outcome.offset, row))
        }
    }

    private func take(
        intentsIn text: TrailText, _ outcomes: inout [(offset: Int, record: AuditRecord, line: [UInt8])],
        _ hits: inout Hits
    ) {
        let intents = EventTable(of: .intent, in: text)
        outcomes = outcomes.filter { outcome in
            guard let place = intents.lines[SearchToken.of(.id, outcome.record.id)],
                let record = try? AuditDecoder.decode(text.line(place)), record.id == outcome.record.id
            else { return true }
            var row = AuditRow(record: record)
            row.line = Array(text.line(place))
            // Found by itself, the intent has its row already.
            if !(filter.accepts(record) && startsHere(row)) {
                row.take(outcome: outcome.record, line: outcome.line)
                hits.rows.append((outcome.offset, row))
            }
            return false
        }
    }

    // MARK: - What is known of pieces

    private func mayHold(_ number: Int, _ tokens: [UInt64], orStart: Bool) -> Bool {
        if let known = trail.places[number].piece.known {
            return known.isOpaque || (orStart && known.holdsStart) || tokens.contains { known.tokens.mayHold($0) }
        }
        guard let known = trail.memory.knowledge(of: number) else { return true }
        return known.isOpaque || (orStart && known.holdsStart) || tokens.contains { known.ids.mayHold($0) }
    }

    private func remember(_ number: Int, _ text: TrailText) {
        if trail.places[number].piece.known == nil, trail.memory.knowledge(of: number) == nil {
            trail.memory.learn(number, from: text)
        }
    }
}

extension SearchNeedle {
    static let time = SearchNeedle(Array(#""time":""#.utf8))
}

extension ClientPattern {
    /// What stands in the line of a client that this matches, wherever it writes an IPv4 address: the address, or the
    /// numbers of it that a range decides. Nil for ranges of IPv6, and for those wider than a number.
    var needle: SearchNeedle? {
        switch self {
        case .local: return SearchNeedle.field("client", "unix")
        case .range(let range):
            if range.prefixLength == range.base.bytes.count * 8 { return SearchNeedle(Array(range.base.text.utf8)) }
            let count = range.prefixLength / 8
            guard range.base.bytes.count == 4, count > 0 else { return nil }
            let numbers = range.base.bytes[..<count].map { "\($0)." }.joined()
            return SearchNeedle(Array(numbers.utf8))
        }
    }

    /// What an index knows of a client that this matches; nil unless it is one address.
    var token: UInt64? {
        switch self {
        case .local: SearchToken.of(.client, "unix")
        case .range(let range):
            range.prefixLength == range.base.bytes.count * 8 ? SearchToken.of(.client, range.base.text) : nil
        }
    }
}
