import Configuration
import Policy
import Testing
import Transport

@testable import Gateway

@Suite struct `The servers that sessions go to` {
    private static func upstream(_ target: UpstreamSettings.Target) -> Upstream {
        let upstream = Upstream(
            UpstreamSettings(
                name: "server",
                servers: (1...3).map { .tcp(host: "127.0.0.\($0)", port: 5432) }, target: target, probe: "user=a"))
        #expect(upstream.resolve().isEmpty)
        return upstream
    }

    private static func roles(_ upstream: Upstream, _ roles: [ServerRole]) {
        for (address, role) in zip(upstream.allAddresses, roles) { upstream.learned(role, at: address) }
    }

    private static func hosts(_ upstream: Upstream) -> [String] {
        upstream.addresses.map { String($0.hostText.suffix(1)) }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var target: UpstreamSettings.Target
        var roles: [ServerRole]
        var go: [String]

        var testDescription: String { "\(target.rawValue) of \(roles.map(\.text))" }
    }

    @Test(arguments: [
        Row(target: .any, roles: [.unknown, .standby, .primary(timeline: 1)], go: ["1", "2", "3"]),
        Row(target: .primary, roles: [.unknown, .standby, .primary(timeline: 1)], go: ["3"]),
        Row(target: .primary, roles: [.unknown, .standby, .standby], go: []),
        Row(target: .primary, roles: [.primary(timeline: 1), .primary(timeline: 2), .standby], go: ["2"]),
        Row(target: .primary, roles: [.primary(timeline: 0), .primary(timeline: 0), .standby], go: ["1", "2"]),
        Row(target: .standby, roles: [.primary(timeline: 7), .standby, .unknown], go: ["2"]),
        Row(target: .preferStandby, roles: [.primary(timeline: 7), .standby, .standby], go: ["2", "3", "1"]),
        Row(target: .preferStandby, roles: [.primary(timeline: 7), .unknown, .unknown], go: ["1"]),
    ])
    func `are those that are wanted, and of several primaries the newest`(_ row: Row) {
        let upstream = Self.upstream(row.target)
        #expect(Self.hosts(upstream) == (row.target == .any ? ["1", "2", "3"] : []))
        Self.roles(upstream, row.roles)
        #expect(Self.hosts(upstream) == row.go)
    }

    @Test func `are not chosen among before every one has been asked once`() {
        let upstream = Self.upstream(.primary)
        Self.roles(upstream, [.primary(timeline: 1), .unknown])
        #expect(Self.hosts(upstream).isEmpty)
        Self.roles(upstream, [.primary(timeline: 1), .unknown, .primary(timeline: 2)])
        #expect(Self.hosts(upstream) == ["3"])
    }

    @Test func `are never a primary that a newer one has taken the place of, even while that one is away`() {
        let upstream = Self.upstream(.primary)
        Self.roles(upstream, [.primary(timeline: 1), .standby, .unknown])
        #expect(Self.hosts(upstream) == ["1"])
        Self.roles(upstream, [.unknown, .primary(timeline: 2), .unknown])
        #expect(Self.hosts(upstream) == ["2"])
        Self.roles(upstream, [.unknown, .unknown, .unknown])
        let stale = upstream.allAddresses.first.map { upstream.learned(.primary(timeline: 1), at: $0) }
        #expect(stale?.count == 1)
        #expect(Self.hosts(upstream).isEmpty)
        Self.roles(upstream, [.primary(timeline: 3), .unknown, .unknown])
        #expect(Self.hosts(upstream) == ["1"])
    }

    @Test func `are told apart by address, and an address that is gone says nothing`() throws {
        let upstream = Self.upstream(.primary)
        Self.roles(upstream, [.primary(timeline: 1), .unknown, .unknown])
        let gone = try SocketAddress(unixPath: "/gone")
        #expect(upstream.learned(.primary(timeline: 9), at: gone).isEmpty)
        #expect(Self.hosts(upstream) == ["1"])
    }

    @Test func `are the top-level ones for physical replication, whatever a block claims`() {
        let block = UpstreamSettings(name: "all", databases: [Glob("*")], servers: [.tcp(host: "127.0.0.9", port: 1)])
        let upstreams = Upstreams(standard: Self.upstream(.any), others: [Upstream(block)])
        #expect(upstreams.upstream(for: "") === upstreams.standard)
        #expect(upstreams.upstream(for: "shop") !== upstreams.standard)
    }
}
