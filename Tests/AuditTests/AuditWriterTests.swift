import Foundation
import Synchronization
import Testing

@testable import Audit

@Suite struct AuditWriterTests {
    @Test("a record is in the file when its completion runs, and file and folder are private")
    func writes() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("deep/er/audit.jsonl")
        let writer = try AuditWriter(path: path, durability: .fsync)
        let records = [Sample.intent("a"), Sample.outcome("a")]
        try await writer.commit(records).get()
        #expect(try contents(of: path).records == records)
        var information = stat()
        #expect(stat(path, &information) == 0 && information.st_mode & 0o777 == 0o600)
        #expect(stat(folder.file("deep/er"), &information) == 0 && information.st_mode & 0o777 == 0o700)
        writer.close()
        writer.close()
        #expect(writer.counters == AuditCounters(recordsWritten: 2, syncs: 1, batches: 1))
        guard case .failure = await writer.commit(records) else {
            Issue.record("a closed writer took a record")
            return
        }
    }

    @Test("sixteen callers at once: every record is there once, whole, in its caller's order")
    func concurrency() async throws {
        let folder = try TemporaryFolder()
        let writer = try AuditWriter(path: folder.file("a"), durability: .write)
        let callers = 16
        let each = 500
        await withTaskGroup(of: Void.self) { group in
            for caller in 0..<callers {
                group.addTask {
                    for number in 0..<each {
                        let sql = String(repeating: "\(caller)é\n", count: number % 50)
                        writer.append([Sample.intent("\(caller)/\(number)", sql: sql)])
                    }
                    _ = await writer.commit([Sample.outcome("\(caller)/\(each)")])
                }
            }
        }
        writer.close()
        let (records, torn) = try contents(of: folder.file("a"))
        #expect(torn.isEmpty)
        #expect(records.count == callers * (each + 1))
        for caller in 0..<callers {
            let mine = records.map(\.id).filter { $0.hasPrefix("\(caller)/") }
            #expect(mine == (0...each).map { "\(caller)/\($0)" })
        }
        #expect(writer.counters.syncs == 0)
    }

    @Test("those who wait for the disk share its flushes")
    func groupCommit() async throws {
        let folder = try TemporaryFolder()
        let writer = try AuditWriter(path: folder.file("a"), durability: .fsync)
        let waiting = 64
        let each = 20
        await withTaskGroup(of: Void.self) { group in
            for caller in 0..<waiting {
                group.addTask {
                    for number in 0..<each { _ = await writer.commit([Sample.intent("\(caller)/\(number)")]) }
                }
            }
        }
        writer.close()
        let counters = writer.counters
        #expect(counters.recordsWritten == waiting * each)
        #expect(counters.syncs <= counters.batches)
        #expect(counters.batches < waiting * each / 2)
        #expect(try contents(of: folder.file("a")).records.count == waiting * each)
    }

    @Test("a record that nobody waits for costs no flush of its own and is on the disk at the end")
    func lazySync() async throws {
        let folder = try TemporaryFolder()
        var limits = AuditLimits()
        limits.retryInterval = .seconds(600)
        let writer = try AuditWriter(path: folder.file("a"), durability: .fsync, limits: limits)
        for number in 0..<100 { writer.append([Sample.outcome("\(number)")]) }
        try await writer.commit([Sample.intent("last")], durability: .write).get()
        #expect(writer.counters.syncs == 0)
        writer.close()
        #expect(writer.counters.syncs == 1)
        #expect(writer.counters.recordsWritten == 101)
    }

    @Test("a second writer of the same file is refused with the reason, and may follow once the first is closed")
    func lock() throws {
        let folder = try TemporaryFolder()
        let first = try AuditWriter(path: folder.file("a"), durability: .write)
        let fault = #expect(throws: AuditFault.self) {
            try AuditWriter(path: folder.file("a"), durability: .write)
        }
        #expect(fault?.description.contains("another Holdfast process") == true)
        first.close()
        _ = try AuditWriter(path: folder.file("a"), durability: .write)
    }

    @Test("a trail that cannot be opened says path, reason and remedy")
    func openFault() throws {
        let folder = try TemporaryFolder()
        let asFolder = #expect(throws: AuditFault.self) { try AuditWriter(path: folder.path, durability: .write) }
        #expect(asFolder?.description.contains("must name a file") == true)
        try Data().write(to: URL(fileURLWithPath: folder.file("file")))
        let below = #expect(throws: AuditFault.self) {
            try AuditWriter(path: folder.file("file/a"), durability: .write)
        }
        #expect(below?.description.contains(folder.file("file/a")) == true)
        #expect(below?.errorNumber == ENOTDIR)
    }

    @Test("a torn last line is ended, reported as torn, and later records stay readable")
    func tornTail() async throws {
        let folder = try TemporaryFolder()
        let whole = AuditEncoder.line(Sample.intent("a")) + "\n"
        let torn = AuditEncoder.line(Sample.intent("b")).prefix(77)
        try Data((whole + torn).utf8).write(to: URL(fileURLWithPath: folder.file("a")))
        let writer = try AuditWriter(path: folder.file("a"), durability: .fsync)
        try await writer.commit([Sample.outcome("c")]).get()
        let (records, lines) = try contents(of: folder.file("a"))
        #expect(records.map(\.id) == ["a", "c"])
        #expect(lines == [2])
    }

    @Test("a file renamed or removed from outside is opened anew under its path; nothing is lost")
    func rename() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("sub/a")
        let writer = try AuditWriter(path: path, durability: .fsync)
        try await writer.commit([Sample.intent("1")]).get()
        #expect(Foundation.rename(path, folder.file("old")) == 0)
        try await writer.commit([Sample.intent("2")]).get()
        #expect(try contents(of: folder.file("old")).records.map(\.id) == ["1"])
        #expect(try contents(of: path).records.map(\.id) == ["2"])
        try FileManager.default.removeItem(atPath: folder.file("sub"))
        try await writer.commit([Sample.intent("3")]).get()
        #expect(try contents(of: path).records.map(\.id) == ["3"])
        #expect(writer.counters.failures == 0)
    }

    @Test("a full device fails who waits, keeps what nobody waits for, and both recover by themselves")
    func fullDevice() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        let health = Inbox<Bool>()
        #expect(symlink("/dev/full", path) == 0)
        let writer = try AuditWriter(path: path, durability: .fsync, healthChanged: { health.post($0 == nil) })
        writer.append([Sample.outcome("kept 1")])
        let refused = await writer.commit([Sample.intent("refused")])
        #expect(throws: AuditFault.self) { try refused.get() }
        if case .failure(let fault) = refused {
            #expect(fault.description == "audit trail \(path): write: No space left on device")
            #expect(fault.errorNumber == ENOSPC)
        }
        writer.append([Sample.outcome("kept 2")])
        _ = await writer.commit([Sample.intent("refused too")])
        #expect(writer.counters.recordsInBacklog == 2)
        #expect(writer.counters.fault != nil)
        #expect(await health.next() == false)

        #expect(unlink(path) == 0)
        try await writer.commit([Sample.intent("taken")]).get()
        #expect(await health.next() == true)
        writer.close()
        let (records, torn) = try contents(of: path)
        #expect(records.map(\.id) == ["kept 1", "kept 2", "taken"])
        #expect(torn.isEmpty)
        #expect(writer.counters.recordsInBacklog == 0 && writer.counters.recordsLost == 0)
        #expect(writer.counters.fault == nil)
    }

    @Test("the backlog is written without any further append once the disk takes it")
    func retry() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        let health = Inbox<Bool>()
        #expect(symlink("/dev/full", path) == 0)
        var limits = AuditLimits()
        limits.retryInterval = .milliseconds(5)
        let writer = try AuditWriter(
            path: path, durability: .fsync, limits: limits, healthChanged: { health.post($0 == nil) })
        writer.append([Sample.outcome("kept")])
        #expect(await health.next() == false)
        #expect(unlink(path) == 0)
        #expect(await health.next() == true)
        writer.close()
        #expect(try contents(of: path).records.map(\.id) == ["kept"])
    }

    @Test("records beyond the backlog's bound are counted and told by a gap record in their place")
    func gap() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        #expect(symlink("/dev/full", path) == 0)
        var limits = AuditLimits()
        limits.backlogByteCount = 1000
        let writer = try AuditWriter(path: path, durability: .fsync, limits: limits)
        for number in 0..<10 { writer.append([Sample.outcome("\(number)")]) }
        _ = await writer.commit([Sample.intent("refused")])
        let kept = writer.counters.recordsInBacklog
        #expect(kept > 0 && kept < 10)
        #expect(writer.counters.recordsLost == 10 - kept)
        #expect(unlink(path) == 0)
        try await writer.commit([Sample.intent("taken")]).get()
        writer.close()
        let records = try contents(of: path).records
        #expect(records.map(\.event) == Array(repeating: .outcome, count: kept) + [.gap, .intent])
        #expect(records.first { $0.event == .gap }?.gap?.recordCount == 10 - kept)
    }

    @Test("a full queue refuses at once and never blocks the caller")
    func fullQueue() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        #expect(mkfifo(path, 0o600) == 0)
        var limits = AuditLimits()
        limits.queueByteCount = 10_000
        let writer = try AuditWriter(path: path, durability: .write, limits: limits)
        // More than a pipe holds: the writer's thread hangs in write, like on a dead disk.
        writer.append([Sample.intent("big", sql: String(repeating: "x", count: 1 << 20))])
        let results = Inbox<Bool>()
        for number in 0..<1000 {
            writer.append([Sample.intent("\(number)")]) { results.post((try? $0.get()) != nil) }
            writer.append([Sample.outcome("\(number)")])
        }
        // Now take from the pipe until the writer has closed it.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK)
        let end = Inbox<Void>()
        Thread {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            while poll(&wait, 1, -1) > 0, read(descriptor, &buffer, buffer.count) > 0 {}
            close(descriptor)
            end.post(())
        }.start()
        var refusedCount = 0
        var iterator = results.values.makeAsyncIterator()
        for _ in 0..<1000 where await iterator.next() == false { refusedCount += 1 }
        writer.close()
        await end.next()
        #expect(refusedCount > 900)
        let counters = writer.counters
        #expect(counters.recordsLost > 900)
        // All but the lost, and a gap record that tells of them: one for each batch that found some lost.
        let gapRecords = counters.recordsWritten - (1 + (1000 - refusedCount) + (1000 - counters.recordsLost))
        #expect((1...counters.batches).contains(gapRecords))
    }

    @Test("a failed flush fails who waits, casts doubt on what went before, and nothing counts until one succeeds")
    func failedFlush() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        let isBroken = Mutex(false)
        let health = Mutex<[Bool]>([])
        var limits = AuditLimits()
        limits.retryInterval = .seconds(600)
        let writer = try AuditWriter(
            path: path, durability: .fsync, limits: limits,
            flush: { descriptor in
                guard isBroken.withLock({ $0 }) else { return fdatasync(descriptor) }
                errno = EIO
                return -1
            },
            healthChanged: { fault in health.withLock { $0.append(fault == nil) } })
        try await writer.commit([Sample.intent("1")]).get()
        writer.append([Sample.outcome("1")])
        try await writer.commit([Sample.intent("2")], durability: .write).get()
        isBroken.withLock { $0 = true }
        let refused = await writer.commit([Sample.intent("refused")])
        #expect(throws: AuditFault.self) { try refused.get() }
        writer.append([Sample.outcome("2")])
        // Even who asks for less than the disk is not told that all is well.
        let alsoRefused = await writer.commit([Sample.intent("refused, too")], durability: .write)
        #expect(throws: AuditFault.self) { try alsoRefused.get() }
        #expect(writer.counters.recordsInBacklog == 1)
        isBroken.withLock { $0 = false }
        try await writer.commit([Sample.intent("3")]).get()
        writer.close()
        let (records, torn) = try contents(of: path)
        #expect(records.map(\.event) == [.intent, .outcome, .intent, .gap, .outcome, .intent])
        #expect(records.filter { $0.event != .gap }.map(\.id) == ["1", "1", "2", "2", "3"])
        #expect(records.first { $0.event == .gap }?.gap?.recordCount == 1)
        #expect(torn.isEmpty)
        #expect(health.withLock { $0 } == [false, true])
        #expect(writer.counters.recordsLost == 0)
    }

    @Test("a disk that fills inside a line takes the piece back, and goes on when there is room again")
    func fullDisk() async throws {
        let folder = try TemporaryFolder()
        guard geteuid() == 0, run("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=64k", "none", folder.path]) else {
            return  // Needs the right to mount; the tests above show the same with a full device.
        }
        defer { #expect(run("/usr/bin/umount", [folder.path])) }
        let path = folder.file("a")
        let ballast = folder.file("ballast")
        let writer = try AuditWriter(path: path, durability: .fsync)
        try await writer.commit([Sample.intent("first")]).get()
        try Data(count: 40_000).write(to: URL(fileURLWithPath: ballast))
        let big = Sample.intent("big", sql: String(repeating: "x", count: 30_000))
        let refused = await writer.commit([big])
        #expect(throws: AuditFault.self) { try refused.get() }
        writer.append([big])
        _ = await writer.commit([Sample.intent("behind the backlog")])
        #expect(try contents(of: path).torn.isEmpty)
        #expect(try contents(of: path).records.map(\.id) == ["first"])
        #expect(unlink(ballast) == 0)
        try await writer.commit([Sample.intent("last")]).get()
        writer.close()
        let (records, torn) = try contents(of: path)
        #expect(records.map(\.id) == ["first", "big", "last"])
        #expect(torn.isEmpty)
    }
}
