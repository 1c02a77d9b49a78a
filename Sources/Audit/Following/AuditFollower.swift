import Foundation

/// A record of the trail as its file has it.
package struct AuditFollowed: Sendable, Equatable {
    /// The trail that it belongs to: with `sequence` unique in the world.
    package var instance: String
    package var sequence: Int64
    /// The line without its end.
    package var line: [UInt8]

    package init(instance: String, sequence: Int64, line: [UInt8]) {
        self.instance = instance
        self.sequence = sequence
        self.line = line
    }
}

/// Reads the sealed records of a trail in their order, over all its files, closed and compressed ones and the one that is
/// being written, from any record on. Lines that are not sealed (torn by a crash, or older than the chain) are passed over.
///
/// Belongs to one thread. Holds one piece of a file (256 KiB, or its longest line).
package final class AuditFollower {
    private static let chunkByteCount = 256 << 10

    private let files: AuditFiles
    private let following: AuditFollowing
    /// The trail that is read; nil until the first file's beginning has been seen.
    package private(set) var instance: String?
    /// The last record that was handed out.
    package private(set) var sequence: Int64
    /// The file that is read; 0 before the first.
    package private(set) var fileNumber: Int64 = 0
    /// Records that are in no file: between two that are.
    package private(set) var missingCount: Int64 = 0
    private var closed: ClosedFile?
    private var live: LiveFile?
    /// What a closed file's piece held and was not handed out yet.
    private var waiting: [AuditFollowed] = []

    /// A closed file, which does not grow.
    private final class ClosedFile {
        var reader: AuditReader
        init(path: String) throws(AuditFault) { reader = try AuditReader(path: path) }
    }

    /// The file that is written: read at an offset, for what a failed write left behind the last record is cut off again.
    private final class LiveFile {
        let descriptor: Int32
        let information: stat
        var offset = 0

        init?(path: String) {
            descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
            var information = stat()
            guard descriptor >= 0, fstat(descriptor, &information) == 0 else {
                self.information = information
                return nil
            }
            self.information = information
        }

        deinit { if descriptor >= 0 { close(descriptor) } }

        /// Whether the path still names this file.
        func isNamed(by path: String) -> Bool {
            var named = stat()
            return stat(path, &named) == 0 && named.st_dev == information.st_dev && named.st_ino == information.st_ino
        }
    }

    /// - Parameters:
    ///   - livePath: `file` under `[audit]`.
    ///   - instance: the trail that was read before; nil if none was.
    ///   - sequence: its last record that need not be read again.
    package init(livePath: String, following: AuditFollowing, instance: String?, after sequence: Int64) {
        files = AuditFiles(livePath: livePath)
        self.following = following
        self.instance = instance
        self.sequence = sequence
    }

    /// Which trail the files hold, by the newest that says so; nil if none does.
    package static func instance(livePath: String) -> String? {
        for member in AuditFiles(livePath: livePath).members().reversed() {
            if let instance = start(of: member.path)?.instance { return instance }
        }
        return nil
    }

    /// The next records, of about so many bytes; empty if there are none now. All are of one trail.
    ///
    /// - Throws: ``AuditFault``: a file cannot be read. Tried again with the next call.
    package func next(byteCount: Int) throws(AuditFault) -> [AuditFollowed] {
        var records: [AuditFollowed] = []
        var taken = 0
        while taken < byteCount {
            if waiting.isEmpty, try !fill() { break }
            var used = 0
            for record in waiting {
                // Records of two trails are two pieces of work.
                if let first = records.first, first.instance != record.instance { break }
                guard taken < byteCount || records.isEmpty else { break }
                taken += record.line.count
                records.append(record)
                note(record)
                used += 1
            }
            guard used > 0 else { break }
            waiting.removeFirst(used)
        }
        return records
    }

    private func note(_ record: AuditFollowed) {
        if record.instance == instance, sequence > 0 { missingCount += max(0, record.sequence - sequence - 1) }
        instance = record.instance
        sequence = record.sequence
    }

    /// Reads a piece that holds a record that has not been handed out; false if there is none.
    private func fill() throws(AuditFault) -> Bool {
        while waiting.isEmpty {
            if let file = closed {
                let after = self.last
                let trail = trail
                var found: [AuditFollowed] = []
                var instance = trail
                let isMore: Bool
                do throws(AuditFault) {
                    isMore = try file.reader.readPiece { _, line in
                        if let line { Self.take(line, after: after, instance: &instance, into: &found) }
                    }
                } catch {
                    closed = nil
                    throw giveUpReading(error)
                }
                self.trail = instance
                waiting = found
                if !isMore {
                    closed = nil
                    failureCount = 0
                    if try !openNext() { return false }
                }
            } else if let file = live {
                if try readLive(file) { continue }
                if file.isNamed(by: files.livePath) { return false }
                // What was written between that reading and its closing.
                if try readLive(file) { continue }
                live = nil
                if try !openNext() { return false }
            } else if try !openNext() {
                return false
            }
        }
        return true
    }

    /// A file that cannot be read is tried again; at last it is passed over, and its records are counted as missing.
    private func giveUpReading(_ fault: AuditFault) -> AuditFault {
        failureCount += 1
        guard failureCount < Self.mostFailures else {
            failureCount = 0
            return AuditFault(description: fault.description + "; the rest of it is passed over")
        }
        fileNumber -= 1
        return fault
    }

    private static let mostFailures = 5
    private var failureCount = 0

    /// The trail of the file that is read.
    private var trail: String?

    /// The last record of the file's trail that need not be handed out: those of another trail begin anew.
    private var last: (instance: String?, sequence: Int64) { (instance, sequence) }

    private func readLive(_ file: LiveFile) throws(AuditFault) -> Bool {
        let readable = file.isNamed(by: files.livePath) ? following.readableSequence : .max
        guard readable > 0 else { return false }
        var size = Self.chunkByteCount
        while true {
            var count = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: size) { space, used in
                count = pread(file.descriptor, space.baseAddress, size, off_t(file.offset))
                used = max(0, count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw AuditFault(path: files.livePath, call: "read", errorNumber: errno) }
            guard count > 0 else { return false }
            let (taken, isStopped) = takeLive(bytes[..<count], readable: readable)
            file.offset += taken
            if !waiting.isEmpty { return true }
            if isStopped || (taken == 0 && count < size) { return false }
            // A line that is longer than the piece.
            if taken == 0 { size *= 2 }
            guard size <= AuditReader.maximumLineByteCount else {
                throw AuditFault(description: "audit trail \(files.livePath): a line is longer than any record")
            }
        }
    }

    /// - Returns: how many bytes are done with, and whether a record follows that may not be read yet.
    private func takeLive(_ bytes: ArraySlice<UInt8>, readable: Int64) -> (taken: Int, isStopped: Bool) {
        var taken = 0
        while let end = bytes[(bytes.startIndex + taken)...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = bytes[(bytes.startIndex + taken)..<end]
            let isReadable = line.withUnsafeBufferPointer { line in
                if let sealed = SealedLine(line), sealed.sequence > readable { return false }
                Self.take(line, after: last, instance: &trail, into: &waiting)
                return true
            }
            guard isReadable else { return (taken, true) }
            taken = end + 1 - bytes.startIndex
        }
        return (taken, false)
    }

    private static func take(
        _ line: UnsafeBufferPointer<UInt8>, after last: (instance: String?, sequence: Int64),
        instance: inout String?, into records: inout [AuditFollowed]
    ) {
        guard let sealed = SealedLine(line) else { return }
        if isStart(line), let start = try? AuditDecoder.decode(line).mark?.instance { instance = start }
        guard let trail = instance else { return }
        let before = records.last.map { ($0.instance, $0.sequence) } ?? (last.instance ?? trail, last.sequence)
        // Where a write could not be taken back, a record stands in the trail twice.
        guard before.0 != trail || sealed.sequence > before.1 else { return }
        records.append(AuditFollowed(instance: trail, sequence: sealed.sequence, line: Array(line)))
    }

    /// The event stands behind number and time, at a place that the number's length moves.
    private static func isStart(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
        let mark = Array(#","event":"file_start","#.utf8)
        let searched = line.prefix(128)
        guard searched.count >= mark.count else { return false }
        return (0...(searched.count - mark.count)).contains { searched[$0...].starts(with: mark) }
    }

    // MARK: - Files

    /// Opens the file that follows the one that was read; false if there is none yet.
    private func openNext() throws(AuditFault) -> Bool {
        // Between listing and opening, a file may be closed or compressed.
        for _ in 0..<8 {
            let members = files.members()
            let numbered = members.filter { $0.number != nil }
            if fileNumber == 0 { fileNumber = firstFile(members) - 1 }
            if let next = numbered.first(where: { ($0.number ?? 0) > fileNumber }), let number = next.number {
                guard access(next.path, F_OK) == 0 else { continue }
                closed = try ClosedFile(path: next.path)
                begin(number)
                return true
            }
            guard let file = LiveFile(path: files.livePath) else { return false }
            guard file.information.st_mode & S_IFMT == S_IFREG else {
                throw AuditFault(
                    description: "audit trail \(files.livePath): not a file, it cannot be read back; set 'file' under "
                        + "[audit] in proxy.conf to one")
            }
            guard let start = Self.start(of: files.livePath), let number = start.file else { return false }
            guard file.isNamed(by: files.livePath) else { continue }
            // The same file is not read twice; a new trail's number says nothing.
            guard number > fileNumber || start.instance != instance else { return false }
            // Closed since the listing?
            if number > fileNumber + 1, files.members().contains(where: { $0.number == fileNumber + 1 }) { continue }
            live = file
            begin(number)
            return true
        }
        return false
    }

    private func begin(_ number: Int64) {
        fileNumber = number
        trail = instance
    }

    /// The file that the first wanted record stands in, or the oldest that is there.
    private func firstFile(_ members: [AuditFiles.Member]) -> Int64 {
        var oldest: Int64 = 1
        var isNewest = true
        for member in members.reversed() {
            guard let start = Self.start(of: member.path) else { continue }
            let number = member.number ?? start.file ?? 1
            // Another trail than the one that was read before: all of it is wanted.
            if isNewest, start.instance != instance {
                instance = nil
                sequence = 0
            }
            isNewest = false
            oldest = number
            if sequence > 0, (start.headSequence ?? 0) <= sequence { return number }
        }
        return min(oldest, members.compactMap(\.number).first ?? oldest)
    }

    private static func start(of path: String) -> AuditRecord.Mark? {
        (try? AuditFileContents.start(of: path)) ?? nil
    }
}
