/// A text whose DELETE or UPDATE chooses rows by its parameters, kept until their values are known.
package struct ParameterizedText: Sendable {
    /// Longer texts are judged without their values.
    package static let byteLimit = 64 << 10

    package let text: [UInt8]
    /// How the server may have read it.
    package let readings: LexicalReadings
    /// The parameters' types as Parse declared them; those that are left out are 0.
    package let types: [UInt32]

    package init(_ text: UnsafeRawBufferPointer, readings: LexicalReadings, types: [UInt32]) {
        self.text = Array(text)
        self.readings = readings
        self.types = types
    }

    package func type(_ index: Int) -> UInt32 { types.indices.contains(index) ? types[index] : 0 }
}

extension StatementAnalyzer {
    /// The facts of a text with values in place of its parameters; of the texts inside it none is read.
    ///
    /// - Parameter settings: those under which the server read the text.
    /// - Returns: no facts if the text becomes too long.
    package mutating func facts(
        of text: UnsafeRawBufferPointer, settings: LexicalSettings, values: [ParameterValue]
    ) -> TextFacts {
        guard let bound = boundText(of: text, settings: settings, values: values) else { return TextFacts() }
        let usual = nesting
        nesting = Self.nestingLimit
        defer { nesting = usual }
        // Canonical texts read the same whatever the settings; their high bytes are no ASCII any more.
        return bound.withUnsafeBytes { facts(of: $0, settings: LexicalSettings()) }
    }

    /// The canonical text with values in place of its parameters.
    mutating func boundText(
        of text: UnsafeRawBufferPointer, settings: LexicalSettings, values: [ParameterValue]
    ) -> [UInt8]? {
        canonical.load(text, settings: settings, outlivesUse: true)
        defer { canonical.release() }
        return ParameterValue.replacing(in: canonical.bytes, by: values)
    }

    /// The arguments in `EXECUTE name(…)`, each as the expression that it is.
    package mutating func executeArguments(
        of text: UnsafeRawBufferPointer, settings: LexicalSettings
    ) -> [ParameterValue] {
        canonical.load(text, settings: settings, outlivesUse: true)
        defer { canonical.release() }
        let bytes = canonical.bytes
        var lexer = Lexer(bytes)
        // EXECUTE, a name, and a parenthesis: in CREATE TABLE … AS or behind EXPLAIN as well.
        var token = lexer.next()
        while token.kind != .end {
            let isExecute = token.kind == .word && Keyword(token, bytes) == .execute
            token = lexer.next()
            guard isExecute else { continue }
            token = lexer.next()
            if token.kind == .openParen { break }
        }
        guard token.kind == .openParen else { return [] }
        var values: [ParameterValue] = []
        var start = token.end
        var depth = 0
        while true {
            let token = lexer.next()
            switch token.kind {
            case .end: return []
            case .openParen, .openBracket: depth += 1
            case .closeBracket: depth -= 1
            case .closeParen where depth > 0: depth -= 1
            case .closeParen,
                .comma where depth == 0:
                values.append(.expression(Array(bytes[start..<token.start])))
                if token.kind == .closeParen { return values }
                start = token.end
            default: break
            }
        }
    }
}

extension Keyword {
    static let execute = Keyword("execute")
}

extension TextFacts {
    /// Adds the tables that a text with values in it deletes from or updates as a whole, and nothing else of it.
    package mutating func addWholeTables(of bound: TextFacts) {
        let wanted = ClassSet([.deleteAll, .updateAll])
        for statement in bound.statements where !statement.classes.isDisjoint(with: wanted) {
            let new = statement.effects.filter { effect in
                wanted.contains(effect.statementClass) && !statements.contains { $0.effects.contains(effect) }
            }
            let added = ClassSet(new.map(\.statementClass))
            guard !new.isEmpty else { continue }
            classes.formUnion(added)
            if statements.isEmpty {
                statements.append(
                    StatementFacts(range: 0..<0, command: statement.command, classes: added, effects: new))
            } else {
                statements[0].classes.formUnion(added)
                statements[0].effects += new
            }
        }
    }
}
