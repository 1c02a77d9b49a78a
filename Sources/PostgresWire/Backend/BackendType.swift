/// The types of the messages that a server sends, as far as the session machine tells them apart (manual, "Message
/// Formats"). Others pass.
package enum BackendType {
    package static var parseComplete: UInt8 { UInt8(ascii: "1") }
    package static var bindComplete: UInt8 { UInt8(ascii: "2") }
    package static var closeComplete: UInt8 { UInt8(ascii: "3") }
    package static var notificationResponse: UInt8 { UInt8(ascii: "A") }
    package static var commandComplete: UInt8 { UInt8(ascii: "C") }
    package static var dataRow: UInt8 { UInt8(ascii: "D") }
    package static var errorResponse: UInt8 { UInt8(ascii: "E") }
    package static var copyInResponse: UInt8 { UInt8(ascii: "G") }
    package static var copyOutResponse: UInt8 { UInt8(ascii: "H") }
    package static var emptyQueryResponse: UInt8 { UInt8(ascii: "I") }
    package static var backendKeyData: UInt8 { UInt8(ascii: "K") }
    package static var noticeResponse: UInt8 { UInt8(ascii: "N") }
    package static var authentication: UInt8 { UInt8(ascii: "R") }
    package static var parameterStatus: UInt8 { UInt8(ascii: "S") }
    package static var negotiateProtocolVersion: UInt8 { UInt8(ascii: "v") }
    package static var rowDescription: UInt8 { UInt8(ascii: "T") }
    package static var functionCallResponse: UInt8 { UInt8(ascii: "V") }
    package static var copyBothResponse: UInt8 { UInt8(ascii: "W") }
    package static var readyForQuery: UInt8 { UInt8(ascii: "Z") }
    package static var copyDone: UInt8 { UInt8(ascii: "c") }
    package static var copyData: UInt8 { UInt8(ascii: "d") }
    package static var noData: UInt8 { UInt8(ascii: "n") }
    package static var portalSuspended: UInt8 { UInt8(ascii: "s") }
    package static var parameterDescription: UInt8 { UInt8(ascii: "t") }
}

/// ReadyForQuery's transaction status.
package enum TransactionStatus: UInt8, Sendable {
    case idle = 0x49  // I
    case inTransaction = 0x54  // T
    case failed = 0x45  // E
}
