import Configuration
import Synchronization
import Transport

/// A server, or several that stand for each other. Loops read the addresses; threads that may block find them out.
package final class Upstream: Sendable {
    /// One of the servers, as far as its name is known to lead.
    private struct Host {
        var server: ServerAddress
        var addresses: [SocketAddress] = []
    }

    private struct State {
        var hosts: [Host]
        /// A name may stand for servers of both kinds, so each address has its own.
        var roles: [SocketAddress: ServerRole] = [:]
        /// The newest timeline of a primary since the start; nil until every server has been asked once.
        var newestSeen: UInt32?

        var addresses: [SocketAddress] { hosts.flatMap(\.addresses) }

        func those(where isWanted: (ServerRole) -> Bool) -> [SocketAddress] {
            addresses.filter { isWanted(roles[$0] ?? .unknown) }
        }

        /// Of several servers that say so, the one that was promoted last. An older one has come back after a failover, and
        /// what is written to it is lost: it is not taken even where the newer one cannot be reached.
        var primaries: [SocketAddress] {
            guard let newestSeen else { return [] }
            return those { $0 == .primary(timeline: newestSeen) }
        }

        /// A role is known anew.
        mutating func noteTimeline() {
            let newest = roles.values.compactMap(\.timeline).max()
            if newestSeen != nil || addresses.allSatisfy({ roles[$0] != nil }) {
                newestSeen = newest.map { max($0, newestSeen ?? 0) } ?? newestSeen
            }
        }
    }

    package let settings: UpstreamSettings
    private let state: Mutex<State>

    /// - Parameter settings: no server is `embedded`: that one's own address stands in its place.
    package init(_ settings: UpstreamSettings) {
        self.settings = settings
        state = Mutex(State(hosts: settings.servers.map { Host(server: $0) }))
    }

    /// As in `proxy.conf`.
    package var name: String { settings.text }

    /// Where the key stands, for whoever has to change it.
    var place: String { settings.name == "server" ? "\"server\"" : "[[upstream]] \"\(settings.name)\"" }

    /// The addresses to try, in order: those of the servers that are what is wanted, as far as that is known.
    package var addresses: [SocketAddress] {
        state.withLock { state in
            switch settings.target {
            case .any: state.addresses
            case .primary: state.primaries
            case .standby: state.those { $0 == .standby }
            case .preferStandby: state.those { $0 == .standby } + state.primaries
            }
        }
    }

    /// All addresses, whatever the servers are now.
    var allAddresses: [SocketAddress] { state.withLock { $0.addresses } }

    /// All addresses, each with the server whose name leads there.
    var places: [(server: ServerAddress, address: SocketAddress)] {
        state.withLock { state in state.hosts.flatMap { host in host.addresses.map { (host.server, $0) } } }
    }

    /// Whether more may be known a moment later.
    var isProbed: Bool { settings.target != .any }

    /// A server has said, or no longer says, what it is.
    ///
    /// - Returns: those that say they are a primary and are not taken for it, since another is newer.
    @discardableResult
    func learned(_ role: ServerRole, at address: SocketAddress) -> [(address: SocketAddress, role: ServerRole)] {
        state.withLock { state in
            // A name that leads elsewhere by now says nothing of the old address.
            guard state.addresses.contains(address) else { return [] }
            state.roles[address] = role
            state.noteTimeline()
            guard let newestSeen = state.newestSeen else { return [] }
            return state.roles.filter { ($0.value.timeline ?? newestSeen) < newestSeen }.map { ($0.key, $0.value) }
        }
    }

    /// Looks the addresses up anew; of a name that cannot be looked up the old ones stay. Blocks.
    ///
    /// - Returns: what could not be looked up.
    package func resolve() -> [TransportError] {
        var failures: [TransportError] = []
        for (index, server) in settings.servers.enumerated() {
            do throws(TransportError) {
                let found: [SocketAddress] =
                    switch server {
                    case .tcp(let host, let port):
                        try SocketAddress.resolve(host: host, port: port, passive: false)
                    case .unix(let path): [try SocketAddress(unixPath: path)]
                    case .embedded: []
                    }
                if !found.isEmpty { state.withLock { $0.hosts[index].addresses = found } }
            } catch {
                failures.append(error)
            }
        }
        state.withLock { state in
            let known = Set(state.addresses)
            state.roles = state.roles.filter { known.contains($0.key) }
            state.noteTimeline()
        }
        return failures
    }

    /// Whether any server has a name that could come to mean another address.
    var hasNames: Bool {
        settings.servers.contains { server in
            if case .tcp(let host, _) = server { !SocketAddress.isNumeric(host) } else { false }
        }
    }
}
