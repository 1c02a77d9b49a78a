import Testing
import Transport

@Suite("A loop changes to io_uring while its waits bring many events")
struct CrowdMeterTests {
    /// How many waits of so many events it takes until the meter changes; nil if 10,000 do not suffice.
    private func waits(_ meter: inout CrowdMeter, of events: Int) -> Int? {
        (1...10_000).first { _ in meter.note(events: events) }
    }

    @Test("one event a wait is never a crowd, and neither are waits that bring nothing")
    func lonely() {
        var meter = CrowdMeter()
        #expect(waits(&meter, of: 1) == nil)
        #expect(waits(&meter, of: 0) == nil)
        #expect(!meter.isCrowded)
    }

    @Test("a crowd is one after a while, and over when it has gone")
    func crowd() throws {
        var meter = CrowdMeter()
        #expect(try #require(waits(&meter, of: 8)) >= 512)
        #expect(meter.isCrowded)
        #expect(waits(&meter, of: 8) == nil)
        #expect(try #require(waits(&meter, of: 1)) < 2000)
        #expect(!meter.isCrowded)
    }

    @Test("between the two marks nothing changes, whichever it was")
    func between() throws {
        func stays(_ meter: inout CrowdMeter) -> Bool {
            !(0..<10_000).contains { meter.note(events: $0.isMultiple(of: 2) ? 1 : 2) }
        }
        var meter = CrowdMeter()
        #expect(stays(&meter))
        _ = try #require(waits(&meter, of: 8))
        #expect(stays(&meter))
    }

    @Test("a load that changes all the time changes the selector seldom")
    func flicker() {
        var meter = CrowdMeter()
        var changes = 0
        for wait in 0..<100_000 where meter.note(events: (wait / 100).isMultiple(of: 2) ? 30 : 1) { changes += 1 }
        #expect(changes <= 100_000 / 512)
    }

    @Test("no number of events overflows it")
    func enormous() {
        var meter = CrowdMeter()
        #expect(waits(&meter, of: .max) == 512)
    }
}
