// The messages of the simple and extended query protocol, as far as the guard reads them. Each takes the whole message
// from its type byte on.

/// A Query message's text.
package enum QueryMessage {
    /// The text up to its NUL; all of the body if there is none (the server then fails it with 08P01).
    package static func text(in message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let body = UnsafeRawBufferPointer(rebasing: message.dropFirst(FrameSplitter.headerByteCount))
        return UnsafeRawBufferPointer(rebasing: body[..<(body.firstIndexOfNUL ?? body.count)])
    }
}

/// A Parse message's statement name and text.
package struct ParseMessage {
    package let name: UnsafeRawBufferPointer
    /// The text up to its NUL; all that is left if there is none.
    package let text: UnsafeRawBufferPointer

    /// nil if the name has no end.
    package init?(_ message: UnsafeRawBufferPointer) {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let name = reader.string() else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: message[reader.position...])
        self.name = name
        text = UnsafeRawBufferPointer(rebasing: rest[..<(rest.firstIndexOfNUL ?? rest.count)])
    }
}

/// A Bind message's portal and statement names.
package struct BindMessage {
    package let portal: UnsafeRawBufferPointer
    package let statement: UnsafeRawBufferPointer

    /// nil if the names have not (all) arrived.
    package init?(_ message: UnsafeRawBufferPointer) {
        var reader = WireReader(message, from: FrameSplitter.headerByteCount)
        guard let portal = reader.string(), let statement = reader.string() else { return nil }
        self.portal = portal
        self.statement = statement
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
