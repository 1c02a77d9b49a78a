import Testing

@testable import SQLParsing

struct LexerRow: Sendable, CustomTestStringConvertible {
    var sql: String
    var tokens: [String]
    var standardConformingStrings = true

    init(_ sql: String, _ tokens: [String], standardConformingStrings: Bool = true) {
        self.sql = sql
        self.tokens = tokens
        self.standardConformingStrings = standardConformingStrings
    }

    var testDescription: String { sql }

    /// The spellings of the tokens that the lexer sees.
    var seen: [String] {
        let bytes = Array(sql.utf8)
        return bytes.withUnsafeBytes { text in
            var lexer = Lexer(text, standardConformingStrings: standardConformingStrings)
            var seen: [String] = []
            while true {
                let token = lexer.next()
                if token.kind == .end { return seen }
                seen.append(String(decoding: text[token.range], as: UTF8.self))
            }
        }
    }
}

@Suite("The lexer reads as PostgreSQL's scan.l does")
struct LexerTests {
    @Test("a name ends at the first byte that belongs to none, wherever that stands")
    func endOfName() {
        for byte in UInt8(1)...255 {
            for length in 1...20 {
                let name = Array(repeating: UInt8(ascii: "n"), count: length)
                let sql = name + [byte] + name
                let end = sql.withUnsafeBytes { text -> Int in
                    var lexer = Lexer(text)
                    return lexer.next().end
                }
                // `n'` begins a literal, but the word ends there, too.
                #expect(end == (Lexer.isNamePart(byte) ? sql.count : length), "byte \(byte) behind \(length)")
            }
        }
    }

    @Test("keywords are found in any case, at the text's end and before it")
    func keywords() {
        for word in ["select", "SELECT", "SeLeCt", "select x from t"] {
            #expect(Array(word.utf8).withUnsafeBytes { Keyword(Token(.word, 0, 6), $0) } == .select, "\(word)")
        }
        for word in ["selecu", "@ELECT", "[elect", "sel\u{65}\u{301}t", "{select"] {
            #expect(Array((word + "12345678").utf8).withUnsafeBytes { Keyword(Token(.word, 0, 6), $0) } != .select)
        }
    }

