import Foundation
import TLSEngine

/// A connected stream socket that can give up: it waits in small steps, and looks between them whether the worker is to stop.
final class SinkSocket {
    private static let step: Int32 = 200
    private static let connectPatience = Duration.seconds(10)
    /// A peer that takes nothing for so long is given up.
    private static let sendPatience = Duration.seconds(30)

    private let descriptor: Int32
    private let tls: TLSConnection?
    private let signal: SinkSignal
    private let place: String

    /// Connects, and lays TLS over it.
    ///
    /// - Throws: ``SinkFault`` with the address and the reason.
    init(
        host: String, port: UInt16, context: TLSContext?, serverName: String, place: String, signal: SinkSignal
    ) throws(SinkFault) {
        self.place = place
        self.signal = signal
        descriptor = try Self.connect(host, port, place, signal)
        guard let context else {
            tls = nil
            return
        }
        do throws(TLSError) {
            let isAddress = host.contains(":") || host.allSatisfy { "0123456789.".contains($0) }
            tls = try TLSConnection(
                context, descriptor: descriptor, host: serverName, sentName: isAddress ? nil : serverName)
        } catch {
            tls = nil
            close(descriptor)
            throw SinkFault(error)
        }
        do throws(SinkFault) { try shakeHands() } catch {
            close(descriptor)
            throw error
        }
    }

    /// Ends the connection; what the peer has not taken may be lost.
    func end() { close(descriptor) }

    private static func connect(
        _ host: String, _ port: UInt16, _ place: String, _ signal: SinkSignal
    ) throws(SinkFault) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &list)
        guard result == 0 else { throw SinkFault("\(place): \(String(cString: gai_strerror(result)))") }
        defer { freeaddrinfo(list) }
        var reason = "it has no address"
        var next = list
        while let address = next?.pointee {
            next = address.ai_next
            let kind = address.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            let opened = socket(address.ai_family, kind, address.ai_protocol)
            guard opened >= 0 else { continue }
            var code: Int32 = 0
            if Foundation.connect(opened, address.ai_addr, address.ai_addrlen) != 0 {
                code = errno
                if code == EINPROGRESS {
                    code = ETIMEDOUT
                    if try wait(opened, POLLOUT, connectPatience, signal) {
                        var length = socklen_t(MemoryLayout<Int32>.size)
                        getsockopt(opened, SOL_SOCKET, SO_ERROR, &code, &length)
                    }
                }
            }
            // A port of this machine that nobody listens on may be the one that the kernel has just given to us: TCP then
            // connects the socket with itself, and everything sent would count as delivered.
            if code == 0, OwnAddress.isItself(opened) { code = ECONNREFUSED }
            if code == 0 {
                keepAlive(opened)
                return opened
            }
            reason = String(cString: strerror(code))
            close(opened)
        }
        throw SinkFault("cannot connect to \(place): \(reason)")
    }

    /// A peer that has vanished is noticed within a minute, also while nothing is sent.
    private static func keepAlive(_ descriptor: Int32) {
        for (level, option, value) in [
            (SOL_SOCKET, SO_KEEPALIVE, Int32(1)), (Int32(IPPROTO_TCP), TCP_KEEPIDLE, 20),
            (Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10), (Int32(IPPROTO_TCP), TCP_KEEPCNT, 3),
            (Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 30_000), (Int32(IPPROTO_TCP), TCP_NODELAY, 1),
        ] {
            var value = value
            _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// False when the time is up.
    private static func wait(
        _ descriptor: Int32, _ events: Int32, _ patience: Duration, _ signal: SinkSignal
    ) throws(SinkFault) -> Bool {
        let end = ContinuousClock.now + patience
        var stopping: ContinuousClock.Instant?
        while true {
            var polled = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            if poll(&polled, 1, step) > 0 { return true }
            guard ContinuousClock.now < end else { return false }
            if signal.isStopping {
                let since = stopping ?? .now
                stopping = since
                // A peer that is only slow may take the rest.
                if since.duration(to: .now) > .seconds(2) { throw .stopped }
            }
        }
    }

    private func shakeHands() throws(SinkFault) {
        while let tls {
            switch tls.handshake() {
            case .done: return
            case .wantsRead: try waitFor(POLLIN, Self.connectPatience)
            case .wantsWrite: try waitFor(POLLOUT, Self.connectPatience)
            case .ended: throw SinkFault("\(place): the connection was closed during the TLS handshake")
            case .failed(let reason): throw SinkFault("\(place): TLS: \(reason)")
            }
        }
    }

    private func waitFor(_ events: Int32, _ patience: Duration) throws(SinkFault) {
        guard try Self.wait(descriptor, events, patience, signal) else {
            throw SinkFault("\(place) has taken nothing for \(patience)")
        }
    }

    /// Sends all of it.
    ///
    /// - Throws: ``SinkFault``; any part may have arrived.
    func send(_ bytes: [UInt8]) throws(SinkFault) {
        var sent = 0
        while sent < bytes.count {
            let outcome = bytes[sent...].withUnsafeBytes { rest -> TLSConnection.Outcome in
                if let tls { return tls.send(rest) }
                let count = Foundation.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                if count >= 0 { return .done(count) }
                return errno == EAGAIN || errno == EINTR ? .wantsWrite : .failed(String(cString: strerror(errno)))
            }
            switch outcome {
            case .done(let count): sent += count
            case .wantsRead: try waitFor(POLLIN, Self.sendPatience)
            case .wantsWrite: try waitFor(POLLOUT, Self.sendPatience)
            case .ended: throw SinkFault("\(place) has closed the connection")
            case .failed(let reason): throw SinkFault("\(place): \(reason)")
            }
        }
    }

    /// Whether the peer has closed the connection. What it says otherwise is read and dropped: syslog has no answers.
    func check() throws(SinkFault) {
        var space = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<16 {
            let outcome = space.withUnsafeMutableBytes { space -> TLSConnection.Outcome in
                if let tls { return tls.receive(into: space) }
                let count = recv(descriptor, space.baseAddress, space.count, Int32(MSG_DONTWAIT))
                if count == 0 { return .ended }
                if count > 0 { return .done(count) }
                return errno == EAGAIN || errno == EINTR ? .wantsRead : .failed(String(cString: strerror(errno)))
            }
            switch outcome {
            case .done: continue
            case .wantsRead, .wantsWrite: return
            case .ended: throw SinkFault("\(place) has closed the connection")
            case .failed(let reason): throw SinkFault("\(place): \(reason)")
            }
        }
    }

    /// Says that nothing more comes, and waits a moment for the peer's end: it then has read everything.
    func finish() -> Bool {
        if let tls { tls.sendEnd() }
        guard shutdown(descriptor, Int32(SHUT_WR)) == 0 else { return false }
        let end = ContinuousClock.now + .seconds(2)
        var space = [UInt8](repeating: 0, count: 4096)
        while ContinuousClock.now < end {
            var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, Self.step) > 0 else { continue }
            let count = recv(descriptor, &space, space.count, Int32(MSG_DONTWAIT))
            if count == 0 { return true }
            if count < 0, errno != EAGAIN, errno != EINTR { return false }
        }
        return false
    }
}
