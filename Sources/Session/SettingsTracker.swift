import PostgresWire
import SQLParsing

/// The settings under which the server will read the next text.
///
/// They are known only when nothing that could have changed them is unanswered: ParameterStatus comes right before
/// ReadyForQuery (`ReportChangedGUCOptions`, called in `PostgresMain`), and functions, bound parameters and FunctionCall change
/// settings without any SQL text that shows it.
struct SettingsTracker {
    private var known = LexicalSettings()
    private var isInDoubt = true
    /// The client reads UTF-8, so that messages to it may hold any text.
    private(set) var clientReadsUTF8 = false

    /// Something was forwarded that can change a setting.
    mutating func mayChange() { isInDoubt = true }

    /// The server reported a setting.
    mutating func reported(name: String, value: String) {
        switch name {
        case "standard_conforming_strings":
            known.standardConformingStrings = value == "on"
        case "client_encoding":
            known.encoding = ClientEncoding(serverName: value)
            clientReadsUTF8 = value.uppercased() == "UTF8"
        default: break
        }
    }

    /// The server is ready and owes nothing more.
    mutating func settled() { isInDoubt = false }

    /// The reading of a text that has not arrived yet; nil unless it is known, and can be followed byte by byte.
    var readingAhead: LexicalSettings? { isInDoubt || known.encoding != .asciiSafe ? nil : known }

    /// The only way in which the server can read the next text; nil while that is in doubt.
    var certain: LexicalSettings? { isInDoubt ? nil : known }

    /// Every way in which the server may read the text; one where it makes no difference.
    func readings(of text: UnsafeRawBufferPointer) -> LexicalReadings {
        guard isInDoubt else { return LexicalReadings(known) }
        // Off, a backslash escapes; in the encodings below, a byte behind a high one may look like ASCII.
        let strings = text.contains(UInt8(ascii: "\\")) ? [true, false] : [known.standardConformingStrings]
        let encodings = text.contains { $0 >= 0x80 } ? ClientEncoding.allCases : [.asciiSafe]
        return LexicalReadings(
            strings.flatMap { strings in
                encodings.map { LexicalSettings(standardConformingStrings: strings, encoding: $0) }
            })
    }
}
