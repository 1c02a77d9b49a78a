import Foundation

/// The steps that make and start the private server.
struct EmbeddedServerSetup {
    let account: ServerAccount
    let folders: ServerFolders
    let programs: ServerPrograms
    let log: ServerLog
    /// The log, open.
    let output: Int32

    /// How long a step may take that normally takes a second.
    private static let stepPatience: Duration = .seconds(180)

    private static let configuration = """

        # Holdfast's private server. Edit what you like: Holdfast writes this once. It gives port, socket folder and
        # addresses on the command line.
        max_connections = 300
        shared_buffers = 64MB
        """

    private static let authentication = """
        # Holdfast's private server. Its socket stands in a folder that only the server's user and root can enter, so
        # these lines are about who comes through Holdfast: everybody, without a password, but the superuser.
        # TYPE  DATABASE  USER      ADDRESS       METHOD
        local   all       postgres                scram-sha-256
        local   all       all                     trust
        host    all       all       127.0.0.1/32  scram-sha-256

        """

    /// Makes the data folder. It appears under its name when it is whole; what an interrupted attempt left is removed.
    func initialise(progress: (String) -> Void) throws(EmbeddedServerError) {
        progress("initialising a private PostgreSQL in \(folders.data) (once)")
        let unfinished = folders.unfinished
        try? FileManager.default.removeItem(atPath: unfinished)
        guard mkdir(unfinished, 0o700) == 0, ServerFolders.givePrivately(unfinished, to: account) else {
            throw ServerFolders.fault(unfinished, .current)
        }
        try writePassword()
        try run(
            .initialise,
            [
                programs.initdb, "--pgdata", unfinished, "--username", "postgres", "--encoding", "UTF8", "--locale",
                "C.UTF-8", "--auth-local", "scram-sha-256", "--auth-host", "scram-sha-256", "--pwfile",
                folders.password, "--no-instructions",
            ])
        try write(Self.configuration, to: unfinished + "/postgresql.conf", flags: O_APPEND)
        try write(Self.authentication, to: unfinished + "/pg_hba.conf", flags: O_TRUNC)

        progress("creating the databases demo and demo_test (once)")
        try runSQL(DemonstrationDatabase.role, in: "postgres")
        try runSQL(DemonstrationDatabase.tables, in: "demo")
        try runSQL(DemonstrationDatabase.testCopy, in: "postgres")

        let note =
            "Holdfast made this folder and starts the server in it. Delete it while Holdfast is stopped, if at all.\n"
        try write(note, to: unfinished + "/" + ServerFolders.marker, flags: O_CREAT | O_EXCL)
        // Takes the place of an empty folder, too.
        guard rename(unfinished, folders.data) == 0 else { throw ServerFolders.fault(folders.data, .current) }
    }

    /// If a server runs on the data folder, an earlier Holdfast left it: nobody else has the folder's lock.
    func endPreviousServer(progress: (String) -> Void) throws(EmbeddedServerError) {
        guard let status = PostmasterStatus(dataDirectory: folders.data) else { return }
        guard kill(status.identifier, 0) == 0 || errno == EPERM else { return }
        guard status.isServer(of: folders.data) else {
            // The id is some other process's by now (a restarted container): PostgreSQL would refuse to start.
            _ = unlink(PostmasterStatus.path(in: folders.data))
            return
        }
        progress("ending the private PostgreSQL that an earlier Holdfast left running (process \(status.identifier))")
        try run(
            .previousServer,
            [programs.pgCtl, "stop", "--pgdata", folders.data, "--mode", "fast", "--wait", "--timeout", "60"],
            accepts: { _ in !status.isServer(of: folders.data) })
    }

    /// Starts the server and waits until it takes connections.
    func launch(
        socketFolder: String, port: UInt16, patience: Duration
    ) throws(EmbeddedServerError) -> ChildProcess {
        // A comma separates folders in this setting, quotes hold one together.
        let quoted = "\"" + socketFolder.replacing("\"", with: "\"\"") + "\""
        let child = try start(
            .launch,
            [
                programs.postgres, "-D", folders.data, "-k", quoted, "-p", String(port), "-c",
                "listen_addresses=127.0.0.1", "-c", "logging_collector=off", "-c", "log_destination=stderr", "-c",
                "cluster_name=holdfast",
            ])
        let deadline = ContinuousClock.now + patience
        while true {
            if let status = PostmasterStatus(dataDirectory: folders.data), status.isReady,
                status.identifier == child.identifier
            {
                return child
            }
            // PostgreSQL tells nobody that it is ready but this file; its end, though, is told at once.
            if let end = child.wait(timeout: .milliseconds(20)) {
                throw EmbeddedServerError(
                    .launch, "postgres ended with \(end)", remedy: "Correct what its log says.", log: log)
            }
            guard ContinuousClock.now < deadline else {
                child.end(patience: .seconds(10))
                throw EmbeddedServerError(
                    .launch, "postgres is not ready after \(patience)",
                    remedy: "See what its log says; if it replays a long log, start Holdfast again.", log: log)
            }
        }
    }

