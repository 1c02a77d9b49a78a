import CLinux
import Glibc
import Transport

/// The server: one thread, one epoll loop.
final class StandInServer {
    private let listener: Listener
    private let selector: EpollSelector
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
    private var connections: [ServerConnection?] = []
    private static let listenerValue = UInt64.max

    init(_ listener: Listener) throws {
        linuxRaiseLimit()
        self.listener = listener
        selector = try EpollSelector()
        try selector.addReadable(listener.descriptor, value: Self.listenerValue)
    }

    deinit { scratch.deallocate() }

    func run() throws {
        while true {
            selector.wait(milliseconds: -1) { value, events in
                if value == Self.listenerValue {
                    accept()
                } else if let connection = connections[Int(value)],
                    !connection.ready(events: events, scratch: scratch)
                {
                    connections[Int(value)] = nil
                }
            }
        }
    }

    /// A connection's place is its descriptor: the kernel gives that out again only once the connection is closed.
    private func accept() {
        var failure: Int32 = 0
        for _ in 0..<64 {
            guard let (socket, _) = listener.accept(failure: &failure) else { return }
            while connections.count <= Int(socket) { connections.append(nil) }
            let connection = ServerConnection(Stream(OwnedDescriptor(socket), isUnix: false))
            connections[Int(socket)] = connection
            do {
                try selector.add(socket, value: UInt64(socket), watchesWrites: true)
            } catch {
                connections[Int(socket)] = nil
            }
        }
    }
}

/// One session of the server's.
private final class ServerConnection {
    private var stream: Transport.Stream
    private var cutter = MessageCutter()
    private var hasStarted = false
    private var isOver = false

    init(_ stream: consuming Transport.Stream) {
        self.stream = stream
        self.stream.isWritable = true
    }

    /// - Returns: whether the session goes on.
    func ready(events: UInt32, scratch: UnsafeMutableRawBufferPointer) -> Bool {
        stream.note(events: events)
        while stream.isReadable, !stream.hasEnded, !isOver {
            let count = stream.receive(into: scratch)
            if count == 0 { break }
            var output: [UInt8] = []
            cutter.cut(UnsafeRawBufferPointer(rebasing: scratch[..<count]), hasType: { hasStarted }) { type, body in
                output += answer(type, body)
            }
            if !output.isEmpty { isOver = output.withUnsafeBytes { stream.send($0) } < output.count || isOver }
        }
        return !stream.hasEnded && !isOver
    }

    private func answer(_ type: UInt8, _ body: UnsafeRawBufferPointer) -> [UInt8] {
        switch Unicode.Scalar(type) {
        case "\0":
            switch body.count >= 4 ? body.loadUnaligned(as: UInt32.self).bigEndian : 0 {
            // SSLRequest, GSSENCRequest.
            case 80_877_103, 80_877_104: return [UInt8(ascii: "N")]
            case 0x30000..<0x40000:
                hasStarted = true
                return StandInMessages.welcome(process: Int(stream.number))
            default: isOver = true
            }
        case "Q": return StandInMessages.answer
        case "S": return StandInMessages.readyForQuery
        case "P": return StandInMessages.parseComplete
        case "B": return StandInMessages.bindComplete
        case "C": return StandInMessages.closeComplete
        case "D": return StandInMessages.noData
        case "E": return StandInMessages.commandComplete
        case "X": isOver = true
        default: break
        }
        return []
    }
}

/// Thousands of descriptors are wanted.
func linuxRaiseLimit() { _ = linux_raise_descriptor_limit() }
