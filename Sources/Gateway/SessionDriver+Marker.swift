import Policy

/// The part of a database's own mark in a session: it is counted, and told about where proxy.conf says otherwise. What
/// the mark changes stands in the loop's rules.
extension SessionDriver {
    /// The server has let the client in: the database is a real one, and worth a question.
    func beginMarker() {
        guard let marker = loop.context.marker, let subject else { return }
        isCountedByMarker = true
        marker.sessionBegan(on: subject.database)
        tellMismatch(loop.rules(for: subject).rules)
    }

    func tellMismatch(_ rules: SubjectRules) {
        guard let configured = rules.configuredTag, let bridge else { return }
        loop.context.marker?.mismatch(bridge.identity, configuredTag: configured)
    }

    func endMarker() {
        guard isCountedByMarker, let subject else { return }
        isCountedByMarker = false
        loop.context.marker?.sessionEnded(on: subject.database)
    }
}
