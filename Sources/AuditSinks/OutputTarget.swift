import Audit
import Foundation

/// Standard output: a line each. A reader that does not read keeps only this sink waiting.
final class OutputTarget: SinkTarget {
    /// So much a pipe that can be written takes at once (pipe(7)): the write never waits.
    private static let pieceByteCount = 4096

    private let descriptor: Int32
    private let format: SinkSettings.Format
    private let signal: SinkSignal
    /// A line was cut off by a fault: the next begins on a line of its own.
    private var isInsideLine = false

    init(_ descriptor: Int32, format: SinkSettings.Format, signal: SinkSignal) {
        self.descriptor = descriptor
        self.format = format
        self.signal = signal
    }

    func open() throws(SinkFault) {}

    func send(_ records: [AuditFollowed]) throws(SinkFault) {
        for record in records {
            var bytes = RecordText.bytes(of: record, as: format)
            bytes.append(UInt8(ascii: "\n"))
            if isInsideLine { bytes.insert(UInt8(ascii: "\n"), at: 0) }
            try write(bytes)
        }
    }

    private func write(_ bytes: [UInt8]) throws(SinkFault) {
        var written = 0
        while written < bytes.count {
            try waitForReader()
            let piece = bytes[written..<min(bytes.count, written + Self.pieceByteCount)]
            let count = piece.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                throw SinkFault("standard output: \(String(cString: strerror(errno)))")
            }
            written += count
            isInsideLine = written < bytes.count
        }
    }

    private func waitForReader() throws(SinkFault) {
        while true {
            var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if poll(&polled, 1, 200) > 0 {
                // Without a reader, also where it never comes back: said by write(2).
                return
            }
            if signal.isStopping { throw .stopped }
        }
    }

    func close(isAtEnd: Bool) -> Bool { isAtEnd }
}
