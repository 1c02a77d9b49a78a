import PostgresWire
import Testing

@testable import Authentication

/// Logging in at a server with what a client has proven.
@Suite struct ServerAuthenticationTests {
    static let endPoint: [UInt8] = Array(1...32)

    static func keys() -> ScramKeys? {
        var login = Login()
        guard case .accepted = login.run(PasswordClient(password: "pencil", header: "n,,")) else { return nil }
        return login.keys
    }

    static func machine(usesTLS: Bool = false, endPoint: [UInt8]? = nil) throws -> ServerAuthentication {
        ServerAuthentication(
            ServerAuthentication.Subject(
                user: "t", keys: try #require(keys()), nonce: "cHJveHktbm9uY2UtcHJveHkt", usesTLS: usesTLS,
                endPoint: endPoint))
    }

    static func request(code: UInt8, _ data: String = "") -> [UInt8] {
        [UInt8(ascii: "R"), 0, 0, 0, UInt8(8 + data.utf8.count), 0, 0, 0, code] + Array(data.utf8)
    }

    static let ok = request(code: 0)

    /// Plays the login against the server's side of this very target.
    static func run(
        _ machine: inout ServerAuthentication, against server: inout Login, offering mechanisms: [String]
    ) -> [String] {
        var said: [String] = []
        var message = WireWriter.saslOffer(mechanisms: mechanisms)
        while true {
            switch message.withUnsafeBytes({ machine.step($0) }) {
            case .reply(let bytes, let consumed):
                #expect(consumed == message.count)
                guard !bytes.isEmpty else {
                    said.append("proven")
                    message = ok
                    continue
                }
                switch bytes.withUnsafeBytes({ server.machine.step($0) }) {
                case .reply(let answer, _): message = answer
                case .accepted(let answer, _, _): message = answer
                case .refused(let fault): return said + [fault.message]
                case .wait: return said + ["the server waits"]
                }
            case .over(let outcome): return said + ["\(outcome)"]
            case .refused(let fields, let reason): return said + ["\(reason) \(fields.sqlState)"]
            case .pass, .wait: return said + ["unexpected"]
            }
        }
    }