    private func runSQL(_ text: String, in database: String) throws(EmbeddedServerError) {
        // The text is far shorter than what a pipe holds, so it can be written before anybody reads.
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw ServerFolders.fault("pipe", .current) }
        defer { close(ends[0]) }
        let bytes = Array(text.utf8)
        let written = Foundation.write(ends[1], bytes, bytes.count)
        close(ends[1])
        guard written == bytes.count else { throw ServerFolders.fault("pipe", .current) }
        try run(
            .demonstration,
            [programs.postgres, "--single", "-D", folders.unfinished, "-j", "-c", "exit_on_error=on", database],
            input: ends[0])
    }

    private func run(
        _ step: EmbeddedServerError.Step, _ words: [String], input: Int32 = -1,
        accepts: (ChildProcess.End) -> Bool = { $0 == .exited(code: 0) }
    ) throws(EmbeddedServerError) {
        let child = try start(step, words, input: input)
        let name = words.first.flatMap { $0.split(separator: "/").last } ?? "program"
        guard let end = child.wait(timeout: Self.stepPatience) else {
            child.end(patience: .seconds(5))
            throw EmbeddedServerError(
                step, "\(name) did not end within \(Self.stepPatience)", remedy: "See what its log says.", log: log)
        }
        guard accepts(end) else {
            throw EmbeddedServerError(step, "\(name) ended with \(end)", remedy: "Correct what its log says.", log: log)
        }
    }

    private func start(
        _ step: EmbeddedServerError.Step, _ words: [String], input: Int32 = -1
    ) throws(EmbeddedServerError) -> ChildProcess {
        let command = ChildProcess.Command(
            words: account.command(words), environment: account.environment, input: input, output: output)
        do throws(Errno) { return try ChildProcess.start(command) } catch {
            throw EmbeddedServerError(
                step, "\(words.first ?? "") does not start: \(error)",
                remedy: "Raise the limits of processes and memory, if it is these.", log: log)
        }
    }

    /// A new random password for the superuser, in a file of the server's user.
    private func writePassword() throws(EmbeddedServerError) {
        var generator = SystemRandomNumberGenerator()
        let password = (0..<4).map { _ in String(generator.next() as UInt64, radix: 36) }.joined()
        _ = unlink(folders.password)
        try write(password + "\n", to: folders.password, flags: O_CREAT | O_EXCL)
    }

    private func write(_ text: String, to path: String, flags: Int32) throws(EmbeddedServerError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0o600)
        guard descriptor >= 0 else { throw ServerFolders.fault(path, .current) }
        defer { close(descriptor) }
        guard !account.isChanged || fchown(descriptor, account.user, account.group) == 0 else {
            throw ServerFolders.fault(path, .current)
        }
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = Foundation.write(descriptor, Array(bytes[done...]), bytes.count - done)
            guard count > 0 else { throw ServerFolders.fault(path, .current) }
            done += count
        }
    }
}

/// What `postmaster.pid` says (PostgreSQL's `miscadmin.h`: line 1 the process, line 8 the state).
struct PostmasterStatus {
    var identifier: pid_t
    var isReady: Bool

    static func path(in dataDirectory: String) -> String { dataDirectory + "/postmaster.pid" }

    /// Nil if there is no such file, or nothing sensible in it.
    init?(dataDirectory: String) {
        guard let data = FileManager.default.contents(atPath: Self.path(in: dataDirectory)) else { return nil }
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        // In single-user mode the id is negative.
        guard let first = lines.first, let number = pid_t(first), number != 0, number != .min else { return nil }
        identifier = abs(number)
        isReady = lines.count > 7 && lines[7].hasPrefix("ready")
    }

    /// Whether that process is a server on that folder: a server's working folder is its data folder.
    func isServer(of dataDirectory: String) -> Bool {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink("/proc/\(identifier)/cwd", &target, Int(PATH_MAX))
        guard count > 0 else { return false }
        return String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) == dataDirectory
    }
}
