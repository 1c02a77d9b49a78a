import COpenSSL
import Foundation

/// How far a trail had come at a moment: what is signed, and sent to where the trail's writer cannot change it.
package struct AuditCheckpoint: Sendable, Equatable {
    package var instance: String
    package var file: Int64
    package var sequence: Int64
    /// The code of that record, 64 hexadecimal digits.
    package var code: String
    /// Nanoseconds since 1970.
    package var time: Int64

    /// The text that is signed: one line for each part.
    var signedText: [UInt8] {
        Array(
            "holdfast audit checkpoint 1\n\(instance)\n\(file)\n\(sequence)\n\(code)\n\(AuditTime.text(time))\n".utf8)
    }
}

/// Signs checkpoints with Ed25519: `signing_key` under `[audit]`.
///
/// A text file, mode 0600: a first line that says what it is, then 64 hexadecimal digits (the private key, RFC 8032).
package final class AuditSigner: @unchecked Sendable {
    // EVP_PKEY is safe to read from several threads (openssl-threads(7)).
    private static let firstLine = "holdfast audit signing key 1"
    private let key: OpaquePointer

    private init(key: OpaquePointer) { self.key = key }

    deinit { EVP_PKEY_free(key) }

    /// Reads the key; where there is none, makes the file with a random one if `creates`.
    ///
    /// - Throws: ``AuditFault`` with path, reason and remedy.
    package static func load(_ path: String, creates: Bool) throws(AuditFault) -> AuditSigner {
        if creates, access(path, F_OK) != 0, errno == ENOENT {
            let text = "\(firstLine)\n\(AuditHash.hex(try AuditHash.random(32)))\n"
            try SecretFile.write(text, to: path, isNew: true)
        }
        let lines = try SecretFile.read(path, what: "signing key").split(separator: "\n")
        guard lines.count == 2, lines[0] == firstLine, let bytes = AuditHash.bytes(hex: lines[1]), bytes.count == 32,
            let key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, bytes, bytes.count)
        else {
            throw AuditFault(
                description: "audit signing key \(path): not a key; restore it from its backup, or remove it to begin "
                    + "with a new one")
        }
        return AuditSigner(key: key)
    }

    /// The public key: 64 hexadecimal digits.
    package var publicKey: String {
        var bytes = [UInt8](repeating: 0, count: 32)
        var count = bytes.count
        guard EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1 else { return "" }
        return AuditHash.hex(bytes)
    }

    /// 128 hexadecimal digits; nil if OpenSSL cannot.
    func sign(_ checkpoint: AuditCheckpoint) -> String? {
        guard let context = EVP_MD_CTX_new() else { return nil }
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: 64)
        var count = signature.count
        let text = checkpoint.signedText
        guard EVP_DigestSignInit(context, nil, nil, nil, key) == 1,
            EVP_DigestSign(context, &signature, &count, text, text.count) == 1
        else { return nil }
        return AuditHash.hex(signature)
    }

    /// Whether the holder of the public key's other half has signed this.
    ///
    /// - Parameter publicKey: 64 hexadecimal digits.
    static func verifies(_ checkpoint: AuditCheckpoint, signature: String, publicKey: String) -> Bool {
        guard let bytes = AuditHash.bytes(hex: publicKey), bytes.count == 32,
            let signature = AuditHash.bytes(hex: signature),
            let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count)
        else { return false }
        defer { EVP_PKEY_free(key) }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        let text = checkpoint.signedText
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, text, text.count) == 1
    }
}
