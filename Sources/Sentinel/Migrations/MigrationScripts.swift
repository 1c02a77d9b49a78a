import Configuration
import Foundation

/// The scripts of one tool, read and kept for as long as the folder does not change.
enum MigrationScripts: Sendable, Equatable {
    case alembic(AlembicFolder)
    case named(NamedMigrations)
    case liquibase(LiquibaseChangelogs)

    /// Reads a folder as a tool's.
    static func read(_ tool: MigrationSettings.Tool, folder: String) throws(ScriptFolder.Fault) -> MigrationScripts {
        switch tool {
        case .alembic: .alembic(try AlembicFolder(folder: folder))
        case .django: .named(try NamedMigrations.django(folder: folder))
        case .rails: .named(try NamedMigrations.rails(folder: folder))
        case .flyway: .named(try NamedMigrations.flyway(folder: folder))
        case .liquibase: .liquibase(try LiquibaseChangelogs(folder: folder))
        }
    }

    /// The tool that a folder looks like; nil if it cannot be told.
    static func tool(of folder: String) -> MigrationSettings.Tool? {
        if ScriptFolder.exists(folder + "/alembic.ini") || ScriptFolder.exists(folder + "/versions")
            || ScriptFolder.exists(folder + "/env.py")
        {
            return .alembic
        }
        if ScriptFolder.exists(folder + "/manage.py") { return .django }
        return ScriptFolder.exists(folder + "/db/migrate") ? .rails : nil
    }

    var faults: [String] {
        switch self {
        case .alembic(let folder): folder.faults
        case .named(let migrations): migrations.faults
        case .liquibase(let changelogs): changelogs.faults
        }
    }
}

/// A folder's scripts, read again only when a file in it has come, gone or changed.
struct ScriptCache {
    private var signature: [String] = []
    private var tool: MigrationSettings.Tool?
    private var scripts: MigrationScripts?

    mutating func scripts(
        _ tool: MigrationSettings.Tool, folder: String
    ) throws(ScriptFolder.Fault) -> MigrationScripts {
        let endings = [".py", ".rb", ".sql", ".xml", ".yaml", ".yml", ".json", "alembic.ini"]
        let files = try ScriptFolder.files(in: folder, isRecursive: true) { path in
            endings.contains(where: path.hasSuffix)
        }
        let signature = files.map { path in
            var information = stat()
            _ = stat(folder + "/" + path, &information)
            let time = information.st_mtim
            return "\(path) \(information.st_ino) \(information.st_size) \(time.tv_sec).\(time.tv_nsec)"
        }
        // Alembic's settings may lead out of the folder.
        let leadsOut = files.contains("alembic.ini")
        if let scripts, tool == self.tool, signature == self.signature, !leadsOut { return scripts }
        let read = try MigrationScripts.read(tool, folder: folder)
        (self.signature, self.tool, scripts) = (signature, tool, read)
        return read
    }
}
