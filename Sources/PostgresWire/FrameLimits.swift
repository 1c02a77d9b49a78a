/// How long messages may be. The numbers are the server's own, so that what passes here passes there.
package enum FrameLimits {
    /// `MAX_STARTUP_PACKET_LENGTH` (libpq/pqcomm.h), the length field included.
    package static let startupPacket = 10_000
    /// The shortest startup packet: a length and a code.
    package static let shortestStartupPacket = 8
    /// A CancelRequest's shortest and longest form: a 4-byte key (protocol 3.0) to a 256-byte key (3.2).
    package static let cancelRequest = 16...268
    /// The longest body of a BackendKeyData: a process ID and a key of 256 bytes (protocol 3.2).
    package static let cancelKey = 260
    /// `PQ_SMALL_MESSAGE_LIMIT` (libpq/libpq.h), as `SocketBackend` (tcop/postgres.c) applies it.
    package static var smallMessage: Int { 10_000 }
    /// `PQ_LARGE_MESSAGE_LIMIT` (libpq/libpq.h): `MaxAllocSize - 1`.
    package static var largeMessage: Int { 0x3fff_fffe }
    /// `PG_MAX_AUTH_TOKEN_LENGTH` (libpq/auth.h): the longest answer to an authentication request.
    package static var authentication: Int { 65_535 }
    /// The longest statement or portal name that is looked for inside a message before giving up on it.
    package static let name = 65_536
    /// The longest message of the server's: a DataRow is at most 1 GiB, other messages are smaller.
    package static var backendMessage: Int { 0x4000_0000 }

    /// The longest body (length field included) that a client message of the type may have; nil for a type that no
    /// client may send.
    package static func frontendLimit(of type: UInt8) -> Int? {
        switch type {
        // Query, Parse, Bind, FunctionCall, CopyData.
        case UInt8(ascii: "Q"), UInt8(ascii: "P"), UInt8(ascii: "B"), UInt8(ascii: "F"), UInt8(ascii: "d"): largeMessage
        // Close, Describe, Execute, Flush, Sync, Terminate, CopyDone, CopyFail.
        case UInt8(ascii: "C"), UInt8(ascii: "D"), UInt8(ascii: "E"), UInt8(ascii: "H"), UInt8(ascii: "S"),
            UInt8(ascii: "X"), UInt8(ascii: "c"), UInt8(ascii: "f"):
            smallMessage
        case UInt8(ascii: "p"): authentication
        default: nil
        }
    }
}
