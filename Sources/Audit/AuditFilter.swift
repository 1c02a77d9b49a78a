/// Which records are wanted. An empty list asks for nothing in particular; the values of one list are alternatives, the
/// lists must all agree.
package struct AuditFilter: Sendable, Equatable {
    /// Nanoseconds since 1970: the first moment that is wanted.
    package var since: Int64?
    /// The first moment that is not wanted any more.
    package var until: Int64?
    package var users: [String] = []
    package var databases: [String] = []
    package var tags: [String] = []
    package var sessions: [String] = []
    package var events: [AuditRecord.Event] = []
    /// Of these one at least.
    package var classes: Set<String> = []
    package var verdicts: [String] = []
    package init() {}

    /// Whether only records with a statement (intents, refusals) can tell if they are wanted.
    var asksForStatement: Bool { !classes.isEmpty || !verdicts.isEmpty }

    /// Whether what the record says of itself is wanted, its event left aside.
    func accepts(_ record: AuditRecord) -> Bool {
        if let since, record.time < since { return false }
        if let until, record.time >= until { return false }
        guard Self.matches(users, record.session.user), Self.matches(databases, record.session.database),
            Self.matches(tags, record.session.tag), Self.matches(sessions, record.session.session)
        else { return false }
        guard asksForStatement else { return true }
        guard let statement = record.statement else { return false }
        return Self.matches(verdicts, statement.verdict)
            && (classes.isEmpty || statement.classes.contains { classes.contains($0) })
    }

    func accepts(_ event: AuditRecord.Event) -> Bool { Self.matches(events, event) }

    private static func matches<Value: Equatable>(_ wanted: [Value], _ value: Value) -> Bool {
        wanted.isEmpty || wanted.contains(value)
    }
}

/// Applies a filter to the records of a trail in their order. An outcome belongs to its intent: it is wanted if that was.
package struct AuditSelector {
    /// How many intents are remembered until their outcomes come.
    static let maximumPendingCount = 10_000

    private let filter: AuditFilter
    private var wanted: Set<String> = []
    /// The same in their order, the oldest first, from `oldest` on.
    private var order: [String] = []
    private var oldest = 0

    package init(_ filter: AuditFilter) { self.filter = filter }

    /// Whether the record is wanted, its event included.
    package mutating func selects(_ record: AuditRecord) -> Bool {
        selectsWhateverEvent(record) && filter.accepts(record.event)
    }

    mutating func selectsWhateverEvent(_ record: AuditRecord) -> Bool {
        if record.event == .outcome, wanted.remove(record.id) != nil { return true }
        let isAccepted = filter.accepts(record)
        if isAccepted, record.event == .intent { remember(record.id) }
        return isAccepted
    }

    private mutating func remember(_ id: String) {
        guard wanted.insert(id).inserted else { return }
        order.append(id)
        guard order.count - oldest > Self.maximumPendingCount else { return }
        wanted.remove(order[oldest])
        oldest += 1
        if oldest > Self.maximumPendingCount {
            order.removeFirst(oldest)
            oldest = 0
        }
    }
}
