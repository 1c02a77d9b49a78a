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
        RedactionRow("SET password_encryption = 'md5'", "SET password_encryption = '***'"),
        RedactionRow("COMMENT ON TABLE t IS 'password reset table'", "COMMENT ON TABLE t IS 'password reset table'"),
    ]

    @Test("each secret is replaced, all else stays", arguments: rows)
    func redacted(row: RedactionRow) {
        let bytes = Array(row.sql.utf8)
        let text = bytes.withUnsafeBytes { SecretRedaction.redacted($0, settings: LexicalSettings()) }
        #expect(text == row.expected)
        #expect(!text.contains("secret"))
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