    @Test func theClientsProofIsEnough() throws {
        var machine = try Self.machine()
        var server = Login()
        #expect(
            Self.run(&machine, against: &server, offering: ["SCRAM-SHA-256"]) == ["proven", "loggedIn"])
    }

    @Test func theChannelToTheServerIsBoundWhereTheServerOffersIt() throws {
        var machine = try Self.machine(usesTLS: true, endPoint: Self.endPoint)
        var server = Login(endPoint: Self.endPoint)
        #expect(
            Self.run(&machine, against: &server, offering: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
                == ["proven", "loggedIn"])
    }

    @Test func aServerWhoseOfferWasCutShortNoticesIt() throws {
        var machine = try Self.machine(usesTLS: true, endPoint: Self.endPoint)
        var server = Login(endPoint: Self.endPoint)
        #expect(
            Self.run(&machine, against: &server, offering: ["SCRAM-SHA-256"])
                == ["SCRAM channel binding negotiation error"])
    }

    @Test func aChannelThatEndsInTheMiddleIsNoticed() throws {
        var machine = try Self.machine(usesTLS: true, endPoint: Array(Self.endPoint.reversed()))
        var server = Login(endPoint: Self.endPoint)
        #expect(
            Self.run(&machine, against: &server, offering: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
                == ["SCRAM channel binding check failed"])
    }

    @Test(arguments: ["TV2AU+Mg1RL1wNXdAH+dRg==", "4097"])
    func aServerWithAnotherVerifierIsToldApart(changed: String) throws {
        var machine = try Self.machine()
        var server = Login(
            verifier: changed == "4097"
                ? pencil.replacing("4096", with: changed)
                : pencil.replacing("TV2AU+Mg1RL1wNXdAH+dRQ==", with: changed))
        #expect(Self.run(&machine, against: &server, offering: ["SCRAM-SHA-256"]) == ["otherVerifier 28000"])
    }

    @Test(arguments: [
        (3, "a clear-text password"), (5, "an MD5 password"), (7, "GSSAPI"), (9, "SSPI"), (2, "Kerberos"), (6, "SCM"),
        (99, "unknown"), (10, "SASL OAUTHBEARER"),
    ])
    func otherMethodsAreNamedInTheRefusal(code: UInt8, words: String) throws {
        var machine = try Self.machine()
        let message = Self.request(code: code, code == 10 ? "OAUTHBEARER\0\0" : "")
        guard case .refused(let fields, .otherMethod) = message.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("not refused")
            return
        }
        #expect(fields.sqlState == "28000" && fields.severity == "FATAL")
        #expect(fields.message.contains(words))
        #expect(fields.hint?.contains("pg_hba.conf") == true)
    }

    @Test func aServerThatAsksForNothingLetsIn() throws {
        var machine = try Self.machine()
        guard case .over(.loggedIn) = Self.ok.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("not over")
            return
        }
    }

    @Test(arguments: [true, false])
    func aServerThatLetsInBeforeItHasProvenItselfIsNotBelieved(isAnswered: Bool) throws {
        var machine = try Self.machine()
        var server = Login()
        var message = WireWriter.saslOffer(mechanisms: ["SCRAM-SHA-256"])
        for _ in 0..<(isAnswered ? 2 : 1) {
            guard case .reply(let answer, _) = message.withUnsafeBytes({ machine.step($0) }),
                case .reply(let challenge, _) = answer.withUnsafeBytes({ server.machine.step($0) })
            else { break }
            message = challenge
        }
        guard case .refused(_, .badServer) = Self.ok.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("believed")
            return
        }
    }

    @Test func aForgedSignatureIsNotBelieved() throws {
        var machine = try Self.machine()
        var server = Login()
        var message = WireWriter.saslOffer(mechanisms: ["SCRAM-SHA-256"])
        if case .reply(let answer, _) = message.withUnsafeBytes({ machine.step($0) }),
            case .reply(let challenge, _) = answer.withUnsafeBytes({ server.machine.step($0) }),
            case .reply = challenge.withUnsafeBytes({ machine.step($0) })
        {
            message = WireWriter.authenticationSASLFinal(
                Array("v=\(Base64.encode([UInt8](repeating: 1, count: 32)))".utf8))
        }
        guard case .refused(let fields, .badServer) = message.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("believed")
            return
        }
        #expect(fields.message.contains("a SCRAM signature that proves nothing"))
    }

    static let garbage: [[UInt8]] = [
        [UInt8(ascii: "R"), 0, 0, 0, 3], [UInt8(ascii: "R"), 255, 255, 255, 255], [UInt8(ascii: "R"), 0, 0, 0, 4],
        [UInt8(ascii: "Z"), 0, 0, 0, 5, 0x49], request(code: 11, "r=abc"), request(code: 12, "v=abc"),
    ]

    @Test(arguments: garbage)
    func whatNoServerSaysDuringALoginIsRefused(message: [UInt8]) throws {
        var machine = try Self.machine()
        guard case .refused(let fields, .badServer) = message.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("not refused")
            return
        }
        #expect(fields.sqlState == "08P01")
    }

    @Test(arguments: [
        "r=abc", "r=,s=,i=", "", "r=cHJveHktbm9uY2UtcHJveHkt,s=TV2AU+Mg1RL1wNXdAH+dRQ==,i=4096",
        "r=cHJveHktbm9uY2UtcHJveHktx,s=TV2AU+Mg1RL1wNXdAH+dRQ==,i=x", "m=1,r=x",
    ])
    func aMalformedChallengeIsRefused(challenge: String) throws {
        var machine = try Self.machine()
        let offer = WireWriter.saslOffer(mechanisms: ["SCRAM-SHA-256"])
        _ = offer.withUnsafeBytes { machine.step($0) }
        let message = Self.request(code: 11, challenge)
        guard case .refused(_, .badServer) = message.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("not refused")
            return
        }
    }

    @Test func theServersErrorIsTheClientsToRead() throws {
        var machine = try Self.machine()
        let wrong = WireWriter.errorResponse(ErrorFields(severity: "FATAL", sqlState: "28P01", message: "no"))
        guard case .over(.refused(wrongPassword: true)) = wrong.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("not over")
            return
        }
        let other = WireWriter.errorResponse(ErrorFields(severity: "FATAL", sqlState: "3D000", message: "no"))
        guard case .over(.refused(wrongPassword: false)) = other.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("not over")
            return
        }
    }

    @Test func theServersMessagesArriveInAnyPieces() throws {
        let offer = WireWriter.saslOffer(mechanisms: ["SCRAM-SHA-256"])
        var machine = try Self.machine()
        for count in 0..<offer.count {
            let part = Array(offer[..<count])
            guard case .wait(let needed) = part.withUnsafeBytes({ machine.step($0) }) else {
                Issue.record("something is said after \(count) bytes")
                return
            }
            #expect(needed > count && needed <= offer.count)
        }
        guard case .reply = offer.withUnsafeBytes({ machine.step($0) }) else {
            Issue.record("no answer")
            return
        }
    }

    @Test func whatIsNeitherQuestionNorErrorIsPassedOn() throws {
        var machine = try Self.machine()
        for message in [
            WireWriter.noticeResponse(ErrorFields(severity: "NOTICE", sqlState: "00000", message: "hello")),
            [UInt8(ascii: "v"), 0, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 0],
        ] {
            guard case .pass(let byteCount) = message.withUnsafeBytes({ machine.step($0) }) else {
                Issue.record("not passed")
                return
            }
            #expect(byteCount == message.count)
        }
    }
}
