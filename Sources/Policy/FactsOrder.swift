import SQLParsing

/// A text whose reading takes so long that another thread does it: the facts are ordered, and judged when they come by
/// the rules of then.
package struct FactsOrder: Sendable {
    /// Texts of so many bytes are ordered, whatever they are: the dearest found that do not begin as below take 1.3 ms
    /// a kilobyte, ordinary ones 0.02.
    package static let byteLimit = 16 << 10
    /// Those that begin with DO or CREATE and hold code: 0.25 to 1.3 ms a kilobyte.
    package static let codeByteLimit = 2 << 10

    /// Tells orders of one session apart.
    package let number: UInt64
    /// Without the terminating NUL.
    package let text: [UInt8]
    package let readings: LexicalReadings
    package let hazards: HazardIndex

    package init(number: UInt64, text: UnsafeRawBufferPointer, readings: LexicalReadings, hazards: HazardIndex) {
        self.number = number
        self.text = Array(text)
        self.readings = readings
        self.hazards = hazards
    }

    /// Which texts are ordered.
    package enum Policy: Sendable {
        /// Nobody takes orders.
        case none
        /// Those that may take long.
        case long
        /// Every one that is looked into: for tests.
        case all

        /// Costs the text's first token at most.
        package func includes(_ text: UnsafeRawBufferPointer) -> Bool {
            switch self {
            case .none: false
            case .long:
                text.count >= byteLimit || (text.count >= codeByteLimit && StatementAnalyzer.mayHoldCode(text))
            case .all: true
            }
        }
    }
}

/// The facts of an ordered text, one for each reading.
package struct FactsDelivery: Sendable {
    package let order: FactsOrder
    let facts: [(settings: LexicalSettings, facts: TextFacts)]

    /// The facts of this text, if they are known: the same bytes, under every one of these readings and the same catalog.
    ///
    /// Nothing else decides about facts. So a delivery that comes late, or to another message, can do no harm.
    func facts(
        of text: UnsafeRawBufferPointer, readings: LexicalReadings, hazards: HazardIndex
    ) -> [TextFacts]? {
        guard order.hazards.isSame(as: hazards), order.text.withUnsafeBytes({ $0.isSame(as: text) }) else {
            return nil
        }
        var found: [TextFacts] = []
        for settings in readings.orBoth.settings {
            guard let known = facts.first(where: { $0.settings == settings }) else { return nil }
            found.append(known.facts)
        }
        return found
    }
}

extension StatementJudge {
    /// What an order asks for. Any thread, with a judge of its own.
    package mutating func deliver(_ order: FactsOrder) -> FactsDelivery {
        hazards = order.hazards
        var known: [(settings: LexicalSettings, facts: TextFacts)] = []
        for settings in order.readings.orBoth.settings {
            known.append((settings, order.text.withUnsafeBytes { facts(of: $0, settings: settings) }))
        }
        return FactsDelivery(order: order, facts: known)
    }

    /// Judges a text whose facts have been delivered, under every reading that may hold.
    ///
    /// - Returns: nil if they are not those of this text as it has to be read now: order them again.
    package func judge(
        delivered delivery: FactsDelivery, text: UnsafeRawBufferPointer, readings: LexicalReadings,
        rules: borrowing SubjectRules
    ) -> Judgement? {
        guard let facts = delivery.facts(of: text, readings: readings, hazards: hazards), let first = facts.first
        else { return nil }
        var worst = judge(remembered: first, rules: rules)
        for other in facts.dropFirst() { worst.worsen(by: judge(remembered: other, rules: rules)) }
        return worst
    }
}
