/// What a sink has done since it was started, and how far it is behind.
package struct SinkStatus: Sendable, Equatable {
    package var name: String
    /// Records that were sent; those that were sent again count again.
    package var sent: Int64 = 0
    /// Attempts that failed.
    package var failures: Int64 = 0
    /// Records of the trail that are not delivered yet.
    package var behind: Int64 = 0
    /// How long ago everything was delivered, in seconds.
    package var behindSeconds: Int64 = 0
    /// Records that are in no file any more and were never delivered.
    package var missing: Int64 = 0
    /// Why the last attempt failed; nil if it did not.
    package var fault: String?

    package init(name: String) { self.name = name }

    /// For the line of counters: names as they stand there, without those that are zero.
    package var counters: [(name: String, value: Int64)] {
        let prefix = "sink_" + name.replacing("-", with: "_")
        return [
            ("\(prefix)_sent", sent), ("\(prefix)_failures", failures), ("\(prefix)_behind", behind),
            ("\(prefix)_behind_seconds", behindSeconds), ("\(prefix)_missing", missing),
        ].filter { $0.1 > 0 }
    }
}
