/// Reads `auth` and `[users]`.
enum AuthenticationReader {
    static let keys = ["file", "connection", "query", "cache"]

    private static let minute = 60_000

    static func settings(_ root: SectionReader) -> AuthenticationSettings {
        let section = root.section("users")
        section.rejectKeys(besides: keys)
        var settings = AuthenticationSettings()
        settings.method =
            root.word("auth", among: AuthenticationSettings.Method.allCases.map(\.rawValue))
            .flatMap(AuthenticationSettings.Method.init) ?? .passThrough
        // A path that cannot be used is named as such, and not also missed.
        settings.usersPath = section.filePath("file", example: "users.txt")?.text ?? section.text("file") ?? ""
        settings.connection =
            section.string("connection", example: "host=localhost dbname=postgres user=holdfast")?.text ?? ""
        settings.query = query(section)
        settings.cacheTime = section.duration("cache", in: 0...minute, otherwise: 0)
        checkTogether(settings, root: root, section: section)
        return settings
    }

    private static func query(_ section: SectionReader) -> String {
        let standard = AuthenticationSettings.standardQuery
        guard let entry = section.string("query", example: "SELECT secret_of($1)"), !entry.text.isEmpty else {
            return standard
        }
        guard entry.text.contains("$1") else {
            section.log.error(
                at: entry.path, "\"query\" does not ask for the user: $1 is missing",
                "write $1 where the user's name belongs; Holdfast sends the name apart from the text")
            return standard
        }
        return entry.text
    }

    private static func checkTogether(
        _ settings: AuthenticationSettings, root: SectionReader, section: SectionReader
    ) {
        let knowsUsers = !settings.usersPath.isEmpty || !settings.connection.isEmpty
        switch settings.method {
        case .scram where !knowsUsers:
            root.log.error(
                at: root.path(of: "auth"), "auth = \"scram\" needs to know the users' SCRAM secrets",
                "write file = \"users.txt\", or connection = \"host=…\", in [users]")
        case .scram:
            for key in ["query", "cache"] where settings.connection.isEmpty && section.has(key) {
                if section.text(key) == "" || settings.cacheTime == .zero && key == "cache" { continue }
                root.log.warning(
                    atKey: section.path(of: key), "\"\(key)\" is not used without a connection",
                    "write connection = \"host=…\" in [users]")
            }
        case .passThrough where knowsUsers:
            root.log.warning(
                atKey: section.path, "[users] is not used: the server checks the passwords", "write auth = \"scram\"")
        case .passThrough:
            break
        }
    }
}
