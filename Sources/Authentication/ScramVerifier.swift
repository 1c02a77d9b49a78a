/// What a server keeps of a password: enough to check a client's proof, not enough to make one.
///
/// It is no password, yet a secret: who has it can try out passwords, and can pose as the server.
package struct ScramVerifier: Sendable, Hashable {
    package let iterationCount: Int
    /// Base64, as it is sent to the client.
    package let salt: String
    let storedKey: [UInt8]
    let serverKey: [UInt8]

    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, as `pg_authid.rolpassword` has it
    /// (`parse_scram_secret`, libpq/auth-scram.c).
    ///
    /// - Returns: nil for anything else. Stricter than PostgreSQL in what PostgreSQL never writes: signs or spaces in the
    ///   number, an iteration count under 1 or over 2³¹ − 1, an empty salt.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "$"), omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].elementsEqual("SCRAM-SHA-256".utf8) else { return nil }
        let head = parts[1].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        let keys = parts[2].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard head.count == 2, keys.count == 2 else { return nil }
        guard let count = Self.number(head[0]), let salt = Base64.decode(head[1]), !salt.isEmpty else { return nil }
        guard let storedKey = Base64.decode(keys[0]), storedKey.count == Digest.byteCount,
            let serverKey = Base64.decode(keys[1]), serverKey.count == Digest.byteCount
        else { return nil }
        iterationCount = count
        self.salt = String(decoding: head[1], as: UTF8.self)
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    private init(iterationCount: Int, salt: String, storedKey: [UInt8], serverKey: [UInt8]) {
        self.iterationCount = iterationCount
        self.salt = salt
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// PostgreSQL's standard (`SCRAM_DEFAULT_ITERATIONS`, common/scram-common.h).
    package static let standardIterationCount = 4096

    /// What an exchange is run with that cannot succeed: always the same for the same user, so that nobody can tell
    /// (`mock_scram_secret`, libpq/auth-scram.c).
    ///
    /// - Parameter secret: at least 32 bytes that nobody else knows, the same for as long as possible.
    static func mock(user: String, secret: [UInt8]) -> ScramVerifier {
        // 16 bytes, as `SCRAM_DEFAULT_SALT_LEN` has them.
        let salt = Digest.hmac(key: secret, Array(user.utf8)).prefix(16)
        let zeros = [UInt8](repeating: 0, count: Digest.byteCount)
        return ScramVerifier(
            iterationCount: standardIterationCount, salt: Base64.encode(salt), storedKey: zeros, serverKey: zeros)
    }

    /// Digits only, 1 to 2³¹ − 1.
    static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.count <= 10 else { return nil }
        var number = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return (1...Int(Int32.max)).contains(number) ? number : nil
    }
}

extension ScramVerifier: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Nothing of it, wherever it may be printed.
    package var description: String { "a SCRAM verifier" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension ScramVerifier {
    /// Something that only who has the verifier can know, and from which the verifier cannot be found: the secret of mock
    /// exchanges, the same for all who have the verifier.
    package var commonSecret: [UInt8] {
        Digest.hmac(key: storedKey + serverKey, Array("holdfast mock secret".utf8))
    }
}
