import Foundation

/// One line of a trail. Its bytes are valid only while the body that it was handed to runs.
package struct AuditLine {
    /// Counted from 1 in this file.
    package var number: Int
    /// The line without its end.
    package var bytes: UnsafeBufferPointer<UInt8>
    /// What it says, or why it cannot be read.
    package var content: Result<AuditRecord, AuditDecodeFault>
}

/// Reads a trail from its beginning, line by line, in memory that the longest line decides. The file may be growing.
///
/// Torn and foreign lines are handed out like others, with their fault in place of a record. Empty lines are skipped.
package struct AuditReader: ~Copyable {
    /// A longer line is reported as no record and not held. The proxy's own limits keep lines far below it.
    package static let maximumLineByteCount = 256 << 20
    private static let chunkByteCount = 256 << 10

    package let path: String
    private var descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: AuditReader.chunkByteCount)
    /// What was read and not yet handed out: `buffer[start..<end]`.
    private var start = 0
    private var end = 0
    private var lineNumber = 0
    /// Inside a line that is too long.
    private var isSkipping = false

    /// Opens a trail.
    ///
    /// - Throws: ``AuditFault`` with path, reason and remedy.
    package init(path: String) throws(AuditFault) {
        self.path = path
        descriptor = try Self.open(path)
    }

    deinit { close(descriptor) }

    /// Hands out every whole line up to the present end of the file. Call again for what was appended since.
    ///
    /// - Throws: ``AuditFault``: the file cannot be read.
    package mutating func read(_ body: (AuditLine) -> Void) throws(AuditFault) {
        while try fill() { handOut(body) }
    }

    /// Hands out what follows the last line end, if anything: a line that is being written, or was torn by a crash.
    package mutating func readRest(_ body: (AuditLine) -> Void) {
        guard end > start else { return }
        lineNumber += 1
        buffer[start..<end].withUnsafeBufferPointer { handOut($0, body) }
        start = end
    }

    /// Whether the path names another file by now (rotation), or the file was cut: if so what was left of the old one is
    /// handed out, and reading starts at the beginning of the new one.
    ///
    /// - Throws: ``AuditFault``: the file cannot be read.
    package mutating func followRotation(_ body: (AuditLine) -> Void) throws(AuditFault) -> Bool {
        var named = stat()
        var opened = stat()
        // Between the two files of a rotation there may be none for a moment.
        guard stat(path, &named) == 0, fstat(descriptor, &opened) == 0 else { return false }
        let isSame = named.st_dev == opened.st_dev && named.st_ino == opened.st_ino
        if isSame {
            guard opened.st_mode & S_IFMT == S_IFREG, opened.st_size < lseek(descriptor, 0, SEEK_CUR) else {
                return false
            }
        } else {
            try read(body)
        }
        readRest(body)
        let new = try Self.open(path)
        close(descriptor)
        descriptor = new
        start = 0
        end = 0
        lineNumber = 0
        isSkipping = false
        return true
    }

    /// Reads the next piece; false at the end.
    private mutating func fill() throws(AuditFault) -> Bool {
        if start > 0 {
            buffer.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                memmove(base, base + start, end - start)
            }
            end -= start
            start = 0
        }
        if end == buffer.count {
            if end >= Self.maximumLineByteCount {
                isSkipping = true
                end = 0
            } else {
                buffer.append(contentsOf: repeatElement(0, count: buffer.count))
            }
        }
        while true {
            let count = buffer.withUnsafeMutableBytes { bytes in
                Foundation.read(descriptor, bytes.baseAddress.map { $0 + end }, bytes.count - end)
            }
            if count >= 0 {
                end += count
                return count > 0
            }
            guard errno == EINTR else { throw AuditFault(path: path, call: "read", errorNumber: errno) }
        }
    }

    private mutating func handOut(_ body: (AuditLine) -> Void) {
        buffer.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            while start < end, let found = memchr(base + start, Int32(UInt8(ascii: "\n")), end - start) {
                let next = UnsafeRawPointer(found) - UnsafeRawPointer(base)
                lineNumber += 1
                if isSkipping {
                    isSkipping = false
                    body(
                        AuditLine(
                            number: lineNumber, bytes: UnsafeBufferPointer(rebasing: bytes[next..<next]),
                            content: .failure(.notJSON(offset: Self.maximumLineByteCount))))
                } else {
                    handOut(UnsafeBufferPointer(rebasing: bytes[start..<next]), body)
                }
                start = next + 1
            }
        }
        if isSkipping { start = end }
    }

    private borrowing func handOut(_ line: UnsafeBufferPointer<UInt8>, _ body: (AuditLine) -> Void) {
        guard !line.isEmpty else { return }
        do throws(AuditDecodeFault) {
            body(AuditLine(number: lineNumber, bytes: line, content: .success(try AuditDecoder.decode(line))))
        } catch {
            body(AuditLine(number: lineNumber, bytes: line, content: .failure(error)))
        }
    }

    private static func open(_ path: String) throws(AuditFault) -> Int32 {
        let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            let remedy =
                switch errno {
                case ENOENT: "name the file with --file, or the proxy.conf that names it with --config"
                case EACCES: "only its owner may read the trail: run this as the user that runs Holdfast"
                default: "name a file that can be read with --file"
                }
            throw AuditFault(path: path, call: "open", errorNumber: errno, remedy: remedy)
        }
        return descriptor
    }
}
