import Testing

@testable import Configuration

/// A text of proxy.conf with something wrong in it, and where and how that is said.
struct Mistake: CustomTestStringConvertible, Sendable {
    var text: String
    var line: Int
    var says: String

    var testDescription: String { says }

    /// It is an error with its place and a remedy.
    func isNamed() throws {
        do throws(ConfigurationError) {
            _ = try ConfigurationReader.read(text, file: "proxy.conf", version: 1)
            Issue.record("it was read")
        } catch {
            let issue = try #require(error.issues.first { $0.message.contains(says) })
            #expect(issue.position.line == line)
            #expect(!issue.remedy.isEmpty)
        }
    }
}
