import Foundation

/// The operating-system user that the private server runs as. Never root: PostgreSQL refuses that, rightly.
struct ServerAccount: Sendable {
    var name: String
    var user: uid_t
    var group: gid_t
    var home: String
    /// Holdfast runs as root, so programs change to this user first.
    var isChanged: Bool
    private var setpriv: String
    private var env: String

    /// The caller's own user, or, if that is root, the one of that name.
    init(name: String) throws(EmbeddedServerError) {
        guard let setpriv = ServerPrograms.find("setpriv", in: ServerPrograms.searchPath) else {
            throw EmbeddedServerError(
                .account, "the program setpriv is missing", remedy: "Install it: apt-get install util-linux.")
        }
        guard let env = ServerPrograms.find("env", in: ServerPrograms.searchPath) else {
            throw EmbeddedServerError(
                .account, "the program env is missing", remedy: "Install it: apt-get install coreutils.")
        }
        self.setpriv = setpriv
        self.env = env
        isChanged = geteuid() == 0
        self.name = name
        if isChanged {
            guard let entry = Self.entry({ getpwnam_r(name, $0, $1, $2, $3) }) else {
                throw EmbeddedServerError(
                    .account,
                    "there is no user '\(name)' ('user' under [embedded]), and PostgreSQL does not run as root",
                    remedy: "Install PostgreSQL's server package, which brings the user postgres, or set 'user' under "
                        + "[embedded] in proxy.conf to an unprivileged user that exists.")
            }
            (user, group, home) = entry
            guard user != 0 else {
                throw EmbeddedServerError(
                    .account, "the user '\(name)' ('user' under [embedded]) is root, as which PostgreSQL does not run",
                    remedy: "Set 'user' under [embedded] in proxy.conf to an unprivileged user, such as postgres.")
            }
        } else {
            user = geteuid()
            group = getegid()
            home = "/"
            if let entry = Self.entry({ [user] in getpwuid_r(user, $0, $1, $2, $3) }) { home = entry.home }
        }
    }

    /// The words that run a program as this user in the folder `/` (initdb wants to be able to enter the current one),
    /// with SIGINT (for PostgreSQL: end now, in order) when Holdfast dies.
    func command(_ words: [String]) -> [String] {
        let change = isChanged ? ["--reuid", String(user), "--regid", String(group), "--init-groups"] : []
        return [env, "-C", "/", setpriv] + change + ["--pdeathsig", "INT", "--"] + words
    }

    var environment: [String] {
        ["PATH=" + ServerPrograms.searchPath.joined(separator: ":"), "LANG=C.UTF-8", "HOME=" + home]
    }

    /// Whether this user may enter the folder, all folders above it included.
    func canEnter(_ folder: String) -> Bool {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { return false }
        defer { close(null) }
        // The kernel knows best: supplementary groups, access lists, mounts.
        let command = ChildProcess.Command(
            words: command(["/usr/bin/test", "-x", folder]), environment: environment, output: null)
        guard let child = try? ChildProcess.start(command) else { return false }
        return child.wait(timeout: .seconds(30)) == .exited(code: 0)
    }

    private static func entry(
        _ lookUp: (
            UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
        ) -> Int32
    ) -> (user: uid_t, group: gid_t, home: String)? {
        var record = passwd()
        var found: UnsafeMutablePointer<passwd>?
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64 << 10) { buffer in
            guard let texts = buffer.baseAddress, lookUp(&record, texts, buffer.count, &found) == 0, found != nil else {
                return nil
            }
            return (record.pw_uid, record.pw_gid, record.pw_dir.map { String(cString: $0) } ?? "/")
        }
    }
}
