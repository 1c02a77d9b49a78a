/// The first five bytes of a message: what it is and where it ends.
package struct FrameHeader: Sendable, Hashable {
    package var type: UInt8
    /// The whole message's byte count: type byte, length field and body.
    package var byteCount: Int
}

/// **Where bytes become messages.** Finds message boundaries; never reads beyond what has arrived, never trusts a
/// length before it is checked.
package enum FrameSplitter {
    /// Type byte and length field.
    package static var headerByteCount: Int { 5 }

    /// The header of the client message that begins at `offset`, or nil if fewer than five bytes of it are there.
    ///
    /// - Throws: `frontendType`, `frontendLength` (manual, "Message Formats"; limits: ``FrameLimits``).
    @inline(__always)
    package static func frontendHeader(
        in bytes: UnsafeRawBufferPointer, at offset: Int
    ) throws(WireFault) -> FrameHeader? {
        guard offset < bytes.count else { return nil }
        let type = bytes[offset]
        guard let limit = FrameLimits.frontendLimit(of: type) else { throw .frontendType(type) }
        guard bytes.count - offset >= headerByteCount else { return nil }
        let length = Int(bytes.loadInt32(at: offset + 1))
        guard length >= 4, length <= limit else { throw .frontendLength(type: type, length: length) }
        return FrameHeader(type: type, byteCount: length + 1)
    }

    /// The header of the server message that begins at `offset`, or nil if fewer than five bytes of it are there.
    ///
    /// - Throws: `backendLength`. Unknown types are no fault: a newer server may send them, and they pass.
    @inline(__always)
    package static func backendHeader(
        in bytes: UnsafeRawBufferPointer, at offset: Int
    ) throws(WireFault) -> FrameHeader? {
        guard bytes.count - offset >= headerByteCount else { return nil }
        let type = bytes[offset]
        let length = Int(bytes.loadInt32(at: offset + 1))
        guard length >= 4, length <= FrameLimits.backendMessage else {
            throw .backendLength(type: type, length: length)
        }
        return FrameHeader(type: type, byteCount: length + 1)
    }
}

extension UnsafeRawBufferPointer {
    /// The big-endian 32-bit integer at `offset`; the caller has checked that four bytes are there.
    @inline(__always)
    package func loadInt32(at offset: Int) -> Int32 {
        Int32(bigEndian: loadUnaligned(fromByteOffset: offset, as: Int32.self))
    }
}
