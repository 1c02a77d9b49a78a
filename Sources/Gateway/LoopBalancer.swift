import CLinux
import Foundation
import Glibc
import Synchronization
import Transport

/// Measures how busy the loops are and has sessions moved, on a thread of its own. It looks ten times a second, and once
/// a second while nothing is going on.
final class LoopBalancer: Sendable {
    private let stopped = DispatchSemaphore(value: 0)
    private let ended = DispatchGroup()

    /// Starts to measure. With fewer than two loops there is nothing to do.
    init(loops: [LoopAddress]) {
        guard loops.count > 1 else { return }
        let (stopped, ended) = (stopped, ended)
        ended.enter()
        let thread = Thread {
            linux_name_thread("balancer")
            Self.run(loops, until: stopped)
            ended.leave()
        }
        thread.start()
    }

    /// Nothing is moved any more.
    func stop() {
        stopped.signal()
        ended.wait()
    }

    private static func run(_ loops: [LoopAddress], until stopped: DispatchSemaphore) {
        var balance = LoopBalance()
        var before = linux_clock_monotonic()
        var ran = loops.map { $0.load.threadNanoseconds }
        var waited = loops.map { $0.load.waitingNanoseconds }
        var isQuiet = false
        while stopped.wait(timeout: .now() + .milliseconds(isQuiet ? 1000 : 100)) == .timedOut {
            let now = linux_clock_monotonic()
            let interval = Double(max(1, now - before))
            before = now
            var loads: [LoopBalance.Load] = []
            for (index, loop) in loops.enumerated() {
                let nanoseconds = loop.load.threadNanoseconds
                let utilization = Double(nanoseconds - ran[index]) / interval
                let waitingNanoseconds = loop.load.waitingNanoseconds
                let waiting = Double(waitingNanoseconds - waited[index]) / interval
                ran[index] = nanoseconds
                waited[index] = waitingNanoseconds
                loop.load.setUtilization(utilization)
                loads.append(
                    LoopBalance.Load(utilization: utilization, waiting: waiting, sessions: loop.load.sessions))
            }
            isQuiet = loads.allSatisfy { $0.utilization < 0.01 }
            if let move = balance.next(loads) {
                loops[move.from].mailbox.post(.handOver(share: move.share, to: loops[move.to]))
            }
        }
    }
}

/// How to reach a loop from any thread, and what it has to do.
package struct LoopAddress: Sendable {
    let mailbox: Mailbox<LoopLetter>
    let load: LoopLoad
}

/// What a loop has to do: read by the acceptor and the balancer.
final class LoopLoad: Sendable {
    private let count = Atomic<Int>(0)
    private let permille = Atomic<Int>(0)
    private let clock = Atomic<Int32>(0)
    /// /proc/…/schedstat of the loop's thread; -1 where there is none.
    fileprivate let schedule = Atomic<Int32>(-1)
    private let allIdle: IdleSignal

    init(allIdle: IdleSignal) { self.allIdle = allIdle }

    deinit {
        let descriptor = schedule.load(ordering: .relaxed)
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
    }

    var sessions: Int { count.load(ordering: .relaxed) }

    /// Share of the last interval that the loop's thread ran, 0 to 1.
    var utilization: Double { Double(permille.load(ordering: .relaxed)) / 1000 }

    func setUtilization(_ share: Double) { permille.store(Int(share * 1000), ordering: .relaxed) }

    func sessionAdded() {
        count.add(1, ordering: .relaxed)
        allIdle.sessionAdded()
    }

    func sessionEnded() {
        count.subtract(1, ordering: .relaxed)
        allIdle.sessionEnded()
    }

    /// The calling thread is the loop's.
    func beginThread() {
        var identifier = clockid_t()
        if pthread_getcpuclockid(pthread_self(), &identifier) == 0 { clock.store(identifier, ordering: .relaxed) }
        // Stays this thread's, whoever reads it (proc(5)).
        schedule.store(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC), ordering: .relaxed)
    }

    /// How long the loop's thread has run on a core since it began.
    var threadNanoseconds: Int64 {
        let identifier = clock.load(ordering: .relaxed)
        var time = timespec()
        // 0 is CLOCK_REALTIME: the thread has not begun.
        guard identifier != 0, clock_gettime(identifier, &time) == 0 else { return 0 }
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension LoopLoad {
    /// How long the loop's thread has been ready to run while no core was free for it; 0 where the kernel does not say.
    var waitingNanoseconds: Int64 {
        let descriptor = schedule.load(ordering: .relaxed)
        guard descriptor >= 0 else { return 0 }
        return withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { text in
            let count = pread(descriptor, text.baseAddress, text.count, 0)
            guard count > 0 else { return 0 }
            // Time on a core, time waited for one, times that it was given one (Documentation/scheduler/sched-stats.rst).
            let fields = text[..<count].split(separator: UInt8(ascii: " "))
            return fields.count < 2 ? 0 : Int64(String(decoding: fields[1], as: UTF8.self)) ?? 0
        }
    }
}

/// Tells when no loop has a session.
final class IdleSignal: Sendable {
    private let count = Atomic<Int>(0)
    let descriptor: Int32

    init() throws(TransportError) {
        descriptor = linux_eventfd()
        guard descriptor >= 0 else { throw TransportError(operation: "create", address: "eventfd", code: -descriptor) }
    }

    deinit { _ = Glibc.close(descriptor) }

    func sessionAdded() { count.add(1, ordering: .relaxed) }

    func sessionEnded() {
        if count.subtract(1, ordering: .relaxed).newValue == 0 { _ = linux_eventfd_signal(descriptor) }
    }
}
