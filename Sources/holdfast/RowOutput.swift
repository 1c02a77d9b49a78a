import Audit
import Foundation

/// Rows on standard output, complaints on standard error.
struct RowOutput {
    private var writer: RowWriter
    private var output: [UInt8] = []
    private var hasPrinted = false
    /// Nobody reads any more.
    private(set) var isClosed = false
    /// Part of a file could not be read, or what was found not be written.
    private(set) var isIncomplete = false
    private var toldLineCount = 0
    /// Lines that are no records, told or not.
    var unreadableLineCount = 0

    init(_ writer: RowWriter) {
        self.writer = writer
        output += self.writer.header()
    }

    mutating func add(_ row: AuditRow) {
        hasPrinted = true
        output += writer.bytes(row)
        if output.count > 1 << 16 { flush() }
    }

    /// What is worth to be said of the files.
    mutating func introduce(_ trails: [Trail]) {
        for remark in trails.flatMap(\.remarks) { Self.say(remark) }
        complain(trails.flatMap(\.faults).map { .broken($0) })
    }

    mutating func complain(_ complaints: [TrailCursor.Complaint]) {
        for complaint in complaints {
            switch complaint {
            case .line(let path, let number, let fault):
                toldLineCount += 1
                Self.say("\(path):\(number): \(fault.description)")
            case .broken(let fault):
                isIncomplete = true
                Self.say("\(fault.description): what stands there is missing here")
            }
        }
    }

    /// Writes what is ready.
    mutating func flush() {
        var rest = output[...]
        while !rest.isEmpty, !isClosed {
            let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                // Half a list that a full disk has cut must not look like a whole one.
                if errno != EPIPE {
                    Self.say("standard output: \(String(cString: strerror(errno))): the rest is missing there")
                    isIncomplete = true
                }
                isClosed = true
                break
            }
            rest = rest.dropFirst(count)
        }
        output.removeAll(keepingCapacity: true)
    }

    mutating func finish() {
        flush()
        if unreadableLineCount > toldLineCount {
            Self.say("\(unreadableLineCount - toldLineCount) more lines are no records")
        }
        if !hasPrinted { Self.say("no record matches") }
    }

    static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
