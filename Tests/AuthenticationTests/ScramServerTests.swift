import PostgresWire
import Testing

@testable import Authentication

@Suite struct ScramServerTests {
    @Test func theExchangeOfRFC7677IsReproduced() throws {
        // The salted password's keys follow from the RFC's password "pencil", salt and iteration count.
        let verifier = try #require(
            ScramVerifier(
                "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
                    + "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="))
        let server = ScramServer(
            user: "user", verifier: verifier, mockSecret: mockSecret,
            serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", bindsChannel: false, endPoint: nil)
        var running = server
        guard case .challenge(let challenge) = try running.step(Array("n,,n=user,r=rOprNGfwEbeRWgbNEkqO".utf8)) else {
            Issue.record("no challenge")
            return
        }
        #expect(
            String(decoding: challenge, as: UTF8.self)
                == "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        let final =
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        guard case .accepted(let answer, _) = try running.step(Array(final.utf8)) else {
            Issue.record("not accepted")
            return
        }
        #expect(String(decoding: answer, as: UTF8.self) == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    }

    @Test func theRightPasswordIsAcceptedAndTheServerProvesItself() {
        var login = Login()
        let client = PasswordClient(password: "pencil", header: "n,,")
        guard case .says(let challenge) = login.choose(client.first) else {
            Issue.record("no challenge")
            return
        }
        #expect(challenge == "r=\(client.nonce)\(serverNonce),s=TV2AU+Mg1RL1wNXdAH+dRQ==,i=4096")
        let final = client.final(challenge)
        #expect(login.respond(final.message) == .accepted(final.serverFinal))
    }

    @Test(arguments: [pencil, nil, "no verifier at all"])
    func aWrongPasswordAndNoPasswordGetTheSameWords(verifier: String?) {
        var login = Login(verifier: verifier)
        let client = PasswordClient(password: "pencils", header: "n,,")
        #expect(login.run(client) == .refused("28P01 | password authentication failed for user \"t\""))
    }

    @Test func someoneWithoutAPasswordIsRefusedWhateverTheProof() {
        // Proofs that fit the all-zero keys of the exchange that cannot succeed.
        var login = Login(verifier: nil)
        guard case .says(let challenge) = login.choose("n,,n=,r=abc") else {
            Issue.record("no challenge")
            return
        }
        let nonce = challenge.split(separator: ",")[0]
        let withoutProof = "c=biws,\(nonce)"
        let zeros = [UInt8](repeating: 0, count: 32)
        let signature = Digest.hmac(key: zeros, Array("n=,r=abc,\(challenge),\(withoutProof)".utf8))
        #expect(
            login.respond("\(withoutProof),p=\(Base64.encode(signature))")
                == .refused("28P01 | password authentication failed for user \"t\""))
    }

    @Test func theSaltOfSomeoneUnknownIsAlwaysTheSameAndLooksLikeAnother() {
        func challenge(_ user: String) -> Login.Answer {
            var login = Login(verifier: nil, user: user)
            return login.choose("n,,n=,r=abc")
        }
        #expect(challenge("nobody") == challenge("nobody"))
        #expect(challenge("nobody") != challenge("somebody"))
        guard case .says(let text) = challenge("nobody") else {
            Issue.record("no challenge")
            return
        }
        #expect(text.count == "r=abc\(serverNonce),s=TV2AU+Mg1RL1wNXdAH+dRQ==,i=4096".count)
        #expect(text.hasSuffix("==,i=4096"))
    }

    @Test func messagesArriveInAnyPieces() {
        var login = Login()
        let client = PasswordClient(password: "pencil", header: "n,,")
        let first = WireWriter.saslInitialResponse(mechanism: "SCRAM-SHA-256", data: Array(client.first.utf8))
        for count in 0..<first.count {
            guard case .wait(let needed) = login.send(Array(first[..<count])) else {
                Issue.record("something is said after \(count) bytes")
                return
            }
            #expect(needed > count && needed <= first.count)
        }
        guard case .says(let challenge) = login.send(first + [UInt8(ascii: "p"), 0, 0]) else {
            Issue.record("no challenge")
            return
        }
        let final = client.final(challenge)
        let response = WireWriter.saslResponse(Array(final.message.utf8))
        for count in 0..<response.count {
            guard case .wait = login.send(Array(response[..<count])) else {
                Issue.record("something is said after \(count) bytes")
                return
            }
        }
        #expect(login.send(response) == .accepted(final.serverFinal))
    }

    @Test func aClientWithNothingToSayYetIsAsked() {
        var login = Login()
        let client = PasswordClient(password: "pencil", header: "n,,")
        let empty: [UInt8] = Array("p\0\0\0\u{16}SCRAM-SHA-256\0".utf8) + [255, 255, 255, 255]
        #expect(login.send(empty) == .says(""))
        guard case .says(let challenge) = login.respond(client.first) else {
            Issue.record("no challenge")
            return
        }
        let final = client.final(challenge)
        #expect(login.respond(final.message) == .accepted(final.serverFinal))
    }

    @Test func theMechanismsThatAreOfferedDependOnTLS() {
        func offered(_ endPoint: [UInt8]?) -> AuthenticationRequest? {
            let login = Login(endPoint: endPoint)
            return login.machine.request.withUnsafeBytes { AuthenticationRequest(message: $0) }
        }
        #expect(offered(nil) == .sasl(mechanisms: ["SCRAM-SHA-256"]))
        #expect(offered([1]) == .sasl(mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]))
    }

    @Test func nothingOfASecretIsPrinted() throws {
        let verifier = try #require(ScramVerifier(pencil))
        var dumped = ""
        dump(verifier, to: &dumped)
        for text in ["\(verifier)", String(reflecting: verifier), dumped] {
            #expect(text.contains("a SCRAM verifier"))
            #expect(!text.contains("6M0d") && !text.contains("TV2A") && !text.contains("232"))
        }
    }
}
