import CLinux
import Foundation

/// The writer's end of the chain: which record comes next, in which file, under which key.
///
/// Belongs to the writer's thread. A record counts only once it has been written: `sealed` makes the bytes, and `commit` is
/// called when they are in the file.
final class AuditChain {
    /// Lines that are sealed but not written yet, and where the chain is once they are.
    struct Pending {
        var bytes: [UInt8] = []
        var sequence: Int64
        var code: [UInt8]
        fileprivate var generation: Int
    }

    let settings: AuditChainSettings
    private let prepared: PreparedTransactions
    private let files: AuditFiles
    private var keys: AuditKeys
    private let signer: AuditSigner
    private var seal: AuditSeal
    private var instance = ""
    private(set) var fileNumber: Int64 = 0
    private var fileStartTime: Int64 = 0
    /// The last record that was written.
    private(set) var sequence: Int64 = 0
    private var code = [UInt8](repeating: 0, count: AuditHash.byteCount)
    /// The opening of the file that was taken note of.
    private var generation = 0
    /// Intents without an outcome, in no order; so many at most.
    private var openIntents: Set<String> = []
    private static let mostOpenIntents = 10_000
    private var checkpointSequence: Int64 = 0
    private var checkpointTime = ContinuousClock.now
    /// The newest closed file, when this run began.
    private var newestClosed: String?
    /// Closed files that the last run has not compressed; once the first record is written, this one does.
    private var leftPlain: [String] = []
    /// The newest closed file, if it may lack its index: it is compressed.
    private var leftUnindexed: String?
    let warn: @Sendable (String) -> Void
    /// Those who read the files after the writer.
    var following: AuditFollowing?
    private let compressing = DispatchQueue(label: "holdfast-audit-compress", qos: .utility)

    /// Reads, or makes, the keys, and looks where the trail that is there ends.
    ///
    /// - Parameters:
    ///   - goesOn: the file that is written begins with a record of the chain, which says where it comes from: no other need
    ///     be read.
    ///   - prepared: is told of those that the last run has left.
    ///   - warn: what went wrong and does not matter to any record; any thread.
    /// - Throws: ``AuditFault``: no keys, or the newest closed file cannot be read.
    init(
        livePath: String, goesOn: Bool, _ settings: AuditChainSettings,
        prepared: PreparedTransactions = PreparedTransactions(), warn: @escaping @Sendable (String) -> Void
    ) throws(AuditFault) {
        self.prepared = prepared
        self.settings = settings
        self.warn = warn
        files = AuditFiles(livePath: livePath)
        keys = try AuditKeys.load(settings.keyPath, creates: true)
        signer = try AuditSigner.load(settings.signingKeyPath, creates: true)
        guard let newest = keys.newest else { throw AuditFault(description: "audit key file: no key in it") }
        seal = try AuditSeal(newest)
        instance = AuditHash.hex(try AuditHash.random(8))
        let closed = files.members().filter { $0.number != nil }
        leftPlain = closed.map(\.path).filter { !$0.hasSuffix(AuditFiles.compressedEnding) }
        leftUnindexed = closed.last { $0.path.hasSuffix(AuditFiles.compressedEnding) }?.path
        if !goesOn, let last = closed.last { try goOn(from: last) }
    }

    /// The chain comes from a closed file, which is read to its end.
    private func goOn(from last: AuditFiles.Member) throws(AuditFault) {
        fileNumber = last.number ?? 0
        newestClosed = last.path
        let contents = try AuditFileContents(path: last.path)
        if let start = contents.start {
            instance = start.instance ?? instance
            fileNumber = max(fileNumber, start.file ?? 0)
        }
        if let last = contents.lastSequence {
            sequence = last
            code = contents.lastCode
        }
    }

    // MARK: - Opening files

