import Configuration
import ServerLink

/// A migration tool's table, found in the catalog.
struct MigrationTable: Sendable, Hashable {
    var tool: MigrationSettings.Tool
    var table: TableName

    /// The table of the tool that is configured, or of whichever tool's table is there.
    ///
    /// - Returns: nil if there is none, or nobody wants to know.
    static func find(_ settings: MigrationSettings, in tables: [TableShape]) -> MigrationTable? {
        let tools: [MigrationSettings.Tool]
        switch settings.choice {
        case .off: return nil
        case .automatic: tools = MigrationSettings.Tool.allCases
        case .tool(let tool): tools = [tool]
        }
        for tool in tools {
            let wanted = settings.table ?? TableName(schema: nil, name: tool.tableName)
            let found = tables.filter { table in
                table.name == wanted.name && (wanted.schema ?? table.schema) == table.schema
                    && tool.recognizes(table)
            }
            // The search path would find that of `public` before another schema's.
            if let table = found.first(where: { $0.schema == "public" }) ?? found.first {
                return MigrationTable(tool: tool, table: TableName(schema: table.schema, name: table.name))
            }
        }
        return nil
    }
}

extension MigrationSettings.Tool {
    /// Where the tool keeps its state unless it is told otherwise.
    package var tableName: String {
        switch self {
        case .alembic: "alembic_version"
        case .django: "django_migrations"
        case .rails: "schema_migrations"
        case .flyway: "flyway_schema_history"
        case .liquibase: "databasechangelog"
        }
    }

    /// The columns that it reads. Other tools have tables of the same name (golang-migrate's `schema_migrations`).
    private var columns: [String] {
        switch self {
        case .alembic: ["version_num"]
        case .django: ["app", "name"]
        case .rails: ["version"]
        case .flyway: ["installed_rank", "version", "type", "script", "success"]
        case .liquibase: ["id", "author", "filename"]
        }
    }

    func recognizes(_ table: TableShape) -> Bool {
        let names = Set(table.columns.map(\.name))
        guard columns.allSatisfy(names.contains) else { return false }
        guard self == .rails else { return true }
        return table.columns.count == 1 && table.columns.first?.type.hasPrefix("character varying") == true
    }

    func query(_ table: TableName) -> String {
        switch self {
        case .alembic: "SELECT version_num FROM \(table.quoted) ORDER BY 1"
        case .django: "SELECT app, name FROM \(table.quoted) ORDER BY 1, 2"
        case .rails: "SELECT version FROM \(table.quoted) ORDER BY 1"
        case .flyway:
            "SELECT version, script, type, success::text FROM \(table.quoted) ORDER BY installed_rank"
        case .liquibase: "SELECT id, author, filename FROM \(table.quoted) ORDER BY 1, 2"
        }
    }
}

/// What a database says of its migrations.
struct MigrationState: Sendable, Equatable {
    /// One row of the tool's table.
    struct Entry: Sendable, Hashable {
        /// Alembic's revision, Django's name, the version of Rails and Flyway (nil for a repeatable one), Liquibase's
        /// id.
        var version: String?
        /// Django's app, Flyway's script, Liquibase's author.
        var detail = ""
        /// Flyway: SQL, JDBC, BASELINE …
        var type = ""
        var hasFailed = false
    }

    var tool: MigrationSettings.Tool
    var table: TableName
    var entries: [Entry]

    /// Reads the tool's table.
    static func read(
        _ found: MigrationTable, _ connection: ServerConnection, within patience: Duration
    ) throws(ServerFault) -> MigrationState {
        let rows = try connection.query(found.tool.query(found.table), [], within: patience).rows
        let entries = rows.map { row in
            func value(_ index: Int) -> String { row.indices.contains(index) ? row[index] ?? "" : "" }
            switch found.tool {
            case .alembic, .rails: return Entry(version: value(0))
            case .django: return Entry(version: value(1), detail: value(0))
            case .flyway:
                return Entry(
                    version: row.first ?? nil, detail: value(1), type: value(2), hasFailed: value(3) == "false")
            case .liquibase: return Entry(version: value(0), detail: value(1))
            }
        }
        return MigrationState(tool: found.tool, table: found.table, entries: entries)
    }

    /// The state in a few words: `0003_add_orders`, `57 migrations, the last 20240101120000`.
    var summary: String {
        switch tool {
        case .alembic: entries.compactMap(\.version).joined(separator: ", ")
        case .rails: "\(entries.count) migrations, the last \(entries.last?.version ?? "none")"
        case .django: "\(entries.count) migrations"
        case .flyway: "\(entries.count) migrations, the last \(entries.last { $0.version != nil }?.version ?? "none")"
        case .liquibase: "\(entries.count) change sets"
        }
    }
}
