import PostgresWire
import Testing

@testable import Authentication

/// Whatever is sent: nothing traps, nothing is consumed twice, and nobody gets in without the password.
@Suite struct HostileInputTests {
    /// SplitMix64: the same bytes in every run.
    struct Chance: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    private func mutated(_ bytes: [UInt8], _ chance: inout Chance) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &chance) {
            let place = Int.random(in: 0..<max(bytes.count, 1), using: &chance)
            switch Int.random(in: 0..<4, using: &chance) {
            case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &chance)
            case 1 where place < bytes.count: bytes.remove(at: place)
            case 2: bytes.insert(UInt8.random(in: 0...255, using: &chance), at: min(place, bytes.count))
            default: bytes.insert(contentsOf: Array(",=pnrc\0".utf8).shuffled(using: &chance).prefix(2), at: place)
            }
            if bytes.isEmpty { return [0] }
        }
        return bytes
    }

    @Test func changedMessagesOfAClientLetNobodyIn() {
        var chance = Chance(state: 5)
        let client = PasswordClient(password: "pencil", header: "n,,")
        let first = WireWriter.saslInitialResponse(mechanism: "SCRAM-SHA-256", data: Array(client.first.utf8))
        for _ in 0..<5_000 {
            var login = Login()
            let changesFirst = Bool.random(using: &chance)
            let sent = changesFirst ? mutated(first, &chance) : first
            guard case .says(let challenge) = login.send(sent) else { continue }
            guard challenge.hasPrefix("r=") else { continue }
            let whole = WireWriter.saslResponse(Array(client.final(challenge).message.utf8))
            let final = changesFirst ? whole : mutated(whole, &chance)
            guard case .accepted = login.send(final) else { continue }
            // What was changed lies behind the message, or in the bits that the last character of Base64 has too many.
            #expect(sent.starts(with: first) && final.starts(with: whole.dropLast(2)), "\(sent) \(final)")
        }
    }

    @Test func randomBytesOfAClientLetNobodyIn() {
        var chance = Chance(state: 7)
        for _ in 0..<20_000 {
            var login = Login(endPoint: Bool.random(using: &chance) ? [1, 2, 3] : nil)
            let bytes = (0..<Int.random(in: 0...60, using: &chance)).map { index in
                index == 0 ? UInt8(ascii: "p") : UInt8.random(in: 0...255, using: &chance)
            }
            if case .accepted = login.send(bytes) { Issue.record("\(bytes)") }
        }
    }

    @Test func changedMessagesOfAServerAreNotBelieved() throws {
        var chance = Chance(state: 9)
        for _ in 0..<2_000 {
            var machine = try ServerAuthenticationTests.machine()
            var server = Login()
            var message = WireWriter.saslOffer(mechanisms: ["SCRAM-SHA-256"])
            let changedStep = Int.random(in: 0..<3, using: &chance)
            for step in 0..<3 {
                let sent = step == changedStep ? mutated(message, &chance) : message
                guard case .reply(let answer, let consumed) = sent.withUnsafeBytes({ machine.step($0) }) else { break }
                #expect(consumed > 0 && consumed <= sent.count)
                if step == 2 {
                    // The signature was the server's own: only bytes behind the message were changed, or none.
                    #expect(sent.starts(with: message) || answer.isEmpty)
                    break
                }
                switch answer.withUnsafeBytes({ server.machine.step($0) }) {
                case .reply(let next, _), .accepted(let next, _, _): message = next
                case .wait, .refused: break
                }
            }
        }
    }
}