    /// What must stand in the file before anything else is written, if it was opened since: lines that are not sealed yet.
    ///
    /// - Throws: ``AuditFault``: the key of the file is not known, or a file that is no part of the chain cannot be moved.
    func opening(of file: inout AuditFile) throws(AuditFault) -> [UInt8] {
        guard file.generation != generation else { return [] }
        // Not one whole record: its very beginning was torn.
        if !file.found.isEmpty, !file.found.hasWholeLine { try file.empty() }
        if !file.found.isEmpty, file.found.start == nil {
            // Written by an earlier version, or by somebody else: kept, as a closed file, and no part of the chain.
            let path = files.closedPath(fileNumber + 1)
            try file.rotate(to: path)
            fileNumber += 1
            compress(path)
        }
        var lines: [UInt8] = []
        let now = linux_clock_realtime()
        guard let start = file.found.start else {
            guard let newest = keys.newest else { return [] }
            if newest != seal.key { seal = try AuditSeal(newest) }
            var mark = AuditRecord.Mark()
            mark.instance = instance
            mark.file = fileNumber + 1
            mark.key = newest.id
            if file.found.tornByteCount > 0 {
                mark.tornByteCount = Int64(file.found.tornByteCount)
                mark.tornHash = file.found.tornHash
            }
            if sequence > 0 {
                mark.previousFile = fileNumber
                mark.headSequence = sequence
                mark.headCode = AuditHash.hex(code)
            }
            // Killed between the end of a file and the beginning of the next: what is open stands in the closed one.
            let unknown = generation == 0 ? newestClosed.map { outcomesNobodyKnows(now, in: $0) } ?? [] : []
            mark.openIntents = unknown.map(\.id) + openIntents.sorted()
            mark.openPrepared = prepared.all
            AuditEncoder.append(.mark(.fileStart, mark, time: now), to: &lines)
            for outcome in unknown { AuditEncoder.append(outcome, to: &lines) }
            return lines
        }
        guard let key = keys.key(start.key ?? "") else {
            throw AuditFault(
                description:
                    "audit trail \(file.path): its key \(start.key ?? "") is not in \(settings.keyPath); restore "
                    + "that file from its backup, or move the trail away to begin with a new one")
        }
        if key != seal.key { seal = try AuditSeal(key) }
        instance = start.instance ?? instance
        fileNumber = start.file ?? fileNumber
        fileStartTime = file.found.startTime
        if let last = file.found.lastSequence {
            sequence = last
            code = file.found.lastCode
        }
        if file.found.tornByteCount > 0 {
            var mark = AuditRecord.Mark()
            mark.tornByteCount = Int64(file.found.tornByteCount)
            mark.tornHash = file.found.tornHash
            AuditEncoder.append(.mark(.recovered, mark, time: now), to: &lines)
        }
        if generation == 0 {
            for outcome in outcomesNobodyKnows(now, in: files.livePath) { AuditEncoder.append(outcome, to: &lines) }
        }
        return lines
    }

    /// What the last run of the proxy has left open: an outcome for each, which says that nobody knows.
    private func outcomesNobodyKnows(_ now: Int64, in path: String) -> [AuditRecord] {
        var open: [String: AuditRecord.SessionIdentity] = [:]
        do throws(AuditFault) {
            var reader = try AuditReader(path: path)
            try reader.read { line in
                guard case .success(let record) = line.content else { return }
                switch record.event {
                case .fileStart:
                    for id in record.mark?.openIntents ?? [] { open[id] = .nobody }
                    for key in record.mark?.openPrepared ?? [] { prepared.insert(key) }
                case .intent: open[record.id] = record.session
                case .outcome:
                    open[record.id] = nil
                    prepared.note(record)
                case .transactionEnd: prepared.note(record)
                default: break
                }
            }
        } catch {
            warn("what the last run has left open cannot be told: \(error.description)")
        }
        return open.sorted { $0.key < $1.key }.map { id, session in
            AuditRecord(
                event: .outcome, time: now, id: id, session: session,
                outcome: AuditRecord.Outcome(
                    commandTag: nil, sqlState: nil, message: "the proxy ended first", rows: nil,
                    durationMicroseconds: nil, transaction: .unknown))
        }
    }

