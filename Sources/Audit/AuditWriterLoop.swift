import CLinux
import Foundation

/// What the writer's thread does and owns: the file, the backlog, the account of what was lost.
final class AuditWriterLoop {
    /// What failed once and nobody waits for, in the order of the trail.
    private enum Kept {
        case lines([UInt8], recordCount: Int)
        /// Records that are lost at this place.
        case gap(AuditRecord.Gap)
    }

    /// Lines are gathered to about this many bytes for one write.
    private static let batchByteCount = 4 << 20

    private var file: AuditFile
    /// Nil: lines are written as they are, in one file.
    private let chain: AuditChain?
    private let queue: AuditQueue
    private let durability: AuditDurability
    private let limits: AuditLimits
    private let healthChanged: (@Sendable (AuditFault?) -> Void)?
    private var backlog: [Kept] = []
    private var backlogByteCount = 0
    /// Records that are with the kernel, belong on the disk, and were not waited for.
    private var unsyncedCount = 0
    /// When the first of them was written.
    private var unsyncedSince = ContinuousClock.now
    /// The latest flush failed. Until one succeeds nothing counts as written that is not flushed: a device that takes
    /// writes and loses them would otherwise look well.
    private var mustSync = false
    private var fault: AuditFault?
    /// Before that no file is closed: the last attempt failed.
    private var closingAgain = ContinuousClock.now
    private var buffer: [UInt8] = []

    init(
        file: consuming AuditFile, chain: AuditChain?, queue: AuditQueue, durability: AuditDurability,
        limits: AuditLimits,
        healthChanged: (@Sendable (AuditFault?) -> Void)?
    ) {
        self.file = file
        self.chain = chain
        self.queue = queue
        self.durability = durability
        self.limits = limits
        self.healthChanged = healthChanged
    }

    /// Returns when the queue is closed and everything was tried.
    func run() {
        while true {
            let work = queue.take(timeout: timeout)
            if work.rereadsKeys {
                chain?.rereadKeys()
                closeFileIfDue()
            }
            var rest = work.entries[...]
            while !rest.isEmpty { write(takeBatch(from: &rest)) }
            if work.lostCount > 0 { lose(work.lostCount, "the queue was full: the disk is too slow") }
            if work.entries.isEmpty || work.lostCount > 0 { try? writeBacklog() }
            let isOverdue = unsyncedSince.duration(to: .now) >= limits.retryInterval
            if unsyncedCount > 0, work.isClosing || work.entries.isEmpty || isOverdue { sync() }
            checkpointIfDue(isClosing: work.isClosing)
            if work.isClosing {
                chain?.finishCompressing()
                return giveUpBacklog()
            }
        }
    }

    private var timeout: Duration? {
        let retry = backlog.isEmpty && unsyncedCount == 0 ? nil : limits.retryInterval
        // While the trail cannot be written no checkpoint is made, however long it has been due.
        guard fault == nil, let checkpoint = chain?.untilCheckpoint else { return retry }
        return min(retry ?? checkpoint, max(checkpoint, .milliseconds(1)))
    }

    private func takeBatch(from rest: inout ArraySlice<AuditQueue.Entry>) -> ArraySlice<AuditQueue.Entry> {
        var byteCount = 0
        var end = rest.startIndex
        repeat {
            byteCount += rest[end].byteCount
            end += 1
        } while end < rest.endIndex && byteCount < Self.batchByteCount
        defer { rest = rest[end...] }
        return rest[..<end]
    }

    /// One write, one flush if anybody waits for the disk, then everybody's completion.
    private func write(_ entries: ArraySlice<AuditQueue.Entry>) {
        buffer.removeAll(keepingCapacity: buffer.capacity <= 2 * Self.batchByteCount)
        var ends: [Int] = []
        for entry in entries {
            for record in entry.records { AuditEncoder.append(record, to: &buffer) }
            ends.append(buffer.count)
        }
        let syncs = entries.contains { $0.completion != nil && $0.durability == .fsync }
        do throws(AuditFault) {
            try writeBacklog()
            let recordCount = entries.reduce(0) { $0 + $1.records.count }
            if try !append(buffer, recordCount: recordCount, syncs: syncs) {
                // Followers are shown only what is on the disk: for them all of it goes there, a second later at most.
                let isFollowed = durability == .fsync && chain?.isFollowed == true
                deferSync(entries.reduce(0) { $0 + ($1.durability == .fsync || isFollowed ? $1.records.count : 0) })
            }
            for entry in entries {
                chain?.note(entry.records)
                entry.completion?(.success(()))
            }
            closeFileIfDue()
        } catch {
            var start = 0
            for (entry, end) in zip(entries, ends) {
                if let completion = entry.completion {
                    completion(.failure(error))
                } else {
                    keep(Array(buffer[start..<end]), recordCount: entry.records.count)
                }
                start = end
            }
        }
    }

    /// Returns whether everything in the file is on the disk now.
    private func append(_ lines: [UInt8], recordCount: Int, syncs: Bool) throws(AuditFault) -> Bool {
        let syncCount = file.syncCount
        let syncs = syncs || mustSync
        do throws(AuditFault) {
            if let chain {
                try file.makeReady()
                let opening = try chain.opening(of: &file)
                let pending = chain.sealed(opening + lines, in: file)
                try file.append(pending.bytes, syncs: syncs || !opening.isEmpty)
                chain.commit(pending, file: file)
            } else {
                try file.append(lines, syncs: syncs)
            }
        } catch {
            let failedSync = file.syncCount > syncCount
            fail(error)
            if failedSync {
                mustSync = true
                doubtUnsynced()
            }
            throw error
        }
        if syncs {
            unsyncedCount = 0
            mustSync = false
        }
        if syncs || durability != .fsync { chain?.publish() }
        queue.count {
            $0.recordsWritten += recordCount
            $0.batches += 1
            $0.syncs = file.syncCount
            $0.fault = nil
        }
        changeHealth(nil)
        return syncs
    }

