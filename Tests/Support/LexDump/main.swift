import SQLParsing

// What Holdfast's lexer sees, for Tests/EndToEnd/test_lexer_differential.py. Reads lines
//
//     on|off <client encoding> <the text in hex>
//
// (standard_conforming_strings first) and answers each with one line of fields separated by blanks:
//
//     tokens      kind:start:end, joined by commas; `!` behind the kind if the token is not terminated
//     statements  start:end, joined by commas
//     flags       `i` the text has an invalid character, `a` one that is ASCII to some servers, `d` where a dollar quote
//                 ends is in doubt, `p` the text is taken for a plain query
//     canonical   the canonical text in hex
//
// An empty field is `-`.

extension String {
    /// The bytes of a text in hex; nil if it is none.
    fileprivate var bytesFromHex: [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in utf8 {
            guard let value = Character(Unicode.Scalar(digit)).hexDigitValue.map({ UInt8($0) }) else { return nil }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }

    fileprivate var orDash: String { isEmpty ? "-" : self }
}

let hexDigits = Array("0123456789abcdef".utf8)

func hex(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.flatMap { [hexDigits[Int($0 >> 4)], hexDigits[Int($0 & 15)]] }, as: UTF8.self)
}

func answer(_ line: String) -> String {
    let fields = line.split(separator: " ", omittingEmptySubsequences: false)
    guard fields.count == 3, let text = String(fields[2]).bytesFromHex else { return "error: cannot read the line" }
    let settings = LexicalSettings(
        standardConformingStrings: fields[0] == "on", encoding: ClientEncoding(serverName: fields[1]))
    let survey = text.withUnsafeBytes { LexicalSurvey($0, settings: settings) }
    let tokens = survey.tokens.map { "\($0.kind)\($0.isUnterminated ? "!" : ""):\($0.start):\($0.end)" }
    let statements = survey.statements.map { "\($0.lowerBound):\($0.upperBound)" }
    let flags =
        (survey.hasInvalidCharacter ? "i" : "") + (survey.hasPossibleASCII ? "a" : "")
        + (survey.hasDoubtfulTag ? "d" : "") + (survey.isPlainQuery ? "p" : "")
    return [
        tokens.joined(separator: ",").orDash, statements.joined(separator: ",").orDash, flags.orDash,
        hex(survey.canonicalText).orDash,
    ].joined(separator: " ")
}

while let line = readLine() { print(answer(line)) }
