/// Judges a text of which only pieces are known.
enum DynamicText {
    /// Whether what is not constant in it can only be a name or a value: nothing unknown, and no piece where a
    /// statement begins (`format('%sDROP TABLE t', null)`).
    static func isKnown(_ pieces: [ConstantText.Piece]) -> Bool {
        var beginsStatement = true
        for piece in pieces {
            switch piece {
            case .unknown: return false
            case .optional: continue
            case .name, .literal, .number: if beginsStatement { return false }
            case .text(let bytes):
                guard let last = bytes.last(where: { !Lexer.isSpace($0) }) else { continue }
                beginsStatement = last == UInt8(ascii: ";")
            }
        }
        return true
    }

    /// The facts of the text with a name in place of what is not known. Objects that hold such a name are left out.
    ///
    /// What may be nothing is left out too, one at a time and all at once.
    static func facts(of pieces: [ConstantText.Piece], _ analyze: ([UInt8]) -> TextFacts) -> TextFacts {
        var facts = facts(of: pieces, leavingOut: [], analyze)
        let optional = Set(pieces.indices.filter { pieces[$0] == .optional }.map { $0 + 1 })
        if optional.isEmpty { return facts }
        var choices = optional.count > 1 && optional.count <= optionalLimit ? optional.sorted().map { Set([$0]) } : []
        choices.append(optional)
        for choice in choices {
            var other = Self.facts(of: pieces, leavingOut: choice, analyze)
            other.statements.removeAll { $0.classes.subtracting(facts.classes).subtracting(.unread).isEmpty }
            facts.statements += other.statements
            for statement in other.statements { facts.classes.formUnion(statement.classes) }
        }
        return facts
    }

    /// A text with more pieces that may be nothing is not known.
    static let optionalLimit = 8

    /// Its reading depends on standard_conforming_strings.
    static func hasTwoReadings(_ pieces: [ConstantText.Piece]) -> Bool {
        let holdsBackslash = pieces.contains { piece in
            if case .text(let bytes) = piece { return bytes.contains(UInt8(ascii: "\\")) }
            return false
        }
        // A piece that may be nothing, or anything, may change where a literal begins.
        if pieces.contains(.optional) || pieces.contains(.unknown) { return holdsBackslash }
        return holdsBackslash && LexicalSettings.standardConformingStringsMatter(to: text(of: pieces, leavingOut: []))
    }

    private static func text(of pieces: [ConstantText.Piece], leavingOut: Set<Int>) -> [UInt8] {
        var text: [UInt8] = []
        for (index, piece) in pieces.enumerated() where !leavingOut.contains(index) {
            switch piece {
            case .optional: continue
            case .text(let bytes): text += bytes
            case .name, .unknown: text += Array(ConstantText.Piece.placeholder.utf8)
            case .literal: text += Array("'\(ConstantText.Piece.placeholder)'".utf8)
            case .number: text.append(UInt8(ascii: "0"))
            }
        }
        return text
    }

    private static func facts(
        of pieces: [ConstantText.Piece], leavingOut: Set<Int>, _ analyze: ([UInt8]) -> TextFacts
    ) -> TextFacts {
        let text = text(of: pieces, leavingOut: leavingOut)
        var facts = analyze(text)
        for statement in facts.statements.indices {
            for effect in facts.statements[statement].effects.indices {
                let object = facts.statements[statement].effects[effect].object
                if object?.qualifiedName.contains(ConstantText.Piece.placeholder) == true {
                    facts.statements[statement].effects[effect].object = nil
                }
            }
        }
        return facts
    }
}
