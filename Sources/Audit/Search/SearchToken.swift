import Policy

/// What an index knows a record by: a kind and a text, as 64 bits. The function is part of the index's format.
enum SearchToken {
    enum Kind: UInt8, Sendable {
        case id = 1
        case session
        case user
        case database
        case client
        case application
        case tag
        case event
        case `class`
        case object
        case verdict
        case rule
        case sqlState
        case transaction
        /// Whether an outcome succeeded or failed: `ok`, `error`.
        case result
        case fingerprint
    }

    /// FNV-1a of the kind and the text, its bits mixed as in MurmurHash3.
    static func of(_ kind: Kind, _ text: some StringProtocol) -> UInt64 {
        var hash = step(0xCBF2_9CE4_8422_2325, kind.rawValue)
        for byte in text.utf8 { hash = step(hash, byte) }
        return mixed(hash)
    }

    static func of(_ kind: Kind, _ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash = step(0xCBF2_9CE4_8422_2325, kind.rawValue)
        for byte in bytes { hash = step(hash, byte) }
        return mixed(hash)
    }

    private static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var hash = value
        hash ^= hash >> 33
        hash = hash &* 0xFF51_AFD7_ED55_8CCD
        hash ^= hash >> 33
        hash = hash &* 0xC4CE_B9FE_1A85_EC53
        return hash ^ hash >> 33
    }

    /// The tokens of a record, each once or more often.
    static func insert(_ record: AuditRecord, into tokens: inout Set<UInt64>) {
        let session = record.session
        tokens.insert(of(.id, record.id))
        tokens.insert(of(.event, record.event.rawValue))
        tokens.insert(of(.session, session.session))
        tokens.insert(of(.user, session.user))
        tokens.insert(of(.database, session.database))
        let host = AuditFilter.host(of: session.client)
        tokens.insert(of(.client, NetworkAddress(host)?.text ?? host))
        tokens.insert(of(.application, session.applicationName))
        tokens.insert(of(.tag, session.tag))
        if let statement = record.statement {
            for name in statement.classes { tokens.insert(of(.class, name)) }
            tokens.insert(of(.verdict, statement.verdict))
            if let rule = statement.rule { tokens.insert(of(.rule, rule)) }
            if let fingerprint = statement.fingerprint { tokens.insert(of(.fingerprint, fingerprint)) }
        }
        for object in record.statement?.objects ?? record.finding?.objects ?? [] {
            let name = FoldedText.fold(object.name)
            tokens.insert(of(.object, name))
            for part in name.split(separator: UInt8(ascii: ".")) { tokens.insert(of(.object, part)) }
        }
        guard let outcome = record.outcome else { return }
        tokens.insert(of(.transaction, outcome.transaction.rawValue))
        tokens.insert(of(.result, outcome.sqlState == nil ? "ok" : "error"))
        if let code = outcome.sqlState {
            tokens.insert(of(.sqlState, code))
            tokens.insert(of(.sqlState, code.prefix(2)))
        }
    }
}
