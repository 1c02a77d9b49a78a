/// What Holdfast counts. Each counts events since the start; the raw value is its name in logs and, later, in metrics.
package enum Counter: String, CaseIterable, Sendable {
    /// Connections that a listener has accepted.
    case connectionsAccepted = "connections_accepted"
    /// Startup packets that opened a session (a valid packet, within every limit).
    case sessionsOpened = "sessions_opened"
    /// Sessions that the server, or Holdfast itself, has let in.
    case loginsCompleted = "logins_completed"
    /// CancelRequests that clients sent.
    case cancelRequests = "cancel_requests"
    /// Statements that a rule refused.
    case statementsRefused = "statements_refused"

    /// Refused with 53300: `max_clients`.
    case refusedMaximumClients = "refused_max_clients"
    /// Refused with 53300: `clients` of a `[[limit]]` block.
    case refusedLimit = "refused_limit"
    /// Refused with 53300: `connect_rate`.
    case refusedConnectRate = "refused_connect_rate"
    /// Ended with 53300 before they had logged in, to make room for others: `max_logins`.
    case refusedLogins = "refused_max_logins"
    /// Refused with 53300: no file descriptor was left for the client's socket.
    case refusedDescriptors = "refused_descriptors"
    /// Refused with 53300: no file descriptor was left for the connection to the server.
    case refusedServerDescriptors = "refused_server_descriptors"
    /// Refused with 28P01 by Holdfast itself (`auth = "scram"`): wrong password, unknown user …
    case refusedPassword = "refused_password"
    /// Closed without a word: it should have begun with a PROXY header, and did not.
    case refusedProxyHeader = "refused_proxy_header"
    /// Ended with 53200: `session_memory`.
    case endedSessionMemory = "ended_session_memory"

    /// Ended with 57014: `login_timeout`.
    case timeoutsLogin = "timeouts_login"
    /// Ended with 57P05: `idle_timeout`.
    case timeoutsIdle = "timeouts_idle"
    /// Ended with 25P03: `idle_in_transaction_timeout`.
    case timeoutsIdleInTransaction = "timeouts_idle_in_transaction"
    /// Statements that were cancelled: `query_timeout`.
    case timeoutsQuery = "timeouts_query"
    /// Ended with 57014: a statement went on although it had been cancelled.
    case endedUncancelled = "ended_uncancelled"

    /// Sessions that ended because the server could not be reached.
    case serverUnreachable = "server_unreachable"
    /// Sessions that ended because the client broke the protocol.
    case clientViolations = "client_violations"
    /// Sessions that ended because the server broke the protocol.
    case serverViolations = "server_violations"
}
