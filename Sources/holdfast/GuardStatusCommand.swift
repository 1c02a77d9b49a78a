import ArgumentParser
import DatabaseGuard
import Foundation

/// `holdfast guard status`: whether the guard is there, and whole.
struct GuardStatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say whether a database's guard is there, and whole.",
        discussion: """
            Exits with 0 when it is whole, with 1 when there is none (or it cannot be looked at), with 2 when it is \
            damaged. Needs a superuser.
            """)

    @OptionGroup var target: GuardTarget

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let status = try target.withGuard { (wall) throws(GuardFault) in try wall.status() }
        if json {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(status), as: UTF8.self))
        } else {
            print(Self.text(status), terminator: "")
        }
        switch status.condition {
        case .whole: break
        case .missing: throw ExitCode(1)
        case .damaged: throw ExitCode(2)
        }
    }

    private static func text(_ status: GuardStatus) -> String {
        var lines = ["guard of database \(status.database): \(status.condition.rawValue)"]
        if status.condition == .missing { lines.append("put one in with: holdfast guard install") }
        if let version = status.version {
            let exempt = status.exempt.isEmpty ? "" : "; exempt: \(status.exempt.joined(separator: ", "))"
            let roles = status.grantingRoles.isEmpty ? "none (no --role was given)" : status.grantingRoles.joined(separator: ", ")
            lines += [
                "  version          \(version), owned by \(status.owner)",
                "  guarded tables   \(status.guardedTables)\(exempt)",
                "  refuses          loss of tables and rows\(status.keepsColumns ? ", of columns" : "")"
                    + "\(status.keepsValues ? ", of values by a change of type" : "")",
                "  granting roles   \(roles)",
                "  open grants      \(status.openGrants.count)",
            ]
            lines += status.openGrants.map { grant in
                "    \(grant.auditID): backend \(grant.backend), \(grant.tables?.joined(separator: ", ") ?? "any table")"
            }
            lines.append("  log of DDL       \(status.ddlRows) rows")
        }
        lines += status.damages.map { "damage: \($0)" }
        if !status.damages.isEmpty { lines.append("repair it with: holdfast guard upgrade") }
        lines += status.warnings.map { "warning: \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }
}
