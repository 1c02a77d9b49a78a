import Policy
import SQLParsing

/// The facts of the message at the front that another thread works out.
struct OrderedFacts {
    /// Somebody works them out.
    private(set) var areAwaited = false
    private var number: UInt64 = 0
    private var delivery: FactsDelivery?
    /// So often the facts of one message have come too late: the catalog had changed meanwhile.
    private var vainOrders = 0
    /// Then the message is read at once, whatever that takes: a catalog that changes all the time must not hold it for ever.
    private static let vainOrderLimit = 3

    mutating func order(_ text: UnsafeRawBufferPointer, _ readings: LexicalReadings, _ hazards: HazardIndex)
        -> FactsOrder
    {
        number &+= 1
        areAwaited = true
        vainOrders += 1
        return FactsOrder(number: number, text: text, readings: readings, hazards: hazards)
    }

    /// Deliveries of former orders are none.
    mutating func delivered(_ delivery: FactsDelivery) {
        guard areAwaited, delivery.order.number == number else { return }
        areAwaited = false
        self.delivery = delivery
    }

    /// Nobody had room for the order.
    mutating func rejected() {
        areAwaited = false
        vainOrders -= 1
    }

    /// The judgement of the facts that have come, if they are this text's.
    func judgement(
        of text: UnsafeRawBufferPointer, _ readings: LexicalReadings, judge: borrowing StatementJudge,
        rules: borrowing SubjectRules
    ) -> Judgement? {
        guard let delivery else { return nil }
        return judge.judge(delivered: delivery, text: text, readings: readings, rules: rules)
    }

    var mayBeOrdered: Bool { vainOrders < Self.vainOrderLimit }

    /// The message at the front has been decided.
    mutating func settle() {
        guard vainOrders > 0 else { return }
        areAwaited = false
        delivery = nil
        vainOrders = 0
    }
}

extension SessionMachine {
    /// Another thread has read the text that was ordered last.
    package mutating func factsDelivered(_ delivery: FactsDelivery) { facts.delivered(delivery) }

    /// The last order could not be taken; it may be given again.
    package mutating func orderRejected() { facts.rejected() }

    /// What becomes of a text that is to be judged.
    enum Reading {
        case judged(Judgement)
        /// It is read elsewhere; the step to take meanwhile.
        case waits(RelayStep.Next)
    }

    /// Judges a text here, or has it read elsewhere if that takes long.
    mutating func read(
        _ text: UnsafeRawBufferPointer, _ readings: LexicalReadings, after proof: PlainProof? = nil,
        judge: inout StatementJudge
    ) -> Reading {
        guard orders.includes(text) else {
            return .judged(judge.judge(text, readings: readings, after: proof, rules: rules))
        }
        if let judgement = facts.judgement(of: text, readings, judge: judge, rules: rules) { return .judged(judgement) }
        guard facts.mayBeOrdered else {
            return .judged(judge.judge(text, readings: readings, after: proof, rules: rules))
        }
        return .waits(.order(facts.order(text, readings, judge.hazards)))
    }
}
