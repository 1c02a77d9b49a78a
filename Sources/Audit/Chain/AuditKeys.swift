import COpenSSL
import Foundation

/// A secret that records are sealed with.
package struct AuditKey: Sendable, Equatable {
    /// Names the key without giving it away: the first 16 hexadecimal digits of SHA-256 over a fixed text and the key.
    package let id: String
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        id = String(AuditHash.hex(AuditHash.sha256(Array("holdfast audit key\0".utf8) + bytes)).prefix(16))
    }

    static func random() throws(AuditFault) -> AuditKey { AuditKey(try AuditHash.random(32)) }
}

/// The keys of a trail, the newest last: `key_file` under `[audit]`.
///
/// A text file, mode 0600: a first line that says what it is, then a line for each key, its id and 64 hexadecimal digits.
/// Old keys stay in it: what they have sealed is verified with them.
package struct AuditKeys: Sendable, Equatable {
    private static let firstLine = "holdfast audit keys 1"

    package private(set) var keys: [AuditKey]

    init(keys: [AuditKey]) { self.keys = keys }

    /// The key that seals from now on.
    var newest: AuditKey? { keys.last }

    package func key(_ id: String) -> AuditKey? { keys.first { $0.id == id } }

    /// Reads the file; where there is none, makes it with one random key if `creates`.
    ///
    /// - Throws: ``AuditFault`` with path, reason and remedy: it cannot be read or made, others may read it, or a line of it
    ///   is no key.
    package static func load(_ path: String, creates: Bool) throws(AuditFault) -> AuditKeys {
        if creates, access(path, F_OK) != 0, errno == ENOENT {
            let keys = AuditKeys(keys: [try .random()])
            try SecretFile.write(keys.text, to: path, isNew: true)
            return keys
        }
        return AuditKeys(keys: try parse(try SecretFile.read(path, what: "key file"), path: path))
    }

    /// Adds a random key to the file, which is made if there is none.
    ///
    /// - Returns: the id of the new key.
    /// - Throws: as ``load(_:creates:)``.
    package static func addKey(_ path: String) throws(AuditFault) -> String {
        var keys = access(path, F_OK) == 0 ? try load(path, creates: false) : AuditKeys(keys: [])
        let key = try AuditKey.random()
        keys.keys.append(key)
        try SecretFile.write(keys.text, to: path, isNew: false)
        return key.id
    }

    private var text: String {
        ([Self.firstLine] + keys.map { "\($0.id) \(AuditHash.hex($0.bytes))" }).joined(separator: "\n") + "\n"
    }

    private static func parse(_ text: String, path: String) throws(AuditFault) -> [AuditKey] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
        guard lines.first.map(String.init) == firstLine, lines.count > 1 else {
            throw AuditFault(
                description: "audit key file \(path): no keys in it; restore it from its backup: without it the trail "
                    + "cannot be verified")
        }
        var keys: [AuditKey] = []
        for (index, line) in lines.enumerated().dropFirst() {
            let words = line.split(separator: " ")
            guard words.count == 2, let bytes = AuditHash.bytes(hex: words[1]), bytes.count == 32,
                AuditKey(bytes).id == words[0]
            else {
                throw AuditFault(
                    description: "audit key file \(path): line \(index + 1) is not a key; restore it from its backup")
            }
            keys.append(AuditKey(bytes))
        }
        return keys
    }
}

/// Files that nobody else may read.
enum SecretFile {
    static func read(_ path: String, what: String) throws(AuditFault) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            throw AuditFault(path: path, call: "open", errorNumber: errno, remedy: "name the audit \(what), readable")
        }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_mode & 0o077 == 0 else {
            throw AuditFault(
                description: "audit \(what) \(path): others may read or change it; chmod 600 it, and think of what it "
                    + "protects as known")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count < 1 << 20 {
            let count = Foundation.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw AuditFault(path: path, call: "read", errorNumber: errno) }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes the whole file under another name and renames it, so that it is never half there.
    static func write(_ text: String, to path: String, isNew: Bool) throws(AuditFault) {
        let temporary = path + ".new"
        _ = unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let number = errno
            throw AuditFault(
                path: temporary, call: "open", errorNumber: number, remedy: AuditFault.remedy(forOpening: number))
        }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard Foundation.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
            throw AuditFault(path: temporary, call: "write", errorNumber: errno)
        }
        // A file that came in between is somebody's key.
        let result = isNew ? link(temporary, path) : rename(temporary, path)
        let number = errno
        if isNew { _ = unlink(temporary) }
        guard result == 0 else { throw AuditFault(path: path, call: "rename", errorNumber: number) }
    }
}