    static let rows: [LexerRow] = [
        // Literals.
        LexerRow(#"'a\' ; 'b'"#, [#"'a\'"#, ";", "'b'"]),
        LexerRow(#"'a\' ; 'b'"#, [#"'a\' ; '"#, "b'"], standardConformingStrings: false),
        LexerRow(#"E'a\'' ;"#, [#"E'a\''"#, ";"]),
        LexerRow(#"nameE'a'"#, ["nameE", "'a'"]),
        LexerRow("''''';", ["''''';"]),
        LexerRow("'a''b' c", ["'a''b'", "c"]),
        LexerRow("X'1''2'", ["X'1'", "'2'"]),
        LexerRow("N'a'", ["N", "'a'"]),
        LexerRow(#"U&'\0061''' x"#, [#"U&'\0061'''"#, "x"]),
        LexerRow("'a' 'b'", ["'a'", "'b'"]),
        LexerRow("'a'\n'b'", ["'a'\n'b'"]),
        LexerRow("'a' -- c\n 'b'", ["'a' -- c\n 'b'"]),
        LexerRow("'a' /* c */\n 'b'", ["'a'", "'b'"]),
        LexerRow("E'a'\n'\\'' ;", ["E'a'\n'\\''", ";"]),
        // Names.
        LexerRow(#""a""b" U&"c""#, [#""a""b""#, #"U&"c""#]),
        LexerRow("a$$b$$ c", ["a$$b$$", "c"]),
        LexerRow("é1$ ü", ["é1$", "ü"]),
        // Dollar quotes.
        LexerRow("$$ ' $$ ;", ["$$ ' $$", ";"]),
        LexerRow("$a$ x $b$a$ ;", ["$a$ x $b$a$", ";"]),
        LexerRow("$é$ ' $é$;", ["$é$ ' $é$", ";"]),
        LexerRow("1+$$2$$", ["1", "+", "$$2$$"]),
        LexerRow("$1$a$ x $a$", ["$1", "$a$ x $a$"]),
        // Numbers.
        LexerRow("1e5$a$;$a$", ["1e5", "$a$;$a$"]),
        LexerRow("1..2 .5 1.", ["1", "..", "2", ".5", "1."]),
        LexerRow("1_000 0x1F 1e-3", ["1_000", "0x1F", "1e-3"]),
        LexerRow("1a 1e", ["1", "a", "1", "e"]),
        // Comments.
        LexerRow("a--b\rc", ["a", "c"]),
        LexerRow("a/* /* */ ; */b", ["a", "b"]),
        LexerRow("2*/* ' */3", ["2", "*", "3"]),
        LexerRow("@-- '\n -2", ["@", "-", "2"]),
        LexerRow("/*/**/*/x", ["x"]),
        // Operators.
        LexerRow("a=-1", ["a", "=", "-", "1"]),
        LexerRow("a@-1", ["a", "@-", "1"]),
        LexerRow("a::b:=c:d", ["a", "::", "b", ":=", "c", ":", "d"]),
        LexerRow("+++1", ["+", "+", "+", "1"]),
    ]

    @Test("each text falls into the tokens that the server sees", arguments: rows)
    func tokens(row: LexerRow) {
        #expect(row.seen == row.tokens)
    }

    @Test("a name goes on with letters, digits, underscores, dollar signs and high bytes")
    func nameParts() {
        for byte in UInt8.min...UInt8.max {
            let isExpected = Lexer.isNameStart(byte) || Lexer.isDigit(byte) || byte == UInt8(ascii: "$")
            #expect(Lexer.isNamePart(byte) == isExpected)
        }
    }

    @Test("an unclosed literal, name or comment ends with the text and says so")
    func unterminated() {
        for sql in ["'a", "E'a\\", "\"a", "$$ a", "U&'a", "/* /* */"] {
            let bytes = Array(sql.utf8)
            bytes.withUnsafeBytes { text in
                var lexer = Lexer(text)
                let token = lexer.nextIncludingComments()
                #expect(token.isUnterminated)
                #expect(token.end == bytes.count)
                #expect(lexer.next().kind == .end)
            }
        }
    }

    @Test("every byte string is read to its end in tokens that do not overlap")
    func anyBytes() {
        var generator = SeededGenerator(seed: 0x5EED)
        for _ in 0..<20_000 {
            let length = Int.random(in: 0..<40, using: &generator)
            let bytes = (0..<length).map { _ in UInt8.random(in: 1...255, using: &generator) }
            bytes.withUnsafeBytes { text in
                for isConforming in [true, false] {
                    var lexer = Lexer(text, standardConformingStrings: isConforming)
                    var end = 0
                    while true {
                        let token = lexer.nextIncludingComments()
                        if token.kind == .end { break }
                        #expect(token.start >= end && token.end > token.start && token.end <= text.count)
                        end = token.end
                    }
                }
            }
        }
    }

    @Test("statements are cut where libpg_query cuts them, over mutated texts")
    func boundaries() {
        let pieces = [
            "select 1", ";", "'a'", "E'\\''", "\"q\"", "$$;$$", "$a$ ' $a$", "/* ; */", "-- ;\n", " ", "\n", "\r",
            "a$b$",
            "1e5", "U&'x'", "''", "create rule r as on insert to t do also (select 1; select 2)", "values (1)", ",",
            "+",
            "create function f() returns int begin atomic select 1; select 2; end",
            "create function f() returns int begin atomic select case when a then 1 end; end",
        ]
        var generator = SeededGenerator(seed: 0xB0B)
        var compared = 0
        for _ in 0..<30_000 {
            var sql = ""
            for _ in 0..<Int.random(in: 1..<9, using: &generator) {
                sql += pieces.randomElement(using: &generator) ?? ""
            }
            let bytes = Array(sql.utf8)
            guard let count = StatementParser.statementCount(of: bytes) else { continue }
            var canonical = CanonicalText()
            bytes.withUnsafeBytes { canonical.load($0, settings: LexicalSettings()) }
            #expect(canonical.statements.count == count, "\(sql)")
            compared += 1
        }
        #expect(compared > 3_000)
    }
}
