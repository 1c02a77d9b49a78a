import Audit
import Foundation
import TLSEngine

/// A syslog server: RFC 5424 over TCP with octet counting (RFC 6587), over TLS (RFC 5425), or a local datagram socket.
///
/// Syslog has no receipts. A record counts as delivered when the connection has stood for a while after it was sent; what
/// was sent in that while before a connection broke is sent again.
final class SyslogTarget: SinkTarget {
    let receiptDelay = Duration.seconds(5)

    private let settings: SyslogSinkSettings
    private let format: SinkSettings.Format
    private let signal: SinkSignal
    private let message: SyslogMessage
    private var stream: SinkSocket?
    private var datagrams: Int32 = -1

    init(_ settings: SyslogSinkSettings, format: SinkSettings.Format, signal: SinkSignal) {
        self.settings = settings
        self.format = format
        self.signal = signal
        message = SyslogMessage(settings.header)
    }

    deinit { _ = close(isAtEnd: false) }

    func open() throws(SinkFault) {
        switch settings.address {
        case .tcp(let host, let port):
            stream = try SinkSocket(
                host: host, port: port, context: try context(), serverName: settings.encryption?.serverName ?? host,
                place: settings.address.text, signal: signal)
        case .unix(let path): datagrams = try Self.connect(path)
        }
    }

    /// Certificates are read anew with each connection, so that renewed ones need no reload.
    private func context() throws(SinkFault) -> TLSContext? {
        guard let encryption = settings.encryption else { return nil }
        do throws(TLSError) {
            return try TLSContext(
                TLSContext.ClientSettings(
                    verifiesServer: true, authorityPath: encryption.authorityPath,
                    certificatePath: encryption.certificatePath, keyPath: encryption.keyPath,
                    namesProtocol: false))
        } catch {
            throw SinkFault(error)
        }
    }

    func send(_ records: [AuditFollowed]) throws(SinkFault) {
        var bytes: [UInt8] = []
        for record in records {
            let made = message.bytes(line: RecordLine(record), text: RecordText.bytes(of: record, as: format))
            if stream == nil {
                try sendDatagram(made)
            } else {
                bytes += SyslogMessage.framed(made)
            }
        }
        try stream?.send(bytes)
    }

    func check() throws(SinkFault) { try stream?.check() }

    func close(isAtEnd: Bool) -> Bool {
        let isDelivered = isAtEnd && (stream?.finish() ?? (datagrams >= 0))
        stream?.end()
        stream = nil
        if datagrams >= 0 { Foundation.close(datagrams) }
        datagrams = -1
        return isDelivered
    }

    // MARK: - A local socket

    private static func connect(_ path: String) throws(SinkFault) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let isFit = withUnsafeMutableBytes(of: &address.sun_path) { space in
            guard path.utf8.count < space.count else { return false }
            space.copyBytes(from: path.utf8)
            return true
        }
        guard isFit else { throw SinkFault("unix:\(path): the path is too long for a socket") }
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let opened = socket(AF_UNIX, kind, 0)
        guard opened >= 0 else { throw SinkFault("socket: \(String(cString: strerror(errno)))") }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(opened, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            let reason = String(cString: strerror(errno))
            Foundation.close(opened)
            throw SinkFault("cannot connect to unix:\(path): \(reason)")
        }
        return opened
    }

    private func sendDatagram(_ message: [UInt8]) throws(SinkFault) {
        while Foundation.send(datagrams, message, message.count, Int32(MSG_NOSIGNAL)) < 0 {
            let code = errno
            guard code == EAGAIN || code == ENOBUFS || code == EINTR else {
                throw SinkFault("\(settings.address.text): \(String(cString: strerror(code)))")
            }
            if signal.isStopping { throw .stopped }
            var polled = pollfd(fd: datagrams, events: Int16(POLLOUT), revents: 0)
            _ = poll(&polled, 1, 200)
        }
    }
}
