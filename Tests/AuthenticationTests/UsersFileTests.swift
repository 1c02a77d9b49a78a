import Testing

@testable import Authentication

@Suite struct UsersFileTests {
    @Test func usersAndCommentsAreRead() throws {
        let text = """
            ; made by hand
            # so is this

            "ann" "\(pencil)"
              "bob ""the"" builder"\t"\(pencil)" ; why not
            "çelik"   "\(pencil)"\r
            """
        let users = try UsersFile(text)
        #expect(users.count == 3)
        for user in ["ann", "bob \"the\" builder", "çelik"] {
            #expect(users.verifier(of: user) == ScramVerifier(pencil))
        }
        #expect(users.verifier(of: "Ann") == nil)
    }

    struct Row: Sendable {
        var text: String
        var line: Int
        var message: String
    }

    static let rows = [
        Row(text: "ann", line: 1, message: "not a line of the form"),
        Row(text: "\"ann\"", line: 1, message: "not a line of the form"),
        Row(text: "\"ann\" \"\(pencil)", line: 1, message: "not a line of the form"),
        Row(text: "\"ann\" \"\(pencil)\" \"x\"", line: 1, message: "not a line of the form"),
        Row(text: "\n\"\" \"\(pencil)\"", line: 2, message: "empty"),
        Row(text: "\"\(String(repeating: "é", count: 32))\" \"\(pencil)\"", line: 1, message: "longer than 63 bytes"),
        Row(text: "\"ann\" \"secret\"", line: 1, message: "clear-text password must not stand here"),
        Row(text: "\"ann\" \"\"", line: 1, message: "no SCRAM secret"),
        Row(text: "# x\n\n\"ann\" \"md55d41402abc4b2a76b9719d911017c592\"", line: 3, message: "MD5"),
        Row(text: "\"ann\" \"SCRAM-SHA-256$4096:abc\"", line: 1, message: "not whole"),
        Row(text: "\"ann\" \"\(pencil)\"\n\"ann\" \"\(pencil)\"", line: 2, message: "twice"),
    ]

    @Test(arguments: rows)
    func aLineThatCannotBeUsedIsNamedWithARemedyAndWithoutItsSecret(row: Row) {
        do throws(UsersFile.Fault) {
            _ = try UsersFile(row.text)
            Issue.record("read")
        } catch {
            #expect(error.line == row.line)
            #expect(error.message.contains(row.message))
            #expect(!error.remedy.isEmpty)
            for secret in ["secret\"", "5d41", "6M0d"] { #expect(!error.message.contains(secret)) }
        }
    }
}
