import ArgumentParser
import Foundation

/// Standard input, line by line, from as few reads as possible.
struct LineInput: ~Copyable {
    enum Line {
        case text(UnsafeRawBufferPointer)
        /// Longer than ``maximumLineBytes``; its bytes are gone.
        case tooLong
    }

    static let maximumLineBytes = 256 << 20
    private static let chunkBytes = 256 << 10

    private var buffer: [UInt8] = []
    /// Bytes of `buffer` that are known to hold no newline.
    private var scanned = 0
    private var isSkippingLine = false
    private var isAtEnd = false
    private var chunk = [UInt8](repeating: 0, count: LineInput.chunkBytes)

    /// Reads what is there, waiting for at least one byte.
    ///
    /// - Returns: false at the end of the input, once the last line has been handed out.
    mutating func readMore() throws -> Bool {
        if isAtEnd { return false }
        if let bytes = try readChunk() {
            buffer.append(contentsOf: bytes)
        } else {
            isAtEnd = true
            // The last line may lack its newline.
            if buffer.isEmpty && !isSkippingLine { return false }
            buffer.append(UInt8(ascii: "\n"))
        }
        return true
    }

    /// The next bytes of the input; nil at its end.
    ///
    /// - Throws: `ExitCode.failure` after the reason has been shown.
    mutating func readChunk() throws -> ArraySlice<UInt8>? {
        while true {
            let count = chunk.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
            if count > 0 { return chunk[..<count] }
            if count == 0 { return nil }
            guard errno == EINTR else {
                ConfigurationOption.printError("holdfast: standard input: \(String(cString: strerror(errno)))")
                throw ExitCode.failure
            }
        }
    }

    /// Hands out all complete lines without their newlines.
    mutating func forEachLine(_ body: (Line) throws -> Void) rethrows {
        var start = 0
        try buffer.withUnsafeBytes { bytes in
            var search = scanned
            while search < bytes.count, let newline = bytes[search...].firstIndex(of: UInt8(ascii: "\n")) {
                if isSkippingLine {
                    isSkippingLine = false
                    try body(.tooLong)
                } else {
                    try body(.text(UnsafeRawBufferPointer(rebasing: bytes[start..<newline])))
                }
                start = newline + 1
                search = start
            }
        }
        buffer.removeFirst(start)
        scanned = buffer.count
        if buffer.count > Self.maximumLineBytes {
            isSkippingLine = true
            buffer.removeAll()
            scanned = 0
        }
    }

    /// Whether a read would not wait.
    var hasMoreReady: Bool {
        var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        return poll(&input, 1, 0) > 0
    }
}

/// Standard output, written in large pieces.
struct BufferedOutput {
    var bytes: [UInt8] = []
    /// How much is gathered before it is written.
    static let limit = 64 << 10

    /// Writes everything.
    ///
    /// - Throws: `ExitCode.failure` after the reason has been shown.
    mutating func flush() throws {
        try bytes.withUnsafeBytes { all in
            var rest = all[...]
            while !rest.isEmpty {
                let count = write(STDOUT_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if count < 0, errno != EINTR {
                    ConfigurationOption.printError("holdfast: standard output: \(String(cString: strerror(errno)))")
                    throw ExitCode.failure
                }
            }
        }
        bytes.removeAll(keepingCapacity: true)
    }
}
