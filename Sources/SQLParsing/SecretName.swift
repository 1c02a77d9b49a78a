/// Names of settings, options, columns and variables that hold secrets.
enum SecretName {
    /// What such a name ends with, in lower case; a name that has `passw` anywhere is one as well.
    private static let endings: [StaticString] = [
        "secret", "token", "pwd", "passphrase", "passcode", "apikey", "api_key", "secretkey", "secret_key", "accesskey",
        "access_key", "privatekey", "private_key", "encryption_key", "credential", "credentials", "_pass", "_pw",
        "auth_key", "signing_key", "hmac_key",
    ]

    /// What is said about passwords rather than being one.
    private static let harmless: [StaticString] = [
        "encryption", "required", "policy", "check", "length", "lifetime", "expiry", "expires", "age", "reset",
        "resets",
    ]

    /// Asked for every name of a text: most are told by their last letter.
    ///
    /// - Parameter name: as written, its quotes included.
    static func isOne(_ name: ArraySlice<UInt8>) -> Bool {
        var name = name
        if name.first == UInt8(ascii: "\"") || name.first == UInt8(ascii: "'") { name = name.dropFirst().dropLast() }
        // token2, api_key_1
        while let last = name.last, Lexer.isDigit(last) { name = name.dropLast() }
        if name.last == UInt8(ascii: "_") { name = name.dropLast() }
        guard (2...64).contains(name.count), let last = name.last else { return false }
        let scanner = FoldedScanner(name)
        if scanner.contains("passw") { return !harmless.contains(where: scanner.ends) }
        switch Keyword.folded(last) {
        case UInt8(ascii: "d"), UInt8(ascii: "e"), UInt8(ascii: "l"), UInt8(ascii: "n"), UInt8(ascii: "s"),
            UInt8(ascii: "t"), UInt8(ascii: "y"):
            return endings.contains(where: scanner.ends) || scanner.isWhole("pass")
        case UInt8(ascii: "w"): return scanner.isWhole("pw") || scanner.ends("_pw")
        default: return false
        }
    }

    /// A name written with escapes (`U&"p\0061ss"`): nobody hides a harmless one like that.
    static func isHidden(_ name: ArraySlice<UInt8>) -> Bool { name.contains(UInt8(ascii: "\\")) }

    /// Functions in which a literal may be the name of the next one.
    static func takesNames(_ name: ArraySlice<UInt8>) -> Bool {
        guard (6...18).contains(name.count) else { return false }
        let scanner = FoldedScanner(name)
        return namingFunctions.contains(where: scanner.isWhole)
    }

    private static let namingFunctions: [StaticString] = [
        "set_config", "jsonb_build_object", "json_build_object", "json_object", "hstore",
    ]

    /// Functions whose arguments are keys or passwords.
    static func isFunction(_ name: ArraySlice<UInt8>) -> Bool {
        guard (4...20).contains(name.count) else { return false }
        let scanner = FoldedScanner(name)
        return functions.contains(where: scanner.isWhole)
    }

    private static let functions: [StaticString] = [
        "crypt", "hmac", "encrypt", "decrypt", "encrypt_iv", "decrypt_iv", "pgp_sym_encrypt", "pgp_sym_decrypt",
        "pgp_pub_decrypt", "pgp_sym_encrypt_bytea", "pgp_sym_decrypt_bytea",
    ]
}

/// Finds ASCII words in bytes whatever their case.
struct FoldedScanner {
    private let bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }
    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    func contains(_ word: StaticString) -> Bool {
        bytes.withUnsafeBufferPointer { bytes in
            word.withUTF8Buffer { word in
                guard let first = word.first, bytes.count >= word.count else { return false }
                for start in 0...(bytes.count - word.count) where Keyword.folded(bytes[start]) == first {
                    if Self.matches(bytes, word, at: start) { return true }
                }
                return false
            }
        }
    }

    func ends(_ word: StaticString) -> Bool {
        matches(word, at: bytes.count - word.utf8CodeUnitCount)
    }

    func isWhole(_ word: StaticString) -> Bool { word.utf8CodeUnitCount == bytes.count && ends(word) }

    /// - Parameter start: counted from the first of the bytes.
    func matches(_ word: StaticString, at start: Int) -> Bool {
        bytes.withUnsafeBufferPointer { bytes in word.withUTF8Buffer { Self.matches(bytes, $0, at: start) } }
    }

    private static func matches(
        _ bytes: UnsafeBufferPointer<UInt8>, _ word: UnsafeBufferPointer<UInt8>, at start: Int
    ) -> Bool {
        guard start >= 0, start + word.count <= bytes.count else { return false }
        for offset in word.indices where Keyword.folded(bytes[start + offset]) != word[offset] { return false }
        return true
    }

    /// A cheap test that most statements fail: one pass for the beginnings of all that could be, or name, a secret.
    var mayHoldSecret: Bool {
        for (at, byte) in bytes.enumerated() {
            switch Keyword.folded(byte) {
            case UInt8(ascii: "p"):
                if matches("passw", at: at) || matches("pass", at: at) || matches("pwd", at: at) { return true }
                if matches("pgp_", at: at) || matches("pw", at: at) { return true }
            case UInt8(ascii: ":"): if matches("://", at: at) { return true }
            case UInt8(ascii: "r"): if matches("role", at: at) { return true }
            case UInt8(ascii: "u"): if matches("user", at: at) || matches("u&\"", at: at) { return true }
            case UInt8(ascii: "g"): if matches("group", at: at) { return true }
            case UInt8(ascii: "s"): if matches("secret", at: at) || matches("scram-", at: at) { return true }
            case UInt8(ascii: "t"): if matches("token", at: at) { return true }
            case UInt8(ascii: "k"): if matches("key", at: at) { return true }
            case UInt8(ascii: "m"): if matches("md5", at: at) { return true }
            case UInt8(ascii: "a"): if matches("authorization", at: at) { return true }
            case UInt8(ascii: "\\"): if at + 1 < bytes.count { return true }
            case UInt8(ascii: "i"): if matches("identified", at: at) { return true }
            case UInt8(ascii: "b"): if matches("bearer", at: at) { return true }
            case UInt8(ascii: "c"):
                if matches("curl", at: at) || matches("crypt", at: at) || matches("credential", at: at) { return true }
            case UInt8(ascii: "h"): if matches("hmac", at: at) { return true }
            default: break
            }
        }
        return false
    }

    /// A routine in another language than the server's own, where any kind of text may stand.
    var isForeignRoutine: Bool {
        contains("language") && (contains("plpy") || contains("plperl") || contains("plv8") || contains("pltcl"))
    }

    /// A text that puts statements about passwords together: what it assigns to variables may be one.
    var assemblesPasswords: Bool {
        contains("execute") && contains("passw")
    }
}
