import Policy

/// A question on its way: the client's message that it is about waits at the front until the server has answered.
final class OpenQuestion {
    enum State {
        /// Waits until nothing is owed that could still be running: then it is put.
        case settling
        /// The server has it.
        case asked
        /// The answer is whole: the message is judged with it.
        case answered
        /// The message has had its answer, or will be skipped by the server: it is thrown away.
        case spent
    }

    var state: State
    /// What was asked; nil while settling.
    var question: CatalogQuestion?
    var answer = CatalogAnswer()
    /// Put as a Query; else with Parse, Bind and Execute of names of its own, so that the client's unnamed statement and
    /// portal live on, inside the segment that the client has begun.
    let isSimple: Bool
    /// It is about a Query.
    let isForQuery: Bool
    /// What the message is refused with if the server cannot answer.
    let refusal: (match: RuleMatch, judgement: Judgement, sql: String)?
    /// CloseComplete messages that are still to come.
    var closesOwed = 2
    /// The server failed the question; its ReadyForQuery is still to come, and is the client's.
    var hasFailed = false

    init(
        state: State, question: CatalogQuestion?, isSimple: Bool, isForQuery: Bool,
        refusal: (match: RuleMatch, judgement: Judgement, sql: String)? = nil
    ) {
        self.state = state
        self.question = question
        self.isSimple = isSimple
        self.isForQuery = isForQuery
        self.refusal = refusal
    }
}
