import Configuration
import Glibc
import Policy
import Testing
import Transport

@testable import Gateway

@Suite("The tables of limits") struct LimitTableTests {
    private func address(_ text: String) throws -> AddressKey {
        AddressKey(try #require(try SocketAddress.resolve(host: text, port: 1, passive: false).first))
    }

    // MARK: - Addresses

    @Test func `an IPv6 client is its network of 64 bits`() throws {
        #expect(try address("2001:db8::1") == address("2001:db8::ffff:1"))
        #expect(try address("2001:db8::1") != address("2001:db8:0:1::1"))
    }

    @Test func `an IPv4 client is its address, also on an IPv6 socket`() throws {
        #expect(try address("10.0.0.1") != address("10.0.0.2"))
        #expect(try address("::ffff:10.0.0.1") == address("10.0.0.1"))
        #expect(try AddressKey(SocketAddress(unixPath: "/tmp/s")).isLocal)
        #expect(try !address("10.0.0.1").isLocal)
    }

    // MARK: - Connection rates

    @Test func `a rate lets a burst through and then one for each interval`() throws {
        let rates = ConnectRates()
        let rate = ConnectRate(interval: 100, burst: 5)
        let (one, other) = (try address("10.0.0.1"), try address("10.0.0.2"))
        for _ in 0..<5 { #expect(rates.allows(one, rate: rate, now: 1000)) }
        #expect(!rates.allows(one, rate: rate, now: 1000))
        #expect(!rates.allows(one, rate: rate, now: 1099))
        #expect(rates.allows(other, rate: rate, now: 1099))
        #expect(rates.allows(one, rate: rate, now: 1100))
        #expect(!rates.allows(one, rate: rate, now: 1101))
        // Turned away, one owes nothing.
        for _ in 0..<5 { #expect(rates.allows(one, rate: rate, now: 1600)) }
    }

    @Test func `a rate is held over a long time, whatever the burst`() throws {
        let rates = ConnectRates()
        let client = try address("10.0.0.1")
        let allowed = (0..<10_000).count {
            rates.allows(client, rate: ConnectRate(interval: 50, burst: 3), now: Int64($0))
        }
        #expect((200...203).contains(allowed))
    }

    @Test func `no flood of addresses takes more memory than the table has`() throws {
        let rates = ConnectRates(capacity: 100)
        for number in 0..<5000 {
            let client = try address("10.0.\(number / 250).\(number % 250)")
            #expect(rates.allows(client, rate: ConnectRate(interval: 1_000_000, burst: 2), now: Int64(number)))
            #expect(rates.count <= 100)
        }
    }

    @Test func `clients on a Unix-domain socket have no rate`() throws {
        let rates = ConnectRates()
        let local = try AddressKey(SocketAddress(unixPath: "/tmp/s"))
        for _ in 0..<100 { #expect(rates.allows(local, rate: ConnectRate(interval: 1_000_000, burst: 1), now: 0)) }
    }

    // MARK: - Logins

    private func places(_ count: Int) throws -> [LoginTable.Place] {
        let mailbox = try Mailbox<LoopLetter>()
        return (0..<count).map { LoginTable.Place(mailbox: mailbox, owner: UInt64($0)) }
    }

    @Test func `of silent connections the oldest goes`() throws {
        let table = LoginTable(capacity: 3)
        let client = try address("10.0.0.1")
        let victims = try places(6).map { table.enter(client, place: $0, now: 0).victim?.owner }
        #expect(victims == [nil, nil, nil, 0, 1, 2])
        #expect(table.count == 3)
    }

    @Test func `an address with few silent connections keeps them while another has many`() throws {
        let table = LoginTable(capacity: 40)
        let places = try places(500)
        #expect(table.enter(try address("10.0.0.1"), place: places[0], now: 0).victim == nil)
        var victims: [UInt64] = []
        for place in places.dropFirst() {
            if let victim = table.enter(try address("10.6.6.6"), place: place, now: 0).victim {
                victims.append(victim.owner)
            }
        }
        #expect(victims == Array(1...460))
    }

    @Test func `a connection that has said who it is goes only when there is no silent one`() throws {
        let table = LoginTable(capacity: 2)
        let places = try places(4)
        let client = try address("10.0.0.1")
        let first = table.enter(client, place: places[0], now: 0).ticket
        table.speaks(first)
        _ = table.enter(client, place: places[1], now: 0)
        let third = table.enter(client, place: places[2], now: 0)
        #expect(third.victim?.owner == 1)
        table.speaks(third.ticket)
        #expect(table.enter(client, place: places[3], now: 0).victim?.owner == 0)
    }

    @Test func `who has logged in or gone takes no room`() throws {
        let table = LoginTable(capacity: 1)
        let places = try places(3)
        let client = try address("10.0.0.1")
        let first = table.enter(client, place: places[0], now: 0).ticket
        table.leave(first)
        table.leave(first)
        let second = table.enter(client, place: places[1], now: 0)
        #expect(second.victim == nil)
        table.speaks(second.ticket)
        table.leave(second.ticket)
        #expect(table.count == 0)
    }

    @Test func `a connection counts at its true address once that is known`() throws {
        let table = LoginTable(capacity: 16)
        let places = try places(17)
        let (balancer, client) = (try address("10.0.0.1"), try address("10.6.6.6"))
        let tickets = places[..<16].map { table.enter(balancer, place: $0, now: 0).ticket }
        for ticket in tickets[8...] { table.move(ticket, to: client) }
        for (index, ticket) in tickets[..<8].enumerated() { table.move(ticket, to: try address("10.1.0.\(index)")) }
        #expect(table.enter(balancer, place: places[16], now: 0).victim?.owner == 8)
    }

    @Test func `for a descriptor only connections go that have been silent for a while`() throws {
        let table = LoginTable(capacity: 9)
        let places = try places(2)
        let client = try address("10.0.0.1")
        table.speaks(table.enter(client, place: places[0], now: 0).ticket)
        #expect(table.takeSilentVictim(before: 100) == nil)
        _ = table.enter(client, place: places[1], now: 50)
        #expect(table.takeSilentVictim(before: 50) == nil)
        #expect(table.takeSilentVictim(before: 51)?.owner == 1)
        #expect(table.count == 1)
    }

    // MARK: - Sessions

    private func member(
        user: String = "u", database: String = "d", tag: String = "production", _ host: String = "10.0.0.1"
    ) throws -> SessionTable.Member {
        SessionTable.Member(
            subject: Subject(
                database: database, user: user, applicationName: "", clientAddress: nil, listener: ""),
            tag: tag, address: try address(host))
    }

    private func isLimited(_ admission: SessionTable.Admission, by name: String) -> Bool {
        if case .limited(let limit) = admission { return limit.name == name }
        return false
    }

    private func ticket(_ admission: SessionTable.Admission) -> SessionTable.Ticket? {
        if case .admitted(let ticket) = admission { return ticket }
        return nil
    }

    @Test func `every limit that matches must have room, and one that has none costs the others nothing`() throws {
        let table = SessionTable(
            maximumClients: 100,
            limits: [
                SessionLimit(name: "all", maximumClients: 3),
                SessionLimit(name: "u", users: [Glob("u*")], maximumClients: 1),
            ])
        let first = try #require(ticket(table.admit(try member())))
        for _ in 0..<5 { #expect(isLimited(table.admit(try member()), by: "u")) }
        #expect(ticket(table.admit(try member(user: "v"))) != nil)
        #expect(ticket(table.admit(try member(user: "v"))) != nil)
        #expect(isLimited(table.admit(try member(user: "v")), by: "all"))
        table.leave(first)
        table.leave(first)
        #expect(ticket(table.admit(try member())) != nil)
        #expect(table.count == 3)
    }

    @Test func `a tag that a reload changes is counted by its new name`() throws {
        let limits = [SessionLimit(name: "tagged", maximumClients: 1, each: .tag)]
        let table = SessionTable(maximumClients: 100, limits: limits)
        #expect(ticket(table.admit(try member(database: "x"))) != nil)
        let rules = RuleSet(version: 2, tagRules: [TagRule(tag: "test", databases: [Glob("x")])])
        table.apply(maximumClients: 100, limits: limits, rules: rules)
        #expect(isLimited(table.admit(try member(tag: "test")), by: "tagged"))
        #expect(ticket(table.admit(try member(tag: "production"))) != nil)
    }

    @Test func `max_clients holds for all together`() throws {
        let table = SessionTable(maximumClients: 1, limits: [])
        #expect(ticket(table.admit(try member())) != nil)
        guard case .full = table.admit(try member(user: "other")) else {
            Issue.record("a second session was let in")
            return
        }
    }
}