    // MARK: - Sealing

    /// Seals whole lines as the encoder makes them.
    func sealed(_ lines: [UInt8], in file: borrowing AuditFile) -> Pending {
        var pending = Pending(sequence: sequence, code: code, generation: file.generation)
        pending.bytes.reserveCapacity(lines.count + lines.count / 4)
        let skipped = AuditEncoder.unsealedStart.count
        var rest = lines[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[rest.startIndex..<end]
            rest = rest[(end + 1)...]
            pending.sequence += 1
            let start = pending.bytes.count
            pending.bytes += SealedLine.prefix
            pending.bytes += String(pending.sequence).utf8
            pending.bytes.append(UInt8(ascii: ","))
            pending.bytes += line.dropFirst(skipped).dropLast()
            pending.code = pending.bytes.withUnsafeBufferPointer {
                seal.code(after: pending.code, of: UnsafeBufferPointer(rebasing: $0[start...]))
            }
            pending.bytes += SealedLine.tail
            AuditHash.appendHex(pending.code, to: &pending.bytes)
            pending.bytes += #""}"#.utf8
            pending.bytes.append(UInt8(ascii: "\n"))
        }
        return pending
    }

    /// The bytes are in the file.
    func commit(_ pending: Pending, file: borrowing AuditFile) {
        if generation != pending.generation {
            generation = pending.generation
            following?.begin(after: sequence)
            if file.found.start == nil {
                fileNumber += 1
                fileStartTime = linux_clock_realtime()
            }
        }
        sequence = pending.sequence
        code = pending.code
        compressLeft()
    }

    /// Whether records that nobody waits for are waited for by a follower.
    var isFollowed: Bool { following?.isFollowed ?? false }

    /// What is written so far may be read by those who follow.
    func publish() { following?.publish(sequence) }

    private func compressLeft() {
        for path in leftPlain { compress(path) }
        leftPlain = []
        guard let path = leftUnindexed else { return }
        leftUnindexed = nil
        compressing.async { [warn] in
            guard access(SearchIndex.path(of: path), F_OK) != 0 else { return }
            do throws(AuditFault) {
                _ = try SearchIndexes.make(for: path, checks: false)
            } catch {
                warn("a closed file of the audit trail has no index; searches take longer: \(error.description)")
            }
        }
    }

    /// Records that are in the file now.
    func note(_ records: [AuditRecord]) {
        for record in records {
            if record.event == .outcome {
                openIntents.remove(record.id)
            } else if record.event == .intent, openIntents.count < Self.mostOpenIntents {
                openIntents.insert(record.id)
            }
        }
    }

    // MARK: - Closing files

    /// Why the file is to be closed now; nil if it is not.
    func reasonToClose(_ file: borrowing AuditFile) -> String? {
        guard generation == file.generation, generation > 0 else { return nil }
        if let newest = keys.newest, newest != seal.key { return "a new key" }
        if settings.rotateByteCount > 0, file.length >= settings.rotateByteCount { return "size" }
        if let interval = settings.rotateInterval,
            linux_clock_realtime() - fileStartTime >= interval.components.seconds * 1_000_000_000
        {
            return "time"
        }
        return nil
    }

    func end(reason: String) -> [UInt8] {
        var mark = AuditRecord.Mark()
        mark.instance = instance
        mark.file = fileNumber
        mark.reason = reason
        var lines: [UInt8] = []
        AuditEncoder.append(.mark(.fileEnd, mark, time: linux_clock_realtime()), to: &lines)
        return lines
    }

    var closedPath: String { files.closedPath(fileNumber) }

    /// A closed file is made small, on another thread.
    func compress(_ path: String) {
        compressing.async { [warn] in
            var index = SearchIndexBuilder()
            do throws(AuditFault) {
                try AuditCompressor.compress(path) { index.take(offset: $0, byteCount: $1, lines: $2) }
            } catch {
                return warn("a closed file of the audit trail stays uncompressed: \(error.description)")
            }
            do throws(AuditFault) {
                let compressed = path + AuditFiles.compressedEnding
                try index.finish(path: compressed).write(for: compressed)
            } catch {
                warn("a closed file of the audit trail has no index; searches take longer: \(error.description)")
            }
        }
    }

