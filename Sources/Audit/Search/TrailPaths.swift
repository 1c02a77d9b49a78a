import Foundation

/// Which files belong to one trail, and in which order: of names and folders that somebody gave.
///
/// `audit-000001.jsonl.zst`, `audit-000002.jsonl`, `audit.jsonl` are a trail, in this order; so are `audit.jsonl.2.gz`,
/// `audit.jsonl.1`, `audit.jsonl`, as logrotate names them.
package enum TrailPaths {
    package struct Trail: Sendable, Equatable {
        package var name: String
        package var paths: [String]
    }

    /// - Throws: ``AuditFault``: nothing is there, or a folder has no trail in it.
    package static func trails(in arguments: [String]) throws(AuditFault) -> [Trail] {
        var files: [String] = []
        for argument in arguments {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: argument, isDirectory: &isFolder) else {
                throw AuditFault(
                    path: argument, call: "open", errorNumber: ENOENT,
                    remedy: "name files of a trail, or folders that hold some")
            }
            guard isFolder.boolValue else {
                files.append(argument)
                continue
            }
            let found = names(in: argument)
            guard !found.isEmpty else {
                throw AuditFault(
                    description: "\(argument): no file of a trail (*.jsonl, *.jsonl.zst, *.jsonl.gz) is in this folder")
            }
            files += found.map { argument.hasSuffix("/") ? argument + $0 : argument + "/" + $0 }
        }
        return grouped(files)
    }

    private static func names(in folder: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let known = Set(names)
        return names.filter { name in
            guard let place = Place(name), place.isJSONLines else { return false }
            // Both are there where a crash came between: the plain one is whole.
            return !(name.hasSuffix(AuditFiles.compressedEnding) && known.contains(String(name.dropLast(4))))
        }
    }

    private static func grouped(_ files: [String]) -> [Trail] {
        var trails: [String: [(place: Place, path: String)]] = [:]
        var order: [String] = []
        for path in files {
            let folder = AuditFile.folder(of: path)
            let name = path.split(separator: "/").last.map(String.init) ?? path
            let place = Place(name) ?? Place(live: name)
            let key = folder + "/" + place.stem
            if trails[key] == nil { order.append(key) }
            if trails[key]?.contains(where: { $0.path == path }) != true {
                trails[key, default: []].append((place, path))
            }
        }
        return order.map { key in
            Trail(name: key, paths: (trails[key] ?? []).sorted { $0.place.rank < $1.place.rank }.map(\.path))
        }
    }

    /// What a file's name says of its place.
    private struct Place {
        /// Of the whole trail.
        var stem: String
        /// Where it stands there: small is old.
        var rank: Int64
        var isJSONLines: Bool

        init(live name: String) {
            stem = name
            rank = .max
            isJSONLines = name.hasSuffix(".jsonl")
        }

        /// Nil for what is no file of a trail by its name.
        init?(_ name: String) {
            var rest = Substring(name)
            for ending in [".zst", ".gz"] where rest.hasSuffix(ending) { rest = rest.dropLast(ending.count) }
            guard !rest.hasSuffix(".idx"), !rest.hasSuffix(".part") else { return nil }
            // logrotate: a higher number is older.
            if let dot = rest.lastIndex(of: "."), let number = Int64(rest[rest.index(after: dot)...]), number >= 0 {
                self.init(live: String(rest[..<dot]))
                rank = Int64.max - 1 - number
                return
            }
            let dot = rest.lastIndex(of: ".") ?? rest.endIndex
            if let dash = rest[..<dot].lastIndex(of: "-"), rest[rest.index(after: dash)..<dot].count >= 6,
                let number = Int64(rest[rest.index(after: dash)..<dot]), number >= 0
            {
                self.init(live: rest[..<dash] + String(rest[dot...]))
                rank = number
                return
            }
            self.init(live: String(rest))
        }
    }
}
