import PostgresWire

/// A client connection from its first byte until it has said who it is.
///
/// Bytes in, one step out. It never consumes more than the packet it answers, so nothing that was sent before an
/// answer can be taken for something sent after it.
package struct StartupMachine: ~Copyable {
    /// Encryption was asked for and declined; each kind may be asked for once.
    private var declinedSSL = false
    private var declinedGSS = false
    /// Whether TLS can be had, where an SSLRequest asks for it.
    private let offersTLS: Bool
    /// The bytes come through TLS.
    private var isEncrypted = false

    /// - Parameter offersTLS: an SSLRequest is answered with `S`.
    package init(offersTLS: Bool = false) { self.offersTLS = offersTLS }

    /// TLS is in place: what comes from here on came through it.
    package mutating func encryptionBegan() { isEncrypted = true }

    package enum Step {
        /// Nothing can be said until so many bytes are there.
        case wait(byteCount: Int)
        /// Take `consumed` bytes, answer this, call again.
        case reply([UInt8], consumed: Int)
        /// Take `consumed` bytes, answer this, begin TLS; then ``encryptionBegan()``, call again.
        case beginTLS([UInt8], consumed: Int)
        /// A CancelRequest of so many bytes: pass it to the server on a connection of its own.
        case cancel(byteCount: Int)
        /// A session opens with the packet of so many bytes, to be passed on as it is.
        case open(StartupParameters, byteCount: Int)
    }

    /// Looks at all the bytes that have arrived and were not consumed.
    ///
    /// - Throws: `WireFault`: send the client its ErrorResponse and close.
    package mutating func step(_ bytes: UnsafeRawBufferPointer) throws(WireFault) -> Step {
        guard let byteCount = try StartupRequest.byteCount(in: bytes) else { return .wait(byteCount: 4) }
        guard bytes.count >= byteCount else { return .wait(byteCount: byteCount) }
        let packet = UnsafeRawBufferPointer(rebasing: bytes[..<byteCount])
        switch try StartupRequest(packet: packet) {
        // Within TLS the server takes either for a protocol version, and has none such (`ProcessStartupPacket`).
        case .ssl where isEncrypted:
            throw .protocolVersion(major: 1234, minor: 5679)
        case .gssEncryption where isEncrypted:
            throw .protocolVersion(major: 1234, minor: 5680)
        case .ssl:
            guard !declinedSSL, bytes.count == byteCount else { throw .encryptionRequest }
            if offersTLS { return .beginTLS([UInt8(ascii: "S")], consumed: byteCount) }
            declinedSSL = true
            return .reply([UInt8(ascii: "N")], consumed: byteCount)
        case .gssEncryption:
            guard !declinedGSS, bytes.count == byteCount else { throw .encryptionRequest }
            declinedGSS = true
            return .reply([UInt8(ascii: "N")], consumed: byteCount)
        case .cancel:
            return .cancel(byteCount: byteCount)
        case .session(let parameters):
            return .open(parameters, byteCount: byteCount)
        }
    }
}
