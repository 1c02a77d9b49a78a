import CLinux
import Glibc
import TLSEngine
import Transport

/// Thousands of clients on one thread.
final class ClientCrowd {
    private struct Slot {
        var generation: UInt32 = 0
        var client: ClientConnection?
    }

    private let address: SocketAddress
    private let sources: [SocketAddress]
    private let context: TLSContext?
    private let inFlight: Int
    private let reconnects: Bool
    private let selector: EpollSelector
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
    private static let inputValue = UInt64.max

    private var slots: [Slot] = []
    /// Slots whose client is to connect now.
    private var queue: [Int] = []
    /// Slots whose client connects again a little later.
    private var pauses = TimerHeap()
    /// Clients on their way in.
    private var underWay = 0
    /// Clients that are in.
    private var inside = 0
    /// Answers that are awaited.
    private var owed = 0
    /// Connections that were begun.
    private var attempts = 0
    private var lost = 0
    private var failures: [String: Int] = [:]
    /// What the next report is called, and since when it has been waited for.
    private var report: (name: String, since: Int64)?
    /// `connect`: connections that are still to be begun, what each does, and how long those took that are over.
    private var left = 0
    private var asks = false
    private var isChurning = false
    private var latencies: [Int64] = []

    /// - Parameters:
    ///   - sources: the addresses that clients come from, in turn; at least one.
    ///   - inFlight: how many clients are on their way in at once, but for those that come back.
    ///   - reconnects: lost clients come back.
    init(
        to address: SocketAddress, sources: [SocketAddress], isTLS: Bool, inFlight: Int, reconnects: Bool
    ) throws {
        selector = try EpollSelector()
        self.address = address
        self.sources = sources
        self.inFlight = inFlight
        self.reconnects = reconnects
        context = isTLS ? try TLSContext(TLSContext.ClientSettings(verifiesServer: false)) : nil
    }

    deinit { scratch.deallocate() }

    // MARK: - Sessions that stay

