/// Reads SQL text into facts: lexer, libpg_query's raw tree, sieve, routine bodies.
///
/// One analyzer belongs to one thread. It holds reusable buffers, no state of any session.
package struct StatementAnalyzer: ~Copyable {
    package init() {}

    /// The facts of a text that is one Query message's (`isExtended` false) or one Parse message's.
    ///
    /// - Parameter text: the bytes without the terminating NUL.
    package mutating func facts(of text: UnsafeRawBufferPointer, settings: LexicalSettings) -> TextFacts {
        TextFacts()
    }
}
