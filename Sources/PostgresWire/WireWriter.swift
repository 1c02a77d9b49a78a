/// Makes whole messages.
package enum WireWriter {
    /// An ErrorResponse.
    package static func errorResponse(_ fields: ErrorFields) -> [UInt8] {
        fieldsMessage(BackendType.errorResponse, fields)
    }

    /// An error for a client of protocol 2.0 or 1.0, which knows no fields and no lengths: `E`, one line of text and a
    /// NUL (`send_message_to_frontend` of utils/error/elog.c).
    package static func errorBeforeProtocol3(_ fields: ErrorFields) -> [UInt8] {
        [BackendType.errorResponse] + Array("\(fields.severity):  \(fields.message)\n".utf8) + [0]
    }

    /// An ErrorResponse with the fields of another but for its message and its hint.
    package static func errorResponse(
        like error: UnsafeRawBufferPointer, message text: String, hint: String
    ) -> [UInt8] {
        var reader = WireReader(error, from: FrameSplitter.headerByteCount)
        return message(BackendType.errorResponse) { body in
            while let code = reader.byte(), code != 0, let value = reader.string() {
                if code == UInt8(ascii: "H") { continue }
                body.append(code)
                if code == UInt8(ascii: "M") {
                    body.append(string: text)
                } else {
                    body.append(contentsOf: value)
                    body.append(0)
                }
            }
            body.append(UInt8(ascii: "H"))
            body.append(string: hint)
            body.append(0)
        }
    }

    /// A CancelRequest.
    ///
    /// - Parameter key: the body of the session's BackendKeyData.
    package static func cancelRequest(key: [UInt8]) -> [UInt8] {
        let length = UInt32(truncatingIfNeeded: 8 + key.count).bigEndian
        let code = StartupRequest.cancelCode.bigEndian
        return withUnsafeBytes(of: length) { Array($0) } + withUnsafeBytes(of: code) { Array($0) } + key
    }

    /// A NoticeResponse.
    package static func noticeResponse(_ fields: ErrorFields) -> [UInt8] {
        fieldsMessage(BackendType.noticeResponse, fields)
    }

    /// AuthenticationSASL: code 10, the mechanisms, an empty one.
    package static func saslOffer(mechanisms: [String]) -> [UInt8] {
        message(BackendType.authentication) {
            $0.append(contentsOf: [0, 0, 0, 10])
            for mechanism in mechanisms { $0.append(string: mechanism) }
            $0.append(0)
        }
    }

    /// A Query with ASCII text.
    package static func query(_ text: String) -> [UInt8] {
        message(FrontendType.query.rawValue) { $0.append(string: text) }
    }

    /// A Parse with no parameter types; `name` is passed on as it came.
    package static func parse(name: UnsafeRawBufferPointer, text: String) -> [UInt8] {
        message(FrontendType.parse.rawValue) {
            $0.append(contentsOf: name)
            $0.append(0)
            $0.append(string: text)
            $0.append(contentsOf: [0, 0])
        }
    }

    /// A Bind of the unnamed portal, without parameters.
    package static func bind(statement: String) -> [UInt8] {
        message(FrontendType.bind.rawValue) {
            $0.append(0)
            $0.append(string: statement)
            $0.append(contentsOf: [0, 0, 0, 0, 0, 0])
        }
    }

    /// An Execute without a row limit.
    package static func execute(portal: String) -> [UInt8] {
        message(FrontendType.execute.rawValue) {
            $0.append(string: portal)
            $0.append(contentsOf: [0, 0, 0, 0])
        }
    }

    /// Parse, Bind, Execute and Close of a statement and a portal of one name, and a Flush: ASCII text without
    /// parameters. The unnamed ones stay as they are.
    package static func runOnce(_ text: String, as name: String) -> [UInt8] {
        let parse = message(FrontendType.parse.rawValue) {
            $0.append(string: name)
            $0.append(string: text)
            $0.append(contentsOf: [0, 0])
        }
        let bind = message(FrontendType.bind.rawValue) {
            $0.append(string: name)
            $0.append(string: name)
            $0.append(contentsOf: [0, 0, 0, 0, 0, 0])
        }
        return parse + bind + execute(portal: name) + close("P", name) + close("S", name) + flush
    }

    private static func close(_ kind: Unicode.Scalar, _ name: String) -> [UInt8] {
        message(FrontendType.close.rawValue) {
            $0.append(UInt8(ascii: kind))
            $0.append(string: name)
        }
    }

    /// A Sync.
    package static let sync: [UInt8] = [FrontendType.sync.rawValue, 0, 0, 0, 4]

    /// A Flush.
    package static let flush: [UInt8] = [FrontendType.flush.rawValue, 0, 0, 0, 4]

    /// An SSLRequest: a length and the code, no type.
    package static let sslRequest: [UInt8] =
        [0, 0, 0, 8]
        + stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: StartupRequest.sslCode >> $0) }

    /// A Terminate.
    package static let terminate: [UInt8] = [FrontendType.terminate.rawValue, 0, 0, 0, 4]

    private static func fieldsMessage(_ type: UInt8, _ fields: ErrorFields) -> [UInt8] {
        message(type) { body in
            func field(_ code: Unicode.Scalar, _ value: String?) {
                guard let value, !value.isEmpty else { return }
                body.append(UInt8(ascii: code))
                body.append(string: value)
            }
            field("S", fields.severity)
            field("V", fields.severity)
            field("C", fields.sqlState)
            field("M", fields.message)
            field("D", fields.detail)
            field("H", fields.hint)
            body.append(0)
        }
    }

    static func message(_ type: UInt8, _ fill: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes: [UInt8] = [type, 0, 0, 0, 0]
        fill(&bytes)
        let length = UInt32(truncatingIfNeeded: bytes.count - 1)
        for index in 0..<4 { bytes[1 + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index)) }
        return bytes
    }
}

extension [UInt8] {
    /// The text without any NUL, then a NUL.
    mutating func append(string: String) {
        append(contentsOf: string.utf8.lazy.filter { $0 != 0 })
        append(0)
    }
}
