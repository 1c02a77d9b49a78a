import Configuration
import Foundation
import Synchronization

/// The private PostgreSQL of `server = "embedded"`: Holdfast's own child, for trying Holdfast out and for tests.
///
/// It listens on a Unix socket in a folder that only the server's user and root can enter, and on a free port of
/// 127.0.0.1. Over the socket every role but the superuser logs in without a password (whoever reaches Holdfast reaches the
/// demonstration); the superuser `postgres`, and everybody over TCP, needs one. It ends with Holdfast, also when that
/// is killed. Any thread may use it, but every call may block: not for event loops.
package final class EmbeddedServer: Sendable {
    /// How long a starting server may take: it may have to replay its log after a crash.
    private static let startPatience: Duration = .seconds(120)
    /// How long each stage of ending may take: SIGINT, then SIGQUIT, then SIGKILL.
    private static let stopPatience: Duration = .seconds(20)

    /// The server's Unix socket.
    package let address: ServerAddress
    /// The port of 127.0.0.1 that it listens on, too.
    package let port: UInt16
    /// Where its data really is (see ``ServerFolders``).
    package let dataDirectory: String
    package let logFile: String
    /// Holds the password of the superuser `postgres`; readable by the server's user and root.
    package let passwordFile: String
    private let child: ChildProcess
    private let socketFolder: String
    /// Open for as long as the data folder is ours; nil once stopped.
    private let lock: Mutex<Int32?>

    private init(
        folders: ServerFolders, socketFolder: String, port: UInt16, child: ChildProcess, lock: Int32
    ) {
        address = .unix(path: ServerFolders.socket(in: socketFolder, port: port))
        self.port = port
        dataDirectory = folders.data
        logFile = folders.log
        passwordFile = folders.password
        self.child = child
        self.socketFolder = socketFolder
        self.lock = Mutex(lock)
    }

    deinit { stop() }

    /// Starts the server and returns when it takes connections. The first time it is made: a data folder, the role
    /// `demo`, and the databases `demo` and `demo_test`.
    ///
    /// A server that an earlier Holdfast left running on the same data is ended first. `baseDirectory` is the folder
    /// of proxy.conf; `progress` is called on this thread with a sentence before each step that takes time.
    ///
    /// - Throws: ``EmbeddedServerError`` with step, reason, remedy and the log's last lines. Nothing runs then.
    package static func start(
        settings: EmbeddedServerSettings, baseDirectory: String, progress: (String) -> Void
    ) throws(EmbeddedServerError) -> EmbeddedServer {
        let account = try ServerAccount(name: settings.user.isEmpty ? "postgres" : settings.user)
        let folders = try ServerFolders(
            wanted: settings.dataDirectory, baseDirectory: baseDirectory, account: account, progress: progress)
        let lock = try takeLock(folders)
        var isKept = false
        defer { if !isKept { close(lock) } }

        let contents = try folders.contents(account: account)
        let wantedVersion: String? = if case .ours(let version) = contents { version } else { nil }
        var configured = settings.binaryDirectory
        if !configured.isEmpty, !configured.hasPrefix("/") { configured = baseDirectory + "/" + configured }
        let programs = try ServerPrograms(configured: configured, wantedVersion: wantedVersion)
        let log: ServerLog
        let output: Int32
        do throws(Errno) { (log, output) = try ServerLog.open(path: folders.log) } catch {
            throw ServerFolders.fault(folders.log, error)
        }
        defer { close(output) }
        let setup = EmbeddedServerSetup(
            account: account, folders: folders, programs: programs, log: log, output: output)
        switch contents {
        case .none: try setup.initialise(progress: progress)
        case .ours: try setup.endPreviousServer(progress: progress)
        }

        progress("starting the private PostgreSQL in \(folders.data)")
        let socketFolder = try folders.makeSocketFolder(account: account)
        defer { if !isKept { _ = rmdir(socketFolder) } }
        // Somebody else may take the free port before the server does.
        var attempts = 3
        while true {
            attempts -= 1
            let port = try freePort()
            do throws(EmbeddedServerError) {
                let child = try setup.launch(socketFolder: socketFolder, port: port, patience: startPatience)
                isKept = true
                return EmbeddedServer(
                    folders: folders, socketFolder: socketFolder, port: port, child: child, lock: lock)
            } catch {
                let isPortTaken = error.logLines.contains { $0.contains("could not bind IPv4 address") }
                guard isPortTaken, attempts > 0 else { throw error }
            }
        }
    }

    /// Whether the server's main process runs.
    package var isRunning: Bool { child.identifier != nil }

    /// The server's main process; nil once it has ended.
    package var processIdentifier: Int32? { child.identifier }

    /// Ends the server: at once but in order (SIGINT), and if that takes more than 20 seconds harder. Returns when it
    /// has ended. Further calls do nothing.
    package func stop() {
        let lock = self.lock.withLock { lock in
            let held = lock
            lock = nil
            return held
        }
        guard let lock else { return }
        child.end(patience: Self.stopPatience)
        if case .unix(let path) = address {
            // The server does this itself, unless it was killed.
            _ = unlink(path)
            _ = unlink(path + ".lock")
        }
        _ = rmdir(socketFolder)
        // A child that another thread is starting has the file open until its exec: close alone would leave it locked.
        _ = flock(lock, LOCK_UN)
        close(lock)
    }

    private static func takeLock(_ folders: ServerFolders) throws(EmbeddedServerError) -> Int32 {
        let lock = open(folders.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw ServerFolders.fault(folders.lock, .current) }
        while flock(lock, LOCK_EX | LOCK_NB) != 0 {
            let error = Errno.current
            if error.number == EINTR { continue }
            close(lock)
            guard error.number == EWOULDBLOCK else { throw ServerFolders.fault(folders.lock, error) }
            throw EmbeddedServerError(
                .lock, "another Holdfast runs a private server in \(folders.data)",
                remedy: "Stop it, or set 'data' under [embedded] in proxy.conf to another folder.")
        }
        return lock
    }

    /// A TCP port of 127.0.0.1 that was free a moment ago.
    private static func freePort() throws(EmbeddedServerError) -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { if descriptor >= 0 { close(descriptor) } }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else {
            throw EmbeddedServerError(
                .launch, "no free port on 127.0.0.1: \(Errno.current)", remedy: "Bring the loopback interface up.")
        }
        return UInt16(bigEndian: address.sin_port)
    }
}
