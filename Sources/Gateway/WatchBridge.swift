import Audit
import CLinux
import Configuration
import Logging
import Sentinel

/// Puts what watches find on the trail.
enum WatchBridge {
    /// The watches of proxy.conf, started; nil if there are none.
    ///
    /// - Throws: what they remember cannot be kept.
    static func start(
        _ configuration: ProxyConfiguration, audit: AuditWriter, logger: Logger
    ) throws(ProxyError) -> WatchService? {
        guard !configuration.watches.isEmpty else { return nil }
        let notes = RecoveryNotes(StateFolder(configuration.resolve(configuration.watching.statePath)))
        audit.append(notes.take().map(record(of:)), durability: .write)
        guard configuration.watches.contains(where: { $0.interval != nil }) else { return nil }
        do throws(StateFolder.Fault) {
            let service = try WatchService(
                configuration.watches, configuration.watching, resolve: configuration.resolve, logger: logger,
                recovered: { events in audit.append(events.map(record(of:)), durability: .write) },
                told: { notice in audit.append(records(of: notice), durability: .write) })
            service.start()
            return service
        } catch {
            throw ProxyError(message: error.description, remedy: "see [watching] state in proxy.conf")
        }
    }

    static func record(of event: RecoveryEvent) -> AuditRecord {
        AuditRecord.recovery(
            AuditRecord.RecoveryStep(
                action: AuditRecord.RecoveryStep.Action(rawValue: event.action.rawValue) ?? .statement,
                watch: event.watch, recovery: event.recovery, step: Int64(event.step), statement: event.statement,
                text: event.text),
            database: event.database, user: event.user, time: event.time, id: String(linux_random(), radix: 16))
    }

    static func records(of notice: WatchNotice) -> [AuditRecord] {
        let time = AuditTime.parse(notice.time) ?? 0
        func record(_ open: WatchState.Open, _ state: AuditRecord.WatchedThing.State, _ place: Int) -> AuditRecord {
            AuditRecord.watched(
                AuditRecord.WatchedThing(
                    watch: notice.watch, check: open.finding.kind.rawValue, subject: open.finding.subject, state: state,
                    since: AuditTime.parse(open.since) ?? time, text: open.finding.text),
                database: notice.database, time: time, id: "\(notice.id)-\(place)")
        }
        return notice.raised.enumerated().map { record($1, .raised, $0) }
            + notice.cleared.enumerated().map { record($1, .cleared, notice.raised.count + $0) }
    }
}
