import Foundation

/// Where PostgreSQL's server programs are.
struct ServerPrograms: Sendable {
    /// Folders to look for programs in: those of `PATH`, then the usual ones.
    static let searchPath: [String] = {
        var folders: [String] = []
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        for folder in path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        where folder.hasPrefix("/") && !folders.contains(folder) {
            folders.append(folder)
        }
        return folders
    }()

    var folder: String
    var initdb: String { folder + "/initdb" }
    var postgres: String { folder + "/postgres" }
    var pgCtl: String { folder + "/pg_ctl" }

    /// The programs in `configured` if it is not empty; else those of Debian's folder for `wantedVersion` (the major
    /// version that a data folder was made by) or else the newest; else those found through `PATH`.
    init(configured: String, wantedVersion: String?) throws(EmbeddedServerError) {
        if !configured.isEmpty {
            guard Self.isComplete(configured) else {
                throw EmbeddedServerError(
                    .programs, "initdb, postgres and pg_ctl are not all in \(configured) ('bin' under [embedded])",
                    remedy: "Correct 'bin' under [embedded] in proxy.conf, or leave it empty to search.")
            }
            folder = configured
            return
        }
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
            .filter { Self.isComplete("\(root)/\($0)/bin") }
            .sorted { (Int($0) ?? 0) < (Int($1) ?? 0) }
        if let wantedVersion, versions.contains(wantedVersion) {
            folder = "\(root)/\(wantedVersion)/bin"
        } else if let newest = versions.last {
            folder = "\(root)/\(newest)/bin"
        } else if let postgres = Self.find("postgres", in: Self.searchPath),
            let link = Self.resolved(postgres), Self.isComplete(link)
        {
            folder = link
        } else {
            throw EmbeddedServerError(
                .programs, "no initdb, postgres and pg_ctl in /usr/lib/postgresql/*/bin or PATH",
                remedy:
                    "Install the server: apt-get install postgresql. Or set 'bin' under [embedded] in proxy.conf, "
                    + "or set server to the address of a server that runs already.")
        }
    }

    /// The first executable file of that name.
    static func find(_ name: String, in folders: [String]) -> String? {
        folders.map { $0 + "/" + name }.first { access($0, X_OK) == 0 }
    }

    private static func isComplete(_ folder: String) -> Bool {
        ["initdb", "postgres", "pg_ctl"].allSatisfy { access(folder + "/" + $0, X_OK) == 0 }
    }

    /// The folder of the file that a path's symbolic links lead to.
    private static func resolved(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        let text = String(cString: real)
        return text.lastIndex(of: "/").map { String(text[..<$0]) }
    }
}
