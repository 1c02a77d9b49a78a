/// The types of the messages that a server sends, as far as the session machine tells them apart (manual, "Message
/// Formats"). Others pass.
package enum BackendType {
    package static let parseComplete = UInt8(ascii: "1")
    package static let bindComplete = UInt8(ascii: "2")
    package static let closeComplete = UInt8(ascii: "3")
    package static let notificationResponse = UInt8(ascii: "A")
    package static let commandComplete = UInt8(ascii: "C")
    package static let dataRow = UInt8(ascii: "D")
    package static let errorResponse = UInt8(ascii: "E")
    package static let copyInResponse = UInt8(ascii: "G")
    package static let copyOutResponse = UInt8(ascii: "H")
    package static let emptyQueryResponse = UInt8(ascii: "I")
    package static let backendKeyData = UInt8(ascii: "K")
    package static let noticeResponse = UInt8(ascii: "N")
    package static let authentication = UInt8(ascii: "R")
    package static let parameterStatus = UInt8(ascii: "S")
    package static let rowDescription = UInt8(ascii: "T")
    package static let functionCallResponse = UInt8(ascii: "V")
    package static let copyBothResponse = UInt8(ascii: "W")
    package static let readyForQuery = UInt8(ascii: "Z")
    package static let copyDone = UInt8(ascii: "c")
    package static let copyData = UInt8(ascii: "d")
    package static let noData = UInt8(ascii: "n")
    package static let portalSuspended = UInt8(ascii: "s")
    package static let parameterDescription = UInt8(ascii: "t")
}

/// ReadyForQuery's transaction status.
package enum TransactionStatus: UInt8, Sendable {
    case idle = 0x49  // I
    case inTransaction = 0x54  // T
    case failed = 0x45  // E
}
