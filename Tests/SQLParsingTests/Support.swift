import Testing

@testable import SQLParsing

/// Asks a fresh analyzer.
func facts(_ sql: String, standardConformingStrings: Bool = true) -> TextFacts {
    facts(Array(sql.utf8), LexicalSettings(standardConformingStrings: standardConformingStrings))
}

func facts(_ bytes: [UInt8], _ settings: LexicalSettings) -> TextFacts {
    var analyzer = StatementAnalyzer()
    return bytes.withUnsafeBytes { analyzer.facts(of: $0, settings: settings) }
}

/// What the shipped rules block on production.
let guarded = ClassSet(.truncate)
    .union(ClassGroup.tableLoss.classes).union(ClassGroup.opaque.classes).union(ClassGroup.escape.classes)

/// A statement and the classes that it must have.
struct ClassRow: Sendable, CustomTestStringConvertible {
    var sql: String
    var classes: [StatementClass]
    /// The objects of the effects, in order, where the row cares.
    var objects: [String]?

    init(_ sql: String, _ classes: StatementClass..., objects: [String]? = nil) {
        self.sql = sql
        self.classes = classes
        self.objects = objects
    }

    var testDescription: String { sql }
}

/// A small generator with a fixed seed, so that a failing input comes again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
