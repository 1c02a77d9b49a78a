import Audit
import CLinux
import Configuration
import Foundation
import Logging
import Policy
import Sentinel
import ServerLink
import Synchronization
import Transport

/// Asks the databases that sessions use whether they are production: a thread of its own, a connection for each
/// question.
///
/// A session costs one lock when it begins and one when it ends; what is known stands in its loop's rules.
package final class MarkerService: Sendable {
    private struct State: Sendable {
        var sessionCounts: [String: Int] = [:]
        /// Whether each database is production; those that have never been read are not in it.
        var known: [String: Bool] = [:]
        var readAt: [String: ContinuousClock.Instant] = [:]
        var wanted: Set<String> = []
        var isStopped = false
        /// When a database's mismatch with a tag was last told.
        var toldAt: [String: ContinuousClock.Instant] = [:]
    }

    private let state = Mutex(State())
    private let wanted = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let settings: MarkerSettings
    private let connection: @Sendable (_ database: String) -> String?
    private let publish: @Sendable (DatabaseMarks) -> Void
    private let audit: AuditWriter
    private let logger: Logger

    /// So many databases are remembered; a client chooses what it calls its database. Further ones stay unknown.
    private static let maximumDatabases = 10_000
    private static let patience: Duration = .seconds(5)

    /// - Parameters:
    ///   - connection: the libpq connection string for the server that a database's sessions go to; nil where there is
    ///     none.
    ///   - publish: takes what is known, whenever that has changed. Called on the service's thread.
    init(
        _ settings: MarkerSettings, connection: @escaping @Sendable (_ database: String) -> String?,
        audit: AuditWriter, logger: Logger, publish: @escaping @Sendable (DatabaseMarks) -> Void
    ) {
        self.settings = settings
        self.connection = connection
        self.audit = audit
        self.logger = logger
        self.publish = publish
    }

    /// What is known before anybody has asked.
    static func initialMarks(_ settings: MarkerSettings?) -> DatabaseMarks {
        DatabaseMarks(unknownIsProduction: settings?.unknown == .production)
    }

    func start() {
        Thread { [self] in
            linux_name_thread("marker")
            run()
            ended.signal()
        }.start()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        wanted.signal()
        _ = ended.wait(timeout: .now() + .seconds(2))
    }

    // MARK: - The sessions' side: never waits for a question

    func sessionBegan(on database: String) {
        let now = ContinuousClock.now
        let isWanted = state.withLock { state in
            let count = state.sessionCounts[database] ?? 0
            if count == 0, state.sessionCounts.count >= Self.maximumDatabases { return false }
            state.sessionCounts[database] = count + 1
            if let readAt = state.readAt[database], now - readAt < settings.refresh { return false }
            return state.wanted.insert(database).inserted
        }
        if isWanted { wanted.signal() }
    }

    func sessionEnded(on database: String) {
        state.withLock { state in
            guard let count = state.sessionCounts[database] else { return }
            state.sessionCounts[database] = count > 1 ? count - 1 : nil
        }
    }

    /// Statements that may have changed the catalog have ended.
    func changed(_ database: String) {
        let isWanted = state.withLock { state in
            state.sessionCounts[database] != nil && state.wanted.insert(database).inserted
        }
        if isWanted { wanted.signal() }
    }

    /// A session is production although the `[[tag]]` blocks say otherwise. Told once in each refresh for a database
    /// and a tag: a pool that reconnects must not fill the trail.
    func mismatch(_ session: AuditRecord.SessionIdentity, configuredTag: String) {
        let now = ContinuousClock.now
        let key = session.database + "\0" + configuredTag
        let isNews = state.withLock { state in
            guard state.known[session.database] == true else { return false }
            if let told = state.toldAt[key], now - told < settings.refresh { return false }
            if state.toldAt.count >= Self.maximumDatabases { state.toldAt = [:] }
            state.toldAt[key] = now
            return true
        }
        guard isNews else { return }
        let text =
            "database \(session.database) is marked as production, and proxy.conf tags this session \(configuredTag): it is "
            + "treated as production. Change the [[tag]] block, or, if this is a copy: holdfast mark remove"
        logger.warning(
            "\(text)",
            metadata: ["session": "\(session.session)", "user": "\(session.user)", "client": "\(session.client)"])
        audit.append(
            [record(check: "tag_mismatch", subject: configuredTag, .raised, text, session: session)], durability: .write
        )
    }

    // MARK: - The service's thread

    private func run() {
        var failed: Set<String> = []
        var published = Self.initialMarks(settings)
        var roundEnd = ContinuousClock.now + settings.refresh
        while true {
            let left = max(roundEnd - .now, .zero)
            _ = wanted.wait(timeout: .now() + .nanoseconds(Int(clamping: left.nanoseconds)))
            let isRound = ContinuousClock.now >= roundEnd
            if isRound { roundEnd = .now + settings.refresh }
            let due: Set<String>? = state.withLock { state in
                if state.isStopped { return nil }
                defer { state.wanted = [] }
                if isRound { forgetUnused(&state) }
                return isRound ? state.wanted.union(state.sessionCounts.keys) : state.wanted
            }
            guard let due else { return }
            for database in due.sorted() {
                if state.withLock({ $0.isStopped }) { return }
                // A database that turns out to be production is not left waiting for the others.
                if ask(database, failed: &failed) { publishChanges(&published) }
            }
            publishChanges(&published)
        }
    }

    /// What nobody has used for long is asked anew before it is used again.
    private func forgetUnused(_ state: inout State) {
        guard state.known.count >= Self.maximumDatabases else { return }
        for database in Array(state.known.keys) where state.sessionCounts[database] == nil {
            state.known[database] = nil
            state.readAt[database] = nil
        }
    }

    private func publishChanges(_ published: inout DatabaseMarks) {
        let known = state.withLock { $0.known }
        let marks = DatabaseMarks(
            production: Set(known.filter { $0.value }.keys),
            // Needed only where what is unknown is production: else they say the same as nothing.
            others: settings.unknown == .production ? Set(known.filter { !$0.value }.keys) : [],
            unknownIsProduction: settings.unknown == .production)
        guard marks != published else { return }
        published = marks
        publish(marks)
    }

    /// - Returns: whether the database is production and was not known to be.
    private func ask(_ database: String, failed: inout Set<String>) -> Bool {
        let reading: EnvironmentMark.Reading
        do throws(ServerFault) {
            guard let text = connection(database) else {
                throw .unreachable("no connection for its server: the [[upstream]] has no \"catalog\"")
            }
            let link = try ServerConnection(
                text, database: database, purpose: "marker", connectPatience: Self.patience)
            reading = try EnvironmentMark.read(link, within: Self.patience)
        } catch {
            // What was known of it stays.
            state.withLock { $0.readAt[database] = .now }
            guard failed.insert(database).inserted else { return false }
            let former = state.withLock { $0.known[database] }
            let consequence =
                former.map { $0 ? "it stays production" : "it stays what proxy.conf says" }
                ?? (settings.unknown == .production ? "it counts as production" : "it is what proxy.conf says")
            logger.warning(
                "database \(database) cannot be asked whether it is production; \(consequence): \(error)")
            return false
        }
        if failed.remove(database) != nil {
            logger.notice("database \(database) can be asked again whether it is production")
        }
        let isProduction = reading.isProduction
        let former = state.withLock { state in
            state.readAt[database] = .now
            return state.known.updateValue(isProduction, forKey: database)
        }
        guard isProduction != (former ?? false) else { return false }
        tell(reading, of: database)
        return isProduction
    }

    private func tell(_ reading: EnvironmentMark.Reading, of database: String) {
        let text =
            switch reading {
            case .absent: "database \(database) is no longer marked as production"
            case .mark(let mark) where mark.environment == EnvironmentMark.production:
                "database \(database) is marked as production (by \(mark.markedBy), \(mark.markedAt))"
            case .mark(let mark):
                "database \(database) is no longer marked as production, its mark says \(mark.environment)"
            case .unreadable(let reason):
                "database \(database) has a mark that cannot be read and is taken for production: \(reason)"
            }
        if reading.isProduction { logger.warning("\(text)") } else { logger.notice("\(text)") }
        var identity = AuditRecord.SessionIdentity.nobody
        identity.database = database
        audit.append(
            [
                record(
                    check: "marked", subject: "production", reading.isProduction ? .raised : .cleared, text,
                    session: identity)
            ], durability: .write)
    }

    private func record(
        check: String, subject: String, _ change: AuditRecord.WatchedThing.State, _ text: String,
        session: AuditRecord.SessionIdentity
    ) -> AuditRecord {
        let now = linux_clock_realtime()
        var record = AuditRecord(event: .watch, time: now, id: String(linux_random(), radix: 16), session: session)
        record.watched = AuditRecord.WatchedThing(
            watch: "marker", check: check, subject: subject, state: change, since: now, text: text)
        return record
    }
}
