import Testing

@testable import Authentication

/// What may stand in front of the client's first message, and what has to stand in the second (RFC 5802, section 6).
@Suite struct ChannelBindingTests {
    static let endPoint: [UInt8] = Array(1...32)

    struct Row: Sendable, CustomTestStringConvertible {
        var header: String
        var mechanism: String
        var hasTLS: Bool
        var expected: String
        var testDescription: String { "\(header) \(mechanism) \(hasTLS ? "with TLS" : "without TLS")" }
    }

    static let noData =
        "08P01 | malformed SCRAM message | The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data."
    static let downgrade =
        "28000 | SCRAM channel binding negotiation error | The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding."
    static let unasked =
        "08P01 | malformed SCRAM message | The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data."
    static let noMechanism = "08P01 | client selected an invalid SASL authentication mechanism"

    static let rows = [
        Row(header: "n,,", mechanism: "SCRAM-SHA-256", hasTLS: false, expected: "accepted"),
        Row(header: "n,,", mechanism: "SCRAM-SHA-256", hasTLS: true, expected: "accepted"),
        Row(header: "n,,", mechanism: "SCRAM-SHA-256-PLUS", hasTLS: true, expected: noData),
        Row(header: "y,,", mechanism: "SCRAM-SHA-256", hasTLS: false, expected: "accepted"),
        Row(header: "y,,", mechanism: "SCRAM-SHA-256", hasTLS: true, expected: downgrade),
        Row(header: "y,,", mechanism: "SCRAM-SHA-256-PLUS", hasTLS: true, expected: noData),
        Row(header: "p=tls-server-end-point,,", mechanism: "SCRAM-SHA-256-PLUS", hasTLS: true, expected: "accepted"),
        Row(header: "p=tls-server-end-point,,", mechanism: "SCRAM-SHA-256", hasTLS: true, expected: unasked),
        Row(header: "p=tls-server-end-point,,", mechanism: "SCRAM-SHA-256", hasTLS: false, expected: unasked),
        Row(header: "p=tls-server-end-point,,", mechanism: "SCRAM-SHA-256-PLUS", hasTLS: false, expected: noMechanism),
        Row(
            header: "p=tls-unique,,", mechanism: "SCRAM-SHA-256-PLUS", hasTLS: true,
            expected: "08P01 | unsupported SCRAM channel-binding type \"tls-unique\""),
        Row(header: "n,,", mechanism: "SCRAM-SHA-1", hasTLS: true, expected: noMechanism),
    ]

    @Test(arguments: rows)
    func everyFlagIsTreatedAsPostgreSQLTreatsIt(row: Row) {
        var login = Login(endPoint: row.hasTLS ? Self.endPoint : nil)
        let client = PasswordClient(
            password: "pencil", header: row.header, binding: row.header.hasPrefix("p") ? Self.endPoint : [])
        var answer = login.choose(client.first, mechanism: row.mechanism)
        if case .says(let challenge) = answer { answer = login.respond(client.final(challenge).message) }
        switch answer {
        case .accepted: #expect(row.expected == "accepted")
        case .refused(let words): #expect(words == row.expected)
        case .says, .wait: Issue.record("unfinished: \(answer)")
        }
    }

    @Test func aChannelThatEndsElsewhereIsRefused() {
        var login = Login(endPoint: Self.endPoint)
        let client = PasswordClient(
            password: "pencil", header: "p=tls-server-end-point,,", binding: Array(Self.endPoint.reversed()))
        #expect(
            login.run(client, mechanism: "SCRAM-SHA-256-PLUS")
                == .refused("28000 | SCRAM channel binding check failed"))
    }

    @Test(arguments: [("n", "eSws"), ("y", "biws"), ("n", "bixh"), ("y", "")])
    func theSecondMessageRepeatsTheFlagOfTheFirst(flag: String, binding: String) {
        var login = Login()
        guard case .says(let challenge) = login.choose("\(flag),,n=,r=abc") else {
            Issue.record("no challenge")
            return
        }
        #expect(
            login.respond("c=\(binding),\(challenge.split(separator: ",")[0]),p=")
                == .refused("08P01 | unexpected SCRAM channel-binding attribute in client-final-message"))
    }
}
