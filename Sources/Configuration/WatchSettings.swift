import Policy

/// One `[[watch]]` block: a database, what is expected in it, and how it is looked at.
package struct WatchSettings: Sendable, Hashable {
    /// Unique in the file; letters, digits, `_`, `-` and `.`: the files of its state are named after it.
    package var name: String
    /// libpq connection string or URI (`service=shop` names a service).
    package var connection: String
    /// Tables that must be there, as names or patterns: each has to match one at least.
    package var tables: [TablePattern] = []
    /// Whether what was there at the last accepted state is expected, too.
    package var usesBaseline = true
    /// Tables that nothing is said about.
    package var ignored: [TablePattern] = []
    /// Whether tables that nobody expects are reported.
    package var reportsUnexpected = true
    package var migrations = MigrationSettings()
    package var recovery = RecoverySettings()
    package var checks: [DataCheck] = []
    /// From one round to the next under `holdfast serve`; nil if only the command line looks.
    package var interval: Duration? = .seconds(60)
    /// For each statement of a round.
    package var statementTimeout: Duration = .seconds(10)
    package var lockTimeout: Duration = .seconds(2)
    package var connectTimeout: Duration = .seconds(5)

    package init(name: String, connection: String) {
        self.name = name
        self.connection = connection
    }
}

/// What is known of a database's migrations from proxy.conf.
package struct MigrationSettings: Sendable, Hashable {
    package enum Tool: String, Sendable, CaseIterable, Codable {
        case alembic, django, rails, flyway, liquibase
    }

    package enum Choice: Sendable, Hashable {
        /// Whatever tool's table is there.
        case automatic
        case off
        case tool(Tool)
    }

    package var choice = Choice.automatic
    /// Where the tool keeps its state, if not in the table that it makes by default.
    package var table: TableName?
    /// The scripts, absolute or relative to the folder of proxy.conf; empty: they are not at hand.
    package var folder = ""
    /// How many heads are meant to be (Alembic).
    package var headCount = 1

    package init() {}
}

/// How `holdfast recover` gets at a database and runs its migrations.
package struct RecoverySettings: Sendable, Hashable {
    /// libpq connection string of a role that may make the tables; empty: the watch's own.
    package var connection = ""
    /// libpq connection string that leads to where a scratch database may be made; empty: ``connection``.
    package var scratchConnection = ""
    /// The migration tool's program and its first arguments; empty: looked for.
    package var command: [String] = []
    /// The environment variable that tells the project its database.
    package var variable = "DATABASE_URL"
    /// What the URL in it begins with: `postgresql+asyncpg`; empty: as the project's own settings have it.
    package var scheme = ""
    /// How long one run of the program may take.
    package var timeout: Duration = .seconds(1800)

    package init() {}
}

/// One `[[watch.check]]` block.
package struct DataCheck: Sendable, Hashable {
    package enum Test: Sendable, Hashable {
        /// The table's rows: at least so many, and no more than so many percent fewer than when it last passed.
        case rows(table: TableName, minimum: Int?, maximumFall: Int?)
        /// A query whose first value has to be true.
        case query(String)
    }

    package var name: String
    package var test: Test

    package init(name: String, test: Test) {
        self.name = name
        self.test = test
    }
}

/// How all watches are run, and who is told what they find: `[watching]`.
package struct WatchingSettings: Sendable, Hashable {
    /// The folder of what is remembered, absolute or relative to the folder of proxy.conf.
    package var statePath = "var/watch"
    /// So many databases are looked at at the same time.
    package var workerCount = 4
    /// `http://` or `https://`; empty: nobody is called.
    package var webhook = ""
    /// Further headers, as `Name: value`.
    package var webhookHeaders: [String] = []
    /// A program's absolute path, then its arguments; empty: none is run.
    package var command: [String] = []
    /// How long the webhook or the program may take.
    package var timeout: Duration = .seconds(10)
    /// How often a failed delivery is tried again before the next round.
    package var retryCount = 3

    package init() {}

    package var tellsAnybody: Bool { !webhook.isEmpty || !command.isEmpty }
}

/// A table's name, as PostgreSQL stores it; without a schema the search path decides.
package struct TableName: Sendable, Hashable, Codable, CustomStringConvertible {
    package var schema: String?
    package var name: String

    package init(schema: String?, name: String) {
        self.schema = schema
        self.name = name
    }

    /// Reads `orders`, `public.orders` and `"odd.schema"."Odd name"`; nil if it is none of these.
    package init?(_ text: String) {
        guard let parts = NameParts.split(text), parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        switch parts.count {
        case 1: self.init(schema: nil, name: parts[0])
        case 2: self.init(schema: parts[0], name: parts[1])
        default: return nil
        }
    }

    package var description: String { schema.map { "\($0).\(name)" } ?? name }

    /// As an SQL text names it.
    package var quoted: String {
        [schema, name].compactMap(\.self).map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }
            .joined(separator: ".")
    }
}

/// Which tables are meant: `orders` (in any schema), `public.orders`, `public.*`, `"odd.schema".*`.
package struct TablePattern: Sendable, Hashable, CustomStringConvertible {
    private let schema: Glob?
    private let name: Glob
    /// As it was written.
    package let description: String

    /// Nil if the text has more than two parts, or an empty one.
    package init?(_ text: String) {
        guard let parts = NameParts.split(text), parts.allSatisfy({ !$0.isEmpty }), let last = parts.last,
            parts.count <= 2
        else { return nil }
        schema = parts.count == 2 ? parts.first.map { Glob($0) } : nil
        name = Glob(last)
        description = text
    }

    package func matches(schema: String, name: String) -> Bool {
        self.name.matches(name) && self.schema?.matches(schema) != false
    }
}

private enum NameParts {
    /// The parts between dots, quotes taken off; nil if a quote is not closed.
    static func split(_ text: String) -> [String]? {
        var parts: [String] = [""]
        var isQuoted = false
        var rest = Substring(text)
        while let character = rest.popFirst() {
            switch character {
            case "\"" where isQuoted && rest.first == "\"":
                rest.removeFirst()
                parts[parts.count - 1].append("\"")
            case "\"": isQuoted.toggle()
            case "." where !isQuoted: parts.append("")
            default: parts[parts.count - 1].append(character)
            }
        }
        return isQuoted ? nil : parts
    }
}
