import Foundation
import Testing

@testable import SQLParsing

struct RedactionRow: Sendable, CustomTestStringConvertible {
    var sql: String
    var expected: String

    init(_ sql: String, _ expected: String) {
        self.sql = sql
        self.expected = expected
    }

    var testDescription: String { sql }
}

private enum SecretCorpus {
    /// The statements of a file of Tests/Corpus/secrets.
    static func statements(_ name: String) -> [String] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = tests.appendingPathComponent("Corpus/secrets/\(name).txt")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        if name == "harmless" { return text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") } }
        return text.components(separatedBy: "\n## ").dropFirst().map { block in
            block.drop { $0 != "\n" }.dropFirst().trimmingCharacters(in: .newlines)
        }
    }
}

@Suite("Passwords do not leave in text")
struct SecretRedactionTests {
    static let rows: [RedactionRow] = [
        RedactionRow("SELECT 1", "SELECT 1"),
        RedactionRow("CREATE ROLE a PASSWORD 'secret' LOGIN", "CREATE ROLE a PASSWORD '***' LOGIN"),
        RedactionRow("ALTER USER a ENCRYPTED PASSWORD E'se\\'cret'", "ALTER USER a ENCRYPTED PASSWORD '***'"),
        RedactionRow("alter user a password $x$secret$x$", "alter user a password '***'"),
        RedactionRow("ALTER USER a PASSWORD/**/'secret'", "ALTER USER a PASSWORD/**/'***'"),
        RedactionRow("ALTER USER a PASSWORD NULL", "ALTER USER a PASSWORD NULL"),
        RedactionRow("ALTER USER a PASSWORD \"secret\"", "ALTER USER a PASSWORD '***'"),
        RedactionRow("ALTER USER a PASSWORD secret", "ALTER USER a PASSWORD '***'"),
        RedactionRow("ALTER USER a PASWORD 'secret' BROKEN", "ALTER USER a PASWORD '***' BROKEN"),
        RedactionRow("ALTER USER a PASSWORD 'secret", "ALTER USER a PASSWORD '***'"),
        RedactionRow(
            "CREATE USER a VALID UNTIL '2030-01-01' PASSWORD 'secret'",
            "CREATE USER a VALID UNTIL '2030-01-01' PASSWORD '***'"),
        RedactionRow(
            "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'b', password 'secret')",
            "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'b', password '***')"),
        RedactionRow(
            "CREATE SUBSCRIPTION s CONNECTION 'host=a password=secret dbname=b' PUBLICATION p",
            "CREATE SUBSCRIPTION s CONNECTION 'host=a password=*** dbname=b' PUBLICATION p"),
        RedactionRow(
            "SELECT dblink_connect('host=a password=''se cret'' user=b')",
            "SELECT dblink_connect('host=a password=''***'' user=b')"),
        RedactionRow(
            "SELECT dblink_connect('postgresql://u:secret@h/d')", "SELECT dblink_connect('postgresql://u:***@h/d')"),
        RedactionRow(
            "DO $$ BEGIN EXECUTE 'ALTER USER a PASSWORD ''secret'''; ALTER USER b PASSWORD 'secret'; END $$",
            "DO $$ BEGIN EXECUTE 'ALTER USER a PASSWORD ''***'''; ALTER USER b PASSWORD '***'; END $$"),
        RedactionRow(
            "DO 'BEGIN ALTER USER a PASSWORD ''secret''; END'", "DO 'BEGIN ALTER USER a PASSWORD ''***''; END'"),
        RedactionRow("/* ALTER USER a PASSWORD 'secret' */ SELECT 1", "/* ALTER USER a PASSWORD '***' */ SELECT 1"),
        RedactionRow("SELECT * FROM t WHERE password = 'secret'", "SELECT * FROM t WHERE password = '***'"),
        RedactionRow("SELECT user, password FROM t", "SELECT user, password FROM t"),
        RedactionRow("CREATE TABLE t (password text)", "CREATE TABLE t (password text)"),
        RedactionRow("SET password_encryption = 'md5'", "SET password_encryption = 'md5'"),
        RedactionRow("ALTER ROLE a SET search_path TO 'b'", "ALTER ROLE a SET search_path TO 'b'"),
        RedactionRow("COMMENT ON TABLE t IS 'password reset table'", "COMMENT ON TABLE t IS 'password reset table'"),
    ]

    @Test("each secret is replaced, all else stays", arguments: rows)
    func redacted(row: RedactionRow) {
        let bytes = Array(row.sql.utf8)
        let text = bytes.withUnsafeBytes { SecretRedaction.redacted($0, settings: LexicalSettings()) }
        #expect(text == row.expected)
        #expect(!text.contains("secret"))
    }

