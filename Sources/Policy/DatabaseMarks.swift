/// Which databases say of themselves that they are production (`holdfast mark production`), as far as it is known.
package struct DatabaseMarks: Sendable, Equatable {
    /// These say so.
    package var production: Set<String>
    /// These do not.
    package var others: Set<String>
    /// What of a database of which it is not known.
    package var unknownIsProduction: Bool

    package init(production: Set<String> = [], others: Set<String> = [], unknownIsProduction: Bool = false) {
        self.production = production
        self.others = others
        self.unknownIsProduction = unknownIsProduction
    }

    /// Whether a session there is production, whatever `[[tag]]` blocks say.
    func isProduction(_ database: String) -> Bool {
        production.contains(database) || (unknownIsProduction && !others.contains(database))
    }
}
