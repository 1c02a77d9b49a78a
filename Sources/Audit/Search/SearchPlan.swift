/// How a filter is looked for: which lines can matter, by bytes that they must hold, and which pieces, by an index.
///
/// A statement is two lines, an intent and an outcome. The search starts from the lines that tell most: from outcomes where
/// only those can tell (how it ended), from both where a text can stand in either, else from intents.
struct SearchPlan: Sendable {
    /// A line that matters holds one of these; empty: any line can matter.
    private(set) var needles: [SearchNeedle] = []
    /// Whether intents, and records that stand for themselves, are looked at.
    private(set) var startsFromRecords = true
    /// Whether outcomes are, whose intents are then looked for.
    private(set) var startsFromOutcomes = false
    /// Whether a statement that began in time can be found by a line that was written later: its outcome.
    var startsFromLateLines: Bool { startsFromOutcomes && (!startsFromRecords || !filter.texts.isEmpty) }
    /// Of each of these a piece must hold one.
    private(set) var tokens: [[UInt64]] = []

    private let filter: AuditFilter

    init(_ filter: AuditFilter) {
        self.filter = filter
        if !filter.texts.isEmpty {
            startsFromOutcomes = true
            let found = filter.texts.map { SearchNeedle.caseless($0.bytes) }
            if found.allSatisfy({ $0 != nil }) { needles = found.compactMap { $0 } }
            tokens = identityTokens.map { $0 + [SearchToken.of(.session, "")] }
        } else if filter.ends.contains(where: \.isRare), filter.ends.allSatisfy(\.isRare) {
            startsFromRecords = false
            startsFromOutcomes = true
            needles = filter.ends.compactMap(\.needle)
            tokens = [filter.ends.compactMap(\.token)] + identityTokens.map { $0 + [SearchToken.of(.session, "")] }
        } else {
            // An outcome without its intent can only be told by whose it is.
            startsFromOutcomes = !filter.asksForStatement
            let choices = [
                anchor(filter.ids, "id"), anchor(filter.fingerprints, "fingerprint"), objectNeedles,
                anchor(filter.sessions, "session"), clientNeedles,
                anchor(filter.rules, "rule"), anchor(filter.users, "user"),
                anchor(filter.applications, "application_name"), anchor(filter.databases, "database"),
                classNeedles, eventNeedles, anchor(filter.verdicts, "verdict"), anchor(filter.tags, "tag"),
            ]
            needles = choices.first { $0 != nil && $0?.isEmpty == false }.flatMap { $0 } ?? []
            tokens = identityTokens + statementTokens
        }
    }

    /// Whether a piece can hold a line to start from.
    func mayHold(_ piece: TrailPiece) -> Bool {
        guard let known = piece.known, !known.isOpaque else { return true }
        if let since = filter.since, known.lastTime < since { return false }
        if let until = filter.until, !startsFromLateLines, known.firstTime >= until { return false }
        return tokens.allSatisfy { choices in choices.contains { known.tokens.mayHold($0) } }
    }

    // MARK: - Needles

    private func anchor(_ values: [String], _ key: StaticString) -> [SearchNeedle]? {
        guard !values.isEmpty else { return nil }
        return values.compactMap { SearchNeedle.field(key, $0) }
    }

    private var objectNeedles: [SearchNeedle]? {
        guard !filter.objects.isEmpty else { return nil }
        let found = filter.objects.map { SearchNeedle.caseless($0.certainBytes) }
        return found.contains { $0 == nil } ? nil : found.compactMap { $0 }
    }

    private var clientNeedles: [SearchNeedle]? {
        let found = filter.clients.map(\.needle)
        return found.contains { $0 == nil } ? nil : found.compactMap { $0 }
    }

    /// More of them than this would take longer than reading the lines.
    private var classNeedles: [SearchNeedle]? {
        guard !filter.classes.isEmpty, filter.classes.count <= 8 else { return nil }
        return filter.classes.compactMap { SearchNeedle(AuditEncoder.quoted($0)) }
    }

    private var eventNeedles: [SearchNeedle]? {
        guard !filter.events.isEmpty, filter.events.count <= 4 else { return nil }
        var events = filter.events
        if events.contains(.outcome) { events.insert(.intent) }
        if events.contains(.intent) { events.insert(.outcome) }
        return events.compactMap { SearchNeedle.field("event", $0.rawValue) }
    }

    // MARK: - Tokens

    private var identityTokens: [[UInt64]] {
        var groups: [[UInt64]] = []
        func add(_ kind: SearchToken.Kind, _ values: [String]) {
            if !values.isEmpty { groups.append(values.map { SearchToken.of(kind, $0) }) }
        }
        add(.id, filter.ids)
        add(.session, filter.sessions)
        add(.user, filter.users)
        add(.database, filter.databases)
        add(.application, filter.applications)
        add(.tag, filter.tags)
        let clients = filter.clients.map(\.token)
        if !clients.isEmpty, clients.allSatisfy({ $0 != nil }) { groups.append(clients.compactMap { $0 }) }
        return groups
    }

    private var statementTokens: [[UInt64]] {
        var groups: [[UInt64]] = []
        if !filter.classes.isEmpty { groups.append(filter.classes.map { SearchToken.of(.class, $0) }) }
        if !filter.verdicts.isEmpty { groups.append(filter.verdicts.map { SearchToken.of(.verdict, $0) }) }
        if !filter.fingerprints.isEmpty {
            groups.append(filter.fingerprints.map { SearchToken.of(.fingerprint, $0) })
        }
        if !filter.rules.isEmpty { groups.append(filter.rules.map { SearchToken.of(.rule, $0) }) }
        let names = filter.objects.map(\.indexedNames)
        if !names.isEmpty, names.allSatisfy({ $0 != nil }) {
            groups.append(names.flatMap { $0 ?? [] }.map { SearchToken.of(.object, $0) })
        }
        if !filter.events.isEmpty {
            var events = filter.events
            if events.contains(.outcome) { events.insert(.intent) }
            groups.append(events.map { SearchToken.of(.event, $0.rawValue) })
        }
        return groups
    }
}

extension AuditFilter.End {
    /// Whether few outcomes are so, and only outcomes can tell.
    var isRare: Bool {
        switch self {
        case .error, .sqlState: true
        case .transaction(let end): end != .committed && end != .unknown
        case .ok, .none: false
        }
    }

    var needle: SearchNeedle? {
        switch self {
        case .error: SearchNeedle(Array(#","sqlstate":""#.utf8))
        case .sqlState(let code): SearchNeedle(Array(#","sqlstate":""#.utf8) + code.utf8)
        case .transaction(let end): SearchNeedle.field("transaction", end.rawValue)
        case .ok, .none: nil
        }
    }

    var token: UInt64? {
        switch self {
        case .error: SearchToken.of(.result, "error")
        case .sqlState(let code): SearchToken.of(.sqlState, code)
        case .transaction(let end): SearchToken.of(.transaction, end.rawValue)
        case .ok, .none: nil
        }
    }
}
