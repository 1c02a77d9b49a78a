extension AuditRecord {
    /// What stands in the trail of a text that is longer than `max_text` in proxy.conf, besides its beginning.
    package struct Excerpt: Sendable, Equatable {
        /// Of the whole text, secrets redacted: its length in bytes of UTF-8, and its SHA-256 in hexadecimal digits.
        package var byteCount: Int64
        package var hash: String
        /// The end of the text.
        package var tail: String

        package init(byteCount: Int64, hash: String, tail: String) {
            self.byteCount = byteCount
            self.hash = hash
            self.tail = tail
        }
    }

    /// What a statement would take with it, as the server said before the statement was forwarded.
    package struct BlastRadius: Sendable, Equatable {
        /// Relations, columns and all else that would go.
        package var objectCount: Int64
        package var tableCount: Int64
        /// In these tables, by the server's statistics; nil if it has none.
        package var rowCount: Int64?
        /// On the server's disk.
        package var byteCount: Int64?
        /// More would go than the server was asked to list.
        package var isCut: Bool

        package init(
            objectCount: Int64, tableCount: Int64, rowCount: Int64?, byteCount: Int64?, isCut: Bool = false
        ) {
            self.isCut = isCut
            self.objectCount = objectCount
            self.tableCount = tableCount
            self.rowCount = rowCount
            self.byteCount = byteCount
        }
    }

    /// A session's connections: session_start and session_end.
    package struct Connection: Sendable, Equatable {
        /// Where the client came in.
        package var listener: String
        /// Where the session's server is.
        package var server: String
        /// The client's TLS version; nil without TLS.
        package var tlsVersion: String?
        /// When the server let the client in: nanoseconds since 1970.
        package var since: Int64

        package init(listener: String, server: String, tlsVersion: String?, since: Int64) {
            self.listener = listener
            self.server = server
            self.tlsVersion = tlsVersion
            self.since = since
        }
    }

    /// The proxy itself: start and reload.
    package struct Service: Sendable, Equatable {
        package var version: String
        /// SHA-256 of proxy.conf, in hexadecimal digits; nil if it came from no file.
        package var configurationHash: String?
        /// reload: what is not as it was.
        package var changes: [Change]?
        /// start: which sessions have records of their own, as `[audit] sessions` says.
        package var sessions: String?

        package init(version: String, configurationHash: String?, changes: [Change]? = nil, sessions: String? = nil) {
            self.version = version
            self.configurationHash = configurationHash
            self.changes = changes
            self.sessions = sessions
        }
    }

    /// A setting of proxy.conf that has changed, as it is written there.
    package struct Change: Sendable, Equatable {
        /// Its place: `rule "keep tables".action`.
        package var key: String
        /// nil if it was, or is, not in the file.
        package var old: String?
        package var new: String?

        package init(key: String, old: String?, new: String?) {
            self.key = key
            self.old = old
            self.new = new
        }
    }

    /// What has failed that the guard needs, or works again: fault records.
    package struct Fault: Sendable, Equatable {
        package enum Kind: String, Sendable, CaseIterable {
            /// A new proxy.conf was not taken over: the former rules go on.
            case configuration
            /// A database's catalog cannot be read.
            case catalog
            /// The guard inside a database cannot be told of what may pass.
            case grant
            /// What the server did cannot be compared with the trail.
            case unseen
        }
        package var kind: Kind
        /// It works again.
        package var isOver: Bool
        /// For people, secrets redacted.
        package var text: String

        package init(_ kind: Kind, isOver: Bool = false, text: String) {
            self.kind = kind
            self.isOver = isOver
            self.text = text
        }
    }
}
