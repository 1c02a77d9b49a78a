import COpenSSL
import PostgresWire

@testable import Authentication

/// Made by PostgreSQL 15: CREATE ROLE t PASSWORD 'pencil'.
let pencil =
    "SCRAM-SHA-256$4096:TV2AU+Mg1RL1wNXdAH+dRQ==$"
    + "6M0dkdAgQHfWt1SJKQbSnuabOq2kjXwQ9od0QtnKPJw=:vXDQE0Jyk1qdBUt6YjCmjMk0oURGrdOZnbEANUJvB38="

let mockSecret = [UInt8](repeating: 7, count: 32)
let serverNonce = "c2VydmVyLW5vbmNlLXNlcnZlcg=="

/// A client that has a password, as any driver has: what is tested is never its own judge.
struct PasswordClient {
    let password: String
    let header: String
    var binding: [UInt8] = []
    let nonce = "Y2xpZW50LW5vbmNlLWNsaWVudA=="

    var first: String { "\(header)\(firstBare)" }
    private var firstBare: String { "n=,r=\(nonce)" }

    /// The answer to the server's first message, and the server's last message if all is well.
    func final(_ serverFirst: String) -> (message: String, serverFinal: String) {
        let fields = serverFirst.split(separator: ",").map { String($0.dropFirst(2)) }
        let salt = Base64.decode(fields[1].utf8) ?? []
        var salted = [UInt8](repeating: 0, count: 32)
        PKCS5_PBKDF2_HMAC(
            password, Int32(password.utf8.count), salt, Int32(salt.count), Int32(fields[2]) ?? 1, EVP_sha256(), 32,
            &salted)
        let clientKey = Digest.hmac(key: salted, Array("Client Key".utf8))
        let serverKey = Digest.hmac(key: salted, Array("Server Key".utf8))
        let withoutProof = "c=\(Base64.encode(Array(header.utf8) + binding)),r=\(fields[0])"
        let transcript = Array("\(firstBare),\(serverFirst),\(withoutProof)".utf8)
        let proof = Digest.xor(clientKey, Digest.hmac(key: Digest.sha256(clientKey), transcript))
        let signature = Base64.encode(Digest.hmac(key: serverKey, transcript))
        return ("\(withoutProof),p=\(Base64.encode(proof))", "v=\(signature)")
    }
}

/// One login at the server's side, message by message.
struct Login: ~Copyable {
    var machine: ClientAuthentication

    init(verifier: String? = pencil, endPoint: [UInt8]? = nil, user: String = "t") {
        machine = ClientAuthentication(
            ClientAuthentication.Subject(
                user: user, verifier: verifier.flatMap { ScramVerifier($0) }, mockSecret: mockSecret,
                nonce: serverNonce, endPoint: endPoint))
    }

    enum Answer: Equatable {
        case wait(Int)
        case says(String)
        case accepted(String)
        case refused(String)
    }

    var keys: ScramKeys?

    mutating func send(_ bytes: [UInt8]) -> Answer {
        let step = bytes.withUnsafeBytes { machine.step($0) }
        switch step {
        case .wait(let count): return .wait(count)
        case .reply(let bytes, let consumed): return .says(text(bytes) + (consumed == 0 ? " (consumed nothing)" : ""))
        case .accepted(let bytes, _, let keys):
            self.keys = keys
            return .accepted(text(bytes))
        case .refused(let fault):
            return .refused([fault.sqlState, fault.message, fault.detail].compactMap(\.self).joined(separator: " | "))
        }
    }

    mutating func choose(_ data: String, mechanism: String = "SCRAM-SHA-256") -> Answer {
        send(WireWriter.saslInitialResponse(mechanism: mechanism, data: Array(data.utf8)))
    }

    mutating func respond(_ data: String) -> Answer { send(WireWriter.saslResponse(Array(data.utf8))) }

    /// A whole login; the server's last word.
    mutating func run(_ client: PasswordClient, mechanism: String = "SCRAM-SHA-256") -> Answer {
        guard case .says(let challenge) = choose(client.first, mechanism: mechanism) else {
            return .says("no challenge")
        }
        return respond(client.final(challenge).message)
    }

    /// What stands in an AuthenticationSASLContinue or AuthenticationSASLFinal.
    private func text(_ bytes: [UInt8]) -> String {
        let request = bytes.withUnsafeBytes { AuthenticationRequest(message: $0) }
        switch request {
        case .saslContinue(let data), .saslFinal(let data): return String(decoding: data, as: UTF8.self)
        default: return "\(String(describing: request))"
        }
    }
}
