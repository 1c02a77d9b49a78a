import SQLParsing

/// One entry of a rule's `objects`: `users`, `public.users`, `public.users.email`, `table:public.*`, `file:/srv/*`.
///
/// Statements are not resolved against a catalog, so an unqualified name could be in any schema. The two ways to match
/// answer that doubt in opposite directions: ``couldMatch(_:)`` says yes to it (for `block` and `warn`), and
/// ``matchesAsWritten(_:)`` says no (for `allow` and for exceptions).
package struct ObjectPattern: Sendable, Hashable {
    /// The pattern as written.
    package let text: String
    /// The kind in front of the colon; nil if none.
    package let kind: ObjectKind?
    /// The whole pattern without the kind: for kinds that have no schema, and for `*`.
    private let whole: Glob
    private let schema: Glob?
    private let name: Glob
    private let part: Glob?

    /// Why a text is no object pattern.
    package enum Fault: Error, Hashable {
        /// The word in front of the colon is no kind.
        case unknownKind(String)
        /// Nothing stands before, between or after the dots.
        case emptyPart
        /// More than schema, name and column.
        case tooManyParts
    }

    /// The words that may stand in front of the colon.
    package static let kindNames = ObjectKind.allCases.map(\.rawValue)

    package init(_ text: String) throws(Fault) {
        self.text = text
        var rest = Substring(text)
        var kind: ObjectKind?
        if let colon = text.firstIndex(of: ":"), text[..<colon].utf8.allSatisfy(Self.isKindCharacter) {
            let word = String(text[..<colon])
            if word != "*" {
                guard let found = ObjectKind(rawValue: word) else { throw .unknownKind(word) }
                kind = found
            }
            rest = text[text.index(after: colon)...]
        }
        self.kind = kind
        whole = Glob(String(rest))
        guard !rest.isEmpty else { throw .emptyPart }
        if let kind, !kind.livesInSchema {
            (schema, name, part) = (nil, whole, nil)
            return
        }
        let parts = rest.split(separator: ".", omittingEmptySubsequences: false).map { Glob(String($0)) }
        // An unprefixed pattern may also mean something without a schema (`/srv/export.d/*.csv`); only then may it
        // have more dots than a qualified name.
        guard parts.count <= 3 || (kind == nil && rest.contains("/")) else { throw .tooManyParts }
        if parts.contains(where: \.text.isEmpty) {
            guard kind == nil, rest.contains("/") else { throw .emptyPart }
        }
        switch parts.count {
        case 1: (schema, name, part) = (nil, parts[0], nil)
        case 2: (schema, name, part) = (parts[0], parts[1], nil)
        case 3: (schema, name, part) = (parts[0], parts[1], parts[2])
        default: (schema, name, part) = (nil, whole, nil)
        }
    }

    /// Whether the effect's object could be one that the pattern means.
    ///
    /// Yes in every doubt: the statement gives no schema and the pattern does; the effect names no object, or reaches
    /// beyond the one it names (CASCADE, DROP OWNED, DROP EXTENSION); the object is a schema or database that holds
    /// what the pattern means; a whole table is named where the pattern means one of its columns; the statement's
    /// wording fits several kinds of relation.
    package func couldMatch(_ effect: Effect) -> Bool {
        let effectClass = effect.statementClass
        guard let object = effect.object else { return effectClass.concernsUnnamedObjects }
        if effectClass.reachesBeyondItsObject { return true }
        if ClassGroup.tableLoss.classes.contains(effectClass), couldBeHeld(by: object) { return true }
        guard kindCouldBe(object) else { return false }
        guard object.kind.livesInSchema else { return whole.matches(object.name) }
        if whole.matchesEverything { return true }
        if let schema, let written = object.schema, !schema.matches(written) { return false }
        guard name.matches(object.name) else { return false }
        guard let part, let written = object.part else { return true }
        return part.matches(written)
    }

    /// Whether the effect names an object that certainly is one the pattern means.
    ///
    /// A pattern without schema matches names without schema only; an unqualified name matches only such a pattern or
    /// one whose schema is `*`. An effect without an object matches nothing.
    package func matchesAsWritten(_ effect: Effect) -> Bool {
        guard let object = effect.object else { return false }
        guard kind == nil || kind == object.kind else { return false }
        guard object.kind.livesInSchema else { return whole.matches(object.name) }
        if whole.matchesEverything { return true }
        switch (schema, object.schema) {
        case (nil, nil): break
        case (let schema?, let written?): guard schema.matches(written) else { return false }
        case (let schema?, nil): guard schema.matchesEverything else { return false }
        case (nil, .some): return false
        }
        guard name.matches(object.name) else { return false }
        guard let part else { return true }
        guard let written = object.part else { return false }
        return part.matches(written)
    }

    /// Whether what the pattern means could be inside the schema or database `object`.
    private func couldBeHeld(by object: ObjectName) -> Bool {
        let isInSchema = kind == nil || kind?.livesInSchema == true
        if object.kind == .database { return isInSchema || kind == .schema }
        return object.kind == .schema && isInSchema && (schema?.matches(object.name) ?? true)
    }

    /// Whether the pattern's kind fits the object's, given how loosely statements name kinds: ALTER TABLE and ALTER
    /// INDEX also take other relations, and a column or a trigger belongs to its table.
    private func kindCouldBe(_ object: ObjectName) -> Bool {
        guard let kind, kind != object.kind else { return true }
        guard kind.isRelation else { return false }
        return object.kind == .table || object.kind == .index || object.kind.isPartOfRelation
    }

    private static func isKindCharacter(_ byte: UInt8) -> Bool {
        (byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_")
            || byte == UInt8(ascii: "*")
    }
}

extension StatementClass {
    /// Whether an effect of this class that names no object may concern any object.
    var concernsUnnamedObjects: Bool {
        // These say how something is done; what is done has effects of its own.
        self != .doBlock && self != .roleChange && self != .sessionSetting
    }

    /// Whether more than the named object goes: dependents, what a role or an extension owns, or what the rows of a
    /// system catalog stand for.
    var reachesBeyondItsObject: Bool {
        self == .cascade || self == .cascadeDependents || self == .dropOwned || self == .dropExtension
            || self == .catalogWrite
    }
}

extension ObjectKind {
    /// Whether objects of this kind have a schema in front of their name.
    var livesInSchema: Bool {
        switch self {
        case .table, .view, .materializedView, .foreignTable, .sequence, .index, .column, .constraint, .type, .domain,
            .function, .procedure, .aggregate, .trigger, .rule, .policy, .operator, .operatorClass, .operatorFamily,
            .collation, .conversion, .statistics, .textSearch, .other:
            true
        case .schema, .database, .eventTrigger, .extension, .role, .tablespace, .language, .server,
            .foreignDataWrapper, .userMapping, .publication, .subscription, .accessMethod, .cast, .transform,
            .largeObject, .setting, .file, .program:
            false
        }
    }

    /// Whether ALTER TABLE accepts it under that word.
    var isRelation: Bool {
        self == .table || self == .view || self == .materializedView || self == .foreignTable || self == .sequence
            || self == .index
    }

    /// Whether it is a part of a table and named after it.
    var isPartOfRelation: Bool {
        self == .column || self == .constraint || self == .trigger || self == .rule || self == .policy
    }
}
