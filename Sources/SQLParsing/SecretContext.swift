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
    /// One that ends with the quote that opens the password: concat('ALTER ROLE a PASSWORD ''', …).
    private var literalIsText = false
    /// A password is being put together: every literal up to the statement's end may be one.
    private var isTainted = false
    /// A column of such a name is being defined, at this depth: its default is one.
    private var secretColumnDepth: Int?
    private var followsDefault = false
    /// DEFAULT, or what a column is made from, and the value may be an expression.
    private var valueIsOpen = false
    /// SET app.password = …: all that comes may be it.
    private var settingIsOpen = false
    private var followsCast = false
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

    /// - Parameter isAssignmentSign: the token is one.
    func isSecret(_ token: Token, _ word: Keyword, isAssignmentSign: Bool = false) -> Bool {
        let isLiteral = token.isString || token.kind == .bitString || token.kind == .parameter
        if followsName {
            if isLiteral { return true }
            // Forgotten or wrong quotes: still what somebody meant to be the password.
            let isBare = [.word, .quotedName, .unicodeName, .number].contains(token.kind)
            if token.kind == .operator || token.kind == .stray {
                // PASSWORD `x`, PASSWORD @x
                return isRole && followsPasswordWord && !followsAssignment && !isAssignmentSign
            }
            guard isBare, word != "null", word != "password", word != "default", word != "to" else { return false }
            if isBody, followsAssignment, token.kind == .quotedName { return true }
            return (isRole && followsPasswordWord) || followsIdentified || (isSetting && followsAssignment)
        }
        if settingIsOpen { return isLiteral || [.word, .quotedName, .unicodeName, .number].contains(token.kind) }
        guard isLiteral else { return false }
        if followsSecret || setsPassword || isTainted { return true }
        if let hiddenDepth, depth > hiddenDepth { return true }
        if secretColumnDepth == depth, followsDefault || (isBody && followsColonEquals) { return true }
        if valueIsOpen { return true }
        if assemblesPasswords, followsDeclaration { return true }
        if insert.isSecret { return true }
        return isRole && !followsUntil
    }

    /// Whether the token names the literal before the AS before it as a secret.
    func namesLiteralBefore(_ name: ArraySlice<UInt8>, _ token: Token) -> Bool {
        followsLiteralAs && (token.kind == .word || token.kind == .quotedName) && SecretName.isOne(name)
    }

    /// Whether a secret that is not in its quotes leaves nobody sure where it ends: the statement cannot be run, and all
    /// that follows may belong to it. Asked before the secret is taken.
    ///
    /// - Parameter next: the byte right behind it.
    func endsNowhere(_ token: Token, next: UInt8?) -> Bool {
        guard followsName, isRole || followsIdentified, !settingIsOpen, !isSetting else { return false }
        guard token.isString || token.kind == .bitString else { return token.kind != .parameter }
        // 'it's
        return next.map { Lexer.isNamePart($0) || $0 == UInt8(ascii: "'") || $0 == UInt8(ascii: "\"") } ?? false
    }

    mutating func take(_ token: Token, _ word: Keyword, _ slice: ArraySlice<UInt8>) {
        let isAssignment = Self.isAssignment(token, slice)
        let wasSecret = isSecret(token, word, isAssignmentSign: isAssignment)
        if token.kind == .semicolon {
            self = SecretContext(assemblesPasswords: assemblesPasswords, isBody: isBody)
            return
        }
        let isLiteral = token.isString || token.kind == .bitString
        takeDynamic(token, word, slice, isLiteral: isLiteral)
        takeNesting(token)
        insert.take(token, word, slice)
        followsLiteralAs = word == "as" && followsLiteral
        // 'x'::text, md5('x')
        let isCast = token.kind == .operator && slice.elementsEqual("::".utf8)
        followsLiteral =
            isLiteral || followsLiteral && (isCast || token.kind == .closeParen || (followsCast && token.kind == .word))
        followsCast = isCast
        followsDeclaration = isAssignment || (word == "default" && assemblesPasswords)
        followsDefault = word == "default"
        followsColonEquals = isAssignment && slice.elementsEqual(":=".utf8)
        awaitsConfig = token.kind == .word && SecretName.takesNames(slice)
        takeColumnValue(word, isAssignment: isAssignment)
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
            if isSetting, followsAssignment { settingIsOpen = true }
            return
        }
        awaitsCall = token.kind == .word && (SecretName.isFunction(slice) || (followsName && followsAssignment))
        followsIdentified = word == "identified" || (followsIdentified && word == "by")
        followsName = followsIdentified && word == "by"
    }

    /// What a column of such a name is made from: `DEFAULT ('x'::text)`, `USING 'x'`, `GENERATED ALWAYS AS ('x')`.
    private mutating func takeColumnValue(_ word: Keyword, isAssignment: Bool) {
        guard secretColumnDepth == depth else {
            if secretColumnDepth == nil { valueIsOpen = false }
            return
        }
        guard first == "create" || first == "alter" else { return }
        if word == "default" || word == "generated" || (word == "using" && first == "alter") { valueIsOpen = true }
        // A parameter's default: f(api_key text = 'x')
        if isAssignment, depth > 0, first == "create" { valueIsOpen = true }
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
            literalIsText = literalIsOpen && slice.contains(0x20) && slice.dropLast().last == UInt8(ascii: "'")
            return
        }
        if literalNames, token.kind == .comma, let configDepth, hiddenDepth == nil { hiddenDepth = configDepth }
        let continues = token.kind == .comma && depth > 0 && (literalIsFormat || literalIsText)
        if literalIsOpen, continues || token.kind == .operator || word == "using" { isTainted = true }
        literalNames = false
        literalIsOpen = false
    }

    /// `=`, `=>`, `:=` and what a lexer makes of a part of it.
    static func isAssignment(_ token: Token, _ slice: ArraySlice<UInt8>) -> Bool {
        guard token.kind == .operator || token.kind == .colon, slice.count <= 2 else { return false }
        return slice.allSatisfy { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ">") }
            && !slice.elementsEqual(">".utf8) && !slice.elementsEqual(">=".utf8) && !slice.elementsEqual("::".utf8)
    }
}

/// INSERT INTO users (name, password) VALUES ('a', 'secret'), SET (name, password) = ('a', 'secret'): which values are
/// secrets.
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
        if word == "set" {
            self = InsertedColumns()
            place = .named
            return
        }
        guard place != .none else { return }
        switch token.kind {
        case .operator where place == .behindColumns && slice.elementsEqual("=".utf8): place = .values
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
