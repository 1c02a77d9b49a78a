import PostgresWire
import Session

/// Properties of ``FrameSplitter`` and of the readers of messages.
enum FrameProperties {
    /// What a stream of bytes comes to.
    private struct Cut: Equatable {
        var frames: [FrameHeader] = []
        var fault: WireFault?
        /// Bytes behind the last whole message.
        var left = 0
    }

    /// The input: a byte for the size of pieces, a byte for the side, the stream.
    static func violation(_ input: inout FuzzInput) -> String? {
        let pieceSize = 1 + input.choice(below: 64)
        let isClient = input.choice(below: 2) == 0
        let stream = input.rest()
        let whole = cut(stream, pieceSize: max(1, stream.count), isClient)
        let pieces = cut(stream, pieceSize: pieceSize, isClient)
        if whole != pieces { return "whole: \(whole), in pieces of \(pieceSize): \(pieces)" }
        let total = whole.frames.reduce(0) { $0 + $1.byteCount }
        if whole.fault == nil, total + whole.left != stream.count { return "\(stream.count) bytes became \(whole)" }
        var at = 0
        for frame in whole.frames {
            if frame.byteCount < FrameSplitter.headerByteCount { return "a frame of \(frame.byteCount) bytes" }
            Array(stream[at..<(at + frame.byteCount)]).withExactBytes { read($0) }
            at += frame.byteCount
        }
        return startup(stream, pieceSize: pieceSize)
    }

    /// Cuts as the session machine does: a header as soon as it is there, the message when it is whole.
    private static func cut(_ stream: [UInt8], pieceSize: Int, _ isClient: Bool) -> Cut {
        var result = Cut()
        var held: [UInt8] = []
        for start in stride(from: 0, to: stream.count, by: pieceSize) {
            held += stream[start..<min(start + pieceSize, stream.count)]
            reading: while !held.isEmpty {
                let found: Result<FrameHeader?, WireFault> = held.withExactBytes { bytes in
                    do throws(WireFault) {
                        return .success(
                            try isClient
                                ? FrameSplitter.frontendHeader(in: bytes, at: 0)
                                : FrameSplitter.backendHeader(in: bytes, at: 0))
                    } catch {
                        return .failure(error)
                    }
                }
                switch found {
                case .failure(let fault):
                    result.fault = fault
                    return result
                case .success(let header?) where header.byteCount <= held.count:
                    result.frames.append(header)
                    held.removeFirst(header.byteCount)
                case .success:
                    break reading
                }
            }
        }
        result.left = held.count
        return result
    }

    /// Every reader must take every message, whatever its type says.
    private static func read(_ message: UnsafeRawBufferPointer) {
        _ = QueryMessage.text(in: message)
        _ = ParseMessage(message)
        _ = BindMessage(message)
        _ = ExecuteMessage(message)
        _ = CloseMessage(message)
        _ = FunctionCallMessage.function(in: message)
        _ = ErrorFields(message: message)
    }
}

extension FrameProperties {
    /// A connection's first packets: what is consumed was there, and each answer comes once.
    private static func startup(_ stream: [UInt8], pieceSize: Int) -> String? {
        startup(stream, pieceSize: pieceSize, offersTLS: false)
            ?? startup(stream, pieceSize: pieceSize, offersTLS: true)
    }

    private static func startup(_ stream: [UInt8], pieceSize: Int, offersTLS: Bool) -> String? {
        var machine = StartupMachine(offersTLS: offersTLS)
        var held: [UInt8] = []
        var replies = 0
        for start in stride(from: 0, to: stream.count, by: pieceSize) {
            held += stream[start..<min(start + pieceSize, stream.count)]
            reading: while true {
                let step: Result<StartupMachine.Step, WireFault> = held.withExactBytes { bytes in
                    do throws(WireFault) { return .success(try machine.step(bytes)) } catch { return .failure(error) }
                }
                switch step {
                case .failure: return nil
                case .success(.wait(let byteCount)):
                    if byteCount <= held.count { return "waits for \(byteCount) bytes and holds \(held.count)" }
                    break reading
                case .success(.reply(_, let consumed)):
                    replies += 1
                    if consumed != held.count || replies > 2 { return "\(consumed) of \(held.count) bytes answered" }
                    held = []
                case .success(.beginTLS(_, let consumed)):
                    if !offersTLS || consumed != held.count { return "TLS with \(held.count - consumed) bytes left" }
                    machine.encryptionBegan()
                    held = []
                case .success(.cancel(let byteCount)), .success(.open(_, let byteCount)):
                    return byteCount <= held.count ? nil : "takes \(byteCount) of \(held.count) bytes"
                }
            }
        }
        return nil
    }
}
