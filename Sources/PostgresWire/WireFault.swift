/// What can be wrong with bytes on the wire. The session they arrive on is closed; no other session notices.
package enum WireFault: Error, Sendable, Hashable {
    /// A startup packet's length is under 8 or over 10,000 (`ProcessStartupPacket` in postmaster.c).
    case startupLength(Int)
    /// A startup packet's parameters are not NUL-ended pairs with a NUL behind the last.
    case startupLayout
    /// A protocol version other than 3.x.
    case protocolVersion(major: Int, minor: Int)
    /// A second SSLRequest or GSSENCRequest, or bytes sent together with one.
    case encryptionRequest
    /// A message type that no client may send.
    case frontendType(UInt8)
    /// A client message's length is under 4 or over the limit for its type.
    case frontendLength(type: UInt8, length: Int)
    /// A server message's length is under 4 or over 1 GiB.
    case backendLength(type: UInt8, length: Int)
    /// A message's fields do not fit its length.
    case layout(type: UInt8)

    /// The SQLSTATE that the client is given.
    package var sqlState: String {
        switch self {
        case .protocolVersion: "0A000"
        case .startupLength, .startupLayout, .encryptionRequest, .frontendType, .frontendLength, .backendLength,
            .layout:
            "08P01"
        }
    }

    /// The sentence that the client and the log are given.
    package var message: String {
        switch self {
        case .startupLength(let length):
            "invalid length of startup packet: \(length) bytes; this port speaks the PostgreSQL protocol"
        case .startupLayout:
            "invalid startup packet layout: expected pairs of strings and a terminator as last byte"
        case .protocolVersion(let major, let minor):
            "unsupported frontend protocol \(major).\(minor): 3.0 and later 3.x are supported"
        case .encryptionRequest:
            "received unexpected bytes or a repeated request while negotiating encryption"
        case .frontendType(let type):
            "invalid frontend message type \(type)"
        case .frontendLength(let type, let length):
            "invalid message length \(length) for frontend message type \(type)"
        case .backendLength(let type, let length):
            "the server sent an invalid message length \(length) for message type \(type)"
        case .layout(let type):
            "invalid message format of frontend message type \(type)"
        }
    }
}
