/// What of a text has been read, as far as it tells whether the next token is a secret.
struct SecretContext {
    private var wordsSeen = 0
    private var first = Keyword.none
    private var isRole = false
    private var followsUntil = false
    /// SET PASSWORD …: every literal is one.
    private var setsPassword = false
    /// SET, ALTER … SET: a value may stand without quotes.
    private var isSetting = false
    /// Behind the name of a secret, and perhaps a sign of assignment.
    private var followsName = false
    private var followsAssignment = false
    /// PASSWORD itself, and not as a role's name.
    private var followsPasswordWord = false
    private var followsIdentified = false
    /// The token before was a secret: a literal behind it continues it.
    private var followsSecret = false
    private var depth = 0
    /// Everything is secret while parentheses are open deeper than this.
    private var hiddenDepth: Int?
    /// A function's name whose arguments are secrets, or a value that is made by one.
    private var awaitsCall = false
    /// set_config(…) is open, at this depth: a literal in it that names a secret says that the next one is it.
    private var configDepth: Int?
    private var awaitsConfig = false
    private var literalNames = false
    /// A literal that ends where a password would follow, 'ALTER ROLE a PASSWORD '.
    private var literalIsOpen = false
    /// One that is a pattern for such a text, 'ALTER ROLE %I PASSWORD %L'.
    private var literalIsFormat = false
    /// A password is being put together: every literal up to the statement's end may be one.
    private var isTainted = false
    /// A column of such a name is being defined, at this depth: its default is one.
    private var secretColumnDepth: Int?
    private var followsDefault = false
    private var followsAs = false
    private var followsLiteralAs = false
    private var followsLiteral = false
    private var followsDeclaration = false
    private var followsColonEquals = false
    private var insert = InsertedColumns()
    /// In the text stands code that puts passwords together: what variables are given may be one.
    private let assemblesPasswords: Bool
    /// The text stands in a literal: it may be in a language where double quotes are for text.
    private let isBody: Bool

    init(assemblesPasswords: Bool, isBody: Bool) {
        self.assemblesPasswords = assemblesPasswords
        self.isBody = isBody
    }

    func isSecret(_ token: Token, _ word: Keyword) -> Bool {
        let isLiteral = token.isString || token.kind == .bitString || token.kind == .parameter
        if followsName {
            if isLiteral { return true }
            // Forgotten or wrong quotes: still what somebody meant to be the password.
            let isBare = [.word, .quotedName, .unicodeName, .number].contains(token.kind)
            guard isBare, word != "null", word != "password", word != "default", word != "to" else { return false }
            if isBody, followsAssignment, token.kind == .quotedName { return true }
            return (isRole && followsPasswordWord) || followsIdentified || (isSetting && followsAssignment)
        }
        guard isLiteral else { return false }
        if followsSecret || setsPassword || isTainted { return true }
        if let hiddenDepth, depth > hiddenDepth { return true }
        if secretColumnDepth == depth, followsDefault || (isBody && followsColonEquals) { return true }
        if assemblesPasswords, followsDeclaration { return true }
        if insert.isSecret { return true }
        return isRole && !followsUntil
    }

    /// Whether the token names the literal before the AS before it as a secret.
    func namesLiteralBefore(_ name: ArraySlice<UInt8>, _ token: Token) -> Bool {
        followsLiteralAs && token.kind == .word && SecretName.isOne(name)
    }

    mutating func take(_ token: Token, _ word: Keyword, _ slice: ArraySlice<UInt8>) {
        let wasSecret = isSecret(token, word)
        if token.kind == .semicolon {
            self = SecretContext(assemblesPasswords: assemblesPasswords, isBody: isBody)
            return
        }
        let isLiteral = token.isString || token.kind == .bitString
        takeDynamic(token, word, slice, isLiteral: isLiteral)
        takeNesting(token)
        insert.take(token, word, slice)
        let isAssignment = Self.isAssignment(token, slice)
        followsLiteralAs = word == "as" && followsLiteral
        followsLiteral = isLiteral
        followsDeclaration = isAssignment || (word == "default" && assemblesPasswords)
        followsDefault = word == "default"
        followsColonEquals = isAssignment && slice.elementsEqual(":=".utf8)
        awaitsConfig = word == "set_config"
        followsUntil = word == "until"
        followsSecret = wasSecret && isLiteral
        takeName(token, word, slice, isAssignment: isAssignment)
        guard token.kind == .word else { return }
        takeCommand(word)
    }

