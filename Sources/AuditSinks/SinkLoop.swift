import Audit
import Foundation
import Logging

/// What a worker's thread does and owns: reads on in the trail's files, sends, remembers how far it has come.
///
/// After any fault it begins anew at the last record that is certainly delivered. So a record can arrive twice, but none is
/// left out; targets that keep account themselves (PostgreSQL) are asked, and get each once.
final class SinkLoop {
    /// Records are sent in pieces of about so many bytes.
    private static let batchByteCount = 1 << 20
    /// The position is stored so often at most while records pass.
    private static let storeInterval = Duration.seconds(1)
    private static let firstRetry = Duration.milliseconds(100)
    /// How long a worker that was told to stop goes on with what it is behind.
    private static let lastPatience = Duration.seconds(4)
    /// Should a wake-up ever get lost.
    private static let longestRest = Duration.seconds(60)

    /// Records that were sent, up to this one.
    private struct Sent {
        var position: SinkPosition
        var time: ContinuousClock.Instant
    }

    private let name: String
    private let surroundings: SinkWorker.Surroundings
    private let target: any SinkTarget
    private let signal: SinkSignal
    private let retryMaximum: Duration
    private let positionPath: String
    private let report: ((inout SinkState) -> Void) -> Void
    /// Nothing was delivered in this run of Holdfast.
    private var isFirst: Bool
    private var isOpen = false
    private var follower: AuditFollower?
    private var reportedMissing: Int64 = 0
    /// What is certainly delivered.
    private var position: SinkPosition?
    private var stored: SinkPosition?
    private var lastStored = ContinuousClock.now - .seconds(1)
    private var unconfirmed: [Sent] = []
    private var retry = SinkLoop.firstRetry
    private var fault: SinkFault?
    private var positionFault: SinkFault?
    private var stoppingSince: ContinuousClock.Instant?

    init(
        _ settings: SinkSettings, _ surroundings: SinkWorker.Surroundings, target: any SinkTarget, signal: SinkSignal,
        position: SinkPosition?, positionPath: String, report: @escaping ((inout SinkState) -> Void) -> Void
    ) {
        name = settings.name
        isFirst = surroundings.isFirst
        retryMaximum = settings.retryMaximum
        self.surroundings = surroundings
        self.target = target
        self.signal = signal
        self.position = position
        stored = position
        self.positionPath = positionPath
        self.report = report
    }

    /// Returns when the worker was told to stop and all that can be delivered is.
    func run() {
        while true {
            let isStopping = signal.isStopping
            if signal.takeReopening() {
                target.reopen()
                retry = Self.firstRetry
            }
            do throws(SinkFault) {
                try deliver()
                if isStopping { return finish() }
                recover()
                signal.wait(rest)
            } catch {
                letGo()
                if signal.isStopping { return }
                fail(error)
                signal.wait(retry, ignoresWake: true)
                retry = min(retry * 2, max(retryMaximum, Self.firstRetry))
            }
        }
    }

    // MARK: - Delivering

    /// Sends all that the trail has.
    private func deliver() throws(SinkFault) {
        // The writer has not written its first record: it may yet find that a crash has taken some back.
        guard surroundings.following.readableSequence > 0 else { return }
        if !isOpen {
            try target.open()
            isOpen = true
        }
        let follower = try openedFollower()
        try target.check()
        while true {
            let records = try next(follower)
            guard let last = records.last else { break }
            try target.send(records)
            unconfirmed.append(
                Sent(
                    position: SinkPosition(
                        instance: last.instance, sequence: last.sequence, file: follower.fileNumber),
                    time: .now))
            report { $0.status.sent += Int64(records.count) }
            confirm()
            try storeIfDue()
            if isLate { break }
        }
        confirm()
        try storeIfDue()
    }

    /// It was told to stop a while ago.
    private var isLate: Bool {
        guard signal.isStopping else { return false }
        let since = stoppingSince ?? .now
        stoppingSince = since
        return since.duration(to: .now) > Self.lastPatience
    }

