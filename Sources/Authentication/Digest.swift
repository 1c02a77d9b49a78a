import COpenSSL

/// SHA-256 and HMAC-SHA-256, through OpenSSL.
enum Digest {
    /// Bytes of a hash and of every key of SCRAM-SHA-256 (`SCRAM_KEY_LEN`, common/scram-common.h).
    static let byteCount = 32

    static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        SHA256(bytes, bytes.count, &digest)
        return digest
    }

    static func hmac(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        var count: UInt32 = 0
        // NULL would mean "the key of the call before"; an empty array's address is not NULL.
        HMAC(EVP_sha256(), key, Int32(clamping: key.count), bytes, bytes.count, &digest, &count)
        return digest
    }

    /// Compares in a time that depends on the lengths only.
    static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        one.count == other.count && CRYPTO_memcmp(one, other, one.count) == 0
    }

    /// Of two texts of one length; the longer one's rest is left out.
    static func xor(_ one: [UInt8], _ other: [UInt8]) -> [UInt8] { zip(one, other).map { $0 ^ $1 } }

    /// Overwrites a secret. Best effort: copies that the compiler made, or that an array made when it grew, are out of
    /// reach.
    static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
        bytes = []
    }
}
