import Configuration
import Foundation
import ServerLink
import Snapshots

/// Runs Alembic in a project's folder, led to a database: by a copy of `alembic.ini` with that database's URL, by the
/// environment variable that proxy.conf names, and by libpq's own variables. An argument list, no shell. Blocks.
struct AlembicProgram: Sendable {
    /// The program's path, then its first arguments.
    let words: [String]
    /// The folder with `alembic.ini`.
    let folder: String
    private let settings: RecoverySettings

    /// - Parameter scripts: `migrations_folder`, absolute: the project, or a folder below it.
    /// - Throws: there is no `alembic.ini`, or no program.
    init(_ settings: RecoverySettings, scripts: String) throws(RecoveryFault) {
        self.settings = settings
        var folder = scripts.count > 1 && scripts.hasSuffix("/") ? String(scripts.dropLast()) : scripts
        var depth = 0
        while !ScriptFolder.exists(folder + "/alembic.ini"), depth < 3, let slash = folder.lastIndex(of: "/"),
            slash > folder.startIndex
        {
            folder = String(folder[..<slash])
            depth += 1
        }
        guard ScriptFolder.exists(folder + "/alembic.ini") else {
            throw .migrations(
                "no alembic.ini is in \(scripts) or above it: let migrations_folder name the project's folder")
        }
        self.folder = folder
        words = try Self.program(settings.command, folder: folder)
    }

    private static func program(_ command: [String], folder: String) throws(RecoveryFault) -> [String] {
        let name = command.first ?? "alembic"
        let rest = Array(command.dropFirst())
        if name.hasPrefix("/") {
            guard access(name, X_OK) == 0 else {
                throw .migrations("\(name) cannot be run: \(String(cString: strerror(errno))) (migrations_command)")
            }
            return [name] + rest
        }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        let places = ["\(folder)/.venv/bin", "\(folder)/venv/bin"] + path.split(separator: ":").map(String.init)
        guard let place = places.first(where: { access("\($0)/\(name)", X_OK) == 0 }) else {
            throw .migrations(
                "\(name) is neither in \(folder)/.venv/bin nor in PATH: write its path into the [[watch]] block, "
                    + "migrations_command = [\"/srv/shop/.venv/bin/alembic\"]")
        }
        return ["\(place)/\(name)"] + rest
    }

    // MARK: - Running

    /// Runs Alembic to its end.
    ///
    /// - Parameters:
    ///   - link: leads to the database that it is to work on.
    ///   - isStopped: asked often; true ends the program.
    /// - Returns: how it ended; an exit code other than 0 is no fault here.
    /// - Throws: it could not be started, or took too long.
    func run(
        _ arguments: [String], at link: ServerConnection, isStopped: () -> Bool
    ) throws(RecoveryFault) -> ProgramRun.End {
        let url = url(of: link)
        let copy =
            FileManager.default.temporaryDirectory.path
            + "/holdfast-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).ini"
        let original: String
        do throws(ScriptFolder.Fault) {
            original = try ScriptFolder.read(folder, "alembic.ini").text
        } catch {
            throw .migrations(error.reason)
        }
        let text = Self.settings(original, url: url, folder: folder)
        guard
            FileManager.default.createFile(
                atPath: copy, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw .file("\(copy) cannot be written") }
        defer { unlink(copy) }
        let run = ProgramRun(
            words: words + ["-c", copy] + arguments, environment: environment(of: link, url: url), folder: folder)
        let end = ContinuousClock.now + settings.timeout
        do throws(SnapshotFault) {
            return try run.run { () throws(SnapshotFault) in
                if isStopped() { throw .program("\(Self.shown(words + arguments)) was interrupted") }
                guard ContinuousClock.now < end else {
                    throw .program(
                        "\(Self.shown(words + arguments)) was not done within \(settings.timeout.components.seconds) s "
                            + "(migrations_timeout) and was ended")
                }
            }
        } catch {
            throw .migrations(error.description)
        }
    }

