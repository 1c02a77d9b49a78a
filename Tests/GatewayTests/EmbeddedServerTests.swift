import Configuration
import Foundation
import Synchronization
import Testing

@testable import Gateway

/// Real servers: each needs PostgreSQL's programs, and fails where they are missing.
@Suite(.serialized) struct EmbeddedServerTests {
    /// A folder that the server's user can enter, removed with the test.
    private final class Folder: Sendable {
        let path: String

        init() throws {
            var template = Array("/tmp/holdfast-test-XXXXXX".utf8CString)
            path = String(cString: try #require(mkdtemp(&template)))
            #expect(chmod(path, 0o755) == 0)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private static func start(_ folder: String, data: String = "data") throws -> (EmbeddedServer, [String]) {
        let said = Mutex<[String]>([])
        let settings = EmbeddedServerSettings(dataDirectory: data, user: "postgres", binaryDirectory: "")
        let server = try EmbeddedServer.start(settings: settings, baseDirectory: folder) { text in
            said.withLock { $0.append(text) }
        }
        return (server, said.withLock { $0 })
    }

    /// What psql prints for a statement, values only; nil if it fails.
    private static func psql(
        _ server: EmbeddedServer, _ sql: String, user: String = "demo", database: String = "demo",
        password: String? = nil
    ) throws -> String? {
        guard case .unix(let socket) = server.address else { return nil }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/psql")
        process.arguments = [
            "-qXAtw", "-h", (socket as NSString).deletingLastPathComponent, "-p", String(server.port), "-U", user, "-d",
            database, "-c", sql,
        ]
        if let password { process.environment = ["PGPASSWORD": password, "PATH": "/usr/bin:/bin"] }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return nil }
        return String(decoding: output, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    /// Processes that work in a folder.
    private static func processes(in folder: String) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter {
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")
            return target == folder
        }
    }

    @Test("a private server is made once, answers on its socket, and leaves no process; a second start finds its data")
    func startTwice() throws {
        let folder = try Folder()
        let (first, said) = try Self.start(folder.path, data: "deep/er/data")
        defer { first.stop() }
        #expect(
            said.contains { $0.contains("initialising a private PostgreSQL in \(folder.path)/deep/er/data (once)") })
        #expect(first.dataDirectory == folder.path + "/deep/er/data")
        let identifier = try #require(first.processIdentifier)
        #expect(first.isRunning)
        let owner = try FileManager.default.attributesOfItem(atPath: "/proc/\(identifier)")[.ownerAccountID] as? Int
        #expect(owner != 0)
        if geteuid() == 0 { #expect(owner.map { uid_t($0) } == getpwnam("postgres").pointee.pw_uid) }

        #expect(
            try Self.psql(first, "SELECT count(*) > 3 FROM orders JOIN customers ON customers.id = customer_id") == "t")
        #expect(try Self.psql(first, "SELECT count(*) > 3 FROM customers", database: "demo_test") == "t")
        #expect(try Self.psql(first, "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'") == "demo")
        #expect(try Self.psql(first, "CREATE TABLE mine (); SELECT 1") == "1")
        #expect(try Self.psql(first, "SHOW listen_addresses") == "127.0.0.1")
        first.stop()
        first.stop()
        #expect(!first.isRunning)
        #expect(Self.processes(in: first.dataDirectory).isEmpty)

        let (second, saidThen) = try Self.start(folder.path, data: "deep/er/data")
        #expect(!saidThen.contains { $0.contains("once") })
        #expect(try Self.psql(second, "SELECT count(*) FROM mine") == "0")
        second.stop()
        #expect(Self.processes(in: second.dataDirectory).isEmpty)
    }

    @Test("the superuser needs the password of the file, and nobody else has it")
    func superuser() throws {
        let folder = try Folder()
        let (server, _) = try Self.start(folder.path)
        defer { server.stop() }
        #expect(try Self.psql(server, "SELECT 1", user: "postgres") == nil)
        let password = try String(contentsOfFile: server.passwordFile, encoding: .utf8)
            .trimmingCharacters(in: .newlines)
        #expect(try Self.psql(server, "SELECT 1", user: "postgres", password: password) == "1")
        var information = stat()
        #expect(stat(server.passwordFile, &information) == 0 && information.st_mode & 0o077 == 0)
        guard case .unix(let socket) = server.address else { return }
        #expect(stat((socket as NSString).deletingLastPathComponent, &information) == 0)
        #expect(information.st_mode & 0o777 == 0o700)
        #expect(stat(server.dataDirectory, &information) == 0 && information.st_mode & 0o777 == 0o700)
    }

    @Test("a path too long for a socket's address gets its socket elsewhere")
    func longPath() throws {
        let folder = try Folder()
        let (server, _) = try Self.start(folder.path, data: String(repeating: "long/", count: 30) + "data")
        defer { server.stop() }
        #expect(try Self.psql(server, "SELECT 1") == "1")
        guard case .unix(let socket) = server.address else { return }
        #expect(socket.utf8.count <= 107)
        server.stop()
        #expect(access((socket as NSString).deletingLastPathComponent, F_OK) != 0)
    }

