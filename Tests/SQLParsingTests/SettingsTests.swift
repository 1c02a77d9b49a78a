import Testing

@testable import SQLParsing

@Suite("A text is read under the session's settings")
struct SettingsTests {
    private func canonical(_ sql: String, standardConformingStrings: Bool) -> String {
        var canonical = CanonicalText()
        Array(sql.utf8).withUnsafeBytes {
            canonical.load($0, settings: LexicalSettings(standardConformingStrings: standardConformingStrings))
        }
        return String(decoding: canonical.bytes, as: UTF8.self)
    }

    @Test("comments become white space of the same length")
    func comments() {
        #expect(canonical("DROP/* x */TABLE--a\nt", standardConformingStrings: true) == "DROP       TABLE   \nt")
    }

    @Test("backslash escapes are rewritten, every byte behind the literal keeps its place")
    func escapes() {
        #expect(canonical(#"'a\'b' c"#, standardConformingStrings: false) == #"'a''b' c"#)
        #expect(canonical(#"'\\' c"#, standardConformingStrings: false) == #"'\'  c"#)
        #expect(canonical(#"'\x41\101\n' c"#, standardConformingStrings: false) == "'AA\n'        c")
        #expect(canonical("'\\u00e9' c", standardConformingStrings: false) == "'é'     c")
        #expect(canonical("'a'\n'\\'' c", standardConformingStrings: false) == "'a'\n'''' c")
    }

    @Test("two literals with a comment between them stay two")
    func twoLiterals() {
        #expect(canonical("'a' /*\n*/ \n 'b'", standardConformingStrings: true) == "'a'         'b'")
        #expect(facts("DO LANGUAGE 'plpgsql' /**/\n'BEGIN DROP TABLE t; END'").classes.contains(.dropTable))
    }

    @Test("a continued literal keeps its reading over a comment")
    func continuation() {
        #expect(facts("SELECT E'a' --x\n'\\'; DROP TABLE t; --'").isOrdinary)
        #expect(facts("SELECT 'a' --x\n'\\'; DROP TABLE t; --'").classes.contains(.dropTable))
    }

    @Test("the same bytes hold a DROP or a literal, by standard_conforming_strings")
    func standardConformingStrings() {
        let sql = #"SELECT 'x\' , '; DROP TABLE leads; --'"#
        #expect(facts(sql, standardConformingStrings: true).isOrdinary)
        #expect(facts(sql, standardConformingStrings: false).classes.contains(.dropTable))
        let other = #"SELECT 'a\'; DROP TABLE leads; --'"#
        #expect(facts(other, standardConformingStrings: true).classes.contains(.dropTable))
        #expect(facts(other, standardConformingStrings: false).isOrdinary)
    }

    struct EncodingRow: Sendable {
        var encoding: ClientEncoding
        /// One character whose last byte is a backslash or a quote's neighbour in ASCII.
        var character: [UInt8]
    }

    static let encodings: [EncodingRow] = [
        EncodingRow(encoding: .sjis, character: [0x83, 0x5C]),
        EncodingRow(encoding: .shiftJIS2004, character: [0x83, 0x5C]),
        EncodingRow(encoding: .big5, character: [0xA5, 0x5C]),
        EncodingRow(encoding: .gbk, character: [0x95, 0x5C]),
        EncodingRow(encoding: .gb18030, character: [0x95, 0x5C]),
    ]

    @Test("a trail byte that looks like a backslash escapes nothing", arguments: encodings)
    func trailBytes(row: EncodingRow) {
        // scs = off: '<char>' is whole, and what follows is a statement.
        let sql = Array("SELECT '".utf8) + row.character + Array("'; DROP TABLE leads; --'".utf8)
        let settings = LexicalSettings(standardConformingStrings: false, encoding: row.encoding)
        #expect(facts(sql, settings).classes.contains(.dropTable))
        // Read byte by byte the quote would be escaped and the DROP a literal.
        let bytewise = LexicalSettings(standardConformingStrings: false)
        #expect(facts(sql, bytewise).isOrdinary)
    }

    @Test("a trail byte that looks like punctuation ends no name")
    func names() {
        // "<95><5C>" , leads
        let sql = Array("DROP TABLE \"".utf8) + [0x95, 0x5C] + Array("\", leads".utf8)
        let found = facts(sql, LexicalSettings(encoding: .sjis))
        #expect(found.statements.first?.effects.count == 2)
        #expect(found.statements.first?.effects.last?.object?.name == "leads")
    }

    @Test("bytes that are no character of the encoding hide nothing")
    func invalidBytes() {
        let sql = Array("SELECT 1 ".utf8) + [0x81] + Array("; DROP TABLE leads".utf8)
        #expect(facts(sql, LexicalSettings(encoding: .sjis)).classes.contains(.dropTable))
        let cut = Array("DROP TABLE leads".utf8) + [0x81]
        #expect(facts(cut, LexicalSettings(encoding: .gbk)).classes.contains(.dropTable))
        let quoted = Array("SELECT '".utf8) + [0x81] + Array("'; DROP TABLE leads; --'".utf8)
        #expect(facts(quoted, LexicalSettings(encoding: .uhc)).classes.contains(.dropTable))
    }

    @Test("tags of characters that the server may convert to the same one are not told apart: the text is unreadable")
    func tags() {
        // GB18030: $<four bytes>$ … $<other four bytes>$
        let one: [UInt8] = [0x81, 0x30, 0x81, 0x30]
        let other: [UInt8] = [0x81, 0x31, 0x81, 0x30]
        let dollar: [UInt8] = [UInt8(ascii: "$")]
        var sql = Array("SELECT ".utf8)
        sql += dollar + one + dollar
        sql += Array(" ".utf8)
        sql += dollar + other + dollar
        sql += Array("; DROP TABLE leads; ".utf8)
        sql += dollar + one + dollar
        let classes = facts(sql, LexicalSettings(encoding: .gb18030)).classes
        #expect(classes.contains(.unparsable) || classes.contains(.dropTable))
    }

    @Test("a NUL ends the text")
    func nul() {
        #expect(facts(Array("SELECT 1\0; DROP TABLE t".utf8), LexicalSettings()).isOrdinary)
    }
}
