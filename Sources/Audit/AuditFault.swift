import Foundation

/// Why the trail could not take a record.
package struct AuditFault: Error, Sendable, Equatable {
    /// For the log: path, call and errno's text, and when the trail could not be opened, what to do.
    package var description: String
    /// The system's error number, 0 if it was none.
    package var errorNumber: Int32

    package init(description: String, errorNumber: Int32 = 0) {
        self.description = description
        self.errorNumber = errorNumber
    }

    /// A system call that failed: `audit trail /var/lib/x: write: No space left on device`.
    ///
    /// `remedy`, if given, is a sentence that says what to do.
    init(path: String, call: String, errorNumber: Int32, remedy: String? = nil) {
        let reason = String(cString: strerror(errorNumber))
        description = "audit trail \(path): \(call): \(reason)" + (remedy.map { "; " + $0 } ?? "")
        self.errorNumber = errorNumber
    }

    /// Another process holds the file's lock.
    static func locked(path: String) -> AuditFault {
        AuditFault(
            description: "audit trail \(path): another Holdfast process writes to this file; stop that process, or set "
                + "'file' under [audit] in proxy.conf to a file of this one's own",
            errorNumber: EWOULDBLOCK)
    }

    /// What to do about a trail that cannot be opened.
    static func remedy(forOpening errorNumber: Int32) -> String {
        switch errorNumber {
        case EACCES, EPERM:
            "let the user that runs Holdfast (uid \(geteuid())) write there, or set 'file' under [audit] in "
                + "proxy.conf to a file that it may write"
        case ENOSPC, EDQUOT:
            "free space on that file system, or set 'file' under [audit] in proxy.conf to one on another"
        case EROFS: "that file system is read-only: set 'file' under [audit] in proxy.conf to a file on another one"
        case EISDIR: "'file' under [audit] in proxy.conf must name a file, not a folder"
        case ENOTDIR: "a part of that path is a file: correct 'file' under [audit] in proxy.conf"
        case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
        default: "correct the cause, or set 'file' under [audit] in proxy.conf to another file"
        }
    }
}
