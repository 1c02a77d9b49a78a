/// Judges by its tokens a statement that libpg_query could not read: newer than its grammar, too large, or broken.
///
/// What the server would do with it is not known, so every class that the leading keywords leave possible counts. A
/// leading keyword that begins no statement in any grammar of PostgreSQL 15 to 18 can run nothing: the server's own
/// syntax error is the best answer to a slip of the keyboard.
struct Sieve {
    private let text: UnsafeRawBufferPointer
    private let functions: KnownFunctionIndex
    /// What stands for "not read": `unparsable` or `oversized`.
    private let unread: StatementClass
    private var lexer: Lexer
    private var token: Token
    private var previous = Keyword.none
    private var depth = 0
    private(set) var draft = StatementDraft()

    /// - Parameter text: one statement's canonical bytes.
    init(_ text: UnsafeRawBufferPointer, functions: KnownFunctionIndex, isOversized: Bool) {
        self.text = text
        self.functions = functions
        unread = isOversized ? .oversized : .unparsable
        lexer = Lexer(text)
        token = lexer.next()
    }

    /// The facts that the tokens prove or leave possible.
    static func draft(
        of text: UnsafeRawBufferPointer, functions: KnownFunctionIndex, isOversized: Bool
    ) -> StatementDraft {
        var sieve = Sieve(text, functions: functions, isOversized: isOversized)
        sieve.judge()
        sieve.noteHazards()
        return sieve.draft
    }

    /// How a name is used the tokens do not tell: the worst counts.
    private mutating func noteHazards() {
        for name in functions.hazards.namesMentioned(in: text, settings: LexicalSettings()) {
            for hazard in functions.hazards.hazards(named: name) { draft.add(hazard, used: name) }
        }
    }

    private mutating func judge() {
        guard token.kind == .word else {
            // Only an opening parenthesis begins a statement without a keyword.
            if token.kind == .openParen {
                draft.command = "SELECT"
                scanQuery()
            }
            return
        }
        let leading = word
        draft.command = name(token).uppercased()
        switch leading {
        case "select", "values", "table", "with", "insert", "update", "delete", "merge", "explain", "call":
            scanQuery()
        case "declare", "execute":
            if leading == "execute" { draft.prepared = .execute(nameAfterLeading()) }
            scanQuery()
        case "prepare":
            let plan = nameAfterLeading()
            if plan == "transaction" { return draft.add(unread) }
            draft.prepared = .prepare(plan)
            scanQuery()
        case "copy": judgeCopy()
        case "drop": judgeDrop()
        case "truncate": judgeTruncate()
        case "alter": judgeAlter()
        case "create": judgeCreate()
        case "comment", "security": draft.add(.comment)
        case "grant", "revoke": draft.add(.grant)
        case "reassign": draft.add(.alterOwner)
        case "import": draft.add(.foreignServer)
        case "load": draft.add(.untrustedLanguage)
        case "refresh": draft.add(.truncate)
        case "set", "reset": judgeSet()
        case "vacuum", "analyze", "analyse", "reindex", "cluster", "checkpoint", "lock", "listen", "unlisten", "notify",
            "show", "fetch", "move", "close":
            break
        case "do":
            draft.add(.doBlock)
            draft.add(unread)
        case "abort", "begin", "commit", "end", "rollback", "savepoint", "release", "start", "deallocate", "discard":
            draft.add(unread)
        // A replication connection's own commands (repl_gram.y).
        case "drop_replication_slot": draft.add(.dangerousFunction)
        default: break
        }
    }

    // MARK: - Tokens

    private var word: Keyword { token.kind == .word ? Keyword(token, text) : .none }

    private mutating func advance() {
        previous = word
        if token.kind == .openParen || token.kind == .openBracket { depth += 1 }
        if token.kind == .closeParen || token.kind == .closeBracket { depth -= 1 }
        token = lexer.next()
    }

