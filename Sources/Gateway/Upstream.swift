import Configuration
import Synchronization
import Transport

/// Where the server is. Loops read the addresses; a thread that may block resolves them.
package final class Upstream: Sendable {
    /// As in `proxy.conf`.
    package let name: String
    private let server: ServerAddress
    private let resolved = Mutex<[SocketAddress]>([])

    /// - Parameter server: not `embedded`: the embedded server's own address.
    package init(_ server: ServerAddress) {
        self.server = server
        name = server.text
    }

    /// The addresses to try, in order.
    package var addresses: [SocketAddress] { resolved.withLock { $0 } }

    /// Looks the addresses up anew; on failure the old ones stay. Blocks.
    package func resolve() throws(TransportError) {
        let found: [SocketAddress]
        switch server {
        case .tcp(let host, let port): found = try SocketAddress.resolve(host: host, port: port, passive: false)
        case .unix(let path): found = [try SocketAddress(unixPath: path)]
        case .embedded: found = []
        }
        if !found.isEmpty { resolved.withLock { $0 = found } }
    }
}