    private func openedFollower() throws(SinkFault) -> AuditFollower {
        if let follower { return follower }
        var (instance, sequence) = (position?.instance, position?.sequence ?? 0)
        let current = AuditFollower.instance(livePath: surroundings.livePath)
        if let current, let known = try target.position(of: current) { (instance, sequence) = (current, known) }
        // Nothing of this run has been delivered yet.
        let end = surroundings.following.startSequence
        if isFirst, instance == current, sequence > end {
            surroundings.logger.critical(
                """
                the sink "\(name)" has record \(sequence) of this trail, whose files ended with record \(end) when \
                Holdfast was started: their end was cut off, they were restored from a copy, or the machine's power \
                failed (durability). Records from \(end + 1) on are delivered beside those that it has
                """)
            sequence = end
            position?.sequence = end
        }
        isFirst = false
        let opened = AuditFollower(
            livePath: surroundings.livePath, following: surroundings.following, instance: instance, after: sequence)
        reportedMissing = 0
        follower = opened
        report {
            $0.instance = instance
            $0.sequence = sequence
        }
        return opened
    }

    private func next(_ follower: AuditFollower) throws(SinkFault) -> [AuditFollowed] {
        let records: [AuditFollowed]
        do throws(AuditFault) {
            records = try follower.next(byteCount: Self.batchByteCount)
        } catch {
            throw SinkFault(error)
        }
        let missing = follower.missingCount - reportedMissing
        if missing > 0 {
            reportedMissing = follower.missingCount
            report { $0.status.missing += missing }
            surroundings.logger.error(
                "\(missing) records before record \(records.first?.sequence ?? 0) are in no file of the trail: the sink \"\(name)\" never gets them"
            )
        }
        return records
    }

    /// Takes note of what is delivered by now.
    private func confirm() {
        let latest = ContinuousClock.now - target.receiptDelay
        guard let last = unconfirmed.lastIndex(where: { $0.time <= latest }) else { return }
        take(unconfirmed[last].position)
        unconfirmed.removeFirst(last + 1)
    }

    private func take(_ position: SinkPosition) {
        self.position = position
        let readable = surroundings.following.readableSequence
        report {
            $0.instance = position.instance
            $0.sequence = position.sequence
            if position.sequence >= readable { $0.caughtUp = .now }
        }
    }

    private func storeIfDue() throws(SinkFault) {
        if stored != position, lastStored.duration(to: .now) >= Self.storeInterval { try store() }
    }

    /// A position that cannot be written holds nothing up: after a restart some records are sent again.
    private func store() throws(SinkFault) {
        guard let position, position != stored else { return }
        try target.settle()
        lastStored = .now
        do throws(SinkFault) {
            try position.store(positionPath)
        } catch {
            if error != positionFault { surroundings.logger.warning("the sink \"\(name)\": \(error)") }
            positionFault = error
            return
        }
        positionFault = nil
        stored = position
        surroundings.following.need(position.file, by: name)
    }

    /// How long nothing need be done unless there is more to read.
    private var rest: Duration {
        var rest = Self.longestRest
        if let first = unconfirmed.first {
            rest = min(rest, max(.milliseconds(1), target.receiptDelay - first.time.duration(to: .now)))
        }
        if stored != position {
            rest = min(rest, max(.milliseconds(1), Self.storeInterval - lastStored.duration(to: .now)))
        }
        return rest
    }

    // MARK: - Faults and the end

    private func letGo() {
        _ = target.close(isAtEnd: false)
        isOpen = false
        follower = nil
        unconfirmed = []
        do throws(SinkFault) { try store() } catch { fail(error) }
    }

    private func finish() {
        if target.close(isAtEnd: true), let last = unconfirmed.last { take(last.position) }
        do throws(SinkFault) { try store() } catch { fail(error) }
    }

    private func fail(_ fault: SinkFault) {
        report {
            $0.status.failures += 1
            $0.status.fault = fault.description
        }
        guard fault != self.fault else { return }
        self.fault = fault
        surroundings.logger.warning("the audit trail does not reach the sink \"\(name)\": \(fault)")
    }

    private func recover() {
        retry = Self.firstRetry
        guard fault != nil, isOpen else { return }
        fault = nil
        report { $0.status.fault = nil }
        surroundings.logger.notice("the audit trail reaches the sink \"\(name)\" again")
    }
}