    private mutating func takeName(_ token: Token, _ word: Keyword, _ slice: ArraySlice<UInt8>, isAssignment: Bool) {
        let isName =
            token.kind == .word && SecretName.isOne(slice) || token.kind == .quotedName && SecretName.isOne(slice)
            || token.kind == .unicodeName && (SecretName.isHidden(slice) || SecretName.isOne(slice.dropFirst(2)))
        if isName {
            followsName = true
            followsPasswordWord = word == "password" && wordsSeen > 2
            followsAssignment = false
            awaitsCall = false
            if secretColumnDepth == nil { secretColumnDepth = depth }
            return
        }
        if followsName, isAssignment || token.kind == .openParen || word == "to" {
            // password = 'x', password => 'x', PASSWORD('x'), SET app.password TO 'x' keep what came before.
            followsAssignment = followsAssignment || isAssignment || word == "to"
            return
        }
        awaitsCall = token.kind == .word && (SecretName.isFunction(slice) || (followsName && followsAssignment))
        followsIdentified = word == "identified" || (followsIdentified && word == "by")
        followsName = followsIdentified && word == "by"
    }

    private mutating func takeCommand(_ word: Keyword) {
        defer { wordsSeen += 1 }
        if word == "set", wordsSeen != 0, first == "alter" {
            isSetting = true
            // ALTER ROLE a SET search_path TO 'x': behind the role's own name.
            if wordsSeen >= 3 { isRole = false }
        }
        switch wordsSeen {
        case 0:
            first = word
            isSetting = word == "set"
        case 1:
            if first == "create" || first == "alter" { isRole = word == "role" || word == "user" || word == "group" }
            if first == "set", word == "password" { setsPassword = true }
        case 2:
            if word == "mapping" { isRole = false }
        default: break
        }
    }

    private mutating func takeNesting(_ token: Token) {
        switch token.kind {
        case .openParen:
            if awaitsCall, hiddenDepth == nil { hiddenDepth = depth }
            if awaitsConfig { configDepth = depth }
            depth += 1
        case .closeParen:
            depth -= 1
            if let hidden = hiddenDepth, depth <= hidden { hiddenDepth = nil }
            if let config = configDepth, depth <= config { configDepth = nil }
            if let column = secretColumnDepth, depth < column { secretColumnDepth = nil }
        case .comma:
            if let column = secretColumnDepth, depth <= column { secretColumnDepth = nil }
        default: break
        }
    }

    /// Statements and names that are put together from literals.
    private mutating func takeDynamic(
        _ token: Token, _ word: Keyword, _ slice: ArraySlice<UInt8>, isLiteral: Bool
    ) {
        if isLiteral {
            literalNames = SecretName.isOne(slice)
            literalIsOpen = FreeText.endsOpen(slice)
            literalIsFormat = literalIsOpen && slice.contains(UInt8(ascii: "%"))
            return
        }
        if literalNames, token.kind == .comma, let configDepth, hiddenDepth == nil { hiddenDepth = configDepth }
        let continues = token.kind == .comma && depth > 0 && literalIsFormat
        if literalIsOpen, continues || token.kind == .operator || word == "using" { isTainted = true }
        literalNames = false
        literalIsOpen = false
    }

    /// `=`, `=>`, `:=` and what a lexer makes of a part of it.
    private static func isAssignment(_ token: Token, _ slice: ArraySlice<UInt8>) -> Bool {
        guard token.kind == .operator || token.kind == .colon, slice.count <= 2 else { return false }
        return slice.allSatisfy { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ">") }
            && !slice.elementsEqual(">".utf8) && !slice.elementsEqual(">=".utf8) && !slice.elementsEqual("::".utf8)
    }
}

/// INSERT INTO users (name, password) VALUES ('a', 'secret'): which values are secrets.
private struct InsertedColumns {
    private enum Place { case none, into, named, columns, behindColumns, values }

    private var place = Place.none
    private var depth = 0
    private var index = 0
    private var secretColumns: Set<Int> = []

    /// Whether a literal here is one.
    var isSecret: Bool { place == .values && depth > 0 && secretColumns.contains(index) }

    mutating func take(_ token: Token, _ word: Keyword, _ slice: ArraySlice<UInt8>) {
        if word == "insert" {
            self = InsertedColumns()
            place = .into
            return
        }
        guard place != .none else { return }
        switch token.kind {
        case .openParen:
            if place == .named { place = .columns }
            if depth == 0 { index = 0 }
            depth += 1
        case .closeParen:
            depth = max(0, depth - 1)
            if place == .columns, depth == 0 { place = secretColumns.isEmpty ? .none : .behindColumns }
        case .comma: if depth == 1 { index += 1 }
        case .word, .quotedName:
            if place == .columns, SecretName.isOne(slice) { secretColumns.insert(index) }
            if place == .into, word != "into" { place = .named }
            if place == .behindColumns, word == "values" { place = .values }
        default: break
        }
    }
}
