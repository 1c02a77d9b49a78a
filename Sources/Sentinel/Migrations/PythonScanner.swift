/// Python source taken apart far enough to read assignments of literals: comments, docstrings, continued lines and
/// brackets are understood, nothing is run. Any bytes may come.
struct PythonScanner {
    enum Token: Equatable {
        /// A name, keyword or number.
        case word(String)
        /// A string's value.
        case string(String)
        /// A string whose value is only known when it runs (f-strings), or that is not text (bytes).
        case openString
        /// An operator's or bracket's character.
        case mark(Character)
        case lineEnd
    }

    /// A token, and whether it stands at the very start of a line that is not within brackets.
    struct Placed {
        var token: Token
        var line: Int
        var startsLine: Bool
        var isIndented: Bool
    }

    private let characters: [Character]
    private var position = 0
    private var line = 1
    private var depth = 0

    private init(_ text: String) { characters = Array(text) }

    /// The tokens of a file.
    static func tokens(of text: String) -> [Placed] {
        var scanner = PythonScanner(text)
        return scanner.all()
    }

    private mutating func all() -> [Placed] {
        var placed: [Placed] = []
        var isAtStart = true
        var isIndented = false
        var isBehindSemicolon = false
        func add(_ token: Token, _ line: Int) {
            placed.append(Placed(token: token, line: line, startsLine: isAtStart, isIndented: isIndented))
        }
        while position < characters.count {
            let character = characters[position]
            let began = line
            if character.isNewline {
                position += 1
                line += 1
                guard depth == 0 else { continue }
                if !isAtStart { add(.lineEnd, began) }
                isAtStart = true
                isIndented = false
                isBehindSemicolon = false
            } else if character == "\\", position + 1 < characters.count, characters[position + 1].isNewline {
                position += 2
                line += 1
            } else if character.isWhitespace || character == "\u{FEFF}" {
                if isAtStart, !isBehindSemicolon, character != "\u{FEFF}" { isIndented = true }
                position += 1
            } else if character == "#" {
                while position < characters.count, !characters[position].isNewline { position += 1 }
            } else if let token = string() {
                add(token, began)
                isAtStart = false
            } else if Self.isOfWord(character) {
                let start = position
                while position < characters.count, Self.isOfWord(characters[position]) { position += 1 }
                add(.word(String(characters[start..<position])), began)
                isAtStart = false
            } else if character == ";", depth == 0 {
                position += 1
                add(.lineEnd, began)
                isAtStart = true
                isBehindSemicolon = true
            } else {
                switch character {
                case "(", "[", "{": depth += 1
                case ")", "]", "}": depth = max(0, depth - 1)
                default: break
                }
                position += 1
                add(.mark(character), began)
                isAtStart = false
            }
        }
        if !isAtStart { add(.lineEnd, line) }
        return placed
    }

    private static func isOfWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }

    /// The string that begins here, its prefix included; nil if none does.
    private mutating func string() -> Token? {
        var start = position
        var prefix = ""
        while start < characters.count, prefix.count < 3, "rRbBuUfFtT".contains(characters[start]) {
            prefix.append(characters[start])
            start += 1
        }
        guard start < characters.count, characters[start] == "\"" || characters[start] == "'" else { return nil }
        let quote = characters[start]
        let isTriple = start + 2 < characters.count && characters[start + 1] == quote && characters[start + 2] == quote
        let isRaw = prefix.lowercased().contains("r")
        position = start + (isTriple ? 3 : 1)
        var value = ""
        while position < characters.count {
            let character = characters[position]
            if character == "\\", position + 1 < characters.count {
                let next = characters[position + 1]
                if next.isNewline { line += 1 }
                if isRaw { value += "\\" + String(next) } else if !next.isNewline { value.append(Self.escaped(next)) }
                position += 2
            } else if character == quote, !isTriple || isQuoteRun(quote) {
                position += isTriple ? 3 : 1
                break
            } else if character.isNewline, !isTriple {
                // Not closed on its line: what follows is read as code again.
                break
            } else {
                if character.isNewline { line += 1 }
                value.append(character)
                position += 1
            }
        }
        let kind = prefix.lowercased()
        return kind.contains("f") || kind.contains("b") || kind.contains("t") ? .openString : .string(value)
    }

    private func isQuoteRun(_ quote: Character) -> Bool {
        position + 2 < characters.count && characters[position + 1] == quote && characters[position + 2] == quote
    }

    /// Enough for what revisions are made of.
    private static func escaped(_ character: Character) -> Character {
        switch character {
        case "n": "\n"
        case "t": "\t"
        case "r": "\r"
        default: character
        }
    }
}

