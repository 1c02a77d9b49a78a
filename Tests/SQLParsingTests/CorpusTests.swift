import Foundation
import Testing

@testable import SQLParsing

/// Judges the SQL of every case of the bypass corpus by its text alone, without server or session; the whole of it runs in
/// Tests/EndToEnd/test_corpus.py.
@Suite("The bypass corpus, as far as its texts show it")
struct CorpusTests {
    private static let path = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Corpus/cases.jsonl").path

    /// What the case's client sends: texts in order, each under the settings that hold by then.
    private static func texts(of corpusCase: [String: Any]) -> [(sql: [UInt8], settings: LexicalSettings)] {
        var settings = LexicalSettings()
        let startup = corpusCase["startup"] as? [String: Any] ?? [:]
        for pair in (startup["extra"] as? [[String]] ?? []) + (startup["params"] as? [[String]] ?? []) {
            guard pair.count == 2 else { continue }
            follow("SET \(pair[0]) = '\(pair[1])'", &settings)
            if pair[1].contains("standard_conforming_strings=off") { settings.standardConformingStrings = false }
        }
        var texts: [(sql: [UInt8], settings: LexicalSettings)] = []
        for step in corpusCase["steps"] as? [Any] ?? [] {
            for sql in sent(step) {
                texts.append((sql, settings))
                follow(String(decoding: sql, as: UTF8.self), &settings)
            }
        }
        return texts
    }

    private static func sent(_ step: Any) -> [[UInt8]] {
        if let sql = step as? String { return [Array(sql.utf8)] }
        guard let step = step as? [String: Any] else { return [] }
        let messages = step["msgs"] as? [[String: Any]] ?? (step["op"] as? String == "query" ? [step] : [])
        return messages.compactMap { message in
            if let sql = message["sql"] as? String { return Array(sql.utf8) }
            if let hex = message["sql_hex"] as? String { return bytes(hex) }
            guard let parts = message["sql_parts"] as? [Any] else { return nil }
            return parts.flatMap { part -> [UInt8] in
                if let text = part as? String { return Array(text.utf8) }
                let repetition = part as? [String: Any] ?? [:]
                let text = repetition["repeat"] as? String ?? ""
                return Array(String(repeating: text, count: repetition["n"] as? Int ?? 0).utf8)
            }
        }
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap { $0.hexDigitValue.map { UInt8($0) } }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// What ParameterStatus would report behind the text.
    private static func follow(_ sql: String, _ settings: inout LexicalSettings) {
        let words = sql.lowercased().split { " =;'\t\n,()".contains($0) }
        for (at, word) in words.enumerated() where at + 1 < words.count {
            let next = words[at + 1] == "to" && at + 2 < words.count ? words[at + 2] : words[at + 1]
            if word == "standard_conforming_strings" {
                settings.standardConformingStrings = !["off", "0"].contains(next)
            }
            if word == "client_encoding" { settings.encoding = ClientEncoding(serverName: next) }
        }
        if sql.contains("set_config('standard_'") { settings.standardConformingStrings = false }
    }

    @Test("what its text shows is seen, what is harmless passes")
    func corpus() throws {
        let lines = try String(contentsOfFile: Self.path, encoding: .utf8).split(separator: "\n")
        let loss = guarded.union(ClassGroup.dataLoss.classes)
        // Settings that end with a transaction, and temporary tables, are for the session's machine to know.
        let beyondText = ["C5-set-local-ended", "C5-set-local-outside", "C5-set-rolled-back", "C5-set-savepoint"]
        var seen = 0
        for line in lines {
            guard let parsed = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
                let id = parsed["id"] as? String, let expect = parsed["expect"] as? String
            else { continue }
            var classes: ClassSet = []
            for text in Self.texts(of: parsed) { classes.formUnion(facts(text.sql, text.settings).classes) }
            let isVisible = ["plain", "lexer", "embedded"].contains(parsed["vis"] as? String ?? "")
            if expect == "destructive", isVisible, !beyondText.contains(id), !Self.texts(of: parsed).isEmpty {
                #expect(!classes.intersection(loss).isEmpty, "\(id)")
                seen += 1
            }
            if expect == "benign", !id.hasPrefix("A9-"), id != "A4-delete-temp" {
                #expect(classes.intersection(guarded).names == [], "\(id)")
            }
        }
        #expect(seen > 0)
    }
}
