/// The users of a file and their verifiers: `"user" "SCRAM-SHA-256$…"` a line, as in PgBouncer's userlist.txt; a quote
/// within quotes is doubled; lines that begin with `;` or `#` are comments.
package struct UsersFile: Sendable {
    private let verifiers: [String: ScramVerifier]

    /// Nobody.
    package init() { verifiers = [:] }

    /// What is wrong with a file, and what to do about it; nothing of a secret.
    package struct Fault: Error, Sendable, Hashable {
        /// From 1.
        package var line: Int
        package var message: String
        package var remedy: String
    }

    /// - Throws: the first line that cannot be used.
    package init(_ text: String) throws(Fault) {
        var verifiers: [String: ScramVerifier] = [:]
        var number = 0
        // The line ends of any system, as bytes: a character of Swift's can be CR LF.
        for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard let (user, secret) = try Self.entry(String(Substring(line)), number) else { continue }
            guard verifiers[user] == nil else {
                throw Fault(line: number, message: "the user \"\(user)\" stands here twice", remedy: "take one away")
            }
            verifiers[user] = try Self.verifier(secret, of: user, number)
        }
        self.verifiers = verifiers
    }

    package var count: Int { verifiers.count }

    /// Something that only who has the file can know; the same on every machine that has the same file. nil if it is empty.
    package var commonSecret: [UInt8]? {
        if verifiers.isEmpty { return nil }
        let all = verifiers.sorted { $0.key < $1.key }.flatMap { Array($0.key.utf8) + $0.value.commonSecret }
        return Digest.sha256(all)
    }

    package func verifier(of user: String) -> ScramVerifier? { verifiers[user] }

    private static func entry(_ line: String, _ number: Int) throws(Fault) -> (user: String, secret: String)? {
        var rest = line.unicodeScalars[...]
        skipSpace(&rest)
        guard let first = rest.first, first != ";", first != "#" else { return nil }
        let user = try quoted(&rest, number)
        skipSpace(&rest)
        let secret = try quoted(&rest, number)
        skipSpace(&rest)
        guard rest.isEmpty || rest.first == ";" || rest.first == "#" else { throw layout(number) }
        guard !user.isEmpty, user.utf8.count < 64 else {
            throw Fault(
                line: number, message: "the user's name is empty, or longer than 63 bytes",
                remedy: "write the role's name as pg_authid has it")
        }
        return (user, secret)
    }

    private static func skipSpace(_ rest: inout Substring.UnicodeScalarView) {
        rest = rest.drop { $0 == " " || $0 == "\t" || $0 == "\r" }
    }

    private static func quoted(_ rest: inout Substring.UnicodeScalarView, _ number: Int) throws(Fault) -> String {
        guard rest.popFirst() == "\"" else { throw layout(number) }
        var text = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            if scalar == "\"" {
                guard rest.first == "\"" else { return String(text) }
                rest.removeFirst()
            }
            text.append(scalar)
        }
        throw layout(number)
    }

    private static func layout(_ number: Int) -> Fault {
        Fault(
            line: number, message: "not a line of the form \"user\" \"SCRAM-SHA-256$…\"",
            remedy: "put the name and the secret in double quotes, with a space between; a quote within is doubled")
    }

    private static func verifier(_ secret: String, of user: String, _ number: Int) throws(Fault) -> ScramVerifier {
        if let verifier = ScramVerifier(secret) { return verifier }
        let message: String
        if secret.hasPrefix("SCRAM-SHA-256") {
            message = "the SCRAM secret of \"\(user)\" is not whole"
        } else if secret.hasPrefix("md5"), secret.utf8.count == 35 {
            message = "the secret of \"\(user)\" is an MD5 hash, which is of no use for SCRAM"
        } else {
            message = "the secret of \"\(user)\" is no SCRAM secret; a clear-text password must not stand here"
        }
        throw Fault(
            line: number, message: message,
            remedy: "copy what SELECT rolpassword FROM pg_authid shows for the role; if that does not begin with "
                + "SCRAM-SHA-256, set the password anew under password_encryption = 'scram-sha-256'")
    }
}
