import PostgresWire

/// Why an exchange ended, in PostgreSQL's own words (libpq/auth-scram.c, auth-sasl.c, pqformat.c).
package struct ScramFault: Error, Sendable, Hashable {
    package var sqlState: String
    package var message: String
    package var detail: String?

    /// Whoever it was could not prove to know the password.
    package var isPasswordFailure: Bool { sqlState == "28P01" }

    /// What the client is sent.
    package var fields: ErrorFields {
        ErrorFields(severity: "FATAL", sqlState: sqlState, message: message, detail: detail)
    }

    static func malformed(_ detail: String) -> ScramFault {
        ScramFault(sqlState: "08P01", message: "malformed SCRAM message", detail: detail)
    }

    static func protocolViolation(_ message: String) -> ScramFault { ScramFault(sqlState: "08P01", message: message) }

    static func unsupported(_ message: String) -> ScramFault { ScramFault(sqlState: "0A000", message: message) }

    /// Wrong password, no password, expired password, unknown user: all the same (`auth_failed`, libpq/auth.c).
    static func passwordFailed(user: String) -> ScramFault {
        ScramFault(sqlState: "28P01", message: "password authentication failed for user \"\(user)\"")
    }
}