    /// A name as the server folds it; the raw text of a `U&""` name.
    private func name(_ token: Token) -> String {
        var bytes = text[token.range].map { $0 }
        switch token.kind {
        case .word:
            for at in bytes.indices where bytes[at] >= UInt8(ascii: "A") && bytes[at] <= UInt8(ascii: "Z") {
                bytes[at] |= 0x20
            }
            return String(decoding: bytes.prefix(63), as: UTF8.self)
        case .quotedName where bytes.count >= 2:
            let inner = String(decoding: bytes[1..<(bytes.count - 1)], as: UTF8.self)
            return inner.replacing("\"\"", with: "\"")
        default: return String(decoding: bytes, as: UTF8.self)
        }
    }

    private var isName: Bool {
        token.kind == .word || token.kind == .quotedName || token.kind == .unicodeName
    }

    /// The name behind the leading keyword, which stays the current token.
    private func nameAfterLeading() -> String {
        var ahead = lexer
        return name(ahead.next())
    }

    private mutating func skip(_ words: Keyword...) {
        while token.kind == .word, words.contains(word) { advance() }
    }

    /// `a`, `a.b` or `a.b.c` at the current token.
    private mutating func readName(_ kind: ObjectKind) -> ObjectName? {
        guard isName else { return nil }
        var parts = [name(token)]
        advance()
        while token.kind == .dot {
            advance()
            guard isName else { break }
            parts.append(name(token))
            advance()
        }
        guard let last = parts.last else { return nil }
        return ObjectName(kind, schema: parts.count > 1 ? parts[parts.count - 2] : nil, name: last)
    }

    // MARK: - Queries

    /// Looks through the rest for what a query, or a change of rows in it, can do.
    private mutating func scanQuery() {
        var calls = NameTrail()
        while token.kind != .end {
            switch token.kind {
            // U&"name" UESCAPE '!' is one name.
            case .word where word == "uescape" && calls.name?.kind == .unicodeName: break
            case .string where previous == "uescape": break
            case .word:
                scanQueryWord()
                calls.note(token)
            case .quotedName: calls.note(token)
            case .unicodeName:
                // Its name is not decoded here.
                calls.note(token)
            case .dot: calls.noteDot()
            // Only CREATE RULE and routines hold one: what stands behind it may be a statement of its own.
            case .semicolon: draft.addOnce(unread)
            case .openParen:
                if let called = calls.name { noteCall(called, schema: calls.schema) }
                calls = NameTrail()
            default: calls = NameTrail()
            }
            advance()
        }
    }

    private mutating func scanQueryWord() {
        switch word {
        case "into":
            var ahead = lexer
            let target = ahead.next()
            if previous == "insert" || previous == "merge" {
                noteCatalogWrite(target, ahead)
            } else {
                draft.addOnce(.selectInto)
            }
        case "from" where previous == "delete":
            noteChange(.deleteAll)
        case "update" where ![Keyword("for"), "do", "key", "on", "or", "then", "as", "."].contains(previous):
            noteChange(.updateAll)
        case "delete" where previous == "then":
            draft.addOnce(.deleteAll)
        default: break
        }
    }

    /// DELETE FROM or UPDATE: whole-table unless a condition of a known, choosing form follows.
    private mutating func noteChange(_ statementClass: StatementClass) {
        var ahead = lexer
        var target = ahead.next()
        if target.kind == .word, Keyword(target, text) == "only" { target = ahead.next() }
        noteCatalogWrite(target, ahead)
        var depth = 0
        while true {
            let next = ahead.next()
            switch next.kind {
            case .end: return draft.addOnce(statementClass)
            case .openParen: depth += 1
            case .closeParen:
                depth -= 1
                if depth < 0 { return draft.addOnce(statementClass) }
            case .word where depth == 0 && Keyword(next, text) == "where":
                if !choosesByList(ahead) { draft.addOnce(statementClass) }
                return
            default: break
            }
        }
    }

