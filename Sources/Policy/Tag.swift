/// The environments that sessions belong to.
package enum Tag {
    /// The tag of every session that no `[[tag]]` block claims.
    package static let production = "production"
}

/// One `[[tag]]` block: which sessions get the tag.
///
/// All given conditions must hold; of a list any entry suffices; an empty list is no condition.
package struct TagRule: Sendable, Hashable {
    package var tag: String
    package var databases: [Glob]
    package var users: [Glob]
    package var applicationNames: [Glob]
    package var clients: [ClientPattern]
    package var listeners: [Glob]
    package var certificates: [Glob]
    package var osUsers: [Glob]

    package init(
        tag: String, databases: [Glob] = [], users: [Glob] = [], applicationNames: [Glob] = [],
        clients: [ClientPattern] = [], listeners: [Glob] = [], certificates: [Glob] = [], osUsers: [Glob] = []
    ) {
        self.tag = tag
        self.databases = databases
        self.users = users
        self.applicationNames = applicationNames
        self.clients = clients
        self.listeners = listeners
        self.certificates = certificates
        self.osUsers = osUsers
    }

    package func matches(_ subject: Subject) -> Bool {
        (databases.isEmpty || databases.matches(subject.database))
            && (users.isEmpty || users.matches(subject.user))
            && (applicationNames.isEmpty || applicationNames.matches(subject.applicationName))
            && (clients.isEmpty || clients.contains { $0.matches(subject.clientAddress) })
            && (listeners.isEmpty || listeners.matches(subject.listener))
            && (certificates.isEmpty || subject.certificate.map(certificates.matches) == true)
            && (osUsers.isEmpty || subject.osUser.map(osUsers.matches) == true)
    }

    /// Whether only `application_name`, which every client chooses freely, decides. Conditions that everything
    /// fulfils (`*`, `0.0.0.0/0`) do not count.
    package var restsOnApplicationNameAlone: Bool {
        !applicationNames.isEmpty && !applicationNames.contains(where: \.matchesEverything)
            && Self.isVoid(databases) && Self.isVoid(users) && Self.isVoid(listeners) && certificates.isEmpty
            && osUsers.isEmpty
            && (clients.isEmpty || clients.contains(where: \.matchesEverything))
    }

    private static func isVoid(_ patterns: [Glob]) -> Bool {
        patterns.isEmpty || patterns.contains(where: \.matchesEverything)
    }
}
