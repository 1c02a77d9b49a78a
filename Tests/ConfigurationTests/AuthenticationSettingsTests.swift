import Testing

@testable import Configuration

@Suite struct AuthenticationSettingsTests {
    private func read(_ text: String) throws(ConfigurationError) -> ProxyConfiguration {
        try ConfigurationReader.read(text, file: "proxy.conf", version: 1)
    }

    @Test func theServerChecksPasswordsUnlessAskedOtherwise() throws {
        let settings = try read("").authentication
        #expect(settings == AuthenticationSettings())
        #expect(settings.method == .passThrough)
    }

    @Test func everyKeyIsRead() throws {
        let configuration = try read(
            """
            auth = "scram"
            [users]
            file = "users.txt"
            connection = "host=db.example user=holdfast"
            query = "SELECT secret_of($1)"
            cache = "5s"
            """)
        var settings = AuthenticationSettings()
        settings.method = .scram
        settings.usersPath = "users.txt"
        settings.connection = "host=db.example user=holdfast"
        settings.query = "SELECT secret_of($1)"
        settings.cacheTime = .seconds(5)
        #expect(configuration.authentication == settings)
        #expect(configuration.warnings.allSatisfy { !$0.message.contains("users") })
    }

    @Test func anEmptyQueryIsTheStandardOne() throws {
        let settings = try read("auth = \"scram\"\n[users]\nconnection = \"host=a\"\nquery = \"\"").authentication
        #expect(settings.query == AuthenticationSettings.standardQuery)
    }

    @Test(arguments: [
        Mistake(text: "auth = \"md5\"", line: 1, says: "is no value of \"auth\""),
        Mistake(text: "auth = \"scram\"", line: 1, says: "needs to know the users' SCRAM secrets"),
        Mistake(text: "[users]\nfiles = \"a\"", line: 2, says: "unknown key"),
        Mistake(text: "auth = \"scram\"\n[users]\nfile = \"~/users\"", line: 3, says: "is not expanded here"),
        Mistake(
            text: "auth = \"scram\"\n[users]\nconnection = \"host=a\"\nquery = \"SELECT 1\"", line: 4,
            says: "$1 is missing"),
        Mistake(
            text: "auth = \"scram\"\n[users]\nconnection = \"host=a\"\ncache = \"2m\"", line: 4, says: "out of range"),
    ])
    func mistakesAreNamedWithTheirPlace(_ mistake: Mistake) throws { try mistake.isNamed() }

    @Test(arguments: [
        Mistake(text: "[users]\nfile = \"a\"", line: 1, says: "[users] is not used"),
        Mistake(
            text: "auth = \"scram\"\n[users]\nfile = \"a\"\ncache = \"5s\"", line: 4,
            says: "\"cache\" is not used without a connection"),
        Mistake(
            text: "auth = \"scram\"\n[users]\nfile = \"a\"\nquery = \"SELECT $1\"", line: 4,
            says: "\"query\" is not used without a connection"),
    ])
    func whatHasNoEffectIsWarnedAbout(_ row: Mistake) throws {
        let issue = try #require(try read(row.text).warnings.first { $0.message.contains(row.says) })
        #expect(issue.position.line == row.line)
    }
}
