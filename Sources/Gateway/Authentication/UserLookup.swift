import Authentication

/// What is known of someone who wants in.
package struct UserLookup: Sendable {
    enum Answer: Sendable {
        case found(ScramVerifier)
        /// There is none that counts; why, for the log.
        case none(String)
        /// Nobody could be asked; why, for the log.
        case unavailable(String)
    }

    var answer: Answer
    /// The answer is not fresh: the password may have been changed since.
    var isCached = false
    /// Makes the salt for who is not known; the same for as long as the users' secrets are, on every instance of Holdfast
    /// that goes by the same secrets: else who asks twice could tell that a salt is made up.
    var mockSecret: [UInt8]
}