    /// `name IN (constants)` or `name = ANY (constants)`, and nothing but RETURNING behind it.
    private func choosesByList(_ start: Lexer) -> Bool {
        var lexer = start
        var token = lexer.next()
        while token.kind == .word || token.kind == .quotedName || token.kind == .dot {
            if token.kind == .word, ["in", "not", "is", "or"].contains(Keyword(token, text)) { break }
            token = lexer.next()
        }
        if token.kind == .operator, text[token.start] == UInt8(ascii: "="), token.end == token.start + 1 {
            token = lexer.next()
            guard token.kind == .word, Keyword(token, text) == "any" else { return false }
        } else {
            guard token.kind == .word, Keyword(token, text) == "in" else { return false }
        }
        token = lexer.next()
        guard token.kind == .openParen else { return false }
        token = lexer.next()
        while token.kind != .closeParen {
            switch token.kind {
            case .number, .comma, .parameter, .operator: break
            case _ where token.isString: break
            default: return false
            }
            token = lexer.next()
        }
        token = lexer.next()
        return token.kind == .end || token.kind == .closeParen
            || (token.kind == .word && Keyword(token, text) == "returning")
    }

    private mutating func noteCatalogWrite(_ target: Token, _ rest: Lexer) {
        var ahead = rest
        let dot = ahead.next()
        var object = ObjectName(.table, name: name(target))
        if dot.kind == .dot { object = ObjectName(.table, schema: object.name, name: name(ahead.next())) }
        if target.kind == .unicodeName || SystemCatalogs.contains(object) { draft.add(.catalogWrite, object) }
    }

    private mutating func noteCall(_ called: Token, schema: Token?) {
        guard called.kind != .unicodeName else { return draft.addOnce(.dangerousFunction) }
        let name = name(called)
        guard let known = functions.function(named: name.utf8) else { return }
        if let required = known.schema, schema.map({ self.name($0) }) != required { return }
        if let statementClass = known.statementClass { draft.add(statementClass, ObjectName(.function, name: name)) }
        switch known.runs {
        case .nothing: break
        case .setting: draft.addOnce(.sessionSetting)
        case .text(let unknown): if let unknown { draft.add(unknown, ObjectName(.function, name: name)) }
        }
    }

    private mutating func judgeCopy() {
        var follows = Keyword.none
        var rest = lexer
        while true {
            let next = rest.next()
            if next.kind == .end { break }
            if next.kind == .word { follows = Keyword(next, text) }
            if follows == "program" { draft.addOnce(.copyProgram) }
            if next.isString, follows == "from" || follows == "to" { draft.addOnce(.serverFile) }
            if next.kind != .word { follows = .none }
        }
        scanQuery()
    }

    private mutating func judgeSet() {
        draft.add(.sessionSetting)
        while token.kind != .end {
            if word == "role" || word == "authorization" { draft.addOnce(.roleChange) }
            advance()
        }
    }

    // MARK: - DROP, TRUNCATE

    private mutating func judgeDrop() {
        advance()
        let (kind, statementClass, cascade) = readDropKind()
        guard let statementClass else { return }
        draft.command = "DROP " + kind.rawValue.uppercased().split(separator: "_").joined(separator: " ")
        if word == "concurrently" { advance() }
        if word == "if" {
            draft.isConditional = true
            skip("if", "exists")
        }
        var named = false
        while let object = readName(kind) {
            draft.add(object.isTemporaryByName ? .dropOther : statementClass, object)
            named = true
            guard token.kind == .comma else { break }
            advance()
        }
        if !named { draft.add(statementClass) }
        while token.kind != .end {
            if word == "cascade", let cascade { draft.addOnce(cascade) }
            // Behind a name that was not read whole, more may be dropped than was seen.
            if token.kind == .comma { draft.add(statementClass) }
            advance()
        }
    }

