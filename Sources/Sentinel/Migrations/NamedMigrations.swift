/// The migrations of tools that name them in their files' names: Django, Rails, Flyway.
struct NamedMigrations: Sendable, Equatable {
    struct Migration: Sendable, Hashable {
        /// Django's app; empty for the others.
        var group = ""
        /// Django's name, the version of Rails and Flyway; a repeatable migration of Flyway has its script's name.
        var version: String
        var isRepeatable = false
        var file: String
    }

    private(set) var migrations: [Migration] = []
    /// Django: what a squashed migration stands for, as `app.name`, by its own.
    private(set) var replaced: [String: [String]] = [:]
    private(set) var faults: [String] = []

    // MARK: - Django

    /// Reads `…/app/migrations/0001_initial.py` everywhere below a project's folder. The app's label is taken to be its
    /// folder's name.
    static func django(folder: String) throws(ScriptFolder.Fault) -> NamedMigrations {
        var found = NamedMigrations()
        let files = try ScriptFolder.files(in: folder, isRecursive: true) { path in
            let parts = path.split(separator: "/")
            return parts.count >= 2 && parts[parts.count - 2] == "migrations" && path.hasSuffix(".py")
                && !(parts.last?.hasPrefix("_") ?? true) && !(parts.last?.hasPrefix(".") ?? true)
        }
        let ownName = folder.split(separator: "/").last.map(String.init) ?? ""
        for file in files {
            let parts = file.split(separator: "/").map(String.init)
            let app = parts.count >= 3 ? parts[parts.count - 3] : ownName
            let migration = Migration(group: app, version: String(parts[parts.count - 1].dropLast(3)), file: file)
            found.migrations.append(migration)
            do throws(ScriptFolder.Fault) {
                found.takeReplaced(by: migration, in: try ScriptFolder.read(folder, file).text)
            } catch {
                found.faults.append(error.reason)
            }
        }
        if files.isEmpty { found.faults.append("no migrations/*.py is below \(folder)") }
        return found
    }

    private mutating func takeReplaced(by migration: Migration, in text: String) {
        guard text.contains("replaces") else { return }
        let value = PythonAssignments(text, wanted: ["replaces"], isOfModule: false).values["replaces"]
        switch value ?? PythonLiteral.none {
        case PythonLiteral.none, .texts([]): break
        case .pairs(let pairs):
            replaced["\(migration.group).\(migration.version)"] = pairs.compactMap { pair in
                pair.count == 2 ? "\(pair[0]).\(pair[1])" : nil
            }
        case .text, .texts, .open:
            faults.append("\(migration.file): replaces cannot be read without running it")
        }
    }

    // MARK: - Rails

    /// Reads `20240101120000_create_orders.rb` in `db/migrate`, or in the folder itself.
    static func rails(folder: String) throws(ScriptFolder.Fault) -> NamedMigrations {
        var found = NamedMigrations()
        let inner = folder + "/db/migrate"
        let place = ScriptFolder.exists(inner) ? inner : folder
        let files = try ScriptFolder.files(in: place, isRecursive: true) { $0.hasSuffix(".rb") }
        for file in files {
            let name = file.split(separator: "/").last.map(String.init) ?? file
            let digits = name.prefix { $0.isASCII && $0.isNumber }
            guard !digits.isEmpty, name.dropFirst(digits.count).hasPrefix("_") else { continue }
            found.add(Migration(version: trimmed(digits), file: file))
        }
        if found.migrations.isEmpty { found.faults.append("no migration (20240101120000_name.rb) is in \(place)") }
        return found
    }

    // MARK: - Flyway

    /// Reads `V1_2__add_orders.sql` and `R__views.sql` everywhere below the folder.
    static func flyway(folder: String) throws(ScriptFolder.Fault) -> NamedMigrations {
        var found = NamedMigrations()
        let files = try ScriptFolder.files(in: folder, isRecursive: true) { $0.hasSuffix(".sql") }
        for file in files {
            let name = file.split(separator: "/").last.map(String.init) ?? file
            if name.hasPrefix("R__") {
                found.migrations.append(Migration(version: file, isRepeatable: true, file: file))
            } else if name.hasPrefix("V"), let end = name.firstRange(of: "__") {
                let version = flywayVersion(name[name.index(after: name.startIndex)..<end.lowerBound])
                guard let version else {
                    found.faults.append("\(file): its version is none")
                    continue
                }
                found.add(Migration(version: version, file: file))
            }
        }
        if found.migrations.isEmpty { found.faults.append("no migration (V1__name.sql) is below \(folder)") }
        return found
    }

    /// Two files of one version are a mistake that the tool itself would refuse.
    private mutating func add(_ migration: Migration) {
        if let other = migrations.first(where: { $0.version == migration.version && !$0.isRepeatable }) {
            faults.append("version \(migration.version) stands in \(other.file) and in \(migration.file)")
        }
        migrations.append(migration)
    }

    /// `1`, `1.2` and `2024.01.01` in one spelling: parts by dots, without leading zeros, without zeros at the end.
    static func flywayVersion(_ text: some StringProtocol) -> String? {
        var parts: [String] = []
        for part in text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "." || $0 == "_" }) {
            guard !part.isEmpty, part.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
            parts.append(trimmed(part))
        }
        while parts.count > 1, parts.last == "0" { parts.removeLast() }
        return parts.joined(separator: ".")
    }

    /// Whether the first version comes before the second, as numbers part by part.
    static func precedes(_ left: String, _ right: String) -> Bool {
        let (left, right) = (left.split(separator: "."), right.split(separator: "."))
        for (one, other) in zip(left, right) where one != other {
            return one.count == other.count ? one < other : one.count < other.count
        }
        return left.count < right.count
    }

    /// Without leading zeros.
    static func trimmed(_ digits: some StringProtocol) -> String {
        let rest = digits.drop { $0 == "0" }
        return rest.isEmpty ? "0" : String(rest)
    }
}
