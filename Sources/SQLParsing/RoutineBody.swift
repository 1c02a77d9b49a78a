/// Reads the body of a PL/pgSQL block (DO, CREATE FUNCTION, CREATE PROCEDURE): its static SQL is judged as SQL, the text
/// of EXECUTE as far as it is constant; what stays unknown of it is `dynamic_sql`.
///
/// Follows the statement structure of `src/pl/plpgsql/src/pl_gram.y` over the tokens of our own lexer, which is also
/// PL/pgSQL's. Every token belongs to one statement, expression or query; nothing is skipped unread.
struct RoutineBody: ~Copyable {
    private let settings: LexicalSettings
    /// The body was read with this standard_conforming_strings; what it runs may be read with the other.
    private let standardConformingStrings: Bool
    /// The body's own bytes; ``text`` is what they mean, each at its offset.
    private let raw: [UInt8]
    private let nesting: Int
    private let functions: KnownFunctionIndex
    private let text: [UInt8]
    private let tokens: [Token]
    private var draft = StatementDraft()
    private var variables: RoutineVariables
    /// What the variables hold if the setting changed before they were assigned; empty if the same.
    private var otherTexts: [String: [ConstantText.Piece]] = [:]
    /// EXECUTE and its like, judged once all variables are known.
    private var dynamicTexts: [Range<Int>] = []
    private var index = 0

    /// The facts of a body: one entry for each of its statements that has a class.
    static func facts(
        of text: [UInt8], parameters: [String], settings: LexicalSettings, functions: KnownFunctionIndex, nesting: Int
    ) -> TextFacts {
        var body = RoutineBody(
            text, parameters: parameters, settings: settings, functions: functions, nesting: nesting)
        body.read()
        let draft = body.draft
        if draft.classes.isEmpty { return TextFacts() }
        return TextFacts(classes: draft.classes, statements: body.found)
    }

    private var found: [StatementFacts] = []

    private init(
        _ text: [UInt8], parameters: [String], settings: LexicalSettings, functions: KnownFunctionIndex, nesting: Int
    ) {
        variables = RoutineVariables(parameters: parameters)
        self.settings = LexicalSettings()
        standardConformingStrings = settings.standardConformingStrings
        self.functions = functions
        self.nesting = nesting
        var canonical = CanonicalText()
        text.withUnsafeBytes { canonical.load($0, settings: settings) }
        var tokens: [Token] = []
        var lexer = Lexer(canonical.bytes)
        while true {
            let token = lexer.next()
            if token.kind == .end { break }
            tokens.append(token)
        }
        self.text = Array(canonical.bytes)
        raw = Array(text.prefix(canonical.count))
        self.tokens = tokens
    }

    // MARK: - Tokens

    private func word(_ at: Int) -> Keyword {
        guard at >= 0, at < tokens.count, tokens[at].kind == .word else { return .none }
        return text.withUnsafeBytes { Keyword(tokens[at], $0) }
    }

    private func kind(_ at: Int) -> Token.Kind { at >= 0 && at < tokens.count ? tokens[at].kind : .end }

    private func isOperator(_ at: Int, _ spelling: StaticString) -> Bool {
        guard kind(at) == .operator else { return false }
        return spelling.withUTF8Buffer { $0.elementsEqual(text[tokens[at].range]) }
    }

    private func isAssignment(_ at: Int) -> Bool { isOperator(at, ":=") || isOperator(at, "=") }

