import Audit
import AuditSinks
import CLinux
import Configuration
import Foundation
import Logging
import Policy
import Sentinel
import Synchronization
import Transport

/// A running proxy: listeners, loops, the audit trail, the server behind it. Started, reloaded and stopped by the main
/// thread.
package final class ProxyServer {
    private let logger: Logger
    private let audit: AuditWriter
    private let sinks: SinkSet
    private let group: LoopGroup
    private let acceptor: Acceptor
    private let resolver: Resolver
    private let probes: ServerProbes?
    private let watches: [UnseenWatch]
    private let sentinel: WatchService?
    private let marker: MarkerService?
    private let publisher: RulesPublisher
    private let grants: GrantService?
    private let snapshots: SnapshotService?
    private let catalog: CatalogService?
    private let judging: JudgingThreads
    private let limits: Limits
    private var authentication: AuthenticationPolicy?
    private var encryption: EncryptionPolicy
    private var configuration: ProxyConfiguration
    /// As it was at the start: what of it cannot change is in force still.
    private let started: ProxyConfiguration

    /// What clients can connect to, each as an address with the port that is really bound.
    package let addresses: [String]

    /// Starts everything.
    ///
    /// - Parameters:
    ///   - server: where the server is; never `embedded` (the embedded server is running by now).
    ///   - auditPath: the trail's file, absolute.
    /// - Throws: ``ProxyError`` with place and remedy. Nothing is left running.
    package init(
        configuration: ProxyConfiguration, server: ServerAddress, auditPath: String, logger: Logger
    ) throws(ProxyError) {
        self.configuration = configuration
        started = configuration
        self.logger = logger
        let selector = try Self.selector(configuration.selector, logger)
        let encryption = try EncryptionPolicy(configuration)
        self.encryption = encryption
        let authentication = try AuthenticationPolicy(configuration, logger: logger)
        self.authentication = authentication
        var listeners: [(name: String, listener: Listener)] = []
        let keepalive = KeepaliveOptions(configuration.tcp)
        for wanted in configuration.listeners { listeners += try Self.open(wanted, keepalive) }
        addresses = listeners.map(\.listener.address.text)
        var standard = configuration.upstream
        if configuration.isEmbedded { standard.servers = [server] }
        let upstreams = Upstreams(
            standard: Upstream(standard), others: configuration.upstreams.map { Upstream($0) })
        let following = AuditFollowing()
        let audit: AuditWriter
        do {
            let durability: AuditDurability =
                switch configuration.audit.durability {
                case .fsync: .fsync
                case .write: .write
                case .async: .async
                }
            audit = try AuditWriter(
                path: auditPath, durability: durability, chain: Self.chain(configuration, trailPath: auditPath),
                following: following, warn: { logger.warning("\($0)") }
            ) { fault in
                if let fault {
                    logger.critical("\(fault.description); guarded statements that must be recorded are refused")
                } else {
                    logger.notice("the audit trail can be written again")
                }
            }
        } catch {
            throw ProxyError(message: error.description, remedy: "see [audit] file in proxy.conf")
        }
        self.audit = audit
        sinks = SinkSet(livePath: auditPath, following: following, ownAddresses: addresses, logger: logger)
        let limit = linux_raise_descriptor_limit()
        let needed = UInt64(configuration.maximumClients) * 2 + 64
        if limit < needed {
            logger.warning(
                "max_clients = \(configuration.maximumClients) needs \(needed) file descriptors, the limit is \(limit)")
        }
        let probes = upstreams.all.contains(where: \.isProbed) ? ServerProbes(upstreams, logger: logger) : nil
        self.probes = probes
        let resolver = Resolver(upstreams, interval: configuration.dnsRefresh, logger: logger) { probes?.follow() }
        resolver.resolve()
        self.resolver = resolver
        let watches = Self.watches(configuration.guardSettings, trailPath: auditPath, audit: audit, logger: logger)
        self.watches = watches
        let sentinel: WatchService?
        do throws(ProxyError) {
            sentinel = try WatchBridge.start(configuration, audit: audit, logger: logger)
        } catch {
            for watch in watches { watch.stop() }
            throw error
        }
        self.sentinel = sentinel
        let grants =
            configuration.guardSettings.isReachable
            ? GrantService(configuration.guardSettings, audit: audit, logger: logger) : nil
        self.grants = grants
        let snapshots = Self.snapshots(configuration, server: server, audit: audit, logger: logger)
        self.snapshots = snapshots
        let publisher = RulesPublisher(
            LoopSettings(configuration, encryption: encryption, authentication: authentication),
            marks: MarkerService.initialMarks(configuration.marker))
        self.publisher = publisher
        let catalogConnection = Self.catalogConnection(configuration, server: server)
        let marker = configuration.marker.map { settings in
            let standard = settings.connection ?? catalogConnection
            return MarkerService(
                settings,
                connection: { database in
                    let upstream = upstreams.upstream(for: database)
                    return upstream === upstreams.standard ? standard : upstream.settings.catalogConnection
                }, audit: audit, logger: logger
            ) { publisher.apply($0) }
        }
        self.marker = marker
        catalog = catalogConnection.map { connection in
            CatalogService(
                connection: { database in
                    let upstream = upstreams.upstream(for: database)
                    return upstream === upstreams.standard ? connection : upstream.settings.catalogConnection
                }, settings: configuration.catalog, audit: audit, logger: logger)
        }
        // Not one for each core: the loops need theirs.
        let judging = JudgingThreads(count: ProcessInfo.processInfo.activeProcessorCount >= 4 ? 2 : 1)
        self.judging = judging
        let limits = Limits(configuration, descriptorLimit: limit)
        self.limits = limits
        do throws(TransportError) {
            let loopCount =
                configuration.loopCount > 0 ? configuration.loopCount : ProcessInfo.processInfo.activeProcessorCount
            group = try LoopGroup(
                count: loopCount, selector: selector, busyPoll: configuration.busyPoll,
                context: LoopContext(
                    upstreams: upstreams, audit: audit, logger: logger, catalog: catalog,
                    serverUnreachable: { resolver.resolveSoon() }, probes: probes, grants: grants,
                    snapshots: snapshots,
                    recordedSessions: configuration.guardSettings.isReachable ? .all : configuration.audit.sessions,
                    maximumTextBytes: configuration.audit.maximumTextBytes,
                    statementsEnded: { for watch in watches { watch.ddlPassed() } },
                    catalogChanged: { database in
                        sentinel?.ddlPassed(on: database)
                        marker?.changed(database)
                    }, marker: marker, judging: judging,
                    limits: limits),
                settings: publisher.settings)
            publisher.attach(group)
            acceptor = try Acceptor(
                listeners: listeners, group: group, limits: limits, logger: logger)
        } catch {
            for watch in watches { watch.stop() }
            sentinel?.stop()
            judging.stop()
            throw ProxyError(message: "cannot \(error.operation) \(error.address): \(error.reason)", remedy: nil)
        }
        catalog?.start()
        probes?.start()
        sinks.apply(SinkSettings.all(of: configuration))
        marker?.start()
        audit.append([AuditBridge.record(.start, AuditBridge.service(configuration))])
    }

    /// How the trail is sealed and its files are kept.
    package static func chain(_ configuration: ProxyConfiguration, trailPath: String) -> AuditChainSettings {
        let settings = configuration.audit
        var chain = AuditChainSettings(beside: trailPath)
        if !settings.keyPath.isEmpty { chain.keyPath = configuration.resolve(settings.keyPath) }
        if !settings.signingKeyPath.isEmpty { chain.signingKeyPath = configuration.resolve(settings.signingKeyPath) }
        chain.rotateByteCount = settings.rotateByteCount
        chain.rotateInterval = settings.rotateInterval
        chain.keptFileCount = settings.keptFileCount
        chain.checkpointPaths = settings.checkpointPaths.map(configuration.resolve)
        chain.checkpointInterval = settings.checkpointInterval
        return chain
    }

    /// Whoever takes snapshots; nil if proxy.conf wants none.
    private static func snapshots(
        _ configuration: ProxyConfiguration, server: ServerAddress, audit: AuditWriter, logger: Logger
    ) -> SnapshotService? {
        guard configuration.snapshots.areOn else { return nil }
        let connection = configuration.snapshotConnection
        return SnapshotService(
            configuration.snapshots, folder: configuration.resolve(configuration.snapshots.folder),
            connection: connection.isEmpty ? catalogConnection(configuration, server: server) ?? "" : connection,
            audit: audit, logger: logger)
    }

    /// The embedded server lets the demonstration's role in over its private socket.
    private static func catalogConnection(_ configuration: ProxyConfiguration, server: ServerAddress) -> String? {
        if configuration.catalog.isOff { return nil }
        if let connection = configuration.catalog.connection { return connection }
        guard configuration.isEmbedded, case .unix(let path) = server, let slash = path.lastIndex(of: "/"),
            let dot = path.lastIndex(of: ".")
        else { return nil }
        let folder = path[..<slash].replacing("\\", with: "\\\\").replacing("'", with: "\\'")
        return "host='\(folder)' port=\(path[path.index(after: dot)...]) user=demo"
    }

    /// Takes over what of a new `proxy.conf` can change while sessions are open.
    ///
    /// - Returns: the settings that wait for a restart, as messages.
    /// - Throws: ``ProxyError`` if a file that the settings name cannot be used; nothing has changed then.
    package func reload(_ changed: ProxyConfiguration) throws(ProxyError) -> [String] {
        let encryption = try EncryptionPolicy(changed, former: encryption)
        let formerAuthentication = authentication
        authentication = try AuthenticationPolicy(changed, former: formerAuthentication, logger: logger)
        self.encryption = encryption
        var waiting: [String] = []
        if changed.listeners != started.listeners { waiting.append("listen") }
        if changed.upstream != started.upstream || changed.embedded != started.embedded {
            waiting.append("server")
        }
        if changed.upstreams != started.upstreams || changed.dnsRefresh != started.dnsRefresh {
            waiting.append("[[upstream]] and dns_refresh")
        }
        if changed.loopCount != started.loopCount { waiting.append("loops") }
        if changed.selector != started.selector { waiting.append("selector") }
        if changed.busyPoll != started.busyPoll { waiting.append("busy_poll") }
        if changed.catalog != started.catalog { waiting.append("[catalog]") }
        if changed.audit != started.audit { waiting.append("[audit] file and durability") }
        if changed.guardSettings != started.guardSettings { waiting.append("[guard]") }
        if changed.snapshots != started.snapshots { waiting.append("[snapshots]") }
        if changed.watches != started.watches || changed.watching != started.watching {
            waiting.append("[[watch]] and [watching]")
        }
        if changed.marker != started.marker { waiting.append("[marker]") }
        let former = configuration
        configuration = changed
        limits.apply(changed)
        acceptor.apply(KeepaliveOptions(changed.tcp))
        publisher.apply(LoopSettings(changed, encryption: encryption, authentication: authentication))
        sinks.apply(SinkSettings.all(of: changed))
        formerAuthentication?.stop(besides: authentication)
        audit.append([AuditBridge.record(.reload, AuditBridge.service(changed, former: former))])
        audit.rereadKeys()
        return waiting
    }

    /// A new `proxy.conf` could not be taken over: the trail says why the former rules go on.
    package func reloadFailed(_ reason: String) { audit.report(.configuration, reason) }

    /// Writes what has happened since the start into the log.
    package func logCounters() {
        var counters: Logger.Metadata = [:]
        for counter in limits.counters.nonZero { counters[counter.name] = "\(counter.value)" }
        for counter in sinks.counters { counters[counter.name] = "\(counter.value)" }
        let trail = audit.counters
        for (name, value) in [
            ("audit_failures", trail.failures), ("audit_records_waiting", trail.recordsInBacklog),
            ("audit_records_lost", trail.recordsLost),
        ] where value > 0 { counters[name] = "\(value)" }
        logger.notice("counters", metadata: counters)
    }

    /// Stops accepting, lets running transactions end (at most `drain_timeout`; a second signal cuts that short), then
    /// ends everything. The trail has all records when this returns.
    package func drain(signals: SignalSource) {
        acceptor.stop()
        let deadline = linux_clock_monotonic() &+ configuration.drainTimeout.nanoseconds
        logger.info("draining: \(group.sessionCount) sessions")
        group.drain(deadline: deadline)
        while group.sessionCount > 0 {
            // A little longer than the sessions themselves get, so that each can still tell its client.
            let left = deadline &+ 3_000_000_000 - linux_clock_monotonic()
            if left <= 0 { break }
            let event = signals.next(orReadable: group.idleDescriptor, milliseconds: Int32(clamping: left / 1_000_000))
            if event == .stop { break }
            if event == .other { _ = linux_eventfd_clear(group.idleDescriptor) }
        }
        group.stop()
        judging.stop()
        resolver.stop()
        probes?.stop()
        authentication?.stop()
        grants?.stop()
        snapshots?.stop()
        for watch in watches { watch.stop() }
        sentinel?.stop()
        marker?.stop()
        catalog?.stop()
        logCounters()
        audit.append([AuditBridge.record(.stop)])
        audit.close()
        let lost = audit.counters.recordsLost
        if lost > 0 {
            logger.critical("\(lost) records of the audit trail are lost: it could not be written")
        }
        sinks.stop()
    }

    /// One watch for each database whose log is compared with the trail.
    private static func watches(
        _ settings: GuardSettings, trailPath: String, audit: AuditWriter, logger: Logger
    ) -> [UnseenWatch] {
        guard settings.isReachable, let interval = settings.watchInterval else { return [] }
        let databases: [String?] = settings.databases.isEmpty ? [nil] : settings.databases
        return databases.map { database in
            UnseenWatch(
                UnseenWatch.Settings(
                    connection: settings.connection, database: database, interval: interval, trailPath: trailPath),
                audit: audit, logger: logger)
        }
    }

    /// What the loops wait by, tried out.
    private static func selector(
        _ choice: SelectorChoice, _ logger: Logger
    ) throws(ProxyError) -> LoopSelector.Kind {
        guard choice != .epoll else { return .epoll }
        do throws(TransportError) {
            try LoopSelector(.ring).begin()
            return choice == .ring ? .ring : .whicheverPays
        } catch {
            let reason =
                switch error.code {
                case ENOSYS, EINVAL, EOPNOTSUPP: "the kernel is older than Linux 6.1 or built without it"
                case EPERM, EACCES: "it is forbidden here (kernel.io_uring_disabled, or a container's seccomp profile)"
                default: error.reason
                }
            guard choice == .ring else {
                logger.info("sockets are waited for by epoll alone, io_uring cannot be had: \(reason)")
                return .epoll
            }
            throw ProxyError(
                message: "cannot wait for sockets by io_uring: \(reason)",
                remedy: "write selector = \"auto\" in proxy.conf: epoll will do")
        }
    }

    private static func open(
        _ wanted: ListenAddress, _ keepalive: KeepaliveOptions
    ) throws(ProxyError) -> [(name: String, listener: Listener)] {
        do throws(TransportError) {
            let addresses =
                switch wanted {
                case .tcp(let host, let port): try SocketAddress.resolve(host: host, port: port, passive: true)
                case .unix(let path): [try SocketAddress(unixPath: path)]
                }
            var listeners: [(name: String, listener: Listener)] = []
            for address in addresses { listeners.append((wanted.text, try Listener(address, keepalive: keepalive))) }
            return listeners
        } catch {
            let remedy =
                switch error.code {
                case EADDRINUSE:
                    "another process listens there: stop it, or change \"listen\" in proxy.conf"
                case EACCES: "choose a port above 1023 or a folder that this user may write to"
                case EADDRNOTAVAIL: "this machine does not have the address: change \"listen\" in proxy.conf"
                default: "see \"listen\" in proxy.conf"
                }
            throw ProxyError(message: "cannot \(error.operation) \(error.address): \(error.reason)", remedy: remedy)
        }
    }
}

/// Why a proxy cannot start, and what to do about it.
package struct ProxyError: Error, Sendable, CustomStringConvertible {
    package var message: String
    package var remedy: String?

    package var description: String { remedy.map { "\(message) (\($0))" } ?? message }
}

/// A value that the main thread sets and others read.
final class Box<Value: Sendable>: Sendable {
    private let content: Mutex<Value>

    init(_ value: Value) { content = Mutex(value) }

    var value: Value {
        get { content.withLock { $0 } }
        set { content.withLock { $0 = newValue } }
    }
}
