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

/// Reads a file of a trail from its beginning, line by line, in memory that the longest line decides. It may be growing, or
/// compressed (``AuditCompressor``).
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
    private var decompressor: AuditDecompressor?
    private var inflater: AuditInflater?
    /// The trail's number of the file, if it begins with that.
    private var fileNumber: Int64?

    /// Opens a trail.
    ///
    /// - Throws: ``AuditFault`` with path, reason and remedy.
    package init(path: String) throws(AuditFault) {
        self.path = path
        descriptor = try Self.open(path)
        var first = [UInt8](repeating: 0, count: 4)
        if pread(descriptor, &first, first.count, 0) == first.count, first == AuditDecompressor.magic {
            decompressor = AuditDecompressor()
        } else if first.starts(with: AuditInflater.magic) {
            inflater = AuditInflater()
        }
    }

    /// Opens a file that is being written, to be read on from a place that was read up to: a line's beginning.
    ///
    /// - Throws: ``AuditFault`` with path, reason and remedy.
    package static func following(_ path: String) throws(AuditFault) -> AuditReader {
        var reader = try AuditReader(path: path)
        try reader.skipWholeLines()
        return reader
    }

    private mutating func skipWholeLines() throws(AuditFault) {
        if decompressor != nil || inflater != nil {
            throw AuditFault(description: "audit trail \(path): it is compressed, and nothing will be added to it")
        }
        let length = Self.length(of: descriptor)
        let contents = AuditFileContents(of: descriptor, length: length)
        fileNumber = contents.start?.file
        wholeLinesEnd = length - off_t(contents.tornByteCount)
        guard lseek(descriptor, wholeLinesEnd, SEEK_SET) == wholeLinesEnd else {
            throw AuditFault(
                description: "audit trail \(path): it is no file; without --follow it is read to its end"
            )
        }
    }

    /// Where the last whole line ended when the file was opened to be followed.
    private(set) var wholeLinesEnd: off_t = 0

    /// The trail's number of the file, where it is known.
    var followedFileNumber: Int64? { fileNumber }

    /// Device and inode of the open file.
    var identity: (dev_t, ino_t) {
        var opened = stat()
        return fstat(descriptor, &opened) == 0 ? (opened.st_dev, opened.st_ino) : (0, 0)
    }

    private static func length(of descriptor: Int32) -> off_t {
        var opened = stat()
        return fstat(descriptor, &opened) == 0 && opened.st_mode & S_IFMT == S_IFREG ? opened.st_size : 0
    }

    deinit { close(descriptor) }

    /// Hands out every whole line up to the present end of the file. Call again for what was appended since.
    ///
    /// - Throws: ``AuditFault``: the file cannot be read.
    package mutating func read(_ body: (AuditLine) -> Void) throws(AuditFault) {
        while try fill() {
            var number = fileNumber
            handOut {
                Self.decode($0, $1) { line in
                    if case .success(let record) = line.content, record.event == .fileStart {
                        number = record.mark?.file
                    }
                    body(line)
                }
            }
            fileNumber = number
        }
    }

    /// As ``read(_:)``, without taking the lines for records.
    ///
    /// - Parameter body: is given the number of the line, and its bytes; nil if it is too long.
    mutating func readLines(_ body: (Int, UnsafeBufferPointer<UInt8>?) -> Void) throws(AuditFault) {
        while try fill() { handOut(body) }
    }

    /// As ``readLines(_:)``, of the next piece only; false at the end.
    mutating func readPiece(
        _ body: (Int, UnsafeBufferPointer<UInt8>?) -> Void
    ) throws(AuditFault) -> Bool {
        guard try fill() else { return false }
        handOut(body)
        return true
    }

    /// Hands out the first line, and reads no further than that takes.
    mutating func readFirstLine(_ body: (UnsafeBufferPointer<UInt8>) -> Void) throws(AuditFault) {
        var isFound = false
        while !isFound, try fill() {
            handOut { _, line in
                if !isFound, let line { body(line) }
                isFound = true
            }
        }
    }

    /// What follows the last line end; nil if nothing.
    mutating func takeRest() -> [UInt8]? {
        guard end > start else { return nil }
        lineNumber += 1
        defer { start = end }
        return Array(buffer[start..<end])
    }

    /// Hands out what follows the last line end, if anything: a line that is being written, or was torn by a crash.
    package mutating func readRest(_ body: (AuditLine) -> Void) {
        guard let rest = takeRest() else { return }
        rest.withUnsafeBufferPointer { Self.decode(lineNumber, $0, body) }
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
        // Files that were begun and closed since.
        if !isSame, let fileNumber {
            for member in AuditFiles(livePath: path).members() {
                guard let number = member.number, number > fileNumber else { continue }
                var between = try AuditReader(path: member.path)
                try between.read(body)
            }
        }
        fileNumber = nil
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
            let (descriptor, path, end) = (descriptor, path, end)
            var fault: AuditFault?
            let count = buffer.withUnsafeMutableBytes { bytes in
                let space = UnsafeMutableRawBufferPointer(rebasing: bytes[end...])
                let more = { (space: UnsafeMutableRawBufferPointer) in
                    Foundation.read(descriptor, space.baseAddress, space.count)
                }
                do throws(AuditFault) {
                    if let decompressor { return try decompressor.read(into: space, path: path, more) }
                    if let inflater { return try inflater.read(into: space, path: path, more) }
                    return more(space)
                } catch {
                    fault = error
                    return 0
                }
            }
            if let fault { throw fault }
            if count >= 0 {
                self.end += count
                return count > 0
            }
            guard errno == EINTR else { throw AuditFault(path: path, call: "read", errorNumber: errno) }
        }
    }

    private mutating func handOut(_ body: (Int, UnsafeBufferPointer<UInt8>?) -> Void) {
        buffer.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            while start < end, let found = memchr(base + start, Int32(UInt8(ascii: "\n")), end - start) {
                let next = UnsafeRawPointer(found) - UnsafeRawPointer(base)
                lineNumber += 1
                if isSkipping {
                    isSkipping = false
                    body(lineNumber, nil)
                } else if next > start {
                    body(lineNumber, UnsafeBufferPointer(rebasing: bytes[start..<next]))
                }
                start = next + 1
            }
        }
        if isSkipping { start = end }
    }

    private static func decode(_ number: Int, _ line: UnsafeBufferPointer<UInt8>?, _ body: (AuditLine) -> Void) {
        guard let line else {
            let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
            return body(
                AuditLine(
                    number: number, bytes: nothing, content: .failure(.notJSON(offset: maximumLineByteCount))))
        }
        do throws(AuditDecodeFault) {
            body(AuditLine(number: number, bytes: line, content: .success(try AuditDecoder.decode(line))))
        } catch {
            body(AuditLine(number: number, bytes: line, content: .failure(error)))
        }
    }

    static func open(_ path: String) throws(AuditFault) -> Int32 {
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
