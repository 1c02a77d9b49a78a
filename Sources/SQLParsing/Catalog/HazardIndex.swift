/// What using an object of the database may do by code that is in the database: by name, since a statement has nothing
/// else. Immutable; a copy is a reference.
///
/// The search_path is not known: a name without a schema means every object of that name, and the worst counts.
package struct HazardIndex: Sendable {
    /// What one object's use may do, and the way there.
    struct Hazard: Sendable {
        var schema: String
        var effects: [Effect]
        /// ` → trigger t → function f → DROP TABLE accounts`, to stand behind the use.
        var path: String
        /// How many arguments a call of the routine has.
        var arguments = 0...Int.max
        var takesRow = false
        /// A volatile routine: planning does not run it.
        var isVolatile = false
    }

    struct Tables: Sendable {
        var functions: [String: [Hazard]] = [:]
        var relations: [AccessMode: [String: [Hazard]]] = [:]
        var types: [String: [Hazard]] = [:]
        var operators: [String: [Hazard]] = [:]
        /// By event trigger, with the command tags it fires for.
        var commands: [(tags: [String], hazard: Hazard)] = []
        /// The names of all, as ``KnownFunctionIndex/hash(_:)``.
        var names: Set<UInt64> = []
        var hasImplicitOperators = false
        /// Nothing is known of the catalog: what calls of functions are that PostgreSQL does not bring.
        var unknownCall: StatementClass?
    }

    private final class Storage: Sendable {
        let tables: Tables
        init(_ tables: Tables) { self.tables = tables }
    }

    private let storage: Storage?

    /// Nothing in the database does harm, or nobody has looked.
    package init() { storage = nil }

    init(_ tables: Tables) { storage = Storage(tables) }

    /// The catalog cannot be read. What is known stays known; calls of functions that PostgreSQL does not bring have this
    /// class: `opaque`, or `unread_call`.
    package func withUnknownCalls(as statementClass: StatementClass) -> HazardIndex {
        var tables = storage?.tables ?? Tables()
        if tables.unknownCall == statementClass { return self }
        tables.unknownCall = statementClass
        return HazardIndex(tables)
    }

    /// Nothing has to be looked up.
    package var isEmpty: Bool { storage == nil }

    /// Tells snapshots apart; nil for an empty one.
    package var identity: ObjectIdentifier? { storage.map { ObjectIdentifier($0) } }

    /// Both are the same snapshot, or both none.
    package func isSame(as other: HazardIndex) -> Bool { storage === other.storage }

    var unknownCall: StatementClass? { storage?.tables.unknownCall }

    var commands: [(tags: [String], hazard: Hazard)] { storage?.tables.commands ?? [] }

    /// Cheap test before any look-up: no hazardous object has a name with this hash.
    func mayKnow(hash: UInt64) -> Bool { storage?.tables.names.contains(hash) ?? false }

    /// What a mention may do.
    func hazards(of mention: Mention) -> [Hazard] {
        guard let tables = storage?.tables else { return [] }
        let found: [Hazard]
        switch mention.use {
        case .call(let count):
            found = (tables.functions[mention.name] ?? []).filter { hazard in
                count.map(hazard.arguments.contains) ?? true
            }
        case .field: found = (tables.functions[mention.name] ?? []).filter { $0.takesRow && $0.arguments.contains(1) }
        case .function: found = tables.functions[mention.name] ?? []
        case .relation(let mode): found = tables.relations[mode]?[mention.name] ?? []
        case .allRelations(let mode): found = tables.relations[mode]?.values.flatMap(\.self) ?? []
        case .type:
            found = (tables.types[mention.name] ?? []) + (mention.elementName.flatMap { tables.types[$0] } ?? [])
        case .operator: found = tables.operators[mention.name] ?? []
        }
        guard let schema = mention.schema else { return found }
        return found.filter { $0.schema == schema }
    }

    /// Everything that a name may do, whatever it names and however it is used.
    func hazards(named name: String) -> [Hazard] {
        guard let tables = storage?.tables else { return [] }
        var found = (tables.functions[name] ?? []) + (tables.operators[name] ?? [])
        found += hazards(of: Mention(use: .type, schema: nil, name: name))
        for mode in AccessMode.allCases { found += tables.relations[mode]?[name] ?? [] }
        return found
    }

    /// The names in a text's tokens that some hazardous object has, for ``hazards(named:)``. One pass of the lexer.
    func namesMentioned(in text: UnsafeRawBufferPointer, settings: LexicalSettings) -> [String] {
        guard let tables = storage?.tables, !tables.names.isEmpty else { return [] }
        var lexer = Lexer(text, standardConformingStrings: settings.standardConformingStrings)
        var names: [String] = []
        while let token = tables.nextMention(&lexer, in: text) {
            names.append(String(decoding: Self.name(of: token, in: text).prefix(Self.nameLimit), as: UTF8.self))
        }
        return names
    }

    /// Whether a plain statement may use something hazardous after all. One pass of the lexer; nothing is allocated but
    /// for a name in quotes that holds a quote.
    ///
    /// - Parameter mayCall: it may call a function.
    func mayConcern(_ text: UnsafeRawBufferPointer, settings: LexicalSettings, mayCall: Bool) -> Bool {
        guard let tables = storage?.tables else { return false }
        // Nothing is known of what is called: who parses tells calls of PostgreSQL's own functions from others.
        if tables.hasImplicitOperators || (mayCall && tables.unknownCall != nil) { return true }
        if tables.names.isEmpty { return false }
        var lexer = Lexer(text, standardConformingStrings: settings.standardConformingStrings)
        return tables.nextMention(&lexer, in: text) != nil
    }

    /// PostgreSQL cuts names to so many bytes (`NAMEDATALEN` − 1).
    fileprivate static let nameLimit = 63

    /// What a word, a name in quotes or an operator names, uncut.
    fileprivate static func name(of token: Token, in text: UnsafeRawBufferPointer) -> [UInt8] {
        guard token.kind == .quotedName else {
            return token.kind == .word ? text[token.range].map(Keyword.folded) : Array(text[token.range])
        }
        let inside = Array(text[inQuotes(token)])
        guard inside.contains(UInt8(ascii: "\"")) else { return inside }
        return Array(String(decoding: inside, as: UTF8.self).replacing("\"\"", with: "\"").utf8)
    }

    fileprivate static func inQuotes(_ token: Token) -> Range<Int> {
        (token.start + 1)..<max(token.start + 1, token.end - 1)
    }
}

