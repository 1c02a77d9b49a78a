import Foundation

/// The revisions of an Alembic project, read from its scripts without running them.
struct AlembicFolder: Sendable, Equatable {
    struct Revision: Sendable, Equatable {
        var id: String
        var parents: [String]
        var dependencies: [String]
        var labels: [String]
        var file: String
    }

    private(set) var revisions: [String: Revision] = [:]
    /// What cannot be read, or does not fit together, each with its file.
    private(set) var faults: [String] = []

    /// Reads a project's folder (with `alembic.ini`), its script location (with `versions`), or `versions` itself.
    ///
    /// - Throws: there is no such folder, or it cannot be read.
    init(folder: String) throws(ScriptFolder.Fault) {
        var locations = AlembicLocations()
        try locations.find(from: folder)
        faults = locations.faults
        for location in locations.folders {
            let files = try ScriptFolder.files(in: location, isRecursive: locations.isRecursive) { path in
                let name = path.split(separator: "/").last.map(String.init) ?? path
                return name.hasSuffix(".py") && !name.hasPrefix("__init__") && !name.hasPrefix(".#")
            }
            for file in files { take(file, in: location) }
        }
        if revisions.isEmpty, faults.isEmpty { faults.append("no script with a revision is in \(folder)") }
        checkLinks()
    }

    /// The scripts' texts; what cannot be read is left out.
    static func texts(folder: String) -> [String] {
        var locations = AlembicLocations()
        guard (try? locations.find(from: folder)) != nil else { return [] }
        let isRecursive = locations.isRecursive
        return locations.folders.flatMap { location -> [String] in
            let files = (try? ScriptFolder.files(in: location, isRecursive: isRecursive) { $0.hasSuffix(".py") }) ?? []
            return files.compactMap { (try? ScriptFolder.read(location, $0))?.text }
        }
    }

    /// From texts, for tests and for what was read already.
    init(scripts: [(file: String, text: String)]) {
        for script in scripts { take(ScriptFolder.Script(path: script.file, text: script.text)) }
        checkLinks()
    }

    private mutating func take(_ file: String, in location: String) {
        do throws(ScriptFolder.Fault) {
            take(try ScriptFolder.read(location, file))
        } catch {
            faults.append(error.reason)
        }
    }

    private mutating func take(_ script: ScriptFolder.Script) {
        let names: Set<String> = ["revision", "down_revision", "depends_on", "branch_labels"]
        let values = PythonAssignments(script.text, wanted: names, isOfModule: true).values
        guard case .text(let id)? = values["revision"], !id.isEmpty else {
            faults.append(
                values["revision"] == nil
                    ? "\(script.path) has no line revision = \"…\""
                    : "\(script.path): revision is not a plain text and cannot be read without running it")
            return
        }
        var lists: [String: [String]] = [:]
        for name in ["down_revision", "depends_on", "branch_labels"] {
            guard let list = (values[name] ?? PythonLiteral.none).list else {
                faults.append("\(script.path): \(name) is not plain text and cannot be read without running it")
                return
            }
            lists[name] = list
        }
        if let other = revisions[id] {
            faults.append("revision \(id) stands in \(other.file) and in \(script.path)")
            return
        }
        revisions[id] = Revision(
            id: id, parents: lists["down_revision"] ?? [], dependencies: lists["depends_on"] ?? [],
            labels: lists["branch_labels"] ?? [], file: script.path)
    }

    private mutating func checkLinks() {
        for revision in revisions.values.sorted(by: { $0.id < $1.id }) {
            for name in revision.parents + revision.dependencies where resolve(name) == nil {
                faults.append("\(revision.file): no script has the revision \(name) that it builds on")
            }
        }
        if !revisions.isEmpty, heads.isEmpty { faults.append("the revisions build on each other in a circle") }
    }

    /// The revision that a name means: its id, a branch's label, or the beginning of an id that no other has.
    func resolve(_ name: String) -> String? {
        if revisions[name] != nil { return name }
        if let label = revisions.values.first(where: { $0.labels.contains(name) }) { return label.id }
        let begun = revisions.keys.filter { $0.hasPrefix(name) }
        return name.count >= 4 && begun.count == 1 ? begun.first : nil
    }

