import Policy
import PostgresWire
import SQLParsing
import Session

/// Properties of a whole session, with a model of the server behind it.
///
/// The same client talks to one ``ModelServer`` directly and to another through a ``SessionMachine``. However the bytes
/// and the replies are cut and timed: the client must see the same messages, and the second server must run nothing that
/// the rules stop. Direct, what the rules stop is a syntax error: that is what Holdfast makes of it.
enum ExchangeProperties {
    /// The input: a byte for the mode, one for the size of pieces, then steps, each a byte for what happens and one or two for
    /// its details.
    static func violation(_ input: inout FuzzInput) -> String? {
        let mode = ModelExchange.Mode.allCases[input.choice(below: ModelExchange.Mode.allCases.count)]
        var exchange = ModelExchange(mode: mode, pieceSize: 1 + input.choice(below: 64))
        while !input.isAtEnd, exchange.violation == nil { step(&input, &exchange) }
        exchange.settle()
        return exchange.violation ?? exchange.finalViolation()
    }

    private static func step(_ input: inout FuzzInput, _ exchange: inout ModelExchange) {
        switch input.choice(below: 16) {
        case 0, 1, 2, 3, 4, 5, 6: exchange.send(message(&input, exchange.mode))
        case 7: exchange.send(WireText.message("S", []))
        case 8, 9: exchange.serve(messages: 1 + input.choice(below: 8))
        case 10, 11: exchange.deliver(1 + input.choice(below: 64))
        case 12: exchange.answerTrail(fails: input.choice(below: 4) == 3)
        case 13: exchange.changeRules()
        case 14: exchange.announce(announcements[input.choice(below: announcements.count)])
        default:
            exchange.serve(messages: Int.max)
            exchange.deliver(Int.max)
        }
    }

    private static let names: [[UInt8]] = [
        [], Array("s".utf8), Array("p".utf8), Array(String(repeating: "n", count: 63).utf8),
        Array(String(repeating: "n", count: 64).utf8),
    ]

    private static let announcements = [
        WireText.message("N", Array("SNOTICE\0C00000\0Mhi\0\0".utf8)),
        WireText.message("A", [0, 0, 0, 1] + Array("channel\0\0".utf8)),
        WireText.message("S", Array("application_name\0x\0".utf8)),
        WireText.message("S", Array("standard_conforming_strings\0on\0".utf8)),
    ]

    private static func message(_ input: inout FuzzInput, _ mode: ModelExchange.Mode) -> [UInt8] {
        func text() -> [UInt8] {
            let texts = mode == .sameReplies ? textsWithoutQuestions : ModelStatement.texts
            return Array(texts[(Int(input.byte()) << 8 | Int(input.byte())) % texts.count].utf8) + [0]
        }
        func name() -> [UInt8] { names[input.choice(below: names.count)] + [0] }
        switch input.choice(below: 16) {
        case 0, 1, 2: return WireText.message("Q", text())
        case 3, 4, 5: return WireText.message("P", name() + text() + [0, 0])
        case 6, 7: return WireText.message("B", name() + name() + [0, 0, 0, 0, 0, 0])
        case 8, 9: return WireText.message("E", name() + [0, 0, 0, 0])
        case 10:
            let kind: [Character] = ["S", "P"]
            return WireText.message("D", [kind[input.choice(below: 2)].asciiValue ?? 0] + name())
        case 11:
            let kind: [Character] = ["S", "P"]
            return WireText.message("C", [kind[input.choice(below: 2)].asciiValue ?? 0] + name())
        case 12: return WireText.message("H", [])
        case 13: return WireText.message("d", Array((input.choice(below: 2) == 0 ? "1\n" : "bad\n").utf8))
        case 14: return WireText.message("c", [])
        default: return WireText.message("f", Array("no\0".utf8))
        }
    }

    private static let textsWithoutQuestions: [String] = {
        let asked = ModelStatement.texts(with: ModelStatement.asked)
        return ModelStatement.texts.filter { !asked.contains($0) }
    }()
}
