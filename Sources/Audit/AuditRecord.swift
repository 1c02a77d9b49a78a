/// One line of the audit trail.
package struct AuditRecord: Sendable, Equatable {
    package enum Event: String, Sendable, CaseIterable {
        /// Whether the writer itself writes it, of the trail: its records have a ``Mark``.
        var isOfTrail: Bool {
            switch self {
            case .fileStart, .fileEnd, .recovered, .checkpoint, .retired: true
            default: false
            }
        }

        /// A statement is about to be forwarded. Written and flushed before it is.
        case intent
        /// What became of an intent.
        case outcome
        /// A statement was refused, and why. Nothing was forwarded.
        case refusal
        case sessionStart = "session_start"
        case sessionEnd = "session_end"
        /// A transaction that was prepared under a name has been decided (``Outcome/gid``), by whichever session.
        case transactionEnd = "transaction_end"
        /// The rules were read anew; what has changed in the file (``Service``).
        case reload
        /// Something that the guard needs has failed, or works again (``Fault``).
        case fault
        case start
        case stop
        /// Written by the writer itself: records were lost or may not have reached the disk (``Gap``).
        case gap
        /// What the server did and the trail do not agree on (``Finding``).
        case finding
        /// How far the server's log has been compared with the trail (``Watermark``).
        case watermark
        /// A watch found something, or no longer does (``WatchedThing``).
        case watch
        /// A snapshot was taken, restored, removed, or could not be taken (``SnapshotEvent``).
        case snapshot
        /// A recovery did something (``RecoveryStep``).
        case recovery
        /// Written by the writer itself, of the trail (``Mark``): a file begins, ends.
        case fileStart = "file_start"
        case fileEnd = "file_end"
        /// A line before was torn by a crash.
        case recovered
        /// How far the chain has come, signed.
        case checkpoint
        /// An old file was deleted, as proxy.conf says.
        case retired
    }

    /// How the transaction around an executed statement ended.
    package enum TransactionEnd: String, Sendable, CaseIterable {
        case committed
        case rolledBack = "rolled_back"
        /// By ROLLBACK TO SAVEPOINT: the transaction itself went on.
        case rolledBackToSavepoint = "rolled_back_to_savepoint"
        /// PREPARE TRANSACTION: decided later, by anybody.
        case prepared
        /// It was open, and nothing under way, when the connection ended: the server rolls it back.
        case lost
        /// The connection, or the proxy, ended before the server's answer: nobody told us.
        case unknown
    }

    package struct Object: Sendable, Equatable, Codable {
        package var kind: String
        package var name: String
        package init(kind: String, name: String) {
            self.kind = kind
            self.name = name
        }
    }

    package var event: Event
    /// Nanoseconds since 1970-01-01 UTC.
    package var time: Int64
    /// Links intent and outcome: unique in one instance's trail. Refusals show it to the client.
    package var id: String
    package var session: SessionIdentity
    package var statement: Statement?
    package var outcome: Outcome?
    package var gap: Gap?
    package var finding: Finding?
    package var watermark: Watermark?
    package var watched: WatchedThing?
    package var snapshot: SnapshotEvent?
    package var recovery: RecoveryStep?
    package var mark: Mark?
    package var connection: Connection?
    package var service: Service?
    package var fault: Fault?

    package init(
        event: Event, time: Int64, id: String, session: SessionIdentity, statement: Statement? = nil,
        outcome: Outcome? = nil, gap: Gap? = nil, finding: Finding? = nil, watermark: Watermark? = nil,
        mark: Mark? = nil, connection: Connection? = nil, service: Service? = nil, fault: Fault? = nil
    ) {
        self.event = event
        self.time = time
        self.id = id
        self.session = session
        self.statement = statement
        self.outcome = outcome
        self.gap = gap
        self.finding = finding
        self.watermark = watermark
        self.mark = mark
        self.connection = connection
        self.service = service
        self.fault = fault
    }

    /// Whose statement it was.
    package struct SessionIdentity: Sendable, Equatable {
        /// Of records that concern no session.
        package static let nobody = SessionIdentity(
            session: "", client: "", user: "", database: "", applicationName: "", tag: "")

        package var session: String
        package var client: String
        package var user: String
        package var database: String
        package var applicationName: String
        package var tag: String
        /// The server's process behind the session (BackendKeyData). Nil in trails of earlier versions, and before the
        /// server has let the client in.
        package var backendProcessID: Int32?
        /// The operating-system user of a client on a Unix-domain socket; nil for any other.
        package var osUser: String?
        package init(
            session: String, client: String, user: String, database: String, applicationName: String, tag: String,
            backendProcessID: Int32? = nil, osUser: String? = nil
        ) {
            self.session = session
            self.client = client
            self.user = user
            self.database = database
            self.applicationName = applicationName
            self.tag = tag
            self.backendProcessID = backendProcessID
            self.osUser = osUser
        }
    }

    /// What was to run: intents and refusals.
    package struct Statement: Sendable, Equatable {
        package var command: String
        /// The text, secrets redacted; if it is longer than the trail takes, its beginning (``Excerpt``).
        package var sql: String
        /// What is known of a text that is too long for the trail.
        package var excerpt: Excerpt?
        /// The same for texts that differ only in constants, comments, white space and letter case: 16 hexadecimal digits. Nil
        /// in trails of earlier versions.
        package var fingerprint: String?
        /// What would be lost, where the server was asked.
        package var blastRadius: BlastRadius?
        /// The snapshot that was taken first, of what may be lost.
        package var snapshot: String?
        /// The values that the statement's parameters were bound to, as text; where proxy.conf asks for them.
        package var parameters: [String?]?
        package var classes: [String]
        package var objects: [Object]
        package var verdict: String
        package var rule: String?
        package var remarks: [String]
        package init(
            command: String, sql: String, classes: [String], objects: [Object], verdict: String, rule: String?,
            remarks: [String]
        ) {
            self.command = command
            self.sql = sql
            self.classes = classes
            self.objects = objects
            self.verdict = verdict
            self.rule = rule
            self.remarks = remarks
        }
    }

    /// What became of it: outcomes.
    package struct Outcome: Sendable, Equatable {
        /// The server's command tag (`DROP TABLE`, `INSERT 0 5`), or nil if it failed or nobody knows.
        package var commandTag: String?
        /// The server's SQLSTATE if it failed.
        package var sqlState: String?
        /// The server's error message if it failed, secrets redacted.
        package var message: String?
        package var rows: Int64?
        /// From forwarding to the server's answer, in microseconds; nil if no answer came.
        package var durationMicroseconds: Int64?
        package var transaction: TransactionEnd
        /// The name of a prepared transaction, if the statement's is one.
        package var gid: String?
        package init(
            commandTag: String?, sqlState: String?, message: String?, rows: Int64?, durationMicroseconds: Int64?,
            transaction: TransactionEnd, gid: String? = nil
        ) {
            self.gid = gid
            self.commandTag = commandTag
            self.sqlState = sqlState
            self.message = message
            self.rows = rows
            self.durationMicroseconds = durationMicroseconds
            self.transaction = transaction
        }
    }

    /// What the trail does not hold: gap records.
    package struct Gap: Sendable, Equatable {
        /// How many records are missing from the trail (or, if `reason` says so, may not be on the disk).
        package var recordCount: Int
        /// Why, for people.
        package var reason: String
        package init(recordCount: Int, reason: String) {
            self.recordCount = recordCount
            self.reason = reason
        }
    }
}