    /// Everything that failed before, in its order. What was written is forgotten piece by piece, so that a disk with
    /// little room makes progress.
    private func writeBacklog() throws(AuditFault) {
        while !backlog.isEmpty {
            var lines: [UInt8] = []
            var taken = 0
            var linesByteCount = 0
            var keptCount = 0
            var gapCount = 0
            while taken < backlog.count, taken == 0 || lines.count < Self.batchByteCount {
                switch backlog[taken] {
                case .lines(let kept, let recordCount):
                    lines += kept
                    linesByteCount += kept.count
                    keptCount += recordCount
                case .gap(let gap):
                    AuditEncoder.append(Self.record(gap), to: &lines)
                    gapCount += 1
                }
                taken += 1
            }
            let isSynced = try append(lines, recordCount: keptCount + gapCount, syncs: false)
            backlog.removeFirst(taken)
            backlogByteCount -= linesByteCount
            if durability == .fsync, !isSynced { deferSync(keptCount + gapCount) }
            queue.count { $0.recordsInBacklog -= keptCount }
        }
    }

    /// Closes the file if it is large, old, or sealed by an old key, and begins the next.
    private func closeFileIfDue() {
        guard let chain, closingAgain <= .now, let reason = chain.reasonToClose(file) else { return }
        do throws(AuditFault) {
            _ = try append(chain.end(reason: reason), recordCount: 1, syncs: true)
            let path = chain.closedPath
            try file.rotate(to: path)
            let retired = chain.retire()
            _ = try append(retired.lines, recordCount: 0, syncs: true)
            chain.delete(retired.paths)
            chain.compress(path)
        } catch {
            // What was to be written has been. Each attempt leaves a record that the file ends: not with every record.
            closingAgain = .now + .seconds(60)
            chain.warn("the audit trail's file cannot be closed and goes on: \(error.description)")
        }
    }

    private func checkpointIfDue(isClosing: Bool) {
        guard let chain, fault == nil, let wait = chain.untilCheckpoint, isClosing || wait == .zero else { return }
        do throws(AuditFault) {
            // Followers are shown what is on the disk: a checkpoint is worth a flush of its own, a second later.
            let isSynced = try append(chain.checkpoint(), recordCount: 1, syncs: isClosing)
            if !isSynced, durability == .fsync { deferSync(1) }
        } catch {
            // The next one is due at its time.
        }
    }

    private func keep(_ lines: [UInt8], recordCount: Int) {
        guard lines.count <= limits.backlogByteCount - backlogByteCount else {
            return lose(recordCount, "the trail could not be written and the backlog was full")
        }
        backlog.append(.lines(lines, recordCount: recordCount))
        backlogByteCount += lines.count
        queue.count { $0.recordsInBacklog += recordCount }
    }

    private func lose(_ recordCount: Int, _ reason: String) {
        noteGap(AuditRecord.Gap(recordCount: recordCount, reason: reason))
        queue.count { $0.recordsLost += recordCount }
    }

    private func noteGap(_ gap: AuditRecord.Gap) {
        if case .gap(var last) = backlog.last, last.reason == gap.reason {
            last.recordCount += gap.recordCount
            backlog[backlog.count - 1] = .gap(last)
        } else {
            backlog.append(.gap(gap))
        }
    }

    private func deferSync(_ recordCount: Int) {
        if unsyncedCount == 0 { unsyncedSince = .now }
        unsyncedCount += recordCount
    }

    /// Brings to the disk what nobody waited for.
    private func sync() {
        do throws(AuditFault) {
            try file.sync()
            unsyncedCount = 0
            chain?.publish()
            queue.count { $0.syncs = file.syncCount }
        } catch {
            fail(error)
            mustSync = true
            doubtUnsynced()
        }
    }

    /// After a failed flush the kernel no longer knows the pages: what was written before may be gone.
    private func doubtUnsynced() {
        guard unsyncedCount > 0 else { return }
        noteGap(
            AuditRecord.Gap(
                recordCount: unsyncedCount, reason: "a flush failed: records just before may not be on the disk"))
        unsyncedCount = 0
    }

    private func fail(_ fault: AuditFault) {
        queue.count {
            $0.failures += 1
            $0.syncs = file.syncCount
            $0.fault = fault
        }
        changeHealth(fault)
    }

    /// The writer is closed: what could not be written until now is lost.
    private func giveUpBacklog() {
        queue.count {
            $0.recordsLost += $0.recordsInBacklog
            $0.recordsInBacklog = 0
        }
    }

    private func changeHealth(_ fault: AuditFault?) {
        let isChange = (fault == nil) != (self.fault == nil)
        self.fault = fault
        if isChange { healthChanged?(fault) }
    }

    private static func record(_ gap: AuditRecord.Gap) -> AuditRecord {
        let time = linux_clock_realtime()
        return AuditRecord(event: .gap, time: time, id: "gap-" + String(time, radix: 16), session: .nobody, gap: gap)
    }
}
