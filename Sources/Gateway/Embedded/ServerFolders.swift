import Foundation

/// Where the private server keeps its things: the data folder, and beside it log, lock and password.
struct ServerFolders: Sendable {
    enum Contents: Equatable {
        /// Nothing, or an empty folder.
        case none
        /// A server's data that Holdfast made, by that major version of PostgreSQL.
        case ours(version: String)
    }

    /// The longest path that a Unix socket's address holds (`sun_path`, less its NUL).
    private static let longestSocketPath = 107

    let data: String
    private let parent: String
    private let name: String

    var log: String { "\(parent)/\(name).log" }
    var lock: String { "\(parent)/.\(name).lock" }
    /// The superuser's password, for who may read the file: Holdfast's user and the server's.
    var password: String { "\(parent)/.\(name).password" }
    /// Where the data folder is made; renamed when whole.
    var unfinished: String { "\(parent)/.\(name).unfinished" }
    /// In the data folder: that Holdfast made it.
    static let marker = "HOLDFAST"

    /// Decides where the data folder is, and makes the folders above it.
    ///
    /// If the account cannot enter the folders above the wanted place (a checkout in `/root`), a place in
    /// `/var/lib/holdfast` is taken, always the same for the same wanted place, and `progress` says so.
    init(
        wanted: String, baseDirectory: String, account: ServerAccount, progress: (String) -> Void
    ) throws(EmbeddedServerError) {
        guard !wanted.isEmpty else {
            throw EmbeddedServerError(
                .folder, "'data' under [embedded] is empty", remedy: "Name a folder in proxy.conf.")
        }
        var path = wanted.hasPrefix("/") ? wanted : baseDirectory + "/" + wanted
        if !path.hasPrefix("/") { path = FileManager.default.currentDirectoryPath + "/" + path }
        path = URL(fileURLWithPath: path).standardizedFileURL.path
        var folder = Self.folder(of: path)
        while folder != "/", access(folder, F_OK) != 0 { folder = Self.folder(of: folder) }
        if account.isChanged, !account.canEnter(folder) {
            let other = "/var/lib/holdfast/\(Self.lastPart(of: path))-\(Self.digest(path))"
            progress(
                "the user \(account.name), as which PostgreSQL runs, cannot enter \(folder): keeping the private "
                    + "server's data in \(other) instead of \(path)")
            path = other
        }
        name = Self.lastPart(of: path)
        let wantedParent = Self.folder(of: path)
        try Self.make(wantedParent, mode: account.isChanged ? 0o755 : 0o700)
        guard let real = realpath(wantedParent, nil) else { throw Self.fault(wantedParent, .current) }
        defer { free(real) }
        parent = String(cString: real)
        data = parent + "/" + name
        guard !account.isChanged || account.canEnter(parent) else {
            throw EmbeddedServerError(
                .folder, "the user \(account.name), as which PostgreSQL runs, cannot enter \(parent)",
                remedy: "Allow it (chmod o+x on that folder and those above), or set 'data' under [embedded] in "
                    + "proxy.conf to a folder that it can reach.")
        }
    }

    /// What is in the data folder.
    ///
    /// - Throws: it holds something that Holdfast did not make, or belongs to somebody else.
    func contents(account: ServerAccount) throws(EmbeddedServerError) -> Contents {
        var information = stat()
        guard stat(data, &information) == 0 else {
            if errno == ENOENT { return .none }
            throw Self.fault(data, .current)
        }
        guard let entries = try? FileManager.default.contentsOfDirectory(atPath: data) else {
            throw EmbeddedServerError(
                .folder, "\(data) is not a folder that can be read",
                remedy: "Set 'data' under [embedded] in proxy.conf to another one.")
        }
        if entries.isEmpty { return .none }
        guard entries.contains(Self.marker),
            let version = try? String(contentsOfFile: data + "/PG_VERSION", encoding: .utf8)
        else {
            throw EmbeddedServerError(
                .folder, "\(data) holds something that Holdfast did not make",
                remedy:
                    "Set 'data' under [embedded] in proxy.conf to a folder that is empty or missing. To use a server "
                    + "of your own, start it yourself and set server to its address.")
        }
        guard information.st_uid == account.user else {
            throw EmbeddedServerError(
                .folder, "\(data) belongs to uid \(information.st_uid), but the private server runs as \(account.name)",
                remedy: "Run Holdfast as the user who made it, set 'user' under [embedded] in proxy.conf, or chown -R "
                    + "the folder."
            )
        }
        return .ours(version: version.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// A private folder (0700, the account's) for the server's Unix socket: beside the data folder, or where the path
    /// is short enough for a socket's address.
    func makeSocketFolder(account: ServerAccount) throws(EmbeddedServerError) -> String {
        var candidates = ["\(parent)/.\(name).socket"]
        if account.isChanged {
            candidates.append("/run/holdfast-" + Self.digest(data))
        } else if let runtime = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"], runtime.hasPrefix("/") {
            candidates.append("\(runtime)/holdfast-" + Self.digest(data))
        }
        for candidate in candidates where Self.fitsSocket(candidate) {
            if mkdir(candidate, 0o700) != 0, errno != EEXIST { continue }
            var information = stat()
            guard lstat(candidate, &information) == 0, information.st_mode & S_IFMT == S_IFDIR,
                information.st_uid == geteuid() || information.st_uid == account.user
            else { continue }
            if Self.givePrivately(candidate, to: account) { return candidate }
        }
        var template = Array("/tmp/holdfast-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Self.fault("/tmp/holdfast-XXXXXX", .current) }
        let folder = String(cString: made)
        guard Self.givePrivately(folder, to: account) else { throw Self.fault(folder, .current) }
        return folder
    }

    /// The socket's path in such a folder.
    static func socket(in folder: String, port: UInt16) -> String { "\(folder)/.s.PGSQL.\(port)" }

    static func fault(_ path: String, _ error: Errno) -> EmbeddedServerError {
        EmbeddedServerError(
            .folder, "\(path): \(error)",
            remedy: "Let the user that runs Holdfast (uid \(geteuid())) write there, or set 'data' under [embedded] in "
                + "proxy.conf to another folder.")
    }

    static func givePrivately(_ path: String, to account: ServerAccount) -> Bool {
        if account.isChanged, lchown(path, account.user, account.group) != 0 { return false }
        return chmod(path, 0o700) == 0
    }

    private static func fitsSocket(_ folder: String) -> Bool {
        socket(in: folder, port: .max).utf8.count <= longestSocketPath
    }

    private static func make(_ folder: String, mode: mode_t) throws(EmbeddedServerError) {
        if access(folder, F_OK) == 0 { return }
        let above = Self.folder(of: folder)
        if above != folder { try make(above, mode: mode) }
        guard mkdir(folder, mode) == 0 else {
            if errno == EEXIST { return }
            throw fault(folder, .current)
        }
        // Whatever the umask says.
        guard chmod(folder, mode) == 0 else { throw fault(folder, .current) }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    private static func lastPart(of path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? "data"
    }

    /// Eight hexadecimal digits (FNV-1a) that tell paths apart.
    private static func digest(_ text: String) -> String {
        var hash: UInt32 = 0x811C_9DC5
        for byte in text.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