    @Test("what was taken out is known, so that it is found in an error")
    func secrets() {
        let sql = Array("ALTER USER a PASSWORD 'it''s'; ALTER USER a PASSWORD oops".utf8)
        let result = sql.withUnsafeBytes { SecretRedaction.result($0, settings: LexicalSettings()) }
        #expect(result.secrets == ["it''s", "it's", "oops"])
        let message = "syntax error at or near \"oops\", it's"
        #expect(
            SecretRedaction.redacted(message: message, secrets: result.secrets)
                == "syntax error at or near \"***\", ***")
    }

    @Test("a parameter in a secret's place is one")
    func parameters() {
        func found(_ sql: String) -> Set<Int> {
            Array(sql.utf8).withUnsafeBytes { SecretRedaction.secretParameters($0) }
        }
        #expect(found("UPDATE t SET name = $1, password = $2 WHERE token = $3") == [2, 3])
        #expect(found("SELECT set_config('app.secret', $1, $2)") == [1, 2])
        #expect(found("INSERT INTO t (id, api_key) VALUES ($1, $2)") == [2])
        #expect(found("DELETE FROM tokens WHERE id = $1").isEmpty)
    }

    @Test(
        "no secret of the corpus is left, and what is redacted stays as it is",
        arguments: SecretCorpus.statements("secrets"))
    func corpus(statement: String) {
        let settings = LexicalSettings()
        let sql = Array(statement.replacing("{secret}", with: "kY7dQ2xWm4Rt9bZs").utf8)
        let once = sql.withUnsafeBytes { SecretRedaction.redacted($0, settings: settings) }
        #expect(!once.contains("kY7dQ2xWm4Rt9bZs"))
        #expect(once.contains("***"))
        #expect(Array(once.utf8).withUnsafeBytes { SecretRedaction.redacted($0, settings: settings) } == once)
        // However little of it is there: nothing is shown of a secret that was cut. Unless only what follows says what it is.
        if statement.contains("AS password") || statement.contains("AS \"password\"")
            || statement.contains("DECLARE fresh")
        {
            return
        }
        // Of `://user:a@b` nobody can tell that b is no host.
        if statement.contains("@{secret}@") { return }
        for end in sql.indices {
            let text = sql[..<end].withUnsafeBytes { SecretRedaction.redacted($0, settings: settings) }
            #expect(!text.contains("kY7dQ2x"), "\(text)")
        }
    }

    @Test("what only looks like a secret stays", arguments: SecretCorpus.statements("harmless"))
    func harmless(statement: String) {
        let text = Array(statement.utf8).withUnsafeBytes {
            SecretRedaction.redacted($0, settings: LexicalSettings())
        }
        #expect(text == statement)
    }

    @Test("both files are there")
    func files() {
        #expect(SecretCorpus.statements("secrets").count >= 100)
        #expect(SecretCorpus.statements("harmless").count >= 30)
    }

    @Test(
        "a hostile text costs no more than its length",
        arguments: [
            "password ", "password=", "'password ", "://a:b/", "$a$", "$$passw", "set_config('secret',", "md5",
            "(token ",
            "insert into t (password) values ('a'),", "/*passw*/", "''passw''",
        ])
    func linear(piece: String) {
        func duration(_ count: Int) -> Duration {
            let text = Array(String(repeating: piece, count: count / piece.utf8.count).utf8)
            return ContinuousClock().measure {
                _ = text.withUnsafeBytes { SecretRedaction.redacted($0, settings: LexicalSettings()) }
            }
        }
        _ = duration(1 << 12)
        let short = (0..<3).map { _ in duration(1 << 15) }.min() ?? .zero
        let long = (0..<3).map { _ in duration(1 << 18) }.min() ?? .zero
        // Eight times the length: squared it would be 64 times the time.
        #expect(long < short * 24 + .milliseconds(5))
    }

    @Test("backslashes are read as the session reads them")
    func backslashes() {
        let sql = Array(#"ALTER USER a PASSWORD 'se\'cret' LOGIN"#.utf8)
        let text = sql.withUnsafeBytes {
            SecretRedaction.redacted($0, settings: LexicalSettings(standardConformingStrings: false))
        }
        #expect(text == "ALTER USER a PASSWORD '***' LOGIN")
    }

    @Test("any bytes become text")
    func anyBytes() {
        var generator = SeededGenerator(seed: 7)
        let stem = Array("ALTER USER a PASSWORD 'x".utf8)
        for _ in 0..<5_000 {
            var bytes = stem
            for _ in 0..<8 {
                bytes.insert(
                    UInt8.random(in: 0...255, using: &generator), at: Int.random(in: 0...bytes.count, using: &generator)
                )
            }
            for encoding in ClientEncoding.allCases {
                _ = bytes.withUnsafeBytes {
                    SecretRedaction.redacted($0, settings: LexicalSettings(encoding: encoding))
                }
            }
        }
    }
}

@Suite("A fingerprint is a statement's shape")
struct FingerprintTests {
    private func fingerprint(_ sql: String) -> Fingerprint { Array(sql.utf8).withUnsafeBytes { Fingerprint(of: $0) } }

    @Test("constants, comments, case and spaces do not count")
    func equal() {
        #expect(
            fingerprint("SELECT a FROM t WHERE b = 1") == fingerprint("select  a\nfrom T /* x */ where B = 'it''s'"))
        #expect(fingerprint("SELECT 1 WHERE a IN (1, 2, 3)") == fingerprint("SELECT 2 WHERE a IN ($1)"))
        #expect(fingerprint("SELECT 1").description.count == 16)
    }

    @Test("names, commands and quoted case do")
    func different() {
        #expect(fingerprint("SELECT a FROM t") != fingerprint("SELECT b FROM t"))
        #expect(fingerprint("DROP TABLE a") != fingerprint("DROP TABLE \"A\""))
        #expect(fingerprint("SELECT 1, a") != fingerprint("SELECT 1 a"))
    }
}
