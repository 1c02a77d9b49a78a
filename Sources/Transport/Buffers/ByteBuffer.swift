/// Bytes on their way: filled at the end, taken from the front. Holds no memory while empty.
package struct ByteBuffer: ~Copyable {
    private var storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var start = 0
    private var end = 0

    package init() {}

    deinit { storage.deallocate() }

    package var count: Int { end - start }
    /// The memory that is held, in bytes.
    package var capacity: Int { storage.count }
    package var isEmpty: Bool { start == end }

    /// The bytes, valid until the next change.
    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(storage)[start..<end])
    }

    /// Adds a copy.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        reserve(bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: storage[end...]).copyMemory(from: bytes)
        end += bytes.count
    }

    /// Puts a copy in front of everything.
    package mutating func prepend(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        var joined = ByteBuffer()
        joined.reserve(bytes.count + count)
        joined.append(bytes)
        joined.append(self.bytes)
        self = joined
    }

    /// Lets `fill` write into free space of at least `minimum` bytes and says how much it wrote.
    package mutating func fill(minimum: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        reserve(minimum)
        let space = UnsafeMutableRawBufferPointer(rebasing: storage[end...])
        let count = min(max(fill(space), 0), space.count)
        end += count
        return count
    }

    /// Takes so many bytes from the front.
    package mutating func drop(_ count: Int) {
        start += min(max(count, 0), end - start)
        guard start == end else { return }
        storage.deallocate()
        storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        start = 0
        end = 0
    }

    private mutating func reserve(_ free: Int) {
        guard storage.count - end < free else { return }
        let needed = count + free
        if needed <= storage.count && start >= storage.count / 2 {
            storage.copyMemory(from: bytes)
        } else {
            let grown = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(needed, min(storage.count * 2, storage.count + (16 << 20))), alignment: 16)
            grown.copyMemory(from: bytes)
            storage.deallocate()
            storage = grown
        }
        end = count
        start = 0
    }
}