    /// Why it failed: what stands behind the last frame of Python's traceback, else its last words.
    static func reason(_ end: ProgramRun.End) -> String {
        let lines = end.complaint.split(whereSeparator: \.isNewline)
        guard let frame = lines.lastIndex(where: { $0.hasPrefix("  File \"") }) else { return end.lastWords }
        let words = lines[(frame + 1)...].drop { $0.hasPrefix(" ") }.filter { line in
            !line.hasPrefix("(Background on") && line.contains { !$0.isWhitespace && $0 != "^" }
        }
        let text = words.prefix(5).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " / ")
        return text.isEmpty ? end.lastWords : String(text.prefix(800))
    }

    /// As people write it.
    static func shown(_ words: [String]) -> String { words.joined(separator: " ") }

    /// Whether Alembic works on the database that it is led to: its table there says a word that is nowhere else, and
    /// `alembic current` has to say it.
    ///
    /// - Parameter token: what the table says.
    func requireLed(
        to link: ServerConnection, token: String, table: TableName, isStopped: () -> Bool
    ) throws(RecoveryFault) {
        let end = try run(["current"], at: link, isStopped: isStopped)
        guard !(end.output + end.complaint).contains(token) else { return }
        if end.code != 0 {
            throw .migrations(
                "\(Self.shown(words + ["current"])) failed in \(folder): \(Self.reason(end))")
        }
        throw .migrations(
            "Alembic does not work on database \(link.database), which it was led to: the project in \(folder) takes its "
                + "database neither from sqlalchemy.url of alembic.ini nor from the environment variable "
                + "\(settings.variable) (write migrations_variable), or keeps its state elsewhere than in \(table) (write "
                + "migrations_table). Nothing was run")
    }

    // MARK: - Where to

    private func environment(of link: ServerConnection, url: String) -> [String] {
        var variables = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("PG") || $0.key == "PGSYSCONFDIR"
        }
        variables.merge(link.environment) { _, new in new }
        variables["PGAPPNAME"] = "holdfast recover"
        variables[settings.variable] = url
        return variables.map { "\($0.key)=\($0.value)" }
    }

    /// The URL as SQLAlchemy reads it.
    private func url(of link: ServerConnection) -> String {
        let place = link.place
        return Self.url(
            scheme: scheme, user: link.user, password: link.environment["PGPASSWORD"], host: place.host,
            port: place.port, database: link.database)
    }

    static func url(
        scheme: String, user: String, password: String?, host: String, port: String, database: String
    ) -> String {
        func encoded(_ text: String) -> String {
            let plain = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
            return text.addingPercentEncoding(withAllowedCharacters: plain) ?? text
        }
        let account = encoded(user) + (password.map { ":" + encoded($0) } ?? "")
        if host.hasPrefix("/") || host.hasPrefix("@") {
            return "\(scheme)://\(account)@/\(encoded(database))?host=\(encoded(host))&port=\(port)"
        }
        let shown = host.contains(":") ? "[\(host)]" : host
        return "\(scheme)://\(account)@\(shown):\(port)/\(encoded(database))"
    }

    /// What the project's own URL begins with: as proxy.conf says, as the environment has it, as `alembic.ini` has it.
    private var scheme: String {
        if !settings.scheme.isEmpty { return settings.scheme }
        let text = (try? ScriptFolder.read(folder, "alembic.ini").text) ?? ""
        return Self.scheme(environment: ProcessInfo.processInfo.environment[settings.variable], settings: text)
    }

    static func scheme(environment: String?, settings: String) -> String {
        func scheme(of url: Substring) -> String? {
            guard let end = url.range(of: "://"), url.hasPrefix("postgres") else { return nil }
            return String(url[..<end.lowerBound])
        }
        if let found = environment.flatMap({ scheme(of: Substring($0)) }) { return found }
        for line in settings.split(whereSeparator: \.isNewline) where line.hasPrefix("sqlalchemy.url") {
            guard let equals = line.firstIndex(where: { $0 == "=" || $0 == ":" }) else { continue }
            let value = line[line.index(after: equals)...].drop { $0.isWhitespace }
            if let found = scheme(of: value) { return found }
        }
        return "postgresql"
    }

    /// `alembic.ini` for use from another folder, with another URL. `%` is ConfigParser's own there.
    static func settings(_ text: String, url: String, folder: String) -> String {
        func escaped(_ text: String) -> String { text.replacing("%", with: "%%") }
        var lines: [String] = []
        var isWithinURL = false
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            if isWithinURL, line.first?.isWhitespace == true, line.contains(where: { !$0.isWhitespace }) { continue }
            isWithinURL = line.hasPrefix("sqlalchemy.url")
            if isWithinURL { continue }
            lines.append(String(line).replacing("%(here)s", with: escaped(folder)))
            if line.trimmingCharacters(in: .whitespaces) == "[alembic]" {
                lines.append("sqlalchemy.url = " + escaped(url))
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
