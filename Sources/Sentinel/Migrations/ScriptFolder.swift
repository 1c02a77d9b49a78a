import Foundation

/// Reads migration scripts from a folder, within limits: a wrong path must not read a whole disk.
struct ScriptFolder {
    /// Why a folder cannot be used.
    struct Fault: Error {
        var reason: String
    }

    struct Script {
        /// Relative to the folder.
        var path: String
        var text: String

        var name: String { path.split(separator: "/").last.map(String.init) ?? path }
    }

    static let maximumFiles = 20_000
    static let maximumFileBytes = 4 << 20
    static let maximumDepth = 12
    /// Folders in which no project keeps migrations of its own.
    private static let skippedNames: Set<String> = [
        "node_modules", "site-packages", "__pycache__", "venv", "env", "vendor", "target", "build", "dist",
    ]

    /// All files below a folder whose path is wanted, sorted.
    ///
    /// - Throws: the folder is not there, cannot be read, or holds too many files.
    static func files(
        in folder: String, isRecursive: Bool, where isWanted: (String) -> Bool
    ) throws(Fault) -> [String] {
        var found: [String] = []
        var waiting: [(path: String, depth: Int)] = [("", 0)]
        var seen = 0
        while let (path, depth) = waiting.popLast() {
            let full = path.isEmpty ? folder : folder + "/" + path
            let names: [String]
            do {
                names = try FileManager.default.contentsOfDirectory(atPath: full)
            } catch {
                throw Fault(reason: "the folder \(full) cannot be read: \(Self.reason(full))")
            }
            for name in names {
                seen += 1
                guard seen <= maximumFiles else {
                    throw Fault(
                        reason: "\(folder) holds more than \(maximumFiles) files: name the migrations' own folder")
                }
                let relative = path.isEmpty ? name : path + "/" + name
                var information = stat()
                guard stat(folder + "/" + relative, &information) == 0 else { continue }
                if information.st_mode & S_IFMT == S_IFDIR {
                    // A link could lead round in a circle.
                    var link = stat()
                    let isLink = lstat(folder + "/" + relative, &link) == 0 && link.st_mode & S_IFMT == S_IFLNK
                    if isRecursive, depth < maximumDepth, !isLink, !name.hasPrefix("."), !skippedNames.contains(name) {
                        waiting.append((relative, depth + 1))
                    }
                } else if information.st_mode & S_IFMT == S_IFREG, isWanted(relative) {
                    found.append(relative)
                }
            }
        }
        return found.sorted()
    }

    /// A file's text.
    ///
    /// - Throws: it cannot be read, is too long, or no UTF-8.
    static func read(_ folder: String, _ path: String) throws(Fault) -> Script {
        let full = folder + "/" + path
        var information = stat()
        guard stat(full, &information) == 0, let data = FileManager.default.contents(atPath: full) else {
            throw Fault(reason: "\(path) cannot be read: \(reason(full))")
        }
        guard data.count <= maximumFileBytes else {
            throw Fault(reason: "\(path) has more than \(maximumFileBytes >> 20) MB")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw Fault(reason: "\(path) is no UTF-8 text")
        }
        return Script(path: path, text: text)
    }

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private static func reason(_ path: String) -> String {
        var information = stat()
        if stat(path, &information) != 0 { return String(cString: strerror(errno)) }
        return access(path, R_OK) != 0 ? String(cString: strerror(errno)) : "it cannot be opened"
    }
}
