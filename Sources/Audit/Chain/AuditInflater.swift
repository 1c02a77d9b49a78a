import CZlib
import Foundation

/// Takes apart a file that gzip has compressed (logrotate's `compress`), as it is read. Several such behind each other count
/// as one.
final class AuditInflater {
    /// The first bytes of such a file (RFC 1952, 2.3.1).
    static let magic: [UInt8] = [0x1F, 0x8B]

    // On the heap: zlib keeps the structure's own address.
    private let stream: UnsafeMutablePointer<z_stream>
    private var input = [UInt8](repeating: 0, count: 128 << 10)
    private var start = 0
    private var end = 0
    private var isBetweenMembers = true

    init?() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard zlib_inflate_begin(stream) == Z_OK else {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Fills some of the space; 0 at the end.
    ///
    /// - Parameter more: reads from the file, as read(2).
    /// - Throws: ``AuditFault`` if the file cannot be read, is damaged or ends too early.
    func read(
        into space: UnsafeMutableRawBufferPointer, path: String, _ more: (UnsafeMutableRawBufferPointer) -> Int
    ) throws(AuditFault) -> Int {
        var filled = 0
        while filled == 0 {
            if start == end {
                let count = input.withUnsafeMutableBytes(more)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw AuditFault(path: path, call: "read", errorNumber: errno) }
                if count == 0 {
                    guard isBetweenMembers else {
                        throw AuditFault(description: "audit trail \(path): cut off within what gzip has compressed")
                    }
                    return 0
                }
                (start, end) = (0, count)
            }
            if isBetweenMembers {
                // Tapes and copies pad with zeros, as gzip(1) allows.
                while start < end, input[start] == 0 { start += 1 }
                if start == end { continue }
                inflateReset(stream)
                isBetweenMembers = false
            }
            let room = min(space.count, 1 << 30)
            let result = input.withUnsafeMutableBufferPointer { bytes in
                stream.pointee.next_in = bytes.baseAddress.map { $0 + start }
                stream.pointee.avail_in = UInt32(end - start)
                stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_out = UInt32(room)
                let result = inflate(stream, Z_NO_FLUSH)
                start = end - Int(stream.pointee.avail_in)
                return result
            }
            filled = room - Int(stream.pointee.avail_out)
            switch result {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END: isBetweenMembers = true
            default: throw AuditFault(description: "audit trail \(path): damaged, or not compressed with gzip")
            }
        }
        return filled
    }
}
