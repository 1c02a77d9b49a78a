import COpenSSL

/// Why TLS could not be set up, in OpenSSL's or our own words.
package struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One line, without secrets.
    package var description: String

    package init(_ description: String) { self.description = description }

    /// What OpenSSL noted on this thread, the first cause first; empties its queue.
    ///
    /// - Parameter subject: what was being done (`cannot read the certificate server.crt`).
    static func noted(_ subject: String) -> TLSError {
        let reason = takeReason()
        return TLSError(reason.isEmpty ? subject : "\(subject): \(reason)")
    }

    /// The first entry of this thread's error queue as words; "" for none. Empties the queue.
    static func takeReason() -> String {
        let code = ERR_get_error()
        defer { ERR_clear_error() }
        guard code != 0 else { return "" }
        if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
        // Errors of the system carry no text of OpenSSL's own (ERR_reason_error_string(3)).
        return String(cString: strerror(Int32(truncatingIfNeeded: openssl_error_reason(code))))
    }
}
