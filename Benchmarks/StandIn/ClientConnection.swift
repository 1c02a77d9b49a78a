import CLinux
import Glibc
import TLSEngine
import Transport

/// One client's connection, from connect(2) to its end.
final class ClientConnection {
    enum Phase { case connecting, askingForTLS, securing, loggingIn, idle, asking }

    /// What an event has brought.
    enum Outcome {
        case nothing
        /// The client is in, or has its answer.
        case ready
        /// The connection is of no more use: the SQLSTATE that the other side gave, or what happened to the socket.
        case over(String)
    }

    private(set) var phase = Phase.connecting
    /// Monotonic nanoseconds.
    let begunAt = linux_clock_monotonic()
    private var stream: Transport.Stream
    private var cutter = MessageCutter()
    private let context: TLSContext?
    private var lastError: String?

    var number: Int32 { stream.number }

    /// Begins to connect.
    ///
    /// - Parameter context: for TLS; nil for none.
    /// - Throws: an errno, in words.
    init(to address: SocketAddress, from source: SocketAddress, context: TLSContext?) throws(TransportError) {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = socket(address.family, flags, 0)
        guard number >= 0 else { throw TransportError(operation: "open", address: "a socket", code: errno) }
        stream = Stream(OwnedDescriptor(number), isUnix: false)
        self.context = context
        KeepaliveOptions().apply(to: number)
        // The port is chosen by connect(2), which may give one to several connections.
        var on: Int32 = 1
        setsockopt(number, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, &on, socklen_t(MemoryLayout<Int32>.size))
        guard source.withSockaddr({ bind(number, $0, $1) }) == 0 else {
            throw TransportError(operation: "bind", address: source.text, code: errno)
        }
        if address.withSockaddr({ connect(number, $0, $1) }) != 0, errno != EINPROGRESS {
            throw TransportError(operation: "connect to", address: address.text, code: errno)
        }
    }

    /// Asks something; ``Outcome/ready`` when the answer is there.
    func ask() -> Bool {
        phase = .asking
        return send(StandInMessages.query)
    }

    /// Says goodbye; the caller lets the connection go.
    func terminate() {
        _ = send(StandInMessages.terminate)
        stream.sayEnd()
    }

    func ready(events: UInt32, scratch: UnsafeMutableRawBufferPointer) -> Outcome {
        stream.note(events: events)
        if phase == .connecting {
            guard stream.isWritable else { return .nothing }
            let code = stream.connectionError()
            if code != 0 { return .over(TransportError.text(code)) }
            phase = context == nil ? .loggingIn : .askingForTLS
            guard send(context == nil ? StandInMessages.startup : StandInMessages.sslRequest) else { return lost }
        }
        if phase == .askingForTLS, let context {
            var answer: UInt8 = 0
            guard withUnsafeMutableBytes(of: &answer, { stream.receive(into: $0) }) == 1 else { return endOrNothing }
            guard answer == UInt8(ascii: "S") else { return .over("no TLS") }
            do {
                stream.begin(try TLSConnection(context, descriptor: stream.number))
            } catch { return .over("TLS") }
            phase = .securing
        }
        if phase == .securing {
            switch stream.handshake() {
            case .underWay: return .nothing
            case .failed: return .over("TLS")
            case .done:
                phase = .loggingIn
                guard send(StandInMessages.startup) else { return lost }
            }
        }
        return read(scratch)
    }

    private func read(_ scratch: UnsafeMutableRawBufferPointer) -> Outcome {
        var isReady = false
        while true {
            let count = stream.receive(into: scratch)
            if count == 0 { break }
            cutter.cut(UnsafeRawBufferPointer(rebasing: scratch[..<count]), hasType: { true }) { type, body in
                switch Unicode.Scalar(type) {
                case "Z": isReady = true
                case "E": lastError = Self.sqlState(body)
                default: break
                }
            }
        }
        if stream.hasEnded { return lost }
        if isReady {
            phase = .idle
            return .ready
        }
        return .nothing
    }

    private var lost: Outcome { .over(lastError ?? "closed") }
    private var endOrNothing: Outcome { stream.hasEnded ? lost : .nothing }

    private func send(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { stream.send($0) } == bytes.count && !stream.hasFailed
    }

    private static func sqlState(_ body: UnsafeRawBufferPointer) -> String {
        for field in body.split(separator: 0) where field.first == UInt8(ascii: "C") {
            return String(decoding: field.dropFirst(), as: UTF8.self)
        }
        return "error"
    }
}
