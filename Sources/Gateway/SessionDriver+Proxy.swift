import Configuration
import Logging
import Policy
import PostgresWire
import Session
import Transport

/// The PROXY protocol: in from load balancers, out to the server.
extension SessionDriver {
    // MARK: - In

    /// Decides by the socket's own address whether a header comes first.
    func expectProxyHeader() {
        let sources = loop.settings.proxySources
        guard !sources.isEmpty else { return }
        let address = peer.ipBytes.flatMap { NetworkAddress(bytes: $0) }
        awaitsProxyHeader = sources.contains { $0.matches(address) }
    }

    /// Takes the header, and not one byte more: TLS reads from the socket itself what comes next.
    ///
    /// - Returns: whether the header is there, and the session goes on.
    func tookProxyHeader() -> Bool {
        let space = UnsafeMutableRawBufferPointer(rebasing: loop.scratch.prefix(ProxyHeader.longest))
        let count = client.peek(into: space)
        let header: ProxyHeader?
        do throws(ProxyHeader.Fault) {
            header = try ProxyHeader.read(UnsafeRawBufferPointer(rebasing: space[..<count]))
        } catch {
            refuseProxyHeader(error.message)
            return false
        }
        guard let header else {
            // What is left in the socket is whole: an end was the last that came.
            if client.hasEnded || client.isHungUp { close("the client went away before its PROXY header") }
            return false
        }
        let taken = client.receive(into: UnsafeMutableRawBufferPointer(rebasing: space[..<header.byteCount]))
        guard taken == header.byteCount else {
            close("the client went away before its PROXY header")
            return false
        }
        awaitsProxyHeader = false
        if let route = header.route { becomeClient(of: route) }
        clientAddressKnown()
        return phase == .startup
    }

    private func becomeClient(of route: ProxyHeader.Route) {
        guard let address = SocketAddress(ip: route.client.address, port: route.client.port) else { return }
        loop.context.logger.debug(
            "a PROXY header names the client",
            metadata: ["session": "\(id)", "client": "\(address.text)", "from": "\(peer.text)"])
        peer = address
        proxiedDestination = SocketAddress(ip: route.destination.address, port: route.destination.port)
        // The process at the other end of the socket is the load balancer.
        osUser = nil
        startup = StartupMachine(offersTLS: offersTLS)
    }

    private func refuseProxyHeader(_ reason: String) {
        loop.context.limits.note(
            .refusedProxyHeader, "closed a connection: \(reason) ([proxy_protocol] from in proxy.conf)",
            ["session": "\(id)", "client": "\(peer.text)"], logger: loop.context.logger)
        // Whoever speaks another protocol is not answered in PostgreSQL's.
        startLingering()
    }

    // MARK: - Out

    /// Whether the connection to the server begins with a header.
    var sendsProxy: Bool { upstream.settings.sendsProxy ?? loop.settings.sendsProxy }

    /// Some dozen bytes into an empty socket buffer: they are taken, or the server is gone.
    func sendProxyHeader() {
        let header = ProxyHeader.bytes(for: routeOfClient)
        _ = header.withUnsafeBytes { server?.send($0) }
    }

    /// Nil where there is no client with an address: a Unix-domain socket's, or a CancelRequest of Holdfast's own.
    private var routeOfClient: ProxyHeader.Route? {
        guard limits.cancelEnded == nil, let client = Self.endpoint(peer),
            let destination = (proxiedDestination ?? SocketAddress(boundTo: self.client.number)).flatMap(Self.endpoint)
        else { return nil }
        return ProxyHeader.Route(client: client, destination: destination)
    }

    private static func endpoint(_ address: SocketAddress) -> ProxyHeader.Endpoint? {
        guard let bytes = address.ipBytes, let port = address.port else { return nil }
        return ProxyHeader.Endpoint(address: bytes, port: port)
    }
}

extension KeepaliveOptions {
    init(_ settings: TCPSettings) {
        self.init(
            idle: Int32(clamping: settings.keepaliveIdle), interval: Int32(clamping: settings.keepaliveInterval),
            count: Int32(clamping: settings.keepaliveCount), userTimeout: Int32(clamping: settings.userTimeout))
    }
}
