import Audit
import Configuration
import Foundation
import Logging
import Synchronization
import Testing
import Transport

@testable import Gateway

/// A server of one's own that answers every Query as if it were empty, and clients that ask while their sessions move.
@Suite("A session that moves between loops loses nothing") struct SessionMoveTests {
    /// Reads exactly so many bytes; nil at the end.
    private static func read(_ socket: Int32, _ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.count < count {
            let got = Glibc.read(socket, &buffer, min(buffer.count, count - bytes.count))
            guard got > 0 else { return nil }
            bytes += buffer[..<got]
        }
        return bytes
    }

    private static func write(_ socket: Int32, _ bytes: [UInt8]) -> Bool {
        Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// A message after its type byte: the length that stands in front of it counts itself.
    private static func body(_ socket: Int32) -> [UInt8]? {
        guard let header = read(socket, 4) else { return nil }
        let length = header.reduce(0) { $0 << 8 | Int($1) }
        return length == 4 ? [] : read(socket, length - 4)
    }

    private static func message(_ type: Character, _ body: [UInt8]) -> [UInt8] {
        let length = UInt32(body.count + 4)
        return Array(String(type).utf8) + withUnsafeBytes(of: length.bigEndian) { Array($0) } + body
    }

    /// Serves one connection until it ends.
    private static func serve(_ socket: Int32) {
        defer { close(socket) }
        let ready = message("Z", Array("I".utf8))
        guard body(socket) != nil, write(socket, message("R", [0, 0, 0, 0]) + ready) else { return }
        while let type = read(socket, 1), let text = body(socket), type == Array("Q".utf8) {
            // The text comes back in a notice, so that the client can tell whose answer it is.
            let notice = message("N", Array("M".utf8) + text + [0])
            guard write(socket, notice + message("I", []) + ready) else { return }
        }
    }

    /// Asks `count` times; how many answers were its own.
    private static func ask(_ socket: Int32, _ name: Int, count: Int) -> Int {
        let packet: [UInt8] = [0, 3, 0, 0] + Array("user\0u\0database\0d\0\0".utf8)
        let startup = withUnsafeBytes(of: UInt32(packet.count + 4).bigEndian) { Array($0) } + packet
        guard write(socket, startup), read(socket, 9 + 6) != nil else { return 0 }
        for round in 0..<count {
            let text = Array("-- \(name) \(round)\0".utf8)
            let answer = message("N", Array("M".utf8) + text + [0]) + message("I", []) + message("Z", Array("I".utf8))
            guard write(socket, message("Q", text)), read(socket, answer.count) == answer else { return round }
        }
        return count
    }

    private static func pair() throws -> (Int32, Int32) {
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    @Test("sixteen clients ask 400 times each while their sessions change loops", .timeLimit(.minutes(2)))
    func move() throws {
        let folder = NSTemporaryDirectory() + "/holdfast-move-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/server"
        let listener = try Listener(SocketAddress(unixPath: path))
        #expect(fcntl(listener.descriptor, F_SETFL, 0) == 0)
        let accepting = listener.descriptor
        let serving = Thread {
            for _ in 0..<16 {
                let socket = accept(accepting, nil, nil)
                guard socket >= 0 else { return }
                Thread { Self.serve(socket) }.start()
            }
        }
        serving.start()

        let upstream = Upstream(UpstreamSettings(name: "server", servers: [.unix(path: path)]))
        #expect(upstream.resolve().isEmpty)
        let audit = try AuditWriter(path: folder + "/trail", durability: .write)
        defer { audit.close() }
        let configuration = try ConfigurationReader.read("", file: "proxy.conf", version: 1)
        let group = try LoopGroup(
            count: 2,
            context: LoopContext(
                upstreams: Upstreams(standard: upstream), audit: audit,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                serverUnreachable: {}),
            settings: LoopSettings(configuration, encryption: EncryptionPolicy(configuration)))
        let answered = Mutex<[Int]>([])
        let finished = DispatchGroup()
        for name in 0..<16 {
            let (near, far) = try Self.pair()
            #expect(fcntl(far, F_SETFL, O_NONBLOCK) == 0)
            group.adopt(
                socket: far, peer: try SocketAddress(unixPath: "/test"), listener: "test")
            finished.enter()
            Thread {
                let count = Self.ask(near, name, count: 400)
                close(near)
                answered.withLock { $0.append(count) }
                finished.leave()
            }.start()
        }
        // Everything from one loop to the other and back, as fast as they take it, until the clients are done.
        var hasMoved = false
        var at = 0
        while finished.wait(timeout: .now() + .milliseconds(1)) == .timedOut {
            group.loops[at].mailbox.post(.handOver(share: at == 0 ? 0.5 : 1, to: group.loops[1 - at]))
            // All began on the first.
            if group.loops[1].load.sessions > 0 { hasMoved = true }
            at = 1 - at
        }
        #expect(answered.withLock { $0 } == Array(repeating: 400, count: 16))
        #expect(hasMoved)
        group.drain(deadline: 0)
        group.stop()
        #expect(group.sessionCount == 0)
    }
}
