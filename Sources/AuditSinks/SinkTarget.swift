import Audit

/// Where one sink delivers to. Belongs to its worker's thread; every call may take long, and gives up soon after the worker
/// has been told to stop.
protocol SinkTarget: AnyObject {
    /// How long after a record was sent it counts as delivered, if the connection still stands then: for peers that give no
    /// receipt. Zero: a record is delivered when ``send(_:)`` returns.
    var receiptDelay: Duration { get }

    /// Connects, opens, looks whether all is there that is needed.
    ///
    /// - Throws: ``SinkFault``; ``close(isAtEnd:)`` is called then.
    func open() throws(SinkFault)

    /// The last record of that trail that the target has, if it keeps account itself (0 for none); nil if it does not.
    func position(of instance: String) throws(SinkFault) -> Int64?

    /// Delivers records of one trail, in order. After a fault any of them may have arrived.
    func send(_ records: [AuditFollowed]) throws(SinkFault)

    /// Whether the peer is still there, as far as that can be told without sending anything.
    func check() throws(SinkFault)

    /// What was delivered survives a power cut, as far as that is in the target's hands. Before the position is stored.
    func settle() throws(SinkFault)

    /// Files are opened anew (SIGHUP, for logrotate).
    func reopen()

    /// Lets go.
    ///
    /// - Parameter isAtEnd: everything was sent.
    /// - Returns: whether the peer certainly has all that was sent.
    func close(isAtEnd: Bool) -> Bool
}

extension SinkTarget {
    var receiptDelay: Duration { .zero }
    func position(of instance: String) throws(SinkFault) -> Int64? { nil }
    func check() throws(SinkFault) {}
    func settle() throws(SinkFault) {}
    func reopen() {}
}
