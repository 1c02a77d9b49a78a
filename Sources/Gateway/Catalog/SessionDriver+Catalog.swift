import PostgresWire
import SQLParsing
import Session

/// What a session holds of its database's catalog.
struct CatalogUse {
    /// nil for a session that nothing is refused to, or without a catalog.
    var source: DatabaseCatalog?
    var version = -1
    var index = HazardIndex() {
        didSet { identity = index.identity }
    }
    /// Of `index`.
    private(set) var identity: ObjectIdentifier?
    /// No reading begun after the session has ended yet: no statement is looked at.
    var isAwaited = false
    /// When the session stops waiting (monotonic nanoseconds).
    var deadline: Int64?

    var isInUse: Bool { source != nil }
}

/// The catalog's part in a session: its first statement waits until the catalog has been read.
extension SessionDriver {
    func beginCatalog() {
        guard let service = loop.context.catalog, let subject, machine?.value.isGuarded == true else { return }
        let (mailbox, owner) = (loop.mailbox, owner)
        catalog.isAwaited = true
        catalog.deadline = loop.addTimer(service.patience, owner: owner)
        catalog.source = service.sessionBegan(on: subject.database) { mailbox.post(.catalogRead(owner: owner)) }
    }

    /// The catalog has been read, or could not be, or the session has waited long enough.
    func catalogRead(isLate: Bool = false) {
        guard catalog.isAwaited, let service = loop.context.catalog else { return }
        if isLate, let source = catalog.source {
            loop.context.logger.warning("no catalog after \(service.patience)", metadata: ["session": "\(id)"])
            catalog.version = source.version.load(ordering: .acquiring)
            catalog.index = source.index.withUnknownCalls(as: service.unknownCall)
        }
        catalog.isAwaited = false
        catalog.deadline = nil
        // What is being read for the session is another's to continue.
        guard awaitedOrder == nil else { return }
        toServer.isPaused = false
        toServer.needed = 1
        advance()
    }

    func endCatalog() {
        guard let source = catalog.source else { return }
        catalog = CatalogUse()
        loop.context.catalog?.sessionEnded(on: source.database)
    }

    func catalogMayHaveChanged() {
        guard let source = catalog.source else { return }
        loop.context.catalog?.changed(source.database)
    }

    /// The loop's judge serves sessions of many databases.
    func useCatalog() {
        if let source = catalog.source {
            let version = source.version.load(ordering: .acquiring)
            if version != catalog.version {
                catalog.version = version
                catalog.index = source.index
            }
        }
        guard catalog.identity != loop.judgedCatalog else { return }
        loop.judgedCatalog = catalog.identity
        loop.judge.hazards = catalog.index
    }

    /// Only messages of the authentication pass; a client may have sent a statement right behind them.
    ///
    /// - Returns: nil if nothing may pass now.
    func consumeBeforeCatalog(_ bytes: UnsafeRawBufferPointer) -> RelayStep? {
        guard machine?.value.isAuthenticated == false, bytes.first == UInt8(ascii: "p") else {
            toServer.isPaused = true
            return nil
        }
        do throws(WireFault) {
            guard let header = try FrameSplitter.frontendHeader(in: bytes, at: 0) else {
                return RelayStep(forward: 0, next: .wait(byteCount: FrameSplitter.headerByteCount))
            }
            if header.byteCount <= FrameLimits.authentication + 1, bytes.count < header.byteCount {
                return RelayStep(forward: 0, next: .wait(byteCount: header.byteCount))
            }
            return consumeClient(UnsafeRawBufferPointer(rebasing: bytes.prefix(header.byteCount)))
        } catch {
            return RelayStep(forward: 0, next: .close(error))
        }
    }
}
