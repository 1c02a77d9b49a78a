/// What is fuzzed: each target reads any bytes at all as an input, and says what does not hold for it.
///
/// `scripts/fuzz` drives these with libFuzzer; the ordinary tests run every committed seed and find through them.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// Messages are found at the same places however the bytes arrive, and are read without a trap.
    case frames
    /// Tokens cover a text in order, as PostgreSQL's own lexer cuts it.
    case lexer
    /// A text's facts are consistent, and do not depend on blanks, comments or the case of keywords.
    case judge
    /// A session does the same however its bytes arrive, and nothing that rules block reaches the server.
    case session
    /// A text that is read piece by piece is judged no milder than the whole.
    case stream
    /// A client sees the same through a session as directly, whatever the timing, and the server runs nothing that rules stop.
    case exchange

    /// Runs one input.
    ///
    /// - Returns: what does not hold, or nil. A trap is a find as well.
    package func violation(_ input: UnsafeRawBufferPointer) -> String? {
        var input = FuzzInput(input)
        return switch self {
        case .frames: FrameProperties.violation(&input)
        case .lexer: LexerProperties.violation(&input)
        case .judge: JudgeProperties.violation(&input)
        case .session: SessionProperties.violation(&input)
        case .stream: StreamProperties.violation(&input)
        case .exchange: ExchangeProperties.violation(&input)
        }
    }

    package func violation(_ input: [UInt8]) -> String? { input.withUnsafeBytes { violation($0) } }
}
