import Policy
import PostgresWire
import SQLParsing
import Session

/// Properties of ``SessionMachine`` and ``StartupMachine``.
enum SessionProperties {
    /// One turn of an exchange: bytes from one side.
    private struct Turn {
        var isClient: Bool
        var bytes: [UInt8]
    }

    /// The input: a byte for the size of pieces, one for what has been said before, then turns. A turn is a byte whose high
    /// bit names the side (set: the server) and whose low bits are a message's type (0: raw bytes), a byte for the
    /// length, and the message's body.
    static func violation(_ input: inout FuzzInput) -> String? {
        let pieceSize = 1 + input.choice(below: 16)
        let beginning = input.choice(below: 4)
        var turns = Self.beginning(beginning)
        while !input.isAtEnd { turns.append(turn(&input)) }
        let whole = play(turns, pieceSize: Int.max, trailFails: beginning == 3)
        let pieces = play(turns, pieceSize: pieceSize, trailFails: beginning == 3)
        if let found = whole.violation ?? pieces.violation { return found }
        if whole.toServer != pieces.toServer {
            return "the server gets \(shown(whole.toServer)) or \(shown(pieces.toServer)) in pieces of \(pieceSize)"
        }
        if whole.toClient != pieces.toClient {
            return "the client gets \(shown(whole.toClient)) or \(shown(pieces.toClient)) in pieces of \(pieceSize)"
        }
        if whole.notes != pieces.notes { return "the trail is told \(whole.notes) or \(pieces.notes)" }
        let faults = (String(describing: whole.fault), String(describing: pieces.fault))
        if faults.0 != faults.1 { return "ends with \(faults.0) or \(faults.1)" }
        return nil
    }

    /// `0`: a fresh connection. Else the server is ready, with settings known (`1`, `3`) or not (`2`); `3`: the trail cannot
    /// be written.
    private static func beginning(_ choice: Int) -> [Turn] {
        guard choice != 0 else { return [] }
        var bytes = WireText.message("R", [0, 0, 0, 0])
        if choice != 2 {
            bytes += WireText.message("S", Array("client_encoding\0UTF8\0".utf8))
            bytes += WireText.message("S", Array("standard_conforming_strings\0on\0".utf8))
        }
        return [Turn(isClient: false, bytes: bytes + WireText.message("Z", [UInt8(ascii: "I")]))]
    }

    private static func turn(_ input: inout FuzzInput) -> Turn {
        let head = input.byte()
        let body = input.bytes(Int(input.byte()))
        let type = head & 0x7F
        let isClient = head < 0x80
        if type == 0 { return Turn(isClient: isClient, bytes: body) }
        return Turn(isClient: isClient, bytes: WireText.message(Character(Unicode.Scalar(type)), body))
    }

    private static func play(_ turns: [Turn], pieceSize: Int, trailFails: Bool) -> PlayedExchange.Seen {
        var exchange = PlayedExchange(trailFails: trailFails)
        for turn in turns where exchange.seen.fault == nil && exchange.seen.violation == nil {
            exchange.take(turn.bytes, isClient: turn.isClient, pieceSize: pieceSize)
        }
        exchange.end()
        return exchange.seen
    }
}

enum WireText {
    static func message(_ type: Character, _ body: [UInt8]) -> [UInt8] {
        let length = UInt32(truncatingIfNeeded: body.count + 4)
        return [type.asciiValue ?? 0] + (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * $0)) } + body
    }
}
