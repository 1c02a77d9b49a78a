/// What a server said when it was asked last.
package enum ServerRole: Sendable, Hashable {
    /// It has not been asked yet, or does not answer.
    case unknown
    /// It takes writes.
    ///
    /// - Parameter timeline: which history its log belongs to: every promotion begins a higher one (PostgreSQL manual,
    ///   "Timelines"). 0 if it does not say.
    case primary(timeline: UInt32)
    /// It follows another.
    case standby

    /// Of a primary.
    var timeline: UInt32? {
        switch self {
        case .primary(let timeline): timeline
        case .unknown, .standby: nil
        }
    }

    /// For the log.
    var text: String {
        switch self {
        case .unknown: "unknown: it does not answer"
        case .primary(0): "a primary"
        case .primary(let timeline): "a primary (timeline \(timeline))"
        case .standby: "a standby"
        }
    }
}
