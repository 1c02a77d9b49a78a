import Foundation

/// The trail's file: opened to append, locked, whole lines only.
///
/// Belongs to one thread. After a failed call the file holds whole lines only, or is made to at the next call, which
/// also opens it again if need be: the owner just tries again.
struct AuditFile: ~Copyable {
    /// `fdatasync`, or what a test puts in its place; 0 or -1 and `errno`.
    typealias Flush = @Sendable (Int32) -> Int32

    let path: String
    private let flush: Flush
    /// Calls of fdatasync so far.
    private(set) var syncCount = 0
    private var descriptor: Int32 = -1
    private var device: dev_t = 0
    private var inode: ino_t = 0
    /// Pipes and devices can neither be cut nor flushed.
    private(set) var isRegular = false
    /// The file ends in part of a line that could not be cut off: the next write begins with a line end.
    private var endsInsideLine = false
    private var hasUnsyncedData = false
    /// How often a file was opened: another number, another file, or the same one anew.
    private(set) var generation = 0
    /// What the file held when it was opened. Pipes and devices hold nothing.
    private(set) var found = AuditFileContents()
    /// The file's length, as of the last append.
    private(set) var length: off_t = 0

    /// Opens the file, its folder made (0700) if missing, the file (0600) too. Takes an exclusive lock, and ends a line
    /// that a crash left torn.
    ///
    /// - Throws: ``AuditFault`` with path, reason and remedy: the file cannot be made or opened, or another process
    ///   holds its lock.
    init(path: String, flush: @escaping Flush) throws(AuditFault) {
        self.path = path
        self.flush = flush
        try open()
    }

    deinit {
        if descriptor >= 0 { Self.unlockAndClose(descriptor) }
    }

    /// Appends whole lines with one write, followed by one fdatasync if `syncs`. If the path names another file than
    /// before or none (logrotate), that one is opened or made first.
    ///
    /// - Throws: ``AuditFault``: nothing of `lines` is in the trail, except where not even truncation works.
    mutating func append(_ lines: [UInt8], syncs: Bool) throws(AuditFault) {
        let length = try prepare()
        defer { self.length = descriptor >= 0 ? lseek(descriptor, 0, SEEK_END) : 0 }
        do throws(AuditFault) {
            if endsInsideLine { try write([UInt8(ascii: "\n")]) }
            try write(lines)
            hasUnsyncedData = true
            if syncs { try sync() }
            endsInsideLine = false
        } catch {
            cut(to: length)
            throw error
        }
    }

    /// Opens the file that the path names, if it names another one than before, or none. `generation` and `found` tell.
    ///
    /// - Throws: ``AuditFault``, as ``append(_:syncs:)``.
    mutating func makeReady() throws(AuditFault) { _ = try prepare() }

    /// Takes all out of a file that holds no whole line; what was torn stays in `found`.
    ///
    /// - Throws: ``AuditFault``: it is as it was.
    mutating func empty() throws(AuditFault) {
        guard ftruncate(descriptor, 0) == 0 else { throw AuditFault(path: path, call: "ftruncate", errorNumber: errno) }
        found.isEmpty = true
        endsInsideLine = false
        length = 0
    }

    /// Gives the file another name and begins with a new one. What was appended is on the disk first.
    ///
    /// - Throws: ``AuditFault``: the file is still the one it was, or at the next call will be looked for again.
    mutating func rotate(to newPath: String) throws(AuditFault) {
        hasUnsyncedData = true
        try sync()
        // Never over another file.
        guard link(path, newPath) == 0 else { throw AuditFault(path: newPath, call: "link", errorNumber: errno) }
        guard unlink(path) == 0 else { throw AuditFault(path: path, call: "unlink", errorNumber: errno) }
        syncFolder()
        Self.unlockAndClose(descriptor)
        descriptor = -1
        endsInsideLine = false
        try open()
    }

    /// Brings to the disk what was appended without `syncs`.
    ///
    /// - Throws: ``AuditFault``: the kernel may have dropped what it held.
    mutating func sync() throws(AuditFault) {
        guard hasUnsyncedData, descriptor >= 0 else { return }
        // The kernel reports a failed write-back once and forgets the pages: trying again would report success.
        hasUnsyncedData = false
        guard isRegular else { return }
        syncCount += 1
        while flush(descriptor) != 0 {
            guard errno == EINTR else { throw AuditFault(path: path, call: "fdatasync", errorNumber: errno) }
        }
    }

    /// Makes sure that the descriptor is what the path names; returns the file's length.
    private mutating func prepare() throws(AuditFault) -> off_t {
        var information = stat()
        if descriptor >= 0 {
            if stat(path, &information) == 0 {
                if information.st_dev == device, information.st_ino == inode { return information.st_size }
            } else if errno != ENOENT, errno != ENOTDIR {
                // The path cannot be looked at just now, which says nothing about the open file.
                guard fstat(descriptor, &information) == 0 else {
                    throw AuditFault(path: path, call: "fstat", errorNumber: errno)
                }
                return information.st_size
            }
            let old = descriptor
            defer {
                Self.unlockAndClose(old)
                descriptor = -1
                endsInsideLine = false
            }
            try sync()
        }
        try open()
        guard fstat(descriptor, &information) == 0 else {
            throw AuditFault(path: path, call: "fstat", errorNumber: errno)
        }
        return information.st_size
    }

