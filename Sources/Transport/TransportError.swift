import Glibc

/// Why a socket could not be made ready.
package struct TransportError: Error, Sendable, Hashable {
    /// What was tried (`bind`, `connect`, `resolve`).
    package var operation: String
    /// The address as a person writes it.
    package var address: String
    /// The errno, or 0 where `reason` alone speaks.
    package var code: Int32
    /// The reason in words.
    package var reason: String

    package init(operation: String, address: String, code: Int32) {
        self.operation = operation
        self.address = address
        self.code = code
        reason = Self.text(code)
    }

    package init(operation: String, address: String, reason: String) {
        self.operation = operation
        self.address = address
        code = 0
        self.reason = reason
    }

    /// The C library's words for an errno (positive).
    package static func text(_ code: Int32) -> String {
        // Glibc's strerror keeps a buffer per thread.
        String(cString: strerror(code))
    }
}
