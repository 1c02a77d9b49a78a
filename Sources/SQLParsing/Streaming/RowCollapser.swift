/// Writes tokens one behind the other, without most of the literals in long lists and most rows of literals in VALUES.
///
/// A row of literals has no effect that another such row has not; a list of literals none that a shorter one, with
/// ``LeftOutLiteral`` for the rest, has not; everything else is kept.
struct RowCollapser {
    enum Kind {
        case comma, open, close
        /// A number, a string, a parameter, NULL, TRUE, FALSE, DEFAULT.
        case literal
        /// A sign or a cast, which may stand at a literal; the cast's type is a word.
        case sign, cast
        case values
        case word
        case other

        init(_ token: Token, _ text: UnsafeRawBufferPointer) {
            switch token.kind {
            case .comma: self = .comma
            case .openParen: self = .open
            case .closeParen: self = .close
            case .number, .string, .escapeString, .bitString, .parameter: self = .literal
            case .operator:
                let bytes = text[token.range]
                self =
                    bytes.elementsEqual("::".utf8)
                    ? .cast : bytes.elementsEqual("-".utf8) || bytes.elementsEqual("+".utf8) ? .sign : .other
            case .word:
                switch Keyword(token, text) {
                case .values: self = .values
                case .null, .true, .false, .default: self = .literal
                default: self = .word
                }
            case .end, .quotedName, .unicodeName, .unicodeString, .dollarString, .openBracket, .closeBracket,
                .semicolon,
                .dot, .colon, .comment, .stray:
                self = .other
            }
        }
    }

    private enum Place {
        case elsewhere
        /// Behind VALUES, or behind a row and a comma: a row may begin.
        case beforeRow
        /// In a row that has held nothing but literals so far.
        case inRow
        /// In a row that holds something else, so many parentheses deep.
        case inOtherRow(depth: Int)
        case afterRow
    }

    /// So many rows of literals are kept.
    private static let rowLimit = 8
    /// So many literals of a list are kept.
    private static let runLimit = 64
    /// A row whose literals are longer than this is kept.
    private static let heldLimit = 64 << 10

    /// What has been written.
    private(set) var output: [UInt8] = []
    private var held: [UInt8] = []
    private var place = Place.elsewhere
    private var rowCount = 0
    private var previous = Kind.other
    /// Literals and commas in turn, up to here.
    private var runLength = 0
    private var heldComma = false

    mutating func take(_ kind: Kind, _ bytes: UnsafeRawBufferPointer, hasGap: Bool) {
        switch place {
        case .elsewhere:
            takeElsewhere(kind, bytes, hasGap)
            if case .values = kind {
                place = .beforeRow
                rowCount = 0
            }
        case .beforeRow:
            hold(bytes, hasGap)
            if case .open = kind {
                place = .inRow
            } else {
                leaveRows()
            }
        case .inRow:
            hold(bytes, hasGap)
            takeInRow(kind)
        case .inOtherRow(let depth):
            write(bytes, hasGap)
            switch kind {
            case .open: place = .inOtherRow(depth: depth + 1)
            case .close: place = depth == 1 ? .afterRow : .inOtherRow(depth: depth - 1)
            default: break
            }
        case .afterRow:
            if case .comma = kind {
                hold(bytes, hasGap)
                place = .beforeRow
            } else {
                place = .elsewhere
                takeElsewhere(kind, bytes, hasGap)
            }
        }
        previous = kind
    }

    /// Writes what is held back.
    mutating func flush() {
        if heldComma {
            output.append(UInt8(ascii: ","))
            heldComma = false
        }
        output += held
        held.removeAll(keepingCapacity: true)
    }

    private mutating func takeInRow(_ kind: Kind) {
        switch kind {
        case .literal, .comma, .sign, .cast:
            break
        case .word:
            if case .cast = previous { break }
            flush()
            place = .inOtherRow(depth: 1)
        case .close:
            rowCount += 1
            if rowCount > Self.rowLimit {
                held.removeAll(keepingCapacity: true)
            } else {
                flush()
            }
            place = .afterRow
        case .open:
            flush()
            place = .inOtherRow(depth: 2)
        case .values, .other:
            flush()
            place = .inOtherRow(depth: 1)
        }
        if held.count > Self.heldLimit, case .inRow = place {
            flush()
            place = .inOtherRow(depth: 1)
        }
    }

    private mutating func leaveRows() {
        flush()
        place = .elsewhere
        runLength = 0
    }

    private mutating func takeElsewhere(_ kind: Kind, _ bytes: UnsafeRawBufferPointer, _ hasGap: Bool) {
        switch kind {
        case .literal:
            guard heldComma, runLength >= Self.runLimit else {
                runLength += 1
                return write(bytes, hasGap)
            }
            // One mark for all the others: they may be the arguments of a function that makes a text of them.
            if runLength == Self.runLimit {
                runLength += 1
                LeftOutLiteral.token.withUnsafeBytes { write($0, true) }
            }
            heldComma = false
        case .comma where runLength > 0:
            flush()
            heldComma = true
        default:
            runLength = 0
            write(bytes, hasGap)
        }
    }

    private mutating func hold(_ bytes: UnsafeRawBufferPointer, _ hasGap: Bool) {
        if hasGap { held.append(UInt8(ascii: " ")) }
        held.append(contentsOf: bytes)
    }

    private mutating func write(_ bytes: UnsafeRawBufferPointer, _ hasGap: Bool) {
        flush()
        if hasGap { output.append(UInt8(ascii: " ")) }
        output.append(contentsOf: bytes)
    }
}

extension Keyword {
    static let values = Keyword("values")
    static let null = Keyword("null")
    static let `true` = Keyword("true")
    static let `false` = Keyword("false")
    static let `default` = Keyword("default")
}