    /// Does what standard input says, until it ends.
    ///
    /// - Parameter asks: every session asks something when it is in.
    func obey(asks: Bool) throws {
        self.asks = asks
        try selector.addReadable(0, value: Self.inputValue)
        var input: [UInt8] = []
        var isOver = false
        while !isOver {
            turn {
                var bytes = [UInt8](repeating: 0, count: 4096)
                let count = read(0, &bytes, bytes.count)
                guard count > 0 else {
                    isOver = true
                    return
                }
                input += bytes[..<count]
                while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
                    let words = String(decoding: input[..<end], as: UTF8.self).split(separator: " ")
                    input.removeSubrange(...end)
                    if obey(words) { isOver = true }
                }
            }
        }
        for slot in slots { slot.client?.terminate() }
    }

    /// - Returns: whether that was all.
    private func obey(_ words: [Substring]) -> Bool {
        report = (String(words.first ?? ""), linux_clock_monotonic())
        attempts = 0
        failures = [:]
        switch (words.first, words.dropFirst().first.flatMap { Int($0) }) {
        case ("open", let count?):
            for index in slots.count..<max(count, slots.count) {
                slots.append(Slot())
                queue.append(index)
            }
        case ("query", _):
            for index in slots.indices {
                guard let client = slots[index].client, client.phase == .idle else { continue }
                owed += 1
                if !client.ask() { over(index, "closed") }
            }
        default: return true
        }
        return false
    }

    private func reportIfDone() {
        guard let (name, since) = report, inside == slots.count, owed == 0 else { return }
        let seconds = Double(linux_clock_monotonic() - since) / 1e9
        let reasons = failures.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
        write(
            """
            {"event": "\(name)", "sessions": \(inside), "seconds": \(seconds), "attempts": \(attempts), \
            "lost": \(lost), "failures": {\(reasons.joined(separator: ", "))}}
            """)
        report = nil
        lost = 0
    }

    // MARK: - Sessions that come and go

    /// Connects so often in all, and reports.
    func churn(count: Int, asks: Bool) {
        left = count
        self.asks = asks
        isChurning = true
        for index in 0..<min(inFlight, count) {
            slots.append(Slot())
            queue.append(index)
        }
        let begunAt = linux_clock_monotonic()
        while latencies.count + failures.values.reduce(0, +) < count { turn {} }
        let seconds = Double(linux_clock_monotonic() - begunAt) / 1e9
        latencies.sort()
        func percentile(_ share: Double) -> Double {
            latencies.isEmpty
                ? 0 : Double(latencies[min(Int(Double(latencies.count) * share), latencies.count - 1)]) / 1e6
        }
        let reasons = failures.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
        write(
            """
            {"event": "connect", "connections": \(latencies.count), "seconds": \(seconds), \
            "per_second": \(Double(latencies.count) / seconds), "p50_ms": \(percentile(0.5)), \
            "p99_ms": \(percentile(0.99)), "p999_ms": \(percentile(0.999)), \
            "failures": {\(reasons.joined(separator: ", "))}}
            """)
    }

    // MARK: - The loop

    private func turn(_ input: () -> Void) {
        begin()
        reportIfDone()
        var wait: Int32 = -1
        if let pause = pauses.first {
            wait = Int32(clamping: max(0, pause.deadline - linux_clock_monotonic()) / 1_000_000 + 1)
        }
        selector.wait(milliseconds: wait) { value, events in
            if value == Self.inputValue { return input() }
            let index = Int(value >> 32)
            guard slots.indices.contains(index), slots[index].generation == UInt32(truncatingIfNeeded: value),
                let client = slots[index].client
            else { return }
            let phase = client.phase
            switch client.ready(events: events, scratch: scratch) {
            case .nothing: break
            case .ready: ready(index, client, after: phase)
            case .over(let reason): over(index, reason)
            }
        }
        guard !pauses.isEmpty else { return }
        let now = linux_clock_monotonic()
        while let pause = pauses.first, pause.deadline <= now {
            pauses.removeFirst()
            queue.append(Int(pause.owner))
        }
    }

    private func ready(_ index: Int, _ client: ClientConnection, after phase: ClientConnection.Phase) {
        if phase == .asking {
            owed -= 1
        } else if phase != .idle {
            underWay -= 1
            inside += 1
        }
        if asks, phase != .asking, phase != .idle {
            owed += 1
            if !client.ask() { over(index, "closed") }
            return
        }
        guard isChurning else { return }
        latencies.append(linux_clock_monotonic() - client.begunAt)
        client.terminate()
        slots[index].client = nil
        inside -= 1
        if left > 0 { queue.append(index) }
    }

    /// The client has lost its connection, or could not get one.
    private func over(_ index: Int, _ reason: String) {
        guard let client = slots[index].client else { return }
        failures[reason, default: 0] += 1
        if client.phase == .idle || client.phase == .asking {
            if client.phase == .asking { owed -= 1 }
            inside -= 1
            lost += 1
            if report == nil, reconnects {
                report = ("back", linux_clock_monotonic())
                attempts = 0
                failures = [reason: 1]
            }
            // Who has lost a connection tries at once.
            if reconnects { queue.append(index) }
        } else {
            underWay -= 1
            // Who is turned away tries again after a moment, not all in step.
            if !isChurning {
                pauses.add(
                    deadline: linux_clock_monotonic() &+ Int64.random(in: 50_000_000...150_000_000),
                    owner: UInt64(index))
            }
        }
        slots[index].client = nil
        if isChurning, left > 0 { queue.append(index) }
    }

    /// Begins connections, as far as so many may be under way.
    private func begin() {
        let limit = lost > 0 ? Int.max : inFlight
        while underWay < limit, !isChurning || left > 0, let index = queue.popLast() {
            left -= isChurning ? 1 : 0
            attempts += 1
            do throws(TransportError) {
                let client = try ClientConnection(
                    to: address, from: sources[attempts % sources.count], context: context)
                slots[index].generation &+= 1
                slots[index].client = client
                underWay += 1
                try selector.add(
                    client.number, value: UInt64(index) << 32 | UInt64(slots[index].generation), watchesWrites: true)
            } catch {
                if slots[index].client == nil {
                    failures[error.reason, default: 0] += 1
                    pauses.add(deadline: linux_clock_monotonic() &+ 50_000_000, owner: UInt64(index))
                } else {
                    over(index, error.reason)
                }
            }
        }
    }

    private func write(_ line: String) {
        print(line)
        fflush(nil)
    }
}
