import Testing

@testable import Gateway

@Suite("Sessions run on as few loops as have time for them") struct LoopBalanceTests {
    private func loads(_ pairs: (Double, Int)...) -> [LoopBalance.Load] {
        pairs.map { LoopBalance.Load(utilization: $0.0, sessions: $0.1) }
    }

    /// What the balance decides after the same interval has come again and again.
    private func decision(_ loads: [LoopBalance.Load], intervals: Int = 12) -> LoopBalance.Move? {
        var balance = LoopBalance()
        var move: LoopBalance.Move?
        for _ in 0..<intervals { move = balance.next(loads) }
        return move
    }

    @Test("a new session goes to the first loop that has time, else to the one with the fewest")
    func home() {
        #expect(LoopBalance.home(for: loads((0.5, 30), (0, 0))) == 0)
        #expect(LoopBalance.home(for: loads((0.8, 30), (0.1, 9))) == 1)
        #expect(LoopBalance.home(for: loads((0.9, 30), (0.8, 9), (0.9, 12))) == 1)
        #expect(LoopBalance.home(for: loads((0, 0))) == 0)
    }

    @Test("a busy loop gives half of the difference to the idlest, once that has lasted")
    func spread() {
        let busy = loads((0.8, 10), (0.2, 3), (0.0, 0))
        #expect(decision(busy, intervals: 2) == nil)
        #expect(decision(busy) == LoopBalance.Move(from: 0, to: 2, share: 0.5))
    }

    @Test("nothing moves where it would not help", arguments: [[0.8, 0.6], [0.95, 0.9], [0.7, 0.0], [0.3, 0.3]])
    func stay(utilizations: [Double]) {
        #expect(decision(utilizations.map { LoopBalance.Load(utilization: $0, sessions: 8) }) == nil)
    }

    @Test("a busy loop keeps its sessions while every core is taken: another loop would have to wait too")
    func crowded() {
        func loads(waiting: Double) -> [LoopBalance.Load] {
            [
                LoopBalance.Load(utilization: 0.8, waiting: waiting, sessions: 10),
                LoopBalance.Load(utilization: 0, sessions: 0),
            ]
        }
        #expect(decision(loads(waiting: 0.15)) == nil)
        #expect(decision(loads(waiting: 0.05)) == LoopBalance.Move(from: 0, to: 1, share: 0.5))
    }

    @Test("one session that fills a loop stays there")
    func single() {
        #expect(decision(loads((1, 1), (0, 0))) == nil)
    }

    @Test("loops with little to do become one, from the last to the first, and only after a while")
    func gather() {
        let quiet = loads((0.1, 5), (0.0, 0), (0.1, 4))
        #expect(decision(quiet, intervals: 11) == nil)
        #expect(decision(quiet) == LoopBalance.Move(from: 2, to: 0, share: 1))
        #expect(decision(loads((0.1, 5), (0, 0))) == nil)
    }

    @Test("what has just moved apart does not come back for the same load")
    func hysteresis() {
        let before = LoopBalance.busy + 0.01
        #expect(decision(loads((before, 8), (0, 0))) != nil)
        #expect(decision(loads((before / 2, 4), (before / 2, 4))) == nil)
    }
}
