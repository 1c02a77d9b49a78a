/// What a client has proven to know, with what the server keeps of it: enough to log in as that client, without a password.
///
/// Overwritten when the last reference goes.
// Nothing changes after init but for the wiping in deinit, when nobody else has a reference.
package final class ScramKeys: @unchecked Sendable {
    private(set) var clientKey: [UInt8]
    let verifier: ScramVerifier

    init(clientKey: [UInt8], verifier: ScramVerifier) {
        self.clientKey = clientKey
        self.verifier = verifier
    }

    deinit { Digest.wipe(&clientKey) }
}
