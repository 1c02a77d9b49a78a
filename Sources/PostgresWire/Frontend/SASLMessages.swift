/// A client's choice among the SASL mechanisms that it was offered, and what it has to say first (manual, "Message
/// Formats", SASLInitialResponse).
package struct SASLInitialResponse {
    package let mechanism: String
    private var reader: WireReader

    /// Why a message cannot be read; the words are PostgreSQL's (libpq/pqformat.c).
    package enum Fault: String, Error, Sendable {
        case unendedString = "invalid string in message"
        case tooShort = "insufficient data left in message"
        case tooLong = "invalid message format"
    }

    /// Reads the choice from a whole message, type byte included.
    package init(message: UnsafeRawBufferPointer) throws(Fault) {
        reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let name = reader.string() else { throw .unendedString }
        mechanism = name.text
    }

    /// What the client has to say first; nil if it has nothing to say yet. To be asked while the message lives.
    package mutating func data() throws(Fault) -> [UInt8]? {
        guard let count = reader.int32() else { throw .tooShort }
        var data: [UInt8]?
        if count != -1 {
            guard let bytes = reader.bytes(Int(count)) else { throw .tooShort }
            data = Array(bytes)
        }
        guard reader.isAtEnd else { throw .tooLong }
        return data
    }
}

extension WireWriter {
    /// A SASLInitialResponse.
    package static func saslInitialResponse(mechanism: String, data: [UInt8]) -> [UInt8] {
        message(FrontendType.authentication.rawValue) {
            $0.append(string: mechanism)
            let count = UInt32(truncatingIfNeeded: data.count)
            for shift in [24, 16, 8, 0] { $0.append(UInt8(truncatingIfNeeded: count >> UInt32(shift))) }
            $0 += data
        }
    }

    /// A SASLResponse.
    package static func saslResponse(_ data: [UInt8]) -> [UInt8] {
        message(FrontendType.authentication.rawValue) { $0 += data }
    }
}
