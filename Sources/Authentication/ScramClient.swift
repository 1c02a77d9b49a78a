/// The client's side of one SCRAM-SHA-256 exchange, played without a password: with what another client has proven.
///
/// That works as long as the server keeps the same verifier: with another salt or iteration count the same password has
/// other keys.
struct ScramClient {
    /// Why the exchange cannot go on.
    enum Fault: Error, Sendable, Hashable {
        /// The server's message is none of SCRAM's, or its nonce does not go on ours.
        case malformed
        /// The server keeps another verifier: another salt, or another iteration count.
        case otherVerifier
        /// The server has not proven that it knows the verifier.
        case wrongSignature
    }

    static let mechanism = "SCRAM-SHA-256"
    static let bindingMechanism = "SCRAM-SHA-256-PLUS"
    static let bindingType = "tls-server-end-point"

    private let keys: ScramKeys
    private let header: String
    private let bindingData: [UInt8]
    private let clientFirstBare: String
    private let nonce: String
    private var expectedSignature: [UInt8]?

    /// - Parameters:
    ///   - nonce: 24 printable characters or more that never come again.
    ///   - endPoint: binds the channel to the server's certificate (SCRAM-SHA-256-PLUS); nil binds nothing.
    ///   - saysItCouldBind: the link is TLS and the server has not offered PLUS.
    init(keys: ScramKeys, nonce: String, endPoint: [UInt8]?, saysItCouldBind: Bool = false) {
        self.keys = keys
        self.nonce = nonce
        header = endPoint != nil ? "p=\(Self.bindingType),," : saysItCouldBind ? "y,," : "n,,"
        bindingData = endPoint ?? []
        // The server goes by the startup packet's user.
        clientFirstBare = "n=,r=\(nonce)"
    }

    var clientFirst: [UInt8] { Array((header + clientFirstBare).utf8) }

    /// Answers the server's first message.
    mutating func answer(_ serverFirst: [UInt8]) throws(Fault) -> [UInt8] {
        let read = try Self.read(serverFirst)
        guard read.nonce.starts(with: nonce.utf8), read.nonce.count > nonce.utf8.count else { throw .malformed }
        guard read.salt == Array(keys.verifier.salt.utf8), read.iterationCount == keys.verifier.iterationCount else {
            throw .otherVerifier
        }
        let withoutProof =
            Array("c=\(Base64.encode(Array(header.utf8) + bindingData)),r=".utf8) + read.nonce
        let comma = [UInt8(ascii: ",")]
        let transcript = Array(clientFirstBare.utf8) + comma + serverFirst + comma + withoutProof
        let proof = Digest.xor(keys.clientKey, Digest.hmac(key: keys.verifier.storedKey, transcript))
        expectedSignature = Digest.hmac(key: keys.verifier.serverKey, transcript)
        return withoutProof + Array(",p=\(Base64.encode(proof))".utf8)
    }

    /// Checks the server's last message.
    mutating func finish(_ serverFinal: [UInt8]) throws(Fault) {
        guard let expectedSignature else { throw .malformed }
        var attributes = ScramAttributes(serverFinal)
        let value: [UInt8]
        do throws(ScramFault) {
            value = try attributes.value(of: "v")
        } catch {
            throw .malformed
        }
        guard let signature = Base64.decode(value), Digest.areEqual(signature, expectedSignature) else {
            throw .wrongSignature
        }
    }

    private static func read(
        _ serverFirst: [UInt8]
    ) throws(Fault) -> (nonce: [UInt8], salt: [UInt8], iterationCount: Int) {
        do throws(ScramFault) {
            var attributes = ScramAttributes(serverFirst)
            let nonce = try attributes.value(of: "r")
            let salt = try attributes.value(of: "s")
            let count = try attributes.value(of: "i")
            while !attributes.isAtEnd { _ = try attributes.any() }
            if let iterationCount = ScramVerifier.number(count), ScramAttributes.isPrintable(nonce) {
                return (nonce, salt, iterationCount)
            }
        } catch {
            throw .malformed
        }
        throw .malformed
    }
}