    private mutating func readDropKind() -> (ObjectKind, StatementClass?, StatementClass?) {
        let first = word
        advance()
        let second = word
        switch (first, second) {
        case ("table", _): return (.table, .dropTable, .cascade)
        case ("view", _): return (.view, .dropView, .cascade)
        case ("materialized", _):
            advance()
            return (.materializedView, .dropMaterializedView, .cascade)
        case ("foreign", "table"):
            advance()
            return (.foreignTable, .dropTable, .cascade)
        case ("foreign", _):
            skip("data", "wrapper")
            return (.foreignDataWrapper, .dropOther, .cascade)
        case ("sequence", _): return (.sequence, .dropSequence, .cascade)
        case ("index", _): return (.index, .dropIndex, .cascadeDependents)
        case ("schema", _): return (.schema, .dropSchema, .cascade)
        case ("database", _): return (.database, .dropDatabase, nil)
        case ("owned", _):
            advance()
            return (.role, .dropOwned, .cascade)
        case ("type", _): return (.type, .dropType, .cascade)
        case ("domain", _): return (.domain, .dropType, .cascade)
        case ("function", _), ("routine", _): return (.function, .dropFunction, .cascade)
        case ("procedure", _): return (.procedure, .dropFunction, .cascade)
        case ("aggregate", _): return (.aggregate, .dropFunction, .cascade)
        case ("extension", _): return (.extension, .dropExtension, .cascade)
        case ("role", _), ("group", _): return (.role, .dropRole, nil)
        case ("user", "mapping"): return (.userMapping, .dropOther, nil)
        case ("user", _): return (.role, .dropRole, nil)
        case ("subscription", _): return (.subscription, .subscription, nil)
        case ("access", _), ("language", _), ("procedural", _), ("server", _), ("operator", _), ("collation", _),
            ("cast", _), ("conversion", _), ("text", _), ("trigger", _), ("rule", _), ("policy", _), ("event", _),
            ("publication", _), ("statistics", _), ("tablespace", _), ("transform", _), ("property", _):
            return (.other, .dropOther, .cascade)
        // No DROP of PostgreSQL 15 to 18.
        default: return (.other, nil, nil)
        }
    }

    private mutating func judgeTruncate() {
        advance()
        skip("table", "only")
        var named = false
        while let object = readName(.table) {
            if !object.isTemporaryByName { draft.add(.truncate, object) }
            if SystemCatalogs.contains(object) { draft.add(.catalogWrite, object) }
            named = true
            if token.kind == .operator { advance() }
            guard token.kind == .comma else { break }
            advance()
            skip("only")
        }
        let isComplete = named && (token.kind == .end || token.kind == .word)
        if !isComplete || contains("cascade") { draft.add(.truncate) }
    }

    private func contains(_ wanted: Keyword) -> Bool {
        if word == wanted { return true }
        var rest = lexer
        while true {
            let next = rest.next()
            if next.kind == .end { return false }
            if next.kind == .word, Keyword(next, text) == wanted { return true }
        }
    }

    // MARK: - ALTER

    private mutating func judgeAlter() {
        advance()
        let first = word
        advance()
        switch first {
        case "table": judgeAlterTable(.table)
        case "foreign" where word == "table":
            advance()
            judgeAlterTable(.foreignTable)
        case "materialized":
            advance()
            judgeAlterTable(.materializedView)
        case "view": judgeAlterTable(.view)
        case "sequence": judgeAlterTable(.sequence)
        case "index":
            if contains("rename") { draft.add(.renameIndex) } else { draft.add(.alter) }
        case "schema", "database":
            draft.add(contains("rename") ? .rename : .alter)
        case "extension": draft.add(contains("schema") ? .moveSchema : .alter)
        case "type":
            if contains("drop") { draft.add(.dropColumn) }
            if contains("cascade") { draft.add(.cascade) }
            draft.add(.alter)
        case "foreign", "server": draft.add(.foreignServer)
        case "user" where word == "mapping": draft.add(.foreignServer)
        case "subscription": draft.add(.subscription)
        case "default": draft.add(.grant)
        case "system":
            draft.add(.alter)
            draft.add(unread)
        case "role", "user", "group", "aggregate", "collation", "conversion", "domain", "event", "function",
            "procedure",
            "routine", "language", "procedural", "large", "operator", "policy", "publication", "rule", "statistics",
            "tablespace", "text", "trigger", "property":
            draft.add(.alter)
        default: break
        }
    }

