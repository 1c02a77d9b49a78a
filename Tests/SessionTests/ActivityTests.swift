import Policy
import PostgresWire
import Testing

@testable import Session

@Suite("What a session is busy with") struct ActivityTests {
    /// A session and its two peers.
    private final class Session {
        private var machine: SessionMachine
        private var judge = StatementJudge()

        init?(replication: String? = nil) {
            var packet: [UInt8] = [0, 0, 0, 0, 0, 3, 0, 0] + Array("user\0ann\0".utf8)
            if let replication { packet += Array("replication\0\(replication)\0".utf8) }
            packet += [0]
            guard let parameters = try? packet.withUnsafeBytes({ try StartupParameters(packet: $0) }) else {
                return nil
            }
            machine = SessionMachine(
                sessionID: SessionID(1),
                subject: Subject(
                    database: "shop", user: "ann", applicationName: "", clientAddress: nil, listener: ""),
                parameters: parameters, rules: SubjectRules(tag: "test", isGuarded: false),
                maximumStatementBytes: 1 << 20)
        }

        var activity: SessionMachine.Activity { machine.activity }
        var epoch: UInt64 { machine.activityEpoch }

        func client(_ bytes: [UInt8]) {
            _ = bytes.withUnsafeBytes { machine.consumeClient($0, judge: &judge, now: { 0 }) }
        }

        @discardableResult
        func server(_ bytes: [UInt8]) -> RelayStep {
            bytes.withUnsafeBytes { machine.consumeServer($0, now: { 0 }) }
        }

        func logIn() {
            server(Session.message("R", [0, 0, 0, 0]) + Session.message("K", [0, 0, 0, 7, 1, 2, 3, 4, 5]))
            server(Session.ready("I"))
        }

        var cancelKey: [UInt8] { machine.cancelKey }
        func timesOut(hint: String) { machine.statementTimedOut(hint: hint) }

        static func message(_ type: Unicode.Scalar, _ body: [UInt8] = []) -> [UInt8] {
            let length = UInt32(body.count + 4).bigEndian
            return [UInt8(ascii: type)] + withUnsafeBytes(of: length) { Array($0) } + body
        }

        static func ready(_ status: Unicode.Scalar) -> [UInt8] { message("Z", [UInt8(ascii: status)]) }

        static func completed(_ tag: String) -> [UInt8] { message("C", Array(tag.utf8) + [0]) }
    }

    private let query = Session.message("Q", Array("SELECT 1".utf8) + [0])

    @Test func `is nothing that is timed before the login`() throws {
        let session = try #require(Session())
        #expect(session.activity == .untimed)
        session.server(Session.message("R", [0, 0, 0, 0]))
        #expect(session.activity == .untimed)
        session.server(Session.ready("I"))
        #expect(session.activity == .idle)
    }

    @Test func `changes with queries and transactions, and each change shows`() throws {
        let session = try #require(Session())
        session.logIn()
        var seen: [UInt64] = []
        for (status, idle) in [
            ("T", SessionMachine.Activity.idleInTransaction), ("E", .idleInTransaction), ("I", .idle),
        ] {
            session.client(query)
            #expect(session.activity == .running)
            seen.append(session.epoch)
            session.server(Session.completed("SELECT 1"))
            #expect(session.activity == .running)
            session.server(Session.ready(try #require(Unicode.Scalar(status))))
            #expect(session.activity == idle)
            seen.append(session.epoch)
        }
        #expect(seen == seen.sorted())
        #expect(Set(seen[1...]).count == 3, "every ready server is another state")
    }

    @Test func `is idle while a message has not come whole`() throws {
        let session = try #require(Session())
        session.logIn()
        session.client(Array(query.prefix(4)))
        #expect(session.activity == .idle)
        let long = Session.message("C", Array("Sname".utf8) + [0])
        session.client(Array(long.prefix(7)))
        #expect(session.activity == .idle, "part of it has been forwarded")
    }

    @Test func `is running while a COPY waits for its client`() throws {
        let session = try #require(Session())
        session.logIn()
        session.client(Session.message("Q", Array("COPY t FROM STDIN".utf8) + [0]))
        session.server(Session.message("G", [0, 0, 0]))
        #expect(session.activity == .running)
        session.client(Array(Session.message("d", [1, 2, 3]).prefix(6)))
        #expect(session.activity == .running)
    }

    @Test func `is nobody's fault between the messages of a pipeline`() throws {
        let session = try #require(Session())
        session.logIn()
        session.client(Session.message("P", [0] + Array("SELECT 1".utf8) + [0, 0, 0]))
        #expect(session.activity == .running)
        session.server(Session.message("1"))
        #expect(session.activity == .untimed)
        session.client(Session.message("S"))
        session.server(Session.ready("I"))
        #expect(session.activity == .idle)
    }

    @Test func `is never timed on a replication connection`() throws {
        let session = try #require(Session(replication: "database"))
        session.logIn()
        #expect(session.activity == .untimed)
    }

    // MARK: - Cancelling

    private static let cancelled =
        Session.message(
            "E", Array("SERROR\0VERROR\0C57014\0Mcanceling statement due to user request\0Wfunction f()\0".utf8) + [0])

    @Test func `keeps the key of its server, of any length`() throws {
        let session = try #require(Session())
        session.logIn()
        #expect(session.cancelKey == [0, 0, 0, 7, 1, 2, 3, 4, 5])
        #expect(
            WireWriter.cancelRequest(key: session.cancelKey)
                == [0, 0, 0, 17, 4, 210, 22, 46, 0, 0, 0, 7, 1, 2, 3, 4, 5])
    }

    @Test func `tells a cancel of Holdfast's as a timeout, with what else the server said`() throws {
        let session = try #require(Session())
        session.logIn()
        session.client(query)
        session.timesOut(hint: "the limit")
        guard case .substitute(let dropped, let words) = session.server(Self.cancelled).next else {
            Issue.record("the error passed as it was")
            return
        }
        #expect(dropped == Self.cancelled.count)
        let fields = words.withUnsafeBytes { ErrorFields(message: $0) }
        #expect(fields.message == "canceling statement due to statement timeout")
        #expect(fields.hint == "the limit")
        #expect(String(decoding: words, as: UTF8.self).contains("Wfunction f()"))
    }

    @Test func `leaves other errors, and later cancels, as they are`() throws {
        let session = try #require(Session())
        session.logIn()
        session.client(query)
        session.timesOut(hint: "the limit")
        let other = Session.message("E", Array("SERROR\0VERROR\0C22012\0Mdivision by zero\0".utf8) + [0])
        #expect(session.server(other).forward == other.count)
        session.server(Session.ready("I"))
        session.client(query)
        #expect(session.server(Self.cancelled).forward == Self.cancelled.count)
    }
}
