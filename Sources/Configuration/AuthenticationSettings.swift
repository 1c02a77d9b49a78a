/// Who checks clients' passwords: `auth` and `[users]`.
package struct AuthenticationSettings: Sendable, Hashable {
    package enum Method: String, Sendable, CaseIterable {
        /// The server; its questions and the client's answers pass through.
        case passThrough = "pass-through"
        /// Holdfast, by SCRAM; it logs in at the server with what the client has proven.
        case scram
    }

    /// PostgreSQL's own users. A role that may not log in is refused by the server, in its own words.
    package static let standardQuery =
        "SELECT CASE WHEN rolvaliduntil < pg_catalog.now() THEN NULL ELSE rolpassword END "
        + "FROM pg_catalog.pg_authid WHERE rolname = $1"

    package var method = Method.passThrough
    /// The file of users and SCRAM secrets, absolute or relative to the folder of proxy.conf; "" for none.
    package var usersPath = ""
    /// libpq connection string of a role that may run ``query``; "" for none.
    package var connection = ""
    /// Answers the SCRAM secret of the user `$1` in its last column; NULL or no row for none.
    package var query = AuthenticationSettings.standardQuery
    /// How long an answer is believed.
    package var cacheTime = Duration.zero

    package init() {}
}
