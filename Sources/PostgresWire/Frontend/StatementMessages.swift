// The messages of the simple and extended query protocol, as far as the guard reads them. Each takes the whole message
// from its type byte on.

/// A Query message's text.
package enum QueryMessage {
    /// The text up to its NUL; all of the body if there is none (the server then fails it with 08P01).
    package static func text(in message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let body = UnsafeRawBufferPointer(rebasing: message[min(FrameSplitter.headerByteCount, message.count)...])
        return UnsafeRawBufferPointer(rebasing: body[..<(body.firstIndexOfNUL ?? body.count)])
    }
}

/// A Parse message's statement name, text and parameter types.
package struct ParseMessage {
    package let name: UnsafeRawBufferPointer
    /// The text up to its NUL; all that is left if there is none.
    package let text: UnsafeRawBufferPointer
    /// What comes behind the text.
    private let tail: UnsafeRawBufferPointer

    /// nil if the name has no end.
    package init?(_ message: UnsafeRawBufferPointer) {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let name = reader.string() else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: message[reader.position...])
        self.name = name
        text = UnsafeRawBufferPointer(rebasing: rest[..<(rest.firstIndexOfNUL ?? rest.count)])
        tail = UnsafeRawBufferPointer(rebasing: rest.dropFirst(text.count + 1))
    }

    /// The OIDs of the parameters' types, as far as they are there and declared; 0 leaves one to the server.
    package var parameterTypes: [UInt32] {
        var reader = WireReader(tail)
        guard let count = reader.int16() else { return [] }
        var types: [UInt32] = []
        for _ in 0..<Int(UInt16(bitPattern: count)) {
            guard let type = reader.int32() else { return types }
            types.append(UInt32(bitPattern: type))
        }
        return types
    }
}

/// A Bind message's portal and statement names, and its parameters' values.
package struct BindMessage {
    package let portal: UnsafeRawBufferPointer
    package let statement: UnsafeRawBufferPointer
    /// What comes behind the names.
    private let tail: UnsafeRawBufferPointer

    /// nil if the names have not (all) arrived.
    package init?(_ message: UnsafeRawBufferPointer) {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let portal = reader.string(), let statement = reader.string() else { return nil }
        self.portal = portal
        self.statement = statement
        tail = UnsafeRawBufferPointer(rebasing: message[reader.position...])
    }

    /// A parameter's value.
    package struct Value {
        package let isBinary: Bool
        /// nil for NULL.
        package let bytes: UnsafeRawBufferPointer?
    }

    /// The parameters' values, in order; nil if the message is not whole or not as the manual has it.
    package var values: [Value]? {
        var reader = WireReader(tail)
        guard let formatCount = reader.int16().map({ Int(UInt16(bitPattern: $0)) }) else { return nil }
        var formats: [Int16] = []
        for _ in 0..<formatCount {
            guard let format = reader.int16() else { return nil }
            formats.append(format)
        }
        guard let count = reader.int16().map({ Int(UInt16(bitPattern: $0)) }) else { return nil }
        // No format: all are text. One: it holds for all.
        guard formatCount <= 1 || formatCount == count else { return nil }
        var values: [Value] = []
        for index in 0..<count {
            let format = formatCount == 0 ? 0 : formats[formatCount == 1 ? 0 : index]
            guard format == 0 || format == 1, let length = reader.int32() else { return nil }
            if length == -1 {
                values.append(Value(isBinary: format == 1, bytes: nil))
            } else {
                guard let bytes = reader.bytes(Int(length)) else { return nil }
                values.append(Value(isBinary: format == 1, bytes: bytes))
            }
        }
        return values
    }
}

/// An Execute message's portal name.
package struct ExecuteMessage {
    package let portal: UnsafeRawBufferPointer

    /// nil if the name has no end.
    package init?(_ message: UnsafeRawBufferPointer) {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let portal = reader.string() else { return nil }
        self.portal = portal
    }
}

/// A Close message's target.
package struct CloseMessage {
    /// A statement (`S`), else a portal (`P`).
    package let isStatement: Bool
    package let name: UnsafeRawBufferPointer

    /// nil if a field is missing.
    package init?(_ message: UnsafeRawBufferPointer) {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let kind = reader.byte(), let name = reader.string() else { return nil }
        isStatement = kind == UInt8(ascii: "S")
        self.name = name
    }
}

/// A FunctionCall message's function.
package enum FunctionCallMessage {
    /// The function's OID, or nil if it has not arrived.
    package static func function(in message: UnsafeRawBufferPointer) -> UInt32? {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        return reader.int32().map { UInt32(bitPattern: $0) }
    }
}
