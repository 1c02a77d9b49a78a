import Configuration
import Synchronization
import Transport

/// A server, or several that stand for each other. Loops read the addresses; threads that may block find them out.
package final class Upstream: Sendable {
    /// What is known of one server.
    private struct Host {
        var server: ServerAddress
        var addresses: [SocketAddress] = []
        var role = ServerRole.unknown
    }

    package let settings: UpstreamSettings
    private let hosts: Mutex<[Host]>

    /// - Parameter settings: no server is `embedded`: that one's own address stands in its place.
    package init(_ settings: UpstreamSettings) {
        self.settings = settings
        hosts = Mutex(settings.servers.map { Host(server: $0) })
    }

    /// As in `proxy.conf`.
    package var name: String { settings.text }

    /// Where the key stands, for whoever has to change it.
    var place: String { settings.name == "server" ? "\"server\"" : "[[upstream]] \"\(settings.name)\"" }

    /// The addresses to try, in order: those of the servers that are what is wanted, as far as that is known.
    package var addresses: [SocketAddress] {
        hosts.withLock { hosts in
            func of(_ role: ServerRole) -> [SocketAddress] {
                hosts.filter { $0.role == role }.flatMap(\.addresses)
            }
            switch settings.target {
            case .any: return hosts.flatMap(\.addresses)
            case .primary: return of(.primary)
            case .standby: return of(.standby)
            case .preferStandby: return of(.standby) + of(.primary)
            }
        }
    }

    /// All addresses, whatever the servers are now.
    var allAddresses: [SocketAddress] { hosts.withLock { $0.flatMap(\.addresses) } }

    /// Whether more may be known a moment later.
    var isProbed: Bool { settings.target != .any }

    /// A server has said, or no longer says, what it is.
    func learned(_ role: ServerRole, of server: ServerAddress) {
        hosts.withLock { hosts in
            for index in hosts.indices where hosts[index].server == server { hosts[index].role = role }
        }
    }

    /// What is known of each server, for the log.
    var roles: [(server: String, role: ServerRole)] { hosts.withLock { $0.map { ($0.server.text, $0.role) } } }

    /// Looks the addresses up anew; of a name that cannot be looked up the old ones stay. Blocks.
    ///
    /// - Throws: the first failure, after all names have been tried.
    package func resolve() throws(TransportError) {
        var failure: TransportError?
        for server in settings.servers {
            do throws(TransportError) {
                let found: [SocketAddress] =
                    switch server {
                    case .tcp(let host, let port):
                        try SocketAddress.resolve(host: host, port: port, passive: false)
                    case .unix(let path): [try SocketAddress(unixPath: path)]
                    case .embedded: []
                    }
                guard !found.isEmpty else { continue }
                hosts.withLock { hosts in
                    for index in hosts.indices where hosts[index].server == server { hosts[index].addresses = found }
                }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Whether any server has a name that could come to mean another address.
    var hasNames: Bool {
        settings.servers.contains { server in
            if case .tcp(let host, _) = server { !SocketAddress.isNumeric(host) } else { false }
        }
    }
}

/// What a server is at the moment.
package enum ServerRole: String, Sendable {
    case unknown, primary, standby
}
