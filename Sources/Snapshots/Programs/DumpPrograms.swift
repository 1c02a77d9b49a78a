import Foundation
import ServerLink

/// pg_dump, and pg_restore and psql beside it.
package struct DumpPrograms: Sendable {
    /// The folder that they are in.
    let folder: String
    /// As `pg_dump --version` says: `15.20`.
    let version: String

    var dump: String { folder + "/pg_dump" }
    var restore: String { folder + "/pg_restore" }
    var shell: String { folder + "/psql" }

    /// - Parameters:
    ///   - configured: pg_dump's path; empty: Debian's folder of the server's version, else of the next later one, else PATH.
    ///   - serverVersion: as libpq counts it, 150018; pg_dump reads no later server than itself.
    package init(configured: String, serverVersion: Int) throws(SnapshotFault) {
        let wanted = serverVersion / 10_000
        if !configured.isEmpty {
            folder = configured.lastIndex(of: "/").map { String(configured[..<$0]) } ?? "."
        } else if let found = Self.search(wanted) {
            folder = found
        } else {
            throw .program(
                "pg_dump, pg_restore and psql of PostgreSQL \(wanted) or later are not there: install postgresql-client, or set "
                    + "[snapshots] pg_dump")
        }
        for name in ["pg_dump", "pg_restore", "psql"] where access("\(folder)/\(name)", X_OK) != 0 {
            throw .program(
                "\(folder)/\(name) cannot be run: \(String(cString: strerror(errno))) ([snapshots] pg_dump)")
        }
        let end = try ProgramRun(words: [folder + "/pg_dump", "--version"], environment: Self.environment).run()
        // "pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"
        let words = end.output.split(separator: " ")
        guard end.code == 0, words.count > 2, let major = Int(words[2].prefix(while: \.isNumber)) else {
            throw .program("\(folder)/pg_dump does not tell its version: \(end.lastWords)")
        }
        guard major >= wanted else {
            throw .program(
                "\(folder)/pg_dump is of PostgreSQL \(major) and cannot dump a server of version \(wanted): install "
                    + "postgresql-client-\(wanted), or set [snapshots] pg_dump")
        }
        version = words[2].trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Holdfast's own, but for what libpq reads: that is set for each connection.
    static let environment: [String] =
        ProcessInfo.processInfo.environment.filter { name, _ in
            (!name.hasPrefix("PG") || name == "PGSYSCONFDIR") && !name.hasPrefix("LC_") && name != "LANG"
        }.map { "\($0.key)=\($0.value)" } + ["LC_ALL=C.UTF-8"]

    /// The environment that leads a program of PostgreSQL's to where a connection goes: passwords stand in no argument.
    ///
    /// - Parameter application: what `pg_stat_activity` calls the program.
    static func environment(of connection: ServerConnection, application: String) -> [String] {
        var variables = connection.environment
        variables["PGAPPNAME"] = application
        variables["PGCLIENTENCODING"] = "UTF8"
        // A server that is gone is noticed.
        variables["PGCONNECT_TIMEOUT"] = "10"
        return environment + variables.map { "\($0.key)=\($0.value)" }
    }

    private static func search(_ wanted: Int) -> String? {
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap { Int($0) }
            .filter { $0 >= wanted && access("\(root)/\($0)/bin/pg_dump", X_OK) == 0 }
        if let nearest = versions.min() { return "\(root)/\(nearest)/bin" }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return path.split(separator: ":").map(String.init).first { access($0 + "/pg_dump", X_OK) == 0 }
    }
}
