import Policy
import PostgresWire
import Transport

/// What the proxy itself says to a client before it closes; SQLSTATE and words are PostgreSQL's own where it has them.
extension ErrorFields {
    /// `ProcessInterrupts` (tcop/postgres.c).
    static let shuttingDown = ErrorFields(
        severity: "FATAL", sqlState: "57P01", message: "terminating connection due to administrator command",
        hint: "Holdfast is shutting down.")

    /// `InitProcess` (storage/lmgr/proc.c).
    static let tooManyClients = ErrorFields(
        severity: "FATAL", sqlState: "53300", message: "sorry, too many clients already",
        hint: "The limit is max_clients in Holdfast's proxy.conf.")

    static let tooManyLogins = ErrorFields(
        severity: "FATAL", sqlState: "53300", message: "sorry, too many clients already",
        detail: "More connections than max_logins have not logged in; this is one of the oldest of them.",
        hint: "The limit is max_logins in Holdfast's proxy.conf.")

    /// `ProcessInterrupts` (tcop/postgres.c), which does not tell the client.
    static let loginTimeout = ErrorFields(
        severity: "FATAL", sqlState: "57014", message: "canceling authentication due to timeout",
        hint: "The limit is login_timeout in Holdfast's proxy.conf.")

    /// `AllocateFile` and others (storage/file/fd.c) have the words with another SQLSTATE.
    static let outOfDescriptors = ErrorFields(
        severity: "FATAL", sqlState: "53300", message: "sorry, too many clients already",
        detail: "Holdfast is out of file descriptors.",
        hint: "Raise the limit of open files of the process (ulimit -n, LimitNOFILE), or lower max_clients.")

    /// `MemoryContextAllocationFailure` (utils/mmgr/mcxt.c).
    static let outOfMemory = ErrorFields(
        severity: "FATAL", sqlState: "53200", message: "out of memory",
        detail: "Holdfast had to hold too much for this session: prepared statements, and messages on their way.",
        hint: "Deallocate prepared statements that are not used any more. The limit is session_memory in Holdfast's "
            + "proxy.conf.")

    static func tooManyFrom(_ address: SocketAddress) -> ErrorFields {
        ErrorFields(
            severity: "FATAL", sqlState: "53300", message: "too many connections from \(host(of: address))",
            hint: "The limit is connect_rate in Holdfast's proxy.conf.")
    }

    /// `CheckMyDatabase` and `InitializeSessionUserId` (utils/init) have the first two.
    static func tooMany(
        for limit: SessionLimit, _ subject: Subject, tag: String, from address: SocketAddress
    ) -> ErrorFields {
        let message =
            switch limit.each {
            case .user: "too many connections for role \"\(subject.user)\""
            case .database: "too many connections for database \"\(subject.database)\""
            case .tag: "too many connections for tag \"\(tag)\""
            case .address: "too many connections from \(host(of: address))"
            case nil: "sorry, too many clients already"
            }
        return ErrorFields(
            severity: "FATAL", sqlState: "53300", message: message, hint: hint(of: "clients", limit: limit.name))
    }

    /// `ProcessInterrupts` (tcop/postgres.c).
    static func idleTooLong(limit: String) -> ErrorFields {
        ErrorFields(
            severity: "FATAL", sqlState: "57P05", message: "terminating connection due to idle-session timeout",
            hint: hint(of: "idle_timeout", limit: limit))
    }

    /// `ProcessInterrupts` (tcop/postgres.c).
    static func idleInTransactionTooLong(limit: String) -> ErrorFields {
        ErrorFields(
            severity: "FATAL", sqlState: "25P03",
            message: "terminating connection due to idle-in-transaction timeout",
            hint: hint(of: "idle_in_transaction_timeout", limit: limit))
    }

    static func ignoresCancel(limit: String) -> ErrorFields {
        ErrorFields(
            severity: "FATAL", sqlState: "57014", message: "canceling statement due to statement timeout",
            detail: "The server was asked to cancel the statement and did not, so the connection is closed.",
            hint: hint(of: "query_timeout", limit: limit))
    }

    /// Where the limit stands.
    static func hint(of key: String, limit: String) -> String {
        "The limit is \(key) of the [[limit]] \"\(limit)\" in Holdfast's proxy.conf."
    }

    private static func host(of address: SocketAddress) -> String {
        address.ipBytes.flatMap { NetworkAddress(bytes: $0)?.text } ?? "this machine"
    }

    /// `ClientAuthentication` (libpq/auth.c) for a client that no line of pg_hba.conf lets in.
    static func unencrypted(host: String, user: String, database: String) -> ErrorFields {
        ErrorFields(
            severity: "FATAL", sqlState: "28000",
            message: "no pg_hba.conf entry for host \"\(host)\", user \"\(user)\", database \"\(database)\", "
                + "no encryption",
            hint: "Holdfast requires TLS here: [client_tls] in its proxy.conf.")
    }

    /// `ClientAuthentication` (libpq/auth.c) under `clientcert`.
    static let certificateMissing = ErrorFields(
        severity: "FATAL", sqlState: "28000", message: "connection requires a valid client certificate")

    /// `auth_failed` (libpq/auth.c) for the method `cert`.
    static func certificateOfOther(user: String) -> ErrorFields {
        ErrorFields(
            severity: "FATAL", sqlState: "28000", message: "certificate authentication failed for user \"\(user)\"")
    }
}
