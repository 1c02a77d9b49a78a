import ServerLink

/// Why the guard could not be put in, changed or taken out.
package enum GuardFault: Error, Sendable, CustomStringConvertible {
    case server(ServerFault)
    case serverTooOld(Int)
    case serverIsReplica
    case notSuperuser(user: String)
    /// The guard belongs to another role.
    case notOwner(user: String, owner: String)
    case missingRole(String)
    /// A schema `holdfast` that is not the guard's.
    case foreignSchema
    case notInstalled(database: String)
    /// Installed by a later version of Holdfast.
    case newer(installed: Int, known: Int)
    /// Publications FOR ALL TABLES would carry the guard's own tables to subscribers that lack them.
    case published([String])

    package var description: String {
        switch self {
        case .server(let fault):
            switch fault.sqlState {
            case "55P03":
                "a table was in use for longer than the guard waits for a lock; nothing was changed. Try again when "
                    + "no long transaction runs. (\(fault.description))"
            case "53200":
                "the server's lock table is too small to lock every table in one transaction; nothing was changed. Raise "
                    + "max_locks_per_transaction above the number of tables divided by max_connections, restart the "
                    + "server, and try again. (\(fault.description))"
            default: fault.description
            }
        case .serverTooOld(let version):
            "the server is PostgreSQL \(version / 10_000); the guard needs 15 or later"
        case .serverIsReplica:
            "the server is a standby: install the guard on its primary, and it arrives here by itself"
        case .notSuperuser(let user):
            "role \(user) is not a superuser. Event triggers belong to superusers: connect as one, for example with "
                + "--database 'postgresql://postgres@…/…'"
        case .notOwner(let user, let owner):
            "the guard belongs to role \(owner), and role \(user) is not that role: connect as \(owner)"
        case .missingRole(let role):
            "there is no role \(role). Create it first: CREATE ROLE \(quoted(role)) LOGIN PASSWORD '…';"
        case .foreignSchema:
            "the database has a schema holdfast that is not the guard's: rename it first"
        case .notInstalled(let database):
            "database \(database) has no guard. Put one in with: holdfast guard install"
        case .newer(let installed, let known):
            "the guard has version \(installed), and this Holdfast knows version \(known) at most: use the Holdfast that "
                + "installed it, or a later one"
        case .published(let names):
            "publication \(names.joined(separator: ", ")) is FOR ALL TABLES: it would carry the guard's own tables too, "
                + "and stop at subscribers that lack them. Publish schemas instead (FOR TABLES IN SCHEMA …), or give "
                + "--published if no subscriber is connected"
        }
    }
}

/// An SQL identifier.
func quoted(_ name: String) -> String { "\"\(name.replacing("\"", with: "\"\""))\"" }