    @Test("two private servers cannot share a data folder, and what Holdfast did not make is left alone")
    func refusals() throws {
        let folder = try Folder()
        let (server, _) = try Self.start(folder.path)
        defer { server.stop() }
        let locked = #expect(throws: EmbeddedServerError.self) { try Self.start(folder.path) }
        #expect(locked?.step == .lock)
        #expect(try Self.psql(server, "SELECT 1") == "1")

        try FileManager.default.createDirectory(atPath: folder.path + "/other", withIntermediateDirectories: false)
        try Data("15\n".utf8).write(to: URL(fileURLWithPath: folder.path + "/other/PG_VERSION"))
        let foreign = #expect(throws: EmbeddedServerError.self) { try Self.start(folder.path, data: "other") }
        #expect(foreign?.step == .folder)
        #expect(foreign?.description.contains("did not make") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/other") == ["PG_VERSION"])
    }

    @Test("a server that an earlier Holdfast left running is ended and started anew")
    func leftOver() throws {
        let folder = try Folder()
        let (made, _) = try Self.start(folder.path)
        made.stop()
        // As after a crash of an earlier Holdfast: the same server, started by somebody who does not hold the lock.
        let account = try ServerAccount(name: "postgres")
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        let programs = try ServerPrograms(configured: "", wantedVersion: nil)
        let stray = try ChildProcess.start(
            ChildProcess.Command(
                words: account.command([programs.postgres, "-D", made.dataDirectory, "-k", "/tmp", "-p", "1", "-h", ""]
                ),
                environment: account.environment, output: null))
        defer { stray.end(patience: .seconds(10)) }
        while PostmasterStatus(dataDirectory: made.dataDirectory)?.isReady != true {
            try #require(stray.wait(timeout: .milliseconds(10)) == nil)
        }
        let (server, said) = try Self.start(folder.path)
        defer { server.stop() }
        #expect(said.contains { $0.contains("earlier Holdfast left running") })
        #expect(stray.wait(timeout: .seconds(10)) == .exited(code: 0))
        #expect(try Self.psql(server, "SELECT 1") == "1")
    }

    @Test("a server that will not start says so with its log's last lines, and leaves no process")
    func brokenConfiguration() throws {
        let folder = try Folder()
        let (made, _) = try Self.start(folder.path)
        made.stop()
        let configuration = made.dataDirectory + "/postgresql.conf"
        let handle = try #require(FileHandle(forWritingAtPath: configuration))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("\nno_such_setting = 1\n".utf8))
        try handle.close()
        let fault = #expect(throws: EmbeddedServerError.self) { try Self.start(folder.path) }
        #expect(fault?.step == .launch)
        #expect(fault?.logLines.contains { $0.contains("no_such_setting") } == true)
        #expect(fault?.description.contains(made.logFile) == true)
        #expect(Self.processes(in: made.dataDirectory).isEmpty)
    }

    @Test("settings that cannot work say which one and what to do")
    func settings() throws {
        let folder = try Folder()
        var settings = EmbeddedServerSettings(dataDirectory: "data", user: "postgres", binaryDirectory: "/nowhere")
        let programs = #expect(throws: EmbeddedServerError.self) {
            try EmbeddedServer.start(settings: settings, baseDirectory: folder.path) { _ in }
        }
        #expect(programs?.step == .programs)
        guard geteuid() == 0 else { return }
        settings.user = "nobody-like-this"
        let account = #expect(throws: EmbeddedServerError.self) {
            try EmbeddedServer.start(settings: settings, baseDirectory: folder.path) { _ in }
        }
        #expect(account?.step == .account)
        settings.user = "root"
        let root = #expect(throws: EmbeddedServerError.self) {
            try EmbeddedServer.start(settings: settings, baseDirectory: folder.path) { _ in }
        }
        #expect(root?.description.contains("is root") == true)
    }

    @Test("below a folder that the server's user cannot enter, the data goes to /var/lib/holdfast, and that is said")
    func closedFolder() throws {
        guard geteuid() == 0 else { return }
        let folder = try Folder()
        #expect(chmod(folder.path, 0o700) == 0)
        let said = Mutex<[String]>([])
        let account = try ServerAccount(name: "postgres")
        // Only if nobody else has put anything there.
        defer { _ = rmdir("/var/lib/holdfast") }
        func place() throws -> String {
            try ServerFolders(wanted: "a/data", baseDirectory: folder.path, account: account) { text in
                said.withLock { $0.append(text) }
            }.data
        }
        let data = try place()
        #expect(data.hasPrefix("/var/lib/holdfast/data-"))
        #expect(try place() == data)
        #expect(said.withLock { $0.first?.contains("cannot enter \(folder.path)") } == true)
    }
}
