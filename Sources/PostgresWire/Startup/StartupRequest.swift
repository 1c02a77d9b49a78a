/// What a client can open a connection with (manual, "Message Flow", "Start-up"; `ProcessStartupPacket` in
/// postmaster.c).
package enum StartupRequest {
    case ssl
    case gssEncryption
    /// The packet, to be passed on as it is.
    case cancel
    case session(StartupParameters)

    /// The code of an SSLRequest.
    package static let sslCode: Int32 = 80_877_103
    /// The code of a GSSENCRequest.
    package static let gssEncryptionCode: Int32 = 80_877_104
    /// The code of a CancelRequest.
    package static let cancelCode: Int32 = 80_877_102

    /// The byte count of the packet that begins `bytes`, or nil if fewer than four bytes are there.
    ///
    /// - Throws: `startupLength` for a length under 8 or over 10,000, before any of it is stored.
    package static func byteCount(in bytes: UnsafeRawBufferPointer) throws(WireFault) -> Int? {
        guard bytes.count >= 4 else { return nil }
        let length = Int(bytes.loadInt32(at: 0))
        guard length >= FrameLimits.shortestStartupPacket, length <= FrameLimits.startupPacket else {
            throw .startupLength(length)
        }
        return length
    }

    /// Reads one whole packet.
    package init(packet: UnsafeRawBufferPointer) throws(WireFault) {
        guard packet.count >= FrameLimits.shortestStartupPacket else { throw .startupLength(packet.count) }
        switch packet.loadInt32(at: 4) {
        case Self.sslCode where packet.count == 8:
            self = .ssl
        case Self.gssEncryptionCode where packet.count == 8:
            self = .gssEncryption
        case Self.cancelCode where FrameLimits.cancelRequest.contains(packet.count):
            self = .cancel
        case let version:
            let (major, minor) = (Int(version >> 16), Int(version & 0xffff))
            guard major == 3 else { throw .protocolVersion(major: major, minor: minor) }
            self = .session(try StartupParameters(packet: packet))
        }
    }
}
