/// What the trail and the log call a session: 16 hexadecimal digits that no other session has.
package struct SessionID: Sendable, Hashable {
    private let number: UInt64

    /// - Parameter number: one that nobody can guess, and no other session has.
    package init(_ number: UInt64) { self.number = number }

    package var text: String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