    private func name(_ at: Int) -> String {
        guard at < tokens.count else { return "" }
        let bytes = text[tokens[at].range]
        if tokens[at].kind == .quotedName { return String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self) }
        return String(decoding: bytes, as: UTF8.self).lowercased()
    }

    /// The bytes of some tokens.
    private func bytes(_ range: Range<Int>, isRaw: Bool = false) -> [UInt8] {
        guard let first = range.first, let last = range.last, last < tokens.count else { return [] }
        if isRaw { return Array(raw[tokens[first].start..<tokens[last].end]) }
        return Array(text[tokens[first].start..<tokens[last].end])
    }

    /// The first index at or behind `start` where one of the words stands outside parentheses, or the end.
    private func find(_ words: [Keyword], from start: Int, until end: Int? = nil) -> Int {
        var depth = 0
        let end = end ?? tokens.count
        for at in start..<max(start, end) {
            switch kind(at) {
            case .openParen, .openBracket: depth += 1
            case .closeParen, .closeBracket: depth -= 1
            case .word where depth <= 0:
                if words.contains(word(at)) { return at }
            default: break
            }
        }
        return end
    }

    private func findSemicolon(from start: Int) -> Int {
        var at = start
        while at < tokens.count, kind(at) != .semicolon { at += 1 }
        return at
    }

    // MARK: - Statements

    private mutating func read() {
        while isOperator(index, "#") { index += 3 }
        var isDeclaring = false
        while index < tokens.count {
            let start = index
            if kind(index) == .semicolon {
                index += 1
            } else if isOperator(index, "<<") {
                while index < tokens.count, !isOperator(index, ">>") { index += 1 }
                index += 1
            } else if word(index) == "declare" {
                isDeclaring = true
                index += 1
            } else if word(index) == "begin" {
                isDeclaring = false
                index += 1
            } else if isDeclaring {
                readDeclaration()
            } else {
                readStatement()
            }
            // Whatever was misread, the next turn begins further on.
            if index <= start { index = start + 1 }
        }
        var resolved = variables
        resolved.resolve { range in bytes(range) }
        if LexicalSettings.standardConformingStringsMatter(to: raw) {
            var other = variables
            other.resolve { range in bytesReadOtherwise(range) }
            // What does not parse that way is no assignment that the server runs.
            otherTexts = resolved.known.merging(other.known) { $1 }
            if otherTexts == resolved.known { otherTexts = [:] }
        }
        variables = resolved
        for range in dynamicTexts { judgeDynamic(range) }
    }

    private mutating func readDeclaration() {
        let start = index
        let end = findSemicolon(from: start)
        index = end + 1
        let query = find(["for", "is"], from: start, until: end)
        let isCursor = find(["cursor"], from: start, until: end) < query
        if isCursor, query < end {
            judgeQuery(query + 1..<end)
            return
        }
        var value = start
        while value < end, !isAssignment(value), word(value) != "default" { value += 1 }
        var type = start + 1
        if word(type) == "constant" { type += 1 }
        // Another schema's type of a known name may be anything.
        let isForeign = kind(type + 1) == .dot && word(type) != "pg_catalog"
        if kind(type + 1) == .dot { type += 2 }
        let isArray = (type + 1..<max(type + 1, value)).contains { kind($0) == .openBracket || word($0) == "array" }
        let isReference = (type..<max(type, value)).contains { isOperator($0, "%") }
        let isText =
            kind(type) == .word && !isArray && !isReference && !isForeign
            && ["text", "varchar", "character", "bpchar"].contains(name(type))
            && !(type..<max(type, value)).contains { kind($0) == .openParen }
        variables.declare(
            name(start), type: isArray || isReference || isForeign ? "" : name(type), isText: isText)
        if functions.noticesNames { judgeType(start + 1, until: value) }
        if value < end {
            variables.assign(name(start), value + 1..<end)
            judgeExpression(value + 1..<end)
        }
    }

    private mutating func readStatement() {
        let start = index
        if isAssignmentTarget(start) { return readAssignment() }
        switch word(start) {
        case "else", "loop", "exception", "then": index = start + 1
        case "end": index = findSemicolon(from: start) + 1
        case "if", "elsif", "elseif", "when": readExpression(until: ["then"])
        case "while": readExpression(until: ["loop"])
        case "case": readExpression(until: ["when"], keepsWord: true)
        case "for", "foreach": readLoop()
        case "execute":
            let end = findSemicolon(from: start)
            noteTargets(start..<end)
            readDynamic(start + 1, until: end)
            index = end + 1
        case "perform":
            let end = findSemicolon(from: start)
            judgeExpression(start + 1..<end)
            index = end + 1
        case "return": readReturn()
        case "open": readOpen()
        case "raise", "assert", "get", "exit", "continue", "null", "fetch", "move", "close", "commit", "rollback":
            let end = findSemicolon(from: start)
            noteTargets(start..<end)
            if word(start) == "get" { variables.taint((start..<end).map { name($0) }) }
            judgeExpression(start + 1..<end)
            index = end + 1
        default:
            let end = findSemicolon(from: start)
            noteTargets(start..<end)
            // A procedure can change the variables it is called with.
            if word(start) == "call" { variables.taint((start..<end).map { name($0) }) }
            judgeQuery(start..<end)
            index = end + 1
        }
    }

    /// `name := `, `name = `, `name.field := `, `name[1] := `.
    private func isAssignmentTarget(_ start: Int) -> Bool {
        guard kind(start) == .word || kind(start) == .quotedName else { return false }
        var at = start + 1
        while kind(at) == .dot { at += 2 }
        while kind(at) == .openBracket {
            while at < tokens.count, kind(at) != .closeBracket { at += 1 }
            at += 1
        }
        return isAssignment(at)
    }

    private mutating func readAssignment() {
        let start = index
        let end = findSemicolon(from: start)
        index = end + 1
        var value = start
        while value < end, !isAssignment(value) { value += 1 }
        if value == start + 1 {
            variables.assign(name(start), value + 1..<end)
        } else {
            // block.name, record.field, array[1]: whichever of the names is the variable.
            variables.taint((start..<value).map { name($0) })
        }
        if value < end { judgeExpression(value + 1..<end) }
    }

    private mutating func readExpression(until words: [Keyword], keepsWord: Bool = false) {
        let start = index
        let end = find(words, from: start + 1)
        judgeExpression(start + 1..<end)
        index = keepsWord ? end : end + 1
    }

    /// FOR … IN … LOOP, in its five forms, and FOREACH.
    private mutating func readLoop() {
        let start = index
        let end = find(["loop"], from: start + 1)
        index = end + 1
        let isIn = find(["in"], from: start + 1, until: end)
        var targets: [String] = []
        for at in start + 1..<max(start + 1, isIn) where kind(at) == .word || kind(at) == .quotedName {
            targets.append(name(at))
        }
        let isRange = (isIn..<max(isIn, end)).contains { kind($0) == .dot && tokens[$0].end - tokens[$0].start == 2 }
        guard isIn < end else { return judgeExpression(start + 1..<end) }
        if word(isIn + 1) == "execute" {
            variables.taint(targets)
            readDynamic(isIn + 2, until: end)
        } else if isRange {
            for target in targets { variables.declare(target, type: "int") }
            judgeExpression(isIn + (word(isIn + 1) == "reverse" ? 2 : 1)..<end)
        } else if word(start) == "foreach" {
            variables.taint(targets)
            judgeExpression(isIn + (word(isIn + 1) == "array" ? 2 : 1)..<end)
        } else {
            variables.taint(targets)
            judgeQuery(isIn + 1..<end)
        }
    }

    private mutating func readReturn() {
        let start = index
        let end = findSemicolon(from: start)
        index = end + 1
        guard word(start + 1) == "query" else {
            return judgeExpression(start + (word(start + 1) == "next" ? 2 : 1)..<end)
        }
        if word(start + 2) == "execute" {
            readDynamic(start + 3, until: end)
        } else {
            judgeQuery(start + 2..<end)
        }
    }

    private mutating func readOpen() {
        let start = index
        let end = findSemicolon(from: start)
        index = end + 1
        let query = find(["for"], from: start, until: end)
        if query == end {
            judgeExpression(start + 1..<end)
        } else if word(query + 1) == "execute" {
            readDynamic(query + 2, until: end)
        } else {
            judgeQuery(query + 1..<end)
        }
    }

    private mutating func readDynamic(_ start: Int, until end: Int) {
        let stop = find(["into", "using"], from: start, until: end)
        dynamicTexts.append(start..<max(start, stop))
        judgeExpression(start..<max(start, stop))
        if stop < end { judgeExpression(stop + 1..<end) }
    }

    /// The variables behind INTO get a value that is not known.
    private mutating func noteTargets(_ range: Range<Int>) {
        for at in range where word(at) == "into" {
            var target = at + 1
            if word(target) == "strict" { target += 1 }
            while range.contains(target), kind(target) == .word || kind(target) == .quotedName {
                variables.taint([name(target)])
                while kind(target + 1) == .dot {
                    target += 2
                    variables.taint([name(target)])
                }
                guard kind(target + 1) == .comma else { break }
                target += 2
            }
        }
    }

    // MARK: - Judging

    /// Static SQL.
    private mutating func judgeQuery(_ range: Range<Int>) {
        noteTargets(range)
        take(analyze(withoutTargets(range)))
        takeOther([], withoutTargets(range, isRaw: true))
    }

    /// The bytes of a query without INTO and its variables, which are PL/pgSQL's and not the query's
    /// (`make_execsql_stmt`).
    private func withoutTargets(_ range: Range<Int>, isRaw: Bool = false) -> [UInt8] {
        guard let first = range.first, let last = range.last, last < tokens.count else { return [] }
        var query = bytes(range, isRaw: isRaw)
        if word(first) == "import" { return query }
        let base = tokens[first].start
        for at in range where word(at) == "into" && word(at - 1) != "insert" && word(at - 1) != "merge" {
            var end = at
            var target = at + 1
            if word(target) == "strict" { target += 1 }
            while range.contains(target), kind(target) == .word || kind(target) == .quotedName {
                while kind(target + 1) == .dot, range.contains(target + 2) { target += 2 }
                end = target
                guard kind(target + 1) == .comma else { break }
                target += 2
            }
            for offset in tokens[at].start..<tokens[end].end where offset - base < query.count {
                query[offset - base] = 0x20
            }
        }
        return query
    }

    /// A variable's type can be a domain, whose checks run.
    private mutating func judgeType(_ start: Int, until end: Int) {
        let first = word(start) == "constant" ? start + 1 : start
        var last = first
        while kind(last + 1) == .dot { last += 2 }
        guard last < end, kind(last) == .word || kind(last) == .quotedName else { return }
        take(analyze(Array("SELECT NULL::".utf8) + bytes(first..<last + 1)))
    }

    private mutating func judgeExpression(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        let expression = withoutTargets(range)
        if expression.isEmpty { return }
        take(analyze(Array("SELECT ".utf8) + expression))
        takeOther(Array("SELECT ".utf8), withoutTargets(range, isRaw: true))
        // PL/pgSQL has statements that are no expression (RAISE … USING); none of them has these words.
        guard StatementParser.pieces(ofExpression: expression, variables: [:]) == nil else { return }
        for at in range {
            switch word(at) {
            case "drop", "truncate", "alter", "execute", "perform":
                if kind(at - 1) != .dot, word(at - 1) != "as", kind(at + 1) == .word || kind(at + 1) == .quotedName {
                    add(.unparsable)
                }
            default: break
            }
        }
    }

    private mutating func judgeDynamic(_ range: Range<Int>) {
        guard let pieces = StatementParser.pieces(ofExpression: bytes(range), variables: variables.known) else {
            // A literal that never ends: PL/pgSQL refuses the body.
            let isUnterminated = range.last.map { $0 < tokens.count && tokens[$0].isUnterminated } ?? false
            return add(isUnterminated ? .unparsable : .dynamicSQL)
        }
        judgeDynamic(pieces)
        // The body may have changed the setting before this expression is read, or before its variables were assigned.
        let hasOtherReading = LexicalSettings.standardConformingStringsMatter(to: bytes(range, isRaw: true))
        guard hasOtherReading || !otherTexts.isEmpty else { return }
        let expressions = hasOtherReading ? [bytes(range), bytesReadOtherwise(range)] : [bytes(range)]
        let texts = otherTexts.isEmpty ? [variables.known] : [variables.known, otherTexts]
        var judged = [pieces]
        for expression in expressions {
            for known in texts {
                let other = StatementParser.pieces(ofExpression: expression, variables: known)
                guard let other, !judged.contains(other) else { continue }
                judged.append(other)
                judgeDynamic(other)
            }
        }
    }

    /// The bytes of some tokens as they read under the other standard_conforming_strings, in the writing of this one.
    private func bytesReadOtherwise(_ range: Range<Int>) -> [UInt8] {
        let own = bytes(range, isRaw: true)
        guard LexicalSettings.standardConformingStringsMatter(to: own) else { return bytes(range) }
        var canonical = CanonicalText()
        own.withUnsafeBytes {
            canonical.load($0, settings: LexicalSettings(standardConformingStrings: !standardConformingStrings))
        }
        return Array(canonical.bytes)
    }

    /// The text is read with the setting of the time when it runs, which anything before may have changed.
    private mutating func judgeDynamic(_ pieces: [ConstantText.Piece]) {
        noteTrust(in: pieces, standardConformingStrings: true)
        take(DynamicText.facts(of: pieces) { analyze($0) })
        guard DynamicText.hasTwoReadings(pieces) else { return }
        guard nesting < Self.readingLimit else { return add(.dynamicSQL) }
        noteTrust(in: pieces, standardConformingStrings: false)
        let settings = LexicalSettings(standardConformingStrings: false)
        takeNew(DynamicText.facts(of: pieces) { analyze($0, settings) })
    }

    private mutating func noteTrust(in pieces: [ConstantText.Piece], standardConformingStrings: Bool) {
        let isTrusted = HoleCheck.isTrusted(
            pieces, standardConformingStrings: standardConformingStrings, functions: functions)
        if !isTrusted { add(.dynamicSQL) }
    }

    /// Deeper inside other texts, what has two readings counts as unknown: each level would double the work.
    private static let readingLimit = 3

    /// Static SQL is read when it first runs: by then the setting can be another than the one the body was cut with.
    private mutating func takeOther(_ start: [UInt8], _ raw: [UInt8]) {
        guard LexicalSettings.standardConformingStringsMatter(to: raw) else { return }
        guard nesting < Self.readingLimit else { return add(.opaque) }
        let settings = LexicalSettings(standardConformingStrings: !standardConformingStrings)
        takeNew(analyze(start + raw, settings))
    }

    /// Takes what has a class that was not found yet; what a reading cannot make sense of does not count.
    private mutating func takeNew(_ facts: TextFacts) {
        var new = facts
        new.statements.removeAll { $0.classes.subtracting(draft.classes).subtracting(.unread).isEmpty }
        take(new)
    }

    private func analyze(_ sql: [UInt8]) -> TextFacts { analyze(sql, settings) }

    private func analyze(_ sql: [UInt8], _ settings: LexicalSettings) -> TextFacts {
        guard nesting < StatementAnalyzer.nestingLimit else {
            return TextFacts(
                classes: ClassSet(.opaque),
                statements: [
                    StatementFacts(
                        range: 0..<sql.count, command: "", classes: ClassSet(.opaque), effects: [Effect(.opaque)])
                ])
        }
        var analyzer = StatementAnalyzer(functions: functions, nesting: nesting)
        return sql.withUnsafeBytes { analyzer.facts(of: $0, settings: settings) }
    }

    private mutating func take(_ facts: TextFacts) {
        for statement in facts.statements where !statement.classes.isEmpty {
            found.append(statement)
            for effect in statement.effects { draft.add(effect.statementClass, effect.object) }
        }
    }

    private mutating func add(_ statementClass: StatementClass) {
        guard !draft.classes.contains(statementClass) else { return }
        draft.add(statementClass)
        let command = statementClass == .dynamicSQL ? "EXECUTE" : ""
        found.append(
            StatementFacts(
                range: 0..<0, command: command, classes: ClassSet(statementClass), effects: [Effect(statementClass)]))
    }
}
