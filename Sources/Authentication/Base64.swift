/// Base64 as SCRAM wants it: with padding, without white space (`pg_b64_encode` and `pg_b64_decode`, common/base64.c).
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xff, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    private static let padding = UInt8(ascii: "=")

    package static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var held: UInt32 = 0
        var heldCount = 0
        for byte in bytes {
            held = held << 8 | UInt32(byte)
            heldCount += 1
            if heldCount == 3 {
                for shift in [18, 12, 6, 0] { text.append(alphabet[Int(held >> UInt32(shift)) & 63]) }
                (held, heldCount) = (0, 0)
            }
        }
        if heldCount == 1 {
            text += [alphabet[Int(held >> 2)], alphabet[Int(held << 4) & 63], padding, padding]
        } else if heldCount == 2 {
            text += [alphabet[Int(held >> 10)], alphabet[Int(held >> 4) & 63], alphabet[Int(held << 2) & 63], padding]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes, or nil for anything that ``encode(_:)`` could not have made, but for bits that the last character has
    /// too many: PostgreSQL overlooks those.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let paddingCount = text.reversed().prefix { $0 == padding }.count
        guard paddingCount <= 2 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var held: UInt32 = 0
        var heldCount = 0
        for character in text.dropLast(paddingCount) {
            let value = values[Int(character)]
            guard value != 0xff else { return nil }
            held = held << 6 | UInt32(value)
            heldCount += 1
            if heldCount == 4 {
                for shift in [16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: held >> UInt32(shift))) }
                (held, heldCount) = (0, 0)
            }
        }
        switch heldCount {
        case 2: bytes.append(UInt8(truncatingIfNeeded: held >> 4))
        case 3:
            bytes.append(UInt8(truncatingIfNeeded: held >> 10))
            bytes.append(UInt8(truncatingIfNeeded: held >> 2))
        default: break
        }
        return bytes
    }
}
