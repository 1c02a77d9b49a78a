import Foundation
import Telemetry
import Testing

@Suite("Counters") struct CountersTests {
    @Test func `count each event by its own name`() {
        let counters = Counters()
        counters.add(.timeoutsIdle)
        counters.add(.cancelRequests)
        counters.add(.cancelRequests)
        #expect(counters.value(of: .cancelRequests) == 2)
        #expect(counters.value(of: .timeoutsQuery) == 0)
        #expect(counters.nonZero.map(\.name) == ["cancel_requests", "timeouts_idle"])
        #expect(counters.nonZero.map(\.value) == [2, 1])
    }

    @Test func `stand in docs/limits.md, every one`() throws {
        let text = try String(
            contentsOf: URL(fileURLWithPath: #filePath)
                .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("docs/limits.md"), encoding: .utf8)
        for counter in Counter.allCases { #expect(text.contains("`\(counter.rawValue)`"), "\(counter.rawValue)") }
    }

    @Test func `lose nothing when many threads count`() async {
        let counters = Counters()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<1000 { counters.add(.connectionsAccepted) } }
            }
        }
        #expect(counters.value(of: .connectionsAccepted) == 8000)
    }
}

@Suite struct `A flood of log lines` {
    @Test func `is cut to so many in a while, and the next line tells how many were left out`() {
        let throttle = LogThrottle(lines: 2, nanoseconds: 100)
        #expect(throttle.pass(.refusedLimit, now: 0) == 0)
        #expect(throttle.pass(.refusedLimit, now: 1) == 0)
        for now in 2..<52 { #expect(throttle.pass(.refusedLimit, now: Int64(now)) == nil) }
        #expect(throttle.pass(.refusedConnectRate, now: 60) == 0, "another event has its own lines")
        #expect(throttle.pass(.refusedLimit, now: 100) == 50)
        #expect(throttle.pass(.refusedLimit, now: 101) == 0)
        #expect(throttle.pass(.refusedLimit, now: 102) == nil)
    }
}
