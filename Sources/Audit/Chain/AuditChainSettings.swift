/// How the files of a trail are sealed, closed and kept: `[audit]` in `proxy.conf`.
package struct AuditChainSettings: Sendable, Equatable {
    /// ``AuditKeys``; made where there is none.
    package var keyPath: String
    /// ``AuditSigner``; made where there is none.
    package var signingKeyPath: String
    /// A file is closed when it has so many bytes; 0 for never.
    package var rotateByteCount = 256 << 20
    /// A file is closed when it is so old; nil for never.
    package var rotateInterval: Duration?
    /// So many closed files are kept; 0 for all.
    package var keptFileCount = 0
    /// Files to which checkpoints are appended, besides the trail.
    package var checkpointPaths: [String] = []
    /// At least so often while there are new records.
    package var checkpointInterval: Duration = .seconds(60)

    /// Keys of the trail's own, beside it: `audit.keys` and `audit.signing-key` of `audit.jsonl`.
    package init(beside livePath: String) {
        let slash = livePath.lastIndex(of: "/").map { livePath.index(after: $0) } ?? livePath.startIndex
        let dot = livePath[slash...].lastIndex(of: ".").flatMap { $0 > slash ? $0 : nil } ?? livePath.endIndex
        self.init(keyPath: livePath[..<dot] + ".keys", signingKeyPath: livePath[..<dot] + ".signing-key")
    }

    package init(keyPath: String, signingKeyPath: String) {
        self.keyPath = keyPath
        self.signingKeyPath = signingKeyPath
    }
}
