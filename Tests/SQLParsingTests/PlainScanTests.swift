import Testing

@testable import SQLParsing

@Suite("The quickest proof that a query is ordinary")
struct PlainScanTests {
    private func isProven(_ text: String) -> Bool { Array(text.utf8).withUnsafeBytes { PlainScan.isProven($0) } }

    @Test(
        "Words, numbers, parameters and operators need no token",
        arguments: [
            "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;",
            "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
            "select a.b, c[1]::int from t join u on t.id = u.id where x >= 1.5 and y <> $2 and z @> $13 limit 5",
            "sElEcT * fRoM orders ; \n\t",
            "SELECT\n1 FROM a\r\nWHERE b ^ 2 < c",
        ])
    func proves(text: String) { #expect(isProven(text)) }

    @Test(
        "Whatever could hold something else is left to the lexer",
        arguments: [
            "SELECT 1", "SELECT drop_all(1) FROM t", "SELECT 'a' FROM t WHERE x = 1",
            "SELECT a INTO b FROM t WHERE x = 1",
            "SELECT a FROM t WHERE x = 1 iNtO", "SELECT a FROM t; DROP TABLE u", "SELECT a FROM t WHERE x = 1;;",
            "SELECT a FROM \"t\" WHERE x = 1", "SELECT a FROM t -- and so on", "SELECT a FROM t /* and */ WHERE x = 1",
            "SELECT a FROM t WHERE x = $a$ $a$", "SELECT a FROM t WHERE x = $$ $$", "SELECT a FROM t WHERE xyz = $",
            "SELECT a FROM t WHERE x = U&5 \\", "SELECT a FROM tä WHERE x = 1",
            "SELECT a FROM t WHERE x = 1 \u{1} AND y",
            "SELECTED a FROM t WHERE x = 1", "INSERT a FROM t WHERE x = 1", "SELECT a FROM t WHERE x = 1 | 2 ~ 3",
            "SELECT a FROM t WHERE x = 5 ) b", "SELECT a FROM t WHERE x = 5 }", "SELECT$1 a FROM t WHERE x = 5",
        ])
    func leaves(text: String) { #expect(!isProven(text)) }

    @Test("What spoils a query is seen at every place")
    func everyPlace() {
        let plain = Array("SELECT abalance FROM pgbench_accounts WHERE aid = 12345 and bid = 12".utf8)
        let texts = ["(", "'", "\"", ";", "\\", "--", "/*", "$x", " into ", "é", "\u{7F}", "\u{1}"]
        for spoiling in texts.map({ Array($0.utf8) }) {
            for place in 7...(plain.count - spoiling.count) {
                var text = plain
                text.replaceSubrange(place..<(place + spoiling.count), with: spoiling)
                // A last semicolon is the statement's end.
                if spoiling == [UInt8(ascii: ";")], place == plain.count - 1 { continue }
                #expect(!text.withUnsafeBytes { PlainScan.isProven($0) }, "\(String(decoding: text, as: UTF8.self))")
            }
        }
    }

    @Test("All that it proves the lexer proves, too, whatever backslashes mean")
    func agreesWithTheLexer() {
        let parts = [
            "SELECT ", "select ", "a", "in", "to", "into", "INTO", " ", "\n", "1", "$1", "$", "$a$", ".", ",", ";",
            "=", "<", "*", "+", "-", "/", "'", "\"", "(", ")", "[", "]", ":", "::", "\\", "é", "_", "@", "e", "U&",
            "using", "WHERE ",
        ]
        var state: UInt64 = 1
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var proven = 0
        for _ in 0..<200_000 {
            var text = "SELECT "
            // Mostly harmless parts, so that whole texts are, too.
            for _ in 0..<(4 + next(12)) {
                text += parts[next(8) == 0 ? next(parts.count) : [2, 7, 9, 10, 14, 16, 37][next(7)]]
            }
            Array(text.utf8).withUnsafeBytes { bytes in
                guard PlainScan.isProven(bytes) else { return }
                proven += 1
                for conforming in [true, false] {
                    let settings = LexicalSettings(standardConformingStrings: conforming)
                    #expect(PlainQuery.isProven(bytes, settings: settings), "\(text)")
                }
            }
        }
        #expect(proven > 10_000)
    }
}
