import PostgresWire

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

    static let loginTimeout = ErrorFields(
        severity: "FATAL", sqlState: "08P01", message: "no startup packet came in time",
        hint: "The limit is login_timeout in Holdfast's proxy.conf.")

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
