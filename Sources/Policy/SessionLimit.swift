/// How long a session may stay in one state, in nanoseconds; 0 is for ever.
package struct SessionTimeouts: Sendable, Hashable {
    /// Nothing is owed and no transaction is open.
    package var idle: Int64
    /// Nothing is owed and a transaction is open, or has failed.
    package var idleInTransaction: Int64
    /// One statement runs.
    package var query: Int64

    package init(idle: Int64 = 0, idleInTransaction: Int64 = 0, query: Int64 = 0) {
        self.idle = idle
        self.idleInTransaction = idleInTransaction
        self.query = query
    }

    package static let none = SessionTimeouts()
}

/// One `[[limit]]` block: what holds for the sessions that it is about.
///
/// All given conditions must hold; of a list any entry suffices; an empty list is no condition.
package struct SessionLimit: Sendable, Hashable {
    /// What sessions are counted by, each value for itself.
    package enum Part: String, Sendable, CaseIterable {
        case user, database, tag, address
    }

    package var name: String
    package var tags: [Glob]
    package var users: [Glob]
    package var databases: [Glob]
    /// The most sessions at once; nil if the block does not count them.
    package var maximumClients: Int?
    /// Nil: all sessions that match are counted together.
    package var each: Part?
    /// In nanoseconds, 0 is for ever; nil where the block says nothing.
    package var idleTimeout: Int64?
    package var idleInTransactionTimeout: Int64?
    package var queryTimeout: Int64?

    package init(
        name: String, tags: [Glob] = [], users: [Glob] = [], databases: [Glob] = [], maximumClients: Int? = nil,
        each: Part? = nil, idleTimeout: Int64? = nil, idleInTransactionTimeout: Int64? = nil,
        queryTimeout: Int64? = nil
    ) {
        self.name = name
        self.tags = tags
        self.users = users
        self.databases = databases
        self.maximumClients = maximumClients
        self.each = each
        self.idleTimeout = idleTimeout
        self.idleInTransactionTimeout = idleInTransactionTimeout
        self.queryTimeout = queryTimeout
    }

    package func matches(tag: String, user: String, database: String) -> Bool {
        (tags.isEmpty || tags.matches(tag)) && (users.isEmpty || users.matches(user))
            && (databases.isEmpty || databases.matches(database))
    }
}

extension [SessionLimit] {
    /// The timeouts of a session: of several blocks that match, the first that gives one decides.
    package func timeouts(tag: String, user: String, database: String) -> SessionTimeouts {
        let matching = filter { $0.matches(tag: tag, user: user, database: database) }
        return SessionTimeouts(
            idle: matching.lazy.compactMap(\.idleTimeout).first ?? 0,
            idleInTransaction: matching.lazy.compactMap(\.idleInTransactionTimeout).first ?? 0,
            query: matching.lazy.compactMap(\.queryTimeout).first ?? 0)
    }
}
