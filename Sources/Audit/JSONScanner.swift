/// Reads one line of JSON from left to right, for ``AuditDecoder``: no tree, no recursion, nothing allocated but the
/// strings that are asked for. Never reads outside the buffer; any bytes may stand in it.
struct JSONScanner {
    /// What stood where something else was expected; `offset` counts bytes from the line's start.
    struct Fault: Error {
        var offset: Int
    }

    /// Deeper nesting than this is refused, so that a hostile line costs nothing to refuse.
    private static let maximumDepth = 64

    private let bytes: UnsafeBufferPointer<UInt8>
    private(set) var position = 0

    /// The buffer must outlive the scanner.
    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// The next byte that is not white space, without consuming it; nil at the end.
    mutating func peek() -> UInt8? {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            case let byte: return byte
            }
        }
        return nil
    }

    /// Consumes that byte, white space before it skipped, if it comes next.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let byte = peek(), byte == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func expect(_ character: Unicode.Scalar) throws(Fault) {
        guard take(character) else { throw Fault(offset: position) }
    }

    /// Nothing but white space may follow.
    mutating func expectEnd() throws(Fault) {
        guard peek() == nil else { throw Fault(offset: position) }
    }

    /// Consumes `null` if it comes next.
    mutating func takeNull() throws(Fault) -> Bool {
        guard peek() == UInt8(ascii: "n") else { return false }
        try word("null")
        return true
    }

    /// A string. Lone surrogates and bytes that are not UTF-8 become U+FFFD.
    mutating func string() throws(Fault) -> String {
        try expect("\"")
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<position - 1]), as: UTF8.self)
            case UInt8(ascii: "\\"): return try escapedString(from: start)
            case ..<0x20: throw Fault(offset: position)
            default: position += 1
            }
        }
        throw Fault(offset: position)
    }

    /// A whole number that fits 64 bits.
    mutating func integer() throws(Fault) -> Int64 {
        let isNegative = take("-")
        guard let first = peek(), first >= UInt8(ascii: "0"), first <= UInt8(ascii: "9") else {
            throw Fault(offset: position)
        }
        var value: Int64 = 0
        while position < bytes.count, bytes[position] >= UInt8(ascii: "0"), bytes[position] <= UInt8(ascii: "9") {
            let digit = Int64(bytes[position] - UInt8(ascii: "0"))
            let (shifted, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (next, overflowedToo) = shifted.subtractingReportingOverflow(digit)
            if overflowed || overflowedToo { throw Fault(offset: position) }
            value = next
            position += 1
        }
        if position < bytes.count, [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(bytes[position]) {
            throw Fault(offset: position)
        }
        if isNegative { return value }
        guard value != Int64.min else { throw Fault(offset: position) }
        return -value
    }

    /// `true` or `false`.
    mutating func boolean() throws(Fault) -> Bool {
        guard peek() == UInt8(ascii: "t") else {
            try word("false")
            return false
        }
        try word("true")
        return true
    }

    /// Consumes one value of any kind.
    mutating func skipValue() throws(Fault) {
        var closers: [Unicode.Scalar] = []
        while true {
            guard let byte = peek() else { throw Fault(offset: position) }
            var isOpen = false
            switch byte {
            case UInt8(ascii: "\""): _ = try string()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                position += 1
                let closer: Unicode.Scalar = byte == UInt8(ascii: "{") ? "}" : "]"
                if !take(closer) {
                    guard closers.count < Self.maximumDepth else { throw Fault(offset: position) }
                    closers.append(closer)
                    isOpen = true
                }
            case UInt8(ascii: "t"): try word("true")
            case UInt8(ascii: "f"): try word("false")
            case UInt8(ascii: "n"): try word("null")
            default: try number()
            }
            if !isOpen {
                while let closer = closers.last, take(closer) { closers.removeLast() }
                if closers.isEmpty { return }
                try expect(",")
            }
            if closers.last == "}" {
                _ = try string()
                try expect(":")
            }
        }
    }

    private mutating func word(_ word: StaticString) throws(Fault) {
        guard bytes.count - position >= word.utf8CodeUnitCount else { throw Fault(offset: position) }
        for index in 0..<word.utf8CodeUnitCount {
            guard bytes[position] == word.utf8Start[index] else { throw Fault(offset: position) }
            position += 1
        }
    }

    private mutating func number() throws(Fault) {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                position += 1
                continue
            default: break
            }
            break
        }
        guard position > start else { throw Fault(offset: position) }
    }

    /// The slow way, once a backslash was met: `start` is the first byte of the string.
    private mutating func escapedString(from start: Int) throws(Fault) -> String {
        var text = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &text)
            case ..<0x20: throw Fault(offset: position - 1)
            default: text.append(byte)
            }
        }
        throw Fault(offset: position)
    }

    private mutating func escape(into text: inout [UInt8]) throws(Fault) {
        guard position < bytes.count else { throw Fault(offset: position) }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var value = try hexadecimal()
            if value & 0xFC00 == 0xD800, bytes.count - position >= 6, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                let mark = position
                position += 2
                let low = try hexadecimal()
                if low & 0xFC00 == 0xDC00 {
                    value = 0x10000 + (value & 0x3FF) << 10 + low & 0x3FF
                } else {
                    position = mark
                }
            }
            text.append(contentsOf: String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
        default: throw Fault(offset: position - 1)
        }
    }

    private mutating func hexadecimal() throws(Fault) -> UInt32 {
        guard bytes.count - position >= 4 else { throw Fault(offset: position) }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[position]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw Fault(offset: position)
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}
