import CLinux
import Configuration
import Foundation
import Logging
import ServerLink
import Synchronization
import Transport

/// Asks servers again and again which of them is the primary: one thread and one connection for each server of the
/// upstreams for which that matters.
final class ServerProbes: Sendable {
    private let probes: [ServerProbe]

    init(_ upstreams: Upstreams, logger: Logger) {
        probes = upstreams.all.filter(\.isProbed).flatMap { upstream in
            upstream.settings.servers.map { ServerProbe(upstream, server: $0, logger: logger) }
        }
    }

    func start() { for probe in probes { probe.start() } }

    /// Asks the upstream's servers now: a session has found that what was known does not hold. Any thread.
    func askSoon(_ upstream: Upstream) {
        for probe in probes where probe.upstream === upstream { probe.askSoon() }
    }

    func stop() { for probe in probes { probe.stop() } }
}

/// Asks one server.
private final class ServerProbe: Sendable {
    let upstream: Upstream
    private let server: ServerAddress
    private let logger: Logger
    private let wanted = DispatchSemaphore(value: 0)
    private let state = Mutex((isPending: false, isStopped: false))

    init(_ upstream: Upstream, server: ServerAddress, logger: Logger) {
        self.upstream = upstream
        self.server = server
        self.logger = logger
    }

    func start() {
        let thread = Thread {
            linux_name_thread("probe")
            self.run()
        }
        thread.start()
    }

    func askSoon() {
        let isFirst = state.withLock { state in
            defer { state.isPending = true }
            return !state.isPending
        }
        if isFirst { wanted.signal() }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        wanted.signal()
    }

    private func run() {
        var connection: ServerConnection?
        var known = ServerRole.unknown
        while true {
            state.withLock { $0.isPending = false }
            let role = ask(&connection)
            if role != known {
                upstream.learned(role, of: server)
                logger.notice(
                    "\(server.text) is \(role == .unknown ? "not to be asked what it is" : "a \(role.rawValue)") now",
                    metadata: ["upstream": "\(upstream.settings.name)"])
                known = role
            }
            _ = wanted.wait(timeout: .now() + .nanoseconds(Int(upstream.settings.probeInterval.nanoseconds)))
            if state.withLock({ $0.isStopped }) { return }
        }
    }

    private func ask(_ connection: inout ServerConnection?) -> ServerRole {
        // A second try, since the connection may have died long ago.
        for attempt in 0..<2 {
            let isOld = connection != nil
            do throws(ServerFault) {
                let open: ServerConnection
                if let connection {
                    open = connection
                } else {
                    open = try ServerConnection(
                        upstream.settings.probe, host: server.host, port: server.port, purpose: "probe")
                }
                connection = open
                let answer = try open.query("SELECT pg_catalog.pg_is_in_recovery()").rows.first?.first
                return answer == .some("f") ? .primary : .standby
            } catch {
                connection = nil
                if attempt == 1 || !isOld {
                    logger.debug("\(server.text) does not say what it is: \(error)")
                    return .unknown
                }
            }
        }
        return .unknown
    }
}

extension ServerAddress {
    /// As libpq's `host`: a name, an address, or a socket's folder.
    fileprivate var host: String {
        switch self {
        case .embedded: ""
        case .tcp(let host, _): host
        case .unix(let path): String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        }
    }

    /// As libpq's `port`: for a socket the number at the end of its name.
    fileprivate var port: String {
        switch self {
        case .embedded: ""
        case .tcp(_, let port): String(port)
        case .unix(let path): path.lastIndex(of: ".").map { String(path[path.index(after: $0)...]) } ?? ""
        }
    }
}
