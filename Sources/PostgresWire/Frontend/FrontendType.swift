/// The types of the messages that a client sends after the startup packet (manual, "Message Formats").
package enum FrontendType: UInt8, Sendable, CaseIterable {
    case bind = 0x42  // B
    case close = 0x43  // C
    case describe = 0x44  // D
    case execute = 0x45  // E
    case functionCall = 0x46  // F
    case flush = 0x48  // H
    case parse = 0x50  // P
    case query = 0x51  // Q
    case sync = 0x53  // S
    case terminate = 0x58  // X
    case copyDone = 0x63  // c
    case copyData = 0x64  // d
    case copyFail = 0x66  // f
    /// PasswordMessage, SASLInitialResponse, SASLResponse, GSSResponse.
    case authentication = 0x70  // p
}
