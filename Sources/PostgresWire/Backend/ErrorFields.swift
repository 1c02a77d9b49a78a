/// The fields of an ErrorResponse or NoticeResponse (manual, "Error and Notice Message Fields").
package struct ErrorFields: Sendable, Hashable {
    package var severity: String
    package var sqlState: String
    package var message: String
    package var detail: String?
    package var hint: String?

    package init(severity: String, sqlState: String, message: String, detail: String? = nil, hint: String? = nil) {
        self.severity = severity
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
    }

    /// Reads the fields of a whole message, type byte included; what is missing is empty.
    package init(message bytes: UnsafeRawBufferPointer) {
        self.init(severity: "", sqlState: "", message: "")
        var reader = WireReader(bytes, from: FrameSplitter.headerByteCount)
        while let code = reader.byte(), code != 0, let value = reader.string() {
            switch code {
            // V is never translated; S is, and comes first.
            case UInt8(ascii: "S"), UInt8(ascii: "V"): severity = value.text
            case UInt8(ascii: "C"): sqlState = value.text
            case UInt8(ascii: "M"): message = value.text
            case UInt8(ascii: "D"): detail = value.text
            case UInt8(ascii: "H"): hint = value.text
            default: break
            }
        }
    }

    /// The message ends the connection.
    package var isFatal: Bool { severity == "FATAL" || severity == "PANIC" }
}
