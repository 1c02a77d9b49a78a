import Authentication
import CLinux
import Configuration
import Foundation
import Logging

/// `auth = "scram"` with its users: made at start and at each reload, shared by all loops.
package struct AuthenticationPolicy: Sendable {
    /// nil without `[users] file`.
    private let file: UsersFile?
    /// nil without `[users] connection`.
    private let service: UserQueryService?
    private let fileSecret: [UInt8]

    /// Known to this process only.
    static let processSecret = randomBytes(32)

    /// Reads the file of users.
    ///
    /// - Parameter former: the policy before a reload; its connections are taken over if nothing about them has changed.
    /// - Returns: nil for `auth = "pass-through"`.
    /// - Throws: ``ProxyError`` that names the file, the line and what is wrong with it.
    package init?(
        _ configuration: ProxyConfiguration, former: AuthenticationPolicy? = nil, logger: Logger
    ) throws(ProxyError) {
        let settings = configuration.authentication
        guard settings.method == .scram else { return nil }
        if settings.usersPath.isEmpty {
            file = nil
            fileSecret = []
        } else {
            let read = try Self.read(configuration.resolve(settings.usersPath))
            file = read
            fileSecret = read.commonSecret ?? Self.processSecret
        }
        if settings.connection.isEmpty {
            service = nil
        } else {
            let wanted = UserQueryService.Settings(
                connection: settings.connection, query: settings.query, cacheTime: settings.cacheTime)
            service =
                former?.service?.settings == wanted ? former?.service : UserQueryService(wanted, logger: logger)
        }
    }

    /// Ends the connections, unless a newer policy has taken them over.
    package func stop(besides newer: AuthenticationPolicy? = nil) {
        guard newer?.service !== service else { return }
        service?.stop()
    }

    /// Looks a user up.
    ///
    /// - Parameter answer: called once, at once or on another thread.
    func find(_ user: String, answer: @escaping @Sendable (UserLookup) -> Void) {
        let filed = file.map { file in
            UserLookup(
                answer: file.verifier(of: user).map { .found($0) } ?? .none("not in the file of users"),
                mockSecret: fileSecret)
        }
        guard let service else {
            return answer(filed ?? UserLookup(answer: .none("there are no users"), mockSecret: fileSecret))
        }
        // Asked for those in the file, too: how long an answer takes must not tell who stands where.
        service.find(user) { asked in
            guard let filed else { return answer(asked) }
            if case .found = filed.answer { return answer(filed) }
            var asked = asked
            asked.mockSecret = filed.mockSecret
            answer(asked)
        }
    }

    /// A login with this answer has failed: it may be out of date.
    func forget(_ user: String) { service?.forget(user) }

    private static func read(_ path: String) throws(ProxyError) -> UsersFile {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ProxyError(
                message: "cannot read the file of users \(path)",
                remedy: "see [users] file in proxy.conf; the user that runs Holdfast must be able to read it")
        }
        if let attributes = try? FileManager.default.attributesOfItem(atPath: path),
            let mode = attributes[.posixPermissions] as? Int, mode & 0o007 != 0
        {
            throw ProxyError(
                message: "the file of users \(path) can be read by everybody", remedy: "chmod 600, or 640")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw ProxyError(message: "the file of users \(path) is not UTF-8", remedy: "write it in UTF-8")
        }
        do throws(UsersFile.Fault) {
            return try UsersFile(text)
        } catch {
            throw ProxyError(message: "\(path):\(error.line): \(error.message)", remedy: error.remedy)
        }
    }

    /// From the kernel (getrandom(2)).
    private static func randomBytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count { withUnsafeBytes(of: linux_random()) { bytes += $0 } }
        return Array(bytes.prefix(count))
    }

    /// 24 printable characters that never come again.
    static func nonce() -> String { Base64.encode(randomBytes(18)) }
}
