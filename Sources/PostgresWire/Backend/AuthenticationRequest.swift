/// What a server asks of a client before it lets it in (manual, "Message Formats", Authentication…; the codes are
/// `AUTH_REQ_…`, libpq/pqcomm.h).
package enum AuthenticationRequest: Sendable, Hashable {
    /// The client is in.
    case ok
    case kerberosV5
    case cleartextPassword
    case md5Password
    case scmCredentials
    case gss
    case gssContinue
    case sspi
    /// The SASL mechanisms that the server offers, the best first.
    case sasl(mechanisms: [String])
    case saslContinue([UInt8])
    case saslFinal([UInt8])
    case unknown(code: Int32)

    /// Reads a whole message, type byte included; nil if its fields do not fit its length.
    package init?(message: UnsafeRawBufferPointer) {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let code = reader.int32() else { return nil }
        switch code {
        case 0: self = .ok
        case 2: self = .kerberosV5
        case 3: self = .cleartextPassword
        case 5: self = .md5Password
        case 6: self = .scmCredentials
        case 7: self = .gss
        case 8: self = .gssContinue
        case 9: self = .sspi
        case 10:
            var mechanisms: [String] = []
            while let name = reader.string(), !name.isEmpty { mechanisms.append(name.text) }
            self = .sasl(mechanisms: mechanisms)
        case 11: self = .saslContinue(Array(message[reader.position...]))
        case 12: self = .saslFinal(Array(message[reader.position...]))
        default: self = .unknown(code: code)
        }
    }
}

extension WireWriter {
    /// An AuthenticationSASLContinue.
    package static func authenticationSASLContinue(_ data: [UInt8]) -> [UInt8] {
        authentication(code: 11) { $0 += data }
    }

    /// An AuthenticationSASLFinal.
    package static func authenticationSASLFinal(_ data: [UInt8]) -> [UInt8] {
        authentication(code: 12) { $0 += data }
    }

    private static func authentication(code: UInt8, _ fill: (inout [UInt8]) -> Void) -> [UInt8] {
        message(BackendType.authentication) {
            $0 += [0, 0, 0, code]
            fill(&$0)
        }
    }
}
