import Policy
import PostgresWire
import Testing

@testable import Session

@Suite struct EncryptionTests {
    private static let sslRequest = WireWriter.sslRequest
    private static let gssRequest: [UInt8] = [0, 0, 0, 8, 4, 210, 22, 48]

    private func step(_ machine: inout StartupMachine, _ bytes: [UInt8]) throws -> StartupMachine.Step {
        try bytes.withUnsafeBytes { try machine.step($0) }
    }

    @Test func anSSLRequestBeginsTLSWhereThereIsOne() throws {
        var machine = StartupMachine(offersTLS: true)
        guard case .beginTLS(let answer, let consumed) = try step(&machine, Self.sslRequest) else {
            Issue.record("TLS did not begin")
            return
        }
        #expect(answer == [UInt8(ascii: "S")])
        #expect(consumed == 8)
    }

    @Test func withoutTLSAnSSLRequestIsDeclined() throws {
        var machine = StartupMachine(offersTLS: false)
        guard case .reply(let answer, let consumed) = try step(&machine, Self.sslRequest) else {
            Issue.record("it was not declined")
            return
        }
        #expect(answer == [UInt8(ascii: "N")])
        #expect(consumed == 8)
    }

    @Test(arguments: [[0], [0x16], Self.sslRequest]) func bytesBehindAnSSLRequestAreAFault(_ more: [UInt8]) {
        var machine = StartupMachine(offersTLS: true)
        #expect(throws: WireFault.encryptionRequest) { try step(&machine, Self.sslRequest + more) }
    }

    @Test func withinTLSNeitherRequestMeansAnything() {
        var machine = StartupMachine(offersTLS: true)
        machine.encryptionBegan()
        #expect(throws: WireFault.protocolVersion(major: 1234, minor: 5679)) { try step(&machine, Self.sslRequest) }
        #expect(throws: WireFault.protocolVersion(major: 1234, minor: 5680)) { try step(&machine, Self.gssRequest) }
    }

    // MARK: - What binds to TLS

    private static func offer(_ mechanisms: [String]) -> [UInt8] { WireWriter.saslOffer(mechanisms: mechanisms) }

    /// What the client sees of the server's bytes, which come as they do.
    private func seen(_ bytes: [UInt8], hides: Bool, chunk: Int) -> [UInt8]? {
        let subject = Subject(
            database: "shop", user: "ann", applicationName: "", clientAddress: nil, listener: "127.0.0.1:6543")
        let packet: [UInt8] = [0, 0, 0, 9, 0, 3, 0, 0, 0]
        guard let parameters = try? packet.withUnsafeBytes({ try StartupParameters(packet: $0) }) else { return nil }
        var machine = SessionMachine(
            sessionID: SessionID(1), subject: subject, parameters: parameters,
            rules: SubjectRules(tag: "production", isGuarded: true), maximumStatementBytes: 1 << 20)
        machine.hidesChannelBinding = hides
        var (waiting, out): ([UInt8], [UInt8]) = ([], [])
        var rest = bytes[...]
        while !rest.isEmpty {
            waiting += rest.prefix(chunk)
            rest = rest.dropFirst(chunk)
            while !waiting.isEmpty {
                let step = waiting.withUnsafeBytes { machine.consumeServer($0, now: { 0 }) }
                out += waiting[..<step.forward]
                waiting.removeFirst(step.forward)
                guard case .substitute(let dropped, let replacement) = step.next else { break }
                waiting.removeFirst(dropped)
                out += replacement
            }
        }
        return waiting.isEmpty ? out : nil
    }

    @Test(arguments: [1, 3, 1000]) func aClientWithoutTLSIsNotOfferedWhatBindsToIt(chunk: Int) {
        let offer = Self.offer(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
        #expect(seen(offer, hides: true, chunk: chunk) == Self.offer(["SCRAM-SHA-256"]))
        #expect(seen(offer, hides: false, chunk: chunk) == offer)
    }

    @Test func anOfferOfNothingElseStaysAsItIs() {
        let offer = Self.offer(["SCRAM-SHA-256-PLUS"])
        #expect(seen(offer, hides: true, chunk: 1000) == offer)
    }

    @Test func otherRequestsForAPasswordStayAsTheyAre() {
        let md5: [UInt8] = [UInt8(ascii: "R"), 0, 0, 0, 12, 0, 0, 0, 5, 1, 2, 3, 4]
        #expect(seen(md5, hides: true, chunk: 1) == md5)
    }
}
