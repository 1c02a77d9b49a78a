/// Reads a message's fields in order. Every read is checked against the end; none traps.
package struct WireReader {
    private let bytes: UnsafeRawBufferPointer
    /// The next byte to read.
    package private(set) var position: Int

    package init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0) {
        self.bytes = bytes
        self.position = min(max(position, 0), bytes.count)
    }

    package var isAtEnd: Bool { position == bytes.count }

    /// The next byte, or nil at the end.
    package mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
    }

    /// The next big-endian 16-bit integer, or nil if fewer than two bytes are left.
    package mutating func int16() -> Int16? {
        guard bytes.count - position >= 2 else { return nil }
        defer { position += 2 }
        return Int16(bitPattern: UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1]))
    }

    /// So many bytes, or nil if fewer are left or the count is negative.
    package mutating func bytes(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0, bytes.count - position >= count else { return nil }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
    }

    /// The next big-endian 32-bit integer, or nil if fewer than four bytes are left.
    package mutating func int32() -> Int32? {
        guard bytes.count - position >= 4 else { return nil }
        defer { position += 4 }
        return bytes.loadInt32(at: position)
    }

    /// The bytes up to the next NUL, which is skipped; nil if there is none.
    package mutating func string() -> UnsafeRawBufferPointer? {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
        guard let end = rest.firstIndexOfNUL else { return nil }
        position += end + 1
        return UnsafeRawBufferPointer(rebasing: rest[..<end])
    }
}

#if canImport(Glibc)
    import Glibc
#endif

extension UnsafeRawBufferPointer {
    /// The index of the first NUL byte.
    package var firstIndexOfNUL: Int? {
        guard let start = baseAddress, count > 0, let found = memchr(start, 0, count) else { return nil }
        return UnsafeRawPointer(found) - start
    }

    /// The bytes as text; invalid UTF-8 becomes U+FFFD.
    package var text: String { String(decoding: self, as: UTF8.self) }
}
