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

        var addresses: [SocketAddress] { hosts.flatMap(\.addresses) }

        func those(where isWanted: (ServerRole) -> Bool) -> [SocketAddress] {
            addresses.filter { isWanted(roles[$0] ?? .unknown) }
        }

        /// Of several servers that say so, one that has been promoted since is meant: the old primary has come back, and
        /// what is written to it is lost.
        var primaries: [SocketAddress] {
            let newest = addresses.compactMap { address -> UInt32? in
                if case .primary(let timeline) = roles[address] { timeline } else { nil }
            }.max()
            guard let newest else { return [] }
            return those { $0 == .primary(timeline: newest) }
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
    /// - Returns: all that say they are the primary now.
    @discardableResult
    func learned(_ role: ServerRole, at address: SocketAddress) -> [(address: SocketAddress, role: ServerRole)] {
        state.withLock { state in
            // A name that leads elsewhere by now says nothing of the old address.
            guard state.addresses.contains(address) else { return [] }
            state.roles[address] = role
            return state.roles.filter(\.value.isPrimary).map { ($0.key, $0.value) }
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
