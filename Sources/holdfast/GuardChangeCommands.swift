import ArgumentParser
import DatabaseGuard

/// `holdfast guard install`: puts the guard into a database.
struct GuardInstallCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install",
        abstract: "Put the guard into a database.",
        discussion: """
            Needs a superuser, and briefly a lock on every table: writers wait meanwhile. All of it is one transaction. \
            Does nothing where a guard is.

            Examples:
              holdfast guard install --database postgresql://postgres@localhost/shop --role holdfast
              holdfast guard install --database postgresql://postgres@localhost/shop --exempt 'scratch.*'
            """)

    @OptionGroup var target: GuardTarget
    @OptionGroup var options: GuardChoiceOptions

    @Flag(help: "Install although a publication FOR ALL TABLES will carry the guard's own tables.")
    var published = false

    func run() throws {
        let change = try target.withGuard { (wall) throws(GuardFault) in
            try wall.install(options.choices, allowsPublication: published)
        }
        switch change {
        case .installed(let version): print("installed, version \(version)")
        case .alreadyInstalled(let version):
            print("already installed, version \(version)")
            if version < DatabaseGuard.currentVersion {
                print("this Holdfast brings version \(DatabaseGuard.currentVersion): holdfast guard upgrade")
            }
        case .upgraded(let from, let to): print("upgraded from version \(from) to \(to)")
        }
    }
}

/// `holdfast guard upgrade`: puts an installed guard in order.
struct GuardUpgradeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade",
        abstract: "Bring a guard to this version, repair it, or change what was chosen.",
        discussion: """
            The log stays, and whatever no option names. --role and --exempt take the place of all that were given before. \
            Run it also in a database that was restored from a dump. Needs the superuser who owns the guard.
            """)

    @OptionGroup var target: GuardTarget
    @OptionGroup var options: GuardChoiceOptions

    func run() throws {
        let change = try target.withGuard { (wall) throws(GuardFault) in try wall.upgrade(options.choices) }
        guard case .upgraded(let from, let to) = change else { return }
        print(from == to ? "version \(to), put in order" : "upgraded from version \(from) to \(to)")
    }
}

/// `holdfast guard remove`: takes the guard out.
struct GuardRemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take the guard out of a database, its log included, without a trace.",
        discussion: "Needs the superuser who owns the guard. All of it is one transaction.")

    @OptionGroup var target: GuardTarget

    func run() throws {
        try target.withGuard { (wall) throws(GuardFault) in try wall.remove() }
        print("removed")
    }
}

/// `holdfast guard prune`: deletes old rows of the log.
struct GuardPruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Delete old rows of the log of DDL.",
        discussion: """
            Example:
              holdfast guard prune --database postgresql://postgres@localhost/shop --older-than 90d
            """)

    @OptionGroup var target: GuardTarget

    @Option(help: ArgumentHelp("How old a row has to be, in days: 90d.", valueName: "days"))
    var olderThan: String

    private var days: Int? {
        let digits = olderThan.hasSuffix("d") ? olderThan.dropLast() : Substring(olderThan)
        return Int(digits).flatMap { (0...100_000).contains($0) ? $0 : nil }
    }

    func validate() throws {
        if days == nil { throw ValidationError("--older-than wants a number of days, for example 90d") }
    }

    func run() throws {
        guard let days else { return }
        let count = try target.withGuard { (wall) throws(GuardFault) in try wall.prune(olderThanDays: days) }
        print("\(count) \(count == 1 ? "row" : "rows") deleted")
    }
}