    private mutating func open() throws(AuditFault) {
        // Between open and flock the file may be renamed by somebody else: then it is not the one to lock.
        for _ in 0..<8 {
            if try openOnce() { return }
        }
        throw AuditFault(description: "audit trail \(path): the file is replaced again and again by another process")
    }

    /// False if the path named another file by the time that the lock was held.
    private mutating func openOnce() throws(AuditFault) -> Bool {
        let flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY
        var opened = Foundation.open(path, flags, 0o600)
        if opened < 0, errno == ENOENT {
            try Self.makeFolder(Self.folder(of: path), for: path)
            opened = Foundation.open(path, flags, 0o600)
        }
        guard opened >= 0 else { throw Self.openingFault(path, "open") }
        var isKept = false
        defer { if !isKept { Self.unlockAndClose(opened) } }
        var information = stat()
        var named = stat()
        guard fstat(opened, &information) == 0 else { throw Self.openingFault(path, "fstat") }
        let isRegular = information.st_mode & S_IFMT == S_IFREG
        while isRegular, flock(opened, LOCK_EX | LOCK_NB) != 0 {
            switch errno {
            case EINTR: continue
            case EWOULDBLOCK: throw .locked(path: path)
            default: throw Self.openingFault(path, "flock")
            }
        }
        guard stat(path, &named) == 0, named.st_dev == information.st_dev, named.st_ino == information.st_ino else {
            return false
        }
        // Only now is nobody else appending.
        guard fstat(opened, &information) == 0 else { throw Self.openingFault(path, "fstat") }
        isKept = true
        descriptor = opened
        device = information.st_dev
        inode = information.st_ino
        self.isRegular = isRegular
        hasUnsyncedData = false
        generation += 1
        length = information.st_size
        found = isRegular ? AuditFileContents(of: opened, length: information.st_size) : AuditFileContents()
        endsInsideLine = isRegular && information.st_size > 0 && !endsInLineEnd(length: information.st_size)
        if isRegular, information.st_size == 0 { syncFolder() }
        if endsInsideLine, (try? write([UInt8(ascii: "\n")])) != nil { endsInsideLine = false }
        return true
    }

    /// A child between fork and exec has the file open, too, and with it the lock: close alone would leave it locked.
    private static func unlockAndClose(_ descriptor: Int32) {
        _ = flock(descriptor, LOCK_UN)
        _ = close(descriptor)
    }

    private borrowing func endsInLineEnd(length: off_t) -> Bool {
        var last: UInt8 = 0
        while true {
            switch pread(descriptor, &last, 1, length - 1) {
            case 1: return last == UInt8(ascii: "\n")
            case -1 where errno == EINTR: continue
            default: return false
            }
        }
    }

    private borrowing func write(_ bytes: [UInt8]) throws(AuditFault) {
        try Self.write(bytes[...], to: descriptor, path: path)
    }

    /// Writes all of the bytes, however many calls that takes.
    ///
    /// - Throws: ``AuditFault``: some may have been written.
    static func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32, path: String) throws(AuditFault) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Foundation.write(descriptor, buffer.baseAddress.map { $0 + written }, buffer.count - written)
            }
            if count > 0 {
                written += count
            } else if count == 0 || errno != EINTR {
                throw AuditFault(path: path, call: "write", errorNumber: count == 0 ? ENOSPC : errno)
            }
        }
    }

    /// Takes back a failed append, or remembers that the file ends inside a line.
    private mutating func cut(to length: off_t) {
        guard descriptor >= 0, isRegular else { return }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else {
            endsInsideLine = true
            return
        }
        guard information.st_size > length else { return }
        // Back where the append began, inside a line or not as it was then.
        if ftruncate(descriptor, length) == 0 { return }
        endsInsideLine = !endsInLineEnd(length: information.st_size)
    }

    /// A new file's name is in its folder, which has to reach the disk too.
    private mutating func syncFolder() {
        AuditFiles.syncFolder(Self.folder(of: path))
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func makeFolder(_ folder: String, for path: String) throws(AuditFault) {
        if mkdir(folder, 0o700) == 0 || errno == EEXIST { return }
        let parent = Self.folder(of: folder)
        guard errno == ENOENT, parent != folder else { throw openingFault(path, "mkdir \(folder)") }
        try makeFolder(parent, for: path)
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw openingFault(path, "mkdir \(folder)") }
    }

    private static func openingFault(_ path: String, _ call: String) -> AuditFault {
        let errorNumber = errno
        return AuditFault(
            path: path, call: call, errorNumber: errorNumber, remedy: AuditFault.remedy(forOpening: errorNumber))
    }
}