/// A value that can be read without running anything.
enum PythonLiteral: Equatable {
    case none
    case text(String)
    case texts([String])
    /// Pairs, as Django's `replaces` has them.
    case pairs([[String]])
    /// Something that has to be run.
    case open

    /// The texts in it; nil if it has to be run.
    var list: [String]? {
        switch self {
        case .none: []
        case .text(let text): [text]
        case .texts(let texts): texts
        case .pairs, .open: nil
        }
    }
}

/// The assignments of literals in a Python file.
struct PythonAssignments {
    private(set) var values: [String: PythonLiteral] = [:]

    /// - Parameters:
    ///   - wanted: the names that matter.
    ///   - isOfModule: only what is assigned at the module's own level counts; else also in classes.
    init(_ text: String, wanted: Set<String>, isOfModule: Bool) {
        let tokens = PythonScanner.tokens(of: text)
        var index = 0
        while index < tokens.count {
            defer { index += 1 }
            guard tokens[index].startsLine, !isOfModule || !tokens[index].isIndented,
                case .word(let name) = tokens[index].token, wanted.contains(name)
            else { continue }
            var end = index + 1
            while end < tokens.count, tokens[end].token != .lineEnd { end += 1 }
            let statement = tokens[(index + 1)..<end].map(\.token)
            guard let value = Self.assigned(statement) else { continue }
            // The last assignment counts, as when it runs.
            values[name] = Self.literal(value)
        }
    }

    /// What stands behind `=`; an annotation may stand before it. Nil if nothing is assigned.
    private static func assigned(_ tokens: [PythonScanner.Token]) -> ArraySlice<PythonScanner.Token>? {
        guard let first = tokens.first, first == .mark("=") || first == .mark(":") else { return nil }
        var depth = 0
        for (index, token) in tokens.enumerated() {
            switch token {
            case .mark("("), .mark("["), .mark("{"): depth += 1
            case .mark(")"), .mark("]"), .mark("}"): depth -= 1
            case .mark("=") where depth == 0:
                // `==` is no assignment.
                guard index + 1 < tokens.count, tokens[index + 1] != .mark("=") else { return nil }
                return tokens[(index + 1)...]
            default: break
            }
        }
        return nil
    }

    private static func literal(_ tokens: ArraySlice<PythonScanner.Token>) -> PythonLiteral {
        var reader = LiteralReader(tokens: tokens)
        return reader.read()
    }

    private struct LiteralReader {
        var tokens: ArraySlice<PythonScanner.Token>

        mutating func read() -> PythonLiteral {
            guard let value = value(depth: 0) else { return .open }
            // `"a", "b"` is a tuple without brackets.
            var items = [value]
            var isTuple = false
            while tokens.first == .mark(",") {
                isTuple = true
                tokens.removeFirst()
                if tokens.isEmpty { break }
                guard let next = self.value(depth: 0) else { return .open }
                items.append(next)
            }
            guard tokens.isEmpty else { return .open }
            return isTuple ? Self.sequence(items) : value
        }

        /// Nothing recurses deeper than the literals that are meant here.
        private mutating func value(depth: Int) -> PythonLiteral? {
            guard depth < 8, let first = tokens.popFirst() else { return nil }
            switch first {
            case .word("None"): return PythonLiteral.none
            case .string(var text):
                while case .string(let more)? = tokens.first {
                    text += more
                    tokens.removeFirst()
                }
                return .text(text)
            case .mark("("): return items(until: ")", depth: depth)
            case .mark("["): return items(until: "]", depth: depth)
            case .mark("{"): return items(until: "}", depth: depth)
            case .word, .openString, .mark, .lineEnd: return nil
            }
        }

        private mutating func items(until close: Character, depth: Int) -> PythonLiteral? {
            var items: [PythonLiteral] = []
            var hasComma = close != ")"
            while true {
                if tokens.first == .mark(close) {
                    tokens.removeFirst()
                    break
                }
                guard let item = value(depth: depth + 1) else { return nil }
                items.append(item)
                if tokens.first == .mark(",") {
                    hasComma = true
                    tokens.removeFirst()
                } else if tokens.first != .mark(close) {
                    return nil
                }
            }
            // `("a")` is a text in brackets.
            if !hasComma, items.count == 1 { return items[0] }
            let sequence = Self.sequence(items)
            return sequence == .open ? nil : sequence
        }

        private static func sequence(_ items: [PythonLiteral]) -> PythonLiteral {
            var texts: [String] = []
            var pairs: [[String]] = []
            for item in items {
                switch item {
                case .text(let text): texts.append(text)
                case .texts(let pair): pairs.append(pair)
                case .none, .pairs, .open: return .open
                }
            }
            if pairs.isEmpty { return .texts(texts) }
            return texts.isEmpty ? .pairs(pairs) : .open
        }
    }
}