    /// Waits for the other thread.
    func finishCompressing() {
        compressLeft()
        compressing.sync {}
    }

    /// The oldest closed files, if there are more than are kept, and lines that say that they are deleted. Those are written
    /// first, and then the files go (``delete(_:)``): one that is gone and no record says so was taken by somebody else.
    func retire() -> (lines: [UInt8], paths: [String]) {
        guard settings.keptFileCount > 0 else { return ([], []) }
        let closed = files.members().filter { $0.number != nil }
        var lines: [UInt8] = []
        var paths: [String] = []
        for (member, next) in zip(closed, closed.dropFirst()).prefix(max(0, closed.count - settings.keptFileCount)) {
            if let number = member.number, let name = following?.whoNeeds(number) {
                let count = closed.count - settings.keptFileCount - paths.count
                following?.countHeld(count)
                warn(
                    "\(count) closed file\(count == 1 ? "" : "s") of the audit trail beyond keep_files = "
                        + "\(settings.keptFileCount) stay until the sink \"\(name)\" has read them, from \(member.path) on"
                )
                return (lines, paths)
            }
            // Where the file ended stands at the beginning of the next one.
            guard let start = try? AuditFileContents.start(of: next.path) else {
                warn("an old file of the audit trail is not deleted: \(member.path)")
                break
            }
            paths.append(member.path)
            var mark = AuditRecord.Mark()
            mark.file = member.number
            mark.headSequence = start.headSequence
            mark.headCode = start.headCode
            mark.reason = "keep_files = \(settings.keptFileCount)"
            AuditEncoder.append(.mark(.retired, mark, time: linux_clock_realtime()), to: &lines)
        }
        following?.countHeld(0)
        return (lines, paths)
    }

    /// Files that the trail says are deleted.
    func delete(_ paths: [String]) {
        for path in paths {
            guard unlink(path) == 0 else {
                warn(
                    "an old file of the audit trail is not deleted: \(path): \(String(cString: strerror(errno)))")
                continue
            }
            _ = unlink(SearchIndex.path(of: path))
        }
    }

    // MARK: - Keys and checkpoints

    /// The key file may have a new one.
    func rereadKeys() {
        do throws(AuditFault) {
            keys = try AuditKeys.load(settings.keyPath, creates: false)
        } catch {
            warn(error.description)
        }
    }

    /// When the next checkpoint is due; nil while there is nothing new.
    var untilCheckpoint: Duration? {
        guard sequence > checkpointSequence else { return nil }
        return max(.zero, settings.checkpointInterval - checkpointTime.duration(to: .now))
    }

    /// The chain's head, signed: a line for the trail. It has gone to the other places already.
    func checkpoint() -> [UInt8] {
        let time = linux_clock_realtime()
        let head = AuditCheckpoint(
            instance: instance, file: fileNumber, sequence: sequence, code: AuditHash.hex(code), time: time)
        var mark = AuditRecord.Mark()
        mark.instance = head.instance
        mark.file = head.file
        mark.headSequence = head.sequence
        mark.headCode = head.code
        mark.signature = signer.sign(head)
        var line: [UInt8] = []
        AuditEncoder.append(.mark(.checkpoint, mark, time: time), to: &line)
        for path in settings.checkpointPaths { append(line, to: path) }
        // The checkpoint's own record is not worth another one.
        checkpointSequence = sequence + 1
        checkpointTime = .now
        return line
    }

    private func append(_ line: [UInt8], to path: String) {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o600)
        defer { if descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0, write(descriptor, line, line.count) == line.count, fsync(descriptor) == 0 else {
            warn("a checkpoint of the audit trail cannot be written to \(path): \(String(cString: strerror(errno)))")
            return
        }
    }
}