extension HazardIndex.Tables {
    /// The lexer's next token that names what some hazardous object is named, or an array of its type; nil at the end.
    fileprivate func nextMention(_ lexer: inout Lexer, in text: UnsafeRawBufferPointer) -> Token? {
        while true {
            let token = lexer.next()
            let isKnown: Bool
            switch token.kind {
            case .end: return nil
            case .word: isKnown = knows(text[token.range].lazy.map(Keyword.folded))
            case .operator: isKnown = knows(text[token.range])
            case .quotedName:
                let inside = text[HazardIndex.inQuotes(token)]
                // A doubled quote stands for one: rare enough to be copied.
                isKnown =
                    inside.contains(UInt8(ascii: "\"")) ? knows(HazardIndex.name(of: token, in: text)) : knows(inside)
            default: continue
            }
            if isKnown { return token }
        }
    }

    private func knows(_ name: some Collection<UInt8>) -> Bool {
        let name = name.prefix(HazardIndex.nameLimit)
        if names.contains(KnownFunctionIndex.hash(name)) { return true }
        // An array of a type has its name behind an underscore.
        return name.first == UInt8(ascii: "_") && names.contains(KnownFunctionIndex.hash(name.dropFirst()))
    }
}

extension StatementDraft {
    /// Takes over what code in the database may do, and says how it is reached.
    mutating func add(_ hazard: HazardIndex.Hazard, used use: String) {
        runsStoredCode = true
        for effect in hazard.effects where !effects.contains(effect) {
            add(effect.statementClass, effect.object, in: effect.place)
        }
        let remark = use + hazard.path
        if remarks.count < 20, !remarks.contains(remark) { remarks.append(remark) }
    }
}
