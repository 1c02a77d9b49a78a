import Audit
import ServerLink
import TLSEngine

/// Why a sink cannot deliver just now. It is tried again.
package struct SinkFault: Error, Sendable, Hashable, CustomStringConvertible {
    /// For the log: what failed and why, and what to do where that can be said. No secrets.
    package var description: String

    package init(_ description: String) { self.description = description }

    init(_ fault: AuditFault) { description = fault.description }

    init(_ fault: TLSError) { description = fault.description }

    init(_ fault: ServerFault) { description = fault.description }

    /// The worker is to end: nothing is wrong.
    static let stopped = SinkFault("stopped")
}
