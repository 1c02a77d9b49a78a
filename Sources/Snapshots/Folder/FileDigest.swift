import COpenSSL
import Foundation

/// A file's SHA-256, read piece by piece.
enum FileDigest {
    /// - Returns: 64 hexadecimal digits and the file's length in bytes.
    static func sha256(of path: String) throws(SnapshotFault) -> (digest: String, byteCount: Int) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file("\(path) cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard let context = EVP_MD_CTX_new() else { throw .file("\(path) cannot be read: no memory") }
        defer { EVP_MD_CTX_free(context) }
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var byteCount = 0
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .file("\(path) cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            EVP_DigestUpdate(context, buffer, count)
            byteCount += count
        }
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        EVP_DigestFinal_ex(context, &digest, &length)
        let digits = digest.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }
        return (digits.joined(), byteCount)
    }
}
