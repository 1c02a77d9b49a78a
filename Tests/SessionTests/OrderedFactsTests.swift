import Policy
import PostgresWire
import SQLParsing
import Testing

@testable import Session

@Suite("A text that is read elsewhere") struct OrderedFactsTests {
    /// A session that has logged in, and has every text read elsewhere.
    private final class Waiting {
        private var machine: SessionMachine
        var judge = StatementJudge()
        private var other = StatementJudge()

        init?(_ action: RuleAction) {
            let packet: [UInt8] = [0, 0, 0, 18, 0, 3, 0, 0] + Array("user\0ann\0\0".utf8)
            guard let parameters = try? packet.withUnsafeBytes({ try StartupParameters(packet: $0) }) else {
                return nil
            }
            machine = SessionMachine(
                sessionID: SessionID(1), subject: Self.subject, parameters: parameters, rules: Self.rules(action),
                maximumStatementBytes: 1 << 20)
            machine.orders = .all
            server(
                OrderedFactsTests.frame("R", [0, 0, 0, 0])
                    + OrderedFactsTests.frame("S", Array("standard_conforming_strings\0on\0".utf8)))
            server(
                OrderedFactsTests.frame("S", Array("client_encoding\0UTF8\0".utf8))
                    + OrderedFactsTests.frame("Z", [UInt8(ascii: "I")]))
        }

        static let subject = Subject(
            database: "app", user: "ann", applicationName: "", clientAddress: nil, listener: "")

        static func rules(_ action: RuleAction) -> SubjectRules {
            let rule = Rule(name: "keep tables", classes: [ClassGroup.tableLoss.classes], action: action)
            return RuleSet(version: 1, rules: [rule]).rules(for: subject)
        }

        var isIdle: Bool { machine.isIdle }
        func set(_ action: RuleAction) { machine.rulesChanged(Self.rules(action)) }
        func server(_ bytes: [UInt8]) { _ = bytes.withUnsafeBytes { machine.consumeServer($0, now: { 0 }) } }
        func client(_ bytes: [UInt8]) -> RelayStep {
            bytes.withUnsafeBytes { machine.consumeClient($0, judge: &judge, now: { 0 }) }
        }
        func deliver(_ order: FactsOrder) { machine.factsDelivered(other.deliver(order)) }
        /// The other thread has read another text by mistake.
        func deliver(_ text: String, as order: FactsOrder) {
            let wrong = Array(text.utf8).withUnsafeBytes {
                FactsOrder(number: order.number, text: $0, readings: order.readings, hazards: order.hazards)
            }
            deliver(wrong)
        }
    }

    private static func frame(_ type: Unicode.Scalar, _ body: [UInt8]) -> [UInt8] {
        let length = UInt32(body.count + 4).bigEndian
        return [UInt8(ascii: type)] + withUnsafeBytes(of: length) { Array($0) } + body
    }

    private let drop = Self.frame("Q", Array("DROP DATABASE d".utf8) + [0])
    private let select = Self.frame("Q", Array("SELECT f(1)".utf8) + [0])

    private func order(_ step: RelayStep) -> FactsOrder? {
        guard case .order(let order) = step.next, step.forward == 0 else { return nil }
        return order
    }

    /// Whether the step lets the message go on, if only to the trail.
    private func isLetThrough(_ step: RelayStep, _ message: [UInt8]) -> Bool {
        if case .record = step.next { return true }
        return step.forward == message.count
    }

    /// Whether the step puts another message in the place of this one.
    private func isRefusal(_ step: RelayStep, of message: [UInt8]) -> Bool {
        guard case .substitute(let dropped, let replacement) = step.next else { return false }
        return step.forward == 0 && dropped == message.count && !replacement.isEmpty
    }

    @Test func `goes on when its facts have come, and not before`() throws {
        let session = try #require(Waiting(.block))
        let ordered = try #require(order(session.client(select)))
        #expect(!session.isIdle)
        session.deliver(ordered)
        let step = session.client(select)
        #expect(step.forward == select.count)
    }

    @Test func `is refused by the facts that have come`() throws {
        let session = try #require(Waiting(.block))
        session.deliver(try #require(order(session.client(drop))))
        #expect(isRefusal(session.client(drop), of: drop))
    }

    @Test func `is judged by the rules of when its facts come`() throws {
        let strict = try #require(Waiting(.allow))
        let ordered = try #require(order(strict.client(drop)))
        strict.set(.block)
        strict.deliver(ordered)
        #expect(isRefusal(strict.client(drop), of: drop))

        let lax = try #require(Waiting(.block))
        let orderedToo = try #require(order(lax.client(drop)))
        lax.set(.allow)
        lax.deliver(orderedToo)
        #expect(isLetThrough(lax.client(drop), drop))
    }

    @Test func `is ordered again when the facts are another text's, and read at once after three times`() throws {
        let session = try #require(Waiting(.block))
        for _ in 0..<3 {
            let ordered = try #require(order(session.client(drop)))
            session.deliver("SELECT 1", as: ordered)
        }
        #expect(isRefusal(session.client(drop), of: drop))
    }

    @Test func `is ordered again when the catalog has changed meanwhile`() throws {
        let session = try #require(Waiting(.block))
        let ordered = try #require(order(session.client(select)))
        session.judge.hazards = HazardIndex().withUnknownCalls(as: .opaque)
        session.deliver(ordered)
        let second = try #require(order(session.client(select)))
        #expect(second.hazards.isSame(as: session.judge.hazards))
        session.deliver(second)
        #expect(isLetThrough(session.client(select), select))
    }

    @Test func `is not helped by what is delivered for a former order`() throws {
        let session = try #require(Waiting(.block))
        let first = try #require(order(session.client(select)))
        session.deliver(first)
        #expect(session.client(select).forward == select.count)
        session.server(Self.frame("Z", [UInt8(ascii: "I")]))
        let second = try #require(order(session.client(drop)))
        session.deliver(first)
        #expect(order(session.client(drop)) != nil)
        #expect(second.number != first.number)
    }

    @Test func `is read under every reading that may hold when its facts come`() throws {
        let session = try #require(Waiting(.block))
        // While a reply is owed the setting is not known; a backslash makes two readings of this text.
        session.deliver(try #require(order(session.client(select))))
        #expect(session.client(select).forward == select.count)
        let text = Self.frame("Q", Array(#"SELECT '\'; DROP DATABASE d; --'"#.utf8) + [0])
        let ordered = try #require(order(session.client(text)))
        #expect(ordered.readings.settings.count == 2)
        session.deliver(ordered)
        #expect(isRefusal(session.client(text), of: text))
    }

    @Test func `is one of 16 KB, or of 2 KB that begins with DO or CREATE`() {
        func isOrdered(_ head: String, _ byteCount: Int) -> Bool {
            var text = Array(head.utf8)
            text += [UInt8](repeating: UInt8(ascii: "a"), count: byteCount - text.count)
            return text.withUnsafeBytes { FactsOrder.Policy.long.includes($0) }
        }
        #expect(!isOrdered("SELECT ", 16_383))
        #expect(isOrdered("SELECT ", 16_384))
        #expect(!isOrdered("DO $$", 2047))
        #expect(isOrdered("DO $$", 2048))
        #expect(isOrdered("/* x */ create function", 2048))
        #expect(!isOrdered("DELETE", 2048))
    }
}
