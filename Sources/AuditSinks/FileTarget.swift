import Audit
import Foundation

/// A file that is appended to: a line each. Opened anew at SIGHUP, and when the path names another file than before.
final class FileTarget: SinkTarget {
    private let path: String
    private let format: SinkSettings.Format
    private var descriptor: Int32 = -1
    private var isDirty = false

    init(path: String, format: SinkSettings.Format) {
        self.path = path
        self.format = format
    }

    deinit { _ = close(isAtEnd: false) }

    func open() throws(SinkFault) {
        descriptor = Foundation.open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw fault("open") }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw fault("fstat") }
        guard information.st_mode & S_IFMT == S_IFREG else { throw SinkFault("\(path): not a file") }
        // A crash, or a full disk, has cut off a line.
        var last: UInt8 = 0
        if information.st_size > 0, pread(descriptor, &last, 1, information.st_size - 1) == 1,
            last != UInt8(ascii: "\n")
        {
            try write([UInt8(ascii: "\n")])
        }
    }

    func check() throws(SinkFault) {
        if descriptor < 0 { return try open() }
        var (opened, named) = (stat(), stat())
        guard fstat(descriptor, &opened) == 0 else { throw fault("fstat") }
        if stat(path, &named) == 0, named.st_dev == opened.st_dev, named.st_ino == opened.st_ino { return }
        try settle()
        reopen()
        try open()
    }

    func send(_ records: [AuditFollowed]) throws(SinkFault) {
        if descriptor < 0 { try open() }
        var bytes: [UInt8] = []
        for record in records {
            bytes += RecordText.bytes(of: record, as: format)
            bytes.append(UInt8(ascii: "\n"))
        }
        try write(bytes)
    }

    func settle() throws(SinkFault) {
        guard isDirty, descriptor >= 0 else { return }
        guard fdatasync(descriptor) == 0 else { throw fault("fdatasync") }
        isDirty = false
    }

    func reopen() {
        guard descriptor >= 0 else { return }
        if isDirty { fdatasync(descriptor) }
        Foundation.close(descriptor)
        descriptor = -1
    }

    func close(isAtEnd: Bool) -> Bool {
        reopen()
        return isAtEnd
    }

    private func write(_ bytes: [UInt8]) throws(SinkFault) {
        isDirty = true
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw fault("write") }
            written += count
        }
    }

    private func fault(_ call: String) -> SinkFault {
        SinkFault("\(path): \(call): \(String(cString: strerror(errno)))")
    }
}