    /// The revisions that no other builds on, sorted.
    var heads: [String] {
        var built: Set<String> = []
        for revision in revisions.values { for parent in revision.parents { built.insert(resolve(parent) ?? parent) } }
        return revisions.keys.filter { !built.contains($0) }.sorted()
    }

    /// Everything that has run where the database names these revisions: they, and what they build and depend on.
    func applied(_ current: [String]) -> Set<String> {
        var seen: Set<String> = []
        var waiting = current.compactMap(resolve)
        while let id = waiting.popLast() {
            guard seen.insert(id).inserted, let revision = revisions[id] else { continue }
            waiting += (revision.parents + revision.dependencies).compactMap(resolve)
        }
        return seen
    }
}

/// Where a project keeps its scripts.
private struct AlembicLocations {
    var folders: [String] = []
    var isRecursive = false
    var faults: [String] = []

    mutating func find(from folder: String) throws(ScriptFolder.Fault) {
        let folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        // Says what is wrong with the folder itself.
        _ = try ScriptFolder.files(in: folder, isRecursive: false) { _ in false }
        if ScriptFolder.exists(folder + "/alembic.ini") {
            do throws(ScriptFolder.Fault) {
                try readSettings(folder)
            } catch {
                faults.append(error.reason)
            }
        }
        if folders.isEmpty { folders = [Self.versions(of: folder)] }
    }

    private static func versions(of folder: String) -> String {
        ScriptFolder.exists(folder + "/versions") ? folder + "/versions" : folder
    }

    private mutating func readSettings(_ folder: String) throws(ScriptFolder.Fault) {
        let settings = Self.section("alembic", of: try ScriptFolder.read(folder, "alembic.ini").text)
        func path(_ text: String) -> String {
            let text = text.replacing("%(here)s", with: folder).trimmingCharacters(in: .whitespaces)
            return text.hasPrefix("/") ? text : folder + "/" + text
        }
        isRecursive = settings["recursive_version_locations"]?.lowercased() == "true"
        if let locations = settings["version_locations"], !locations.isEmpty {
            let separator: Character =
                switch settings["path_separator"] ?? settings["version_path_separator"] {
                case "os", ":": ":"
                case ";": ";"
                case "newline": "\n"
                default: " "
                }
            folders = locations.split { $0 == separator || (separator == " " && ($0 == "," || $0 == "\n")) }
                .map { String($0).trimmingCharacters(in: .whitespacesAndNewlines) }.filter { !$0.isEmpty }.map(path)
        } else if let location = settings["script_location"], !location.isEmpty {
            folders = [Self.versions(of: path(location))]
        }
        for folder in folders where folder.contains("%(") || !ScriptFolder.exists(folder) {
            faults.append("alembic.ini names the folder \(folder), which is not there")
        }
        folders.removeAll { !ScriptFolder.exists($0) }
    }

    /// The keys of one section of an INI file; a value goes on in the indented lines below it.
    private static func section(_ name: String, of text: String) -> [String: String] {
        var values: [String: String] = [:]
        var isInside = false
        var last: String?
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let bare = line.trimmingCharacters(in: .whitespaces)
            if bare.isEmpty || bare.hasPrefix("#") || bare.hasPrefix(";") { continue }
            if bare.hasPrefix("["), !(line.first?.isWhitespace ?? false) {
                isInside = bare == "[\(name)]"
                last = nil
            } else if line.first?.isWhitespace == true, let key = last {
                if isInside { values[key, default: ""] += "\n" + bare }
            } else if let equals = bare.firstIndex(where: { $0 == "=" || $0 == ":" }) {
                let key = bare[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
                last = key
                if isInside {
                    values[key] = bare[bare.index(after: equals)...].trimmingCharacters(in: .whitespaces)
                }
            }
        }
        return values
    }
}