    private mutating func judgeAlterTable(_ kind: ObjectKind) {
        draft.command = "ALTER " + kind.rawValue.uppercased().split(separator: "_").joined(separator: " ")
        if word == "all" { return draft.add(.alter) }
        skip("if", "exists", "only")
        guard let object = readName(kind) else { return draft.add(unread) }
        draft.add(.alter, object)
        if token.kind == .operator { advance() }
        var beginsSubcommand = true
        while token.kind != .end {
            let isFirst = beginsSubcommand
            beginsSubcommand = token.kind == .comma && depth == 0
            if token.kind == .word, depth == 0 { noteSubcommand(object, isFirst: isFirst) }
            advance()
        }
    }

    private mutating func noteSubcommand(_ object: ObjectName, isFirst: Bool) {
        var ahead = lexer
        let following = ahead.next()
        let next = following.kind == .word ? Keyword(following, text) : .none
        switch word {
        case "drop" where isFirst:
            draft.add(next == "constraint" ? .dropConstraint : .dropColumn, object)
        case "drop": break
        case "cascade": draft.addOnce(.cascadeDependents)
        case "rename" where isFirst:
            if next == "to" { draft.add(.rename, object) }
        case "set" where isFirst && next == "schema": draft.add(.moveSchema, object)
        case "detach" where isFirst: draft.add(.detachPartition, object)
        case "no" where isFirst && next == "inherit": draft.add(.detachPartition, object)
        // SPLIT PARTITION and MERGE PARTITIONS drop the old ones.
        case "split" where isFirst, "merge" where isFirst: draft.add(.dropPartition, object)
        case "owner" where isFirst: draft.add(.alterOwner, object)
        case "disable" where isFirst: draft.add(next == "row" ? .disableRowSecurity : .disableTrigger, object)
        case "type" where !isFirst: draft.add(.alterColumnType, object)
        case "using" where draft.classes.contains(.alterColumnType): draft.add(.overwriteColumn, object)
        default: break
        }
    }

    // MARK: - CREATE

    private mutating func judgeCreate() {
        advance()
        skip(
            "or", "replace", "global", "local", "temp", "temporary", "unlogged", "recursive", "materialized", "unique",
            "trusted", "procedural", "constraint", "default")
        let kind = word
        switch kind {
        case "function", "procedure":
            draft.add(.create)
            draft.add(unread)
        case "subscription": draft.add(.subscription)
        case "foreign", "server": draft.add(.foreignServer)
        case "language": draft.add(.untrustedLanguage)
        case "table", "view", "index", "rule", "schema", "sequence", "trigger", "event", "policy", "type", "domain",
            "extension", "publication", "statistics", "database", "role", "group", "tablespace", "aggregate",
            "operator",
            "collation", "conversion", "cast", "access", "text", "transform", "property":
            draft.add(.create)
            scanQuery()
        case "user":
            draft.add(contains("mapping") ? .foreignServer : .create)
        default: break
        }
    }
}

/// The name that a parenthesis would call.
private struct NameTrail {
    private(set) var name: Token?
    private(set) var schema: Token?
    private var sawDot = false

    mutating func note(_ token: Token) {
        schema = sawDot ? name : nil
        name = token
        sawDot = false
    }

    mutating func noteDot() { sawDot = name != nil }
}

extension Keyword: ExpressibleByStringLiteral {
    init(stringLiteral value: StaticString) { self.init(value) }

    static func ~= (pattern: Keyword, value: Keyword) -> Bool { pattern == value }
}
