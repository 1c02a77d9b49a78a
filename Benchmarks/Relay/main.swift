import Configuration
import Foundation
import Gateway
import Logging

// Holdfast with and without its guard, for Benchmarks/judging-cost.py alone: the same loops, sockets and sessions, and in
// one of the two nobody looks at what goes by once a client is logged in. `holdfast` itself has no such mode.
//
//     holdfast-relay [guarded] … proxy.conf

guard CommandLine.arguments.count >= 2, let path = CommandLine.arguments.last else { exit(2) }
let signals = try SignalSource()
let settings = try ConfigurationFile.load(path: path, version: 1)
LogSetup.bootstrap(level: settings.log.level)
guard let server = settings.upstream.servers.first else { exit(2) }
let proxy = try ProxyServer(
    configuration: settings, server: server, auditPath: settings.resolve(settings.audit.path),
    logger: Logger(label: "holdfast"), looksAtNothing: CommandLine.arguments[1] != "guarded")
for address in proxy.addresses { print("listening on \(address)") }
fflush(nil)
while true {
    if case .stop = signals.next() { break }
}
proxy.drain(signals: signals)
