import CLinux
import Configuration
import Foundation
import Logging
import ServerLink
import Transport

/// Asks one server what it is, on a thread of its own.
final class ServerProbe: Sendable {
    /// A server that does not answer for so long is not known to be anything: a process that is stopped, or a disk that hangs,
    /// leaves its connections open.
    private static let patience = Duration.seconds(5)

    let upstream: Upstream
    private let server: ServerAddress
    private let address: SocketAddress
    private let logger: Logger
    private let alarm = Alarm()

    /// - Parameter address: one of those that the server's name leads to.
    init(_ upstream: Upstream, server: ServerAddress, address: SocketAddress, logger: Logger) {
        self.upstream = upstream
        self.server = server
        self.address = address
        self.logger = logger
    }

    func isSame(as other: ServerProbe) -> Bool {
        upstream === other.upstream && server == other.server && address == other.address
    }

    func start() {
        let thread = Thread {
            linux_name_thread("probe")
            self.run()
        }
        thread.start()
    }

    func askSoon() { alarm.ring() }

    func stop() { alarm.stop() }

    private func run() {
        var connection: ServerConnection?
        var known: ServerRole?
        repeat {
            let role = ask(&connection)
            if alarm.isStopped { return }
            if role != known {
                let stale = upstream.learned(role, at: address)
                if known != nil || role != .unknown { tell(role, stale: stale) }
                known = role
            }
        } while alarm.wait(atMost: upstream.settings.probeInterval)
    }

    private func tell(_ role: ServerRole, stale: [(address: SocketAddress, role: ServerRole)]) {
        let metadata: Logger.Metadata = ["upstream": "\(upstream.settings.name)", "server": "\(server.text)"]
        logger.notice("the server at \(address.text) is \(role.text)", metadata: metadata)
        guard role.timeline != nil, !stale.isEmpty else { return }
        let list = stale.map { "\($0.address.text), \($0.role.text)" }.sorted().joined(separator: "; ")
        logger.error(
            "no session goes to a primary that a newer one has taken the place of: \(list)", metadata: metadata)
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
                        upstream.settings.probe, at: place, purpose: "probe", connectPatience: Self.patience)
                }
                connection = open
                let answer = try open.value(of: "SELECT pg_catalog.pg_is_in_recovery()", within: Self.patience)
                guard answer == "f" else { return .standby }
                return .primary(timeline: try timeline(open))
            } catch {
                connection = nil
                if attempt == 1 || !isOld || alarm.isStopped {
                    logger.debug("\(address.text) does not say what it is: \(error)")
                    return .unknown
                }
            }
        }
        return .unknown
    }

    /// The name of a file of the log begins with the timeline, in hexadecimal.
    private func timeline(_ connection: ServerConnection) throws(ServerFault) -> UInt32 {
        do throws(ServerFault) {
            let file = try connection.value(
                of: "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())", within: Self.patience)
            return file.flatMap { UInt32($0.prefix(8), radix: 16) } ?? 0
        } catch {
            // Not every server that speaks the protocol has such a log. One that has just stepped down is asked again.
            guard case .refused(let sqlState, _, _, _) = error, sqlState != "55000" else { throw error }
            return 0
        }
    }

    private var place: ServerConnection.Place {
        switch server {
        case .tcp(let host, let port):
            ServerConnection.Place(host: host, address: address.hostText, port: String(port))
        case .unix(let path):
            // A socket's folder, and the number at the end of its name.
            ServerConnection.Place(
                host: String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]),
                port: path.lastIndex(of: ".").map { String(path[path.index(after: $0)...]) } ?? "")
        case .embedded:
            ServerConnection.Place(host: "", port: "")
        }
    }
}
