import PostgresWire
import Testing

@testable import Authentication

/// The words are PostgreSQL 15's; Tests/EndToEnd/test_scram.py compares them with a real server's.
@Suite struct MalformedMessageTests {
    static let firsts: [(String, String)] = [
        ("", "08P01 | malformed SCRAM message | The message is empty."),
        ("n,,n=,r=a\0b", "08P01 | malformed SCRAM message | Message length does not match input length."),
        ("x,,n=,r=abc", "08P01 | malformed SCRAM message | Unexpected channel-binding flag \"'x'\"."),
        ("\u{1},,n=,r=abc", "08P01 | malformed SCRAM message | Unexpected channel-binding flag \"0x01\"."),
        ("n", "08P01 | malformed SCRAM message | Comma expected, but found character \"0x00\"."),
        ("nn,n=,r=abc", "08P01 | malformed SCRAM message | Comma expected, but found character \"'n'\"."),
        ("n,a=me,n=,r=abc", "0A000 | client uses authorization identity, but it is not supported"),
        ("n,b=me,n=,r=abc", "08P01 | malformed SCRAM message | Unexpected attribute \"'b'\" in client-first-message."),
        ("n,,m=x,n=,r=abc", "0A000 | client requires an unsupported SCRAM extension"),
        ("n,,r=abc,n=", "08P01 | malformed SCRAM message | Expected attribute \"n\" but found \"'r'\"."),
        ("n,,", "08P01 | malformed SCRAM message | Expected attribute \"n\" but found \"0x00\"."),
        ("n,,n", "08P01 | malformed SCRAM message | Expected character \"=\" for attribute \"n\"."),
        ("n,,n=", "08P01 | malformed SCRAM message | Expected attribute \"r\" but found \"0x00\"."),
        ("n,,n=,x=abc", "08P01 | malformed SCRAM message | Expected attribute \"r\" but found \"'x'\"."),
        ("n,,n=,r=a c", "08P01 | non-printable characters in SCRAM nonce"),
        ("n,,n=,r=abé", "08P01 | non-printable characters in SCRAM nonce"),
        (
            "n,,n=,r=abc,1=x",
            "08P01 | malformed SCRAM message | Attribute expected, but found invalid character \"'1'\"."
        ),
        ("n,,n=,r=abc,x:y", "08P01 | malformed SCRAM message | Expected character \"=\" for attribute \"x\"."),
    ]

    @Test(arguments: firsts)
    func aMalformedFirstMessageIsRefusedInPostgreSQLsWords(message: String, expected: String) {
        var login = Login()
        #expect(login.choose(message) == .refused(expected))
    }

    @Test func unknownExtensionsAreOverlooked() {
        var login = Login()
        #expect(
            login.choose("n,,n=,r=abc,x=1,y=2")
                == .says("r=abc\(serverNonce),s=TV2AU+Mg1RL1wNXdAH+dRQ==,i=4096"))
    }

    static let nonce = "abc\(serverNonce)"
    static let finals: [(String, String)] = [
        ("", "08P01 | malformed SCRAM message | The message is empty."),
        ("r=abc", "08P01 | malformed SCRAM message | Expected attribute \"c\" but found \"'r'\"."),
        ("c=biws", "08P01 | malformed SCRAM message | Expected attribute \"r\" but found \"0x00\"."),
        (
            "c=biws,r=\(nonce)",
            "08P01 | malformed SCRAM message | Attribute expected, but found end of string."
        ),
        (
            "c=biws,r=\(nonce),x=1",
            "08P01 | malformed SCRAM message | Attribute expected, but found end of string."
        ),
        ("c=biws,r=\(nonce),p=", "08P01 | malformed SCRAM message | Malformed proof in client-final-message."),
        ("c=biws,r=\(nonce),p=YWJj", "08P01 | malformed SCRAM message | Malformed proof in client-final-message."),
        (
            "c=biws,r=\(nonce),p=\(proof),x=1",
            "08P01 | malformed SCRAM message | Garbage found at the end of client-final-message."
        ),
        ("c=biws,r=\(nonce)x,p=\(proof)", "08P01 | invalid SCRAM response | Nonce does not match."),
        ("c=biws,r=abc,p=\(proof)", "08P01 | invalid SCRAM response | Nonce does not match."),
        ("c=biws,r=\(nonce),x=1,p=\(proof)", "28P01 | password authentication failed for user \"t\""),
    ]
    static let proof = Base64.encode([UInt8](repeating: 9, count: 32))

    @Test(arguments: finals)
    func aMalformedSecondMessageIsRefusedInPostgreSQLsWords(message: String, expected: String) {
        var login = Login()
        guard case .says = login.choose("n,,n=,r=abc") else {
            Issue.record("no challenge")
            return
        }
        #expect(login.respond(message) == .refused(expected))
    }

    static let frames: [([UInt8], String)] = [
        (Array("Q\0\0\0\u{5}\0".utf8), "08P01 | expected SASL response, got message type 81"),
        ([0], "08P01 | expected SASL response, got message type 0"),
        (Array("p\0\0\0\u{3}".utf8), "28P01 | password authentication failed for user \"t\""),
        (Array("p\0\0\u{4}\u{1}".utf8), "28P01 | password authentication failed for user \"t\""),
        ([0x70, 255, 255, 255, 255], "28P01 | password authentication failed for user \"t\""),
        (Array("p\0\0\0\u{7}abc".utf8), "08P01 | invalid string in message"),
        (Array("p\0\0\0\u{8}abc\0".utf8), "08P01 | client selected an invalid SASL authentication mechanism"),
        (Array("p\0\0\0\u{12}SCRAM-SHA-256\0".utf8), "08P01 | insufficient data left in message"),
        (Array("p\0\0\0\u{17}SCRAM-SHA-256\0\0\0\0\u{2}a".utf8), "08P01 | insufficient data left in message"),
        (Array("p\0\0\0\u{18}SCRAM-SHA-256\0\0\0\0\u{1}ab".utf8), "08P01 | invalid message format"),
        (
            Array("p\0\0\0\u{16}SCRAM-SHA-256\0".utf8) + [255, 255, 255, 254],
            "08P01 | insufficient data left in message"
        ),
    ]

    @Test(arguments: frames)
    func aMessageOfAnotherShapeIsRefused(bytes: [UInt8], expected: String) {
        var login = Login()
        #expect(login.send(bytes) == .refused(expected))
    }

    @Test func whatFollowsTheEndOfTheExchangeIsRefused() {
        var login = Login()
        let client = PasswordClient(password: "pencil", header: "n,,")
        guard case .accepted = login.run(client) else {
            Issue.record("not accepted")
            return
        }
        #expect(login.respond("c=biws") == .refused("08P01 | invalid SCRAM exchange state"))
    }
}
