import Foundation
import Testing

@testable import Sentinel

@Suite struct `What a watch remembers` {
    static func report(
        _ findings: [WatchFinding], unseen: [WatchFinding.Part] = [], time: String = "2026-11-26T10:00:00.000Z"
    ) -> WatchReport {
        var report = WatchReport(watch: "shop", time: time)
        report.database = "shop"
        report.findings = findings
        report.unseen = unseen
        return report
    }

    static let missing = WatchFinding(.tableMissing, .tables, "public.orders", "table public.orders is missing")
    static let unreachable = WatchFinding(.unreachable, .connection, "", "down")

    @Test func `raises a finding once and clears it once`() throws {
        var state = WatchState()
        let memory = Watcher.Memory()
        let firstNotice = state.take(Self.report([Self.missing]), memory: memory, noticeID: "1")
        let first = try #require(firstNotice)
        #expect(first.raised.map(\.finding) == [Self.missing] && first.cleared.isEmpty && first.openCount == 1)
        let again = state.take(Self.report([Self.missing]), memory: memory, noticeID: "2")
        #expect(again == nil)
        let lastNotice = state.take(Self.report([]), memory: memory, noticeID: "3")
        let last = try #require(lastNotice)
        #expect(last.raised.isEmpty && last.cleared.map(\.finding) == [Self.missing] && last.openCount == 0)
        let after = state.take(Self.report([]), memory: memory, noticeID: "4")
        #expect(after == nil)
    }

    @Test func `keeps a finding of what cannot be looked at`() throws {
        var state = WatchState()
        let memory = Watcher.Memory()
        _ = state.take(Self.report([Self.missing]), memory: memory, noticeID: "1")
        let downNotice = state.take(Self.report([Self.unreachable], unseen: [.tables]), memory: memory, noticeID: "2")
        let down = try #require(downNotice)
        #expect(down.raised.map(\.finding) == [Self.unreachable] && down.cleared.isEmpty && down.openCount == 2)
        let backNotice = state.take(Self.report([Self.missing]), memory: memory, noticeID: "3")
        let back = try #require(backNotice)
        #expect(back.cleared.map(\.finding) == [Self.unreachable] && back.raised.isEmpty && back.openCount == 1)
    }

    @Test func `takes another text for the same finding`() {
        var state = WatchState()
        let memory = Watcher.Memory()
        _ = state.take(Self.report([Self.missing]), memory: memory, noticeID: "1")
        var changed = Self.missing
        changed.text = "other words"
        let again = state.take(Self.report([changed]), memory: memory, noticeID: "2")
        #expect(again == nil)
        #expect(state.open.map(\.finding.text) == ["other words"])
        #expect(state.open.map(\.since) == ["2026-11-26T10:00:00.000Z"])
    }

    @Test func `keeps so many notices and no more`() throws {
        var state = WatchState()
        let firstNotice = state.take(Self.report([Self.missing]), memory: .init(), noticeID: "1")
        let notice = try #require(firstNotice)
        var surplus = 0
        for _ in 0..<WatchState.maximumOutbox { surplus += state.post(notice, to: [.webhook]) }
        #expect(surplus == 0)
        surplus = state.post(notice, to: [.webhook])
        #expect(surplus == 1)
        #expect(state.outbox.count == WatchState.maximumOutbox)
        surplus = state.post(notice, to: [])
        #expect(surplus == 0 && state.outbox.count == WatchState.maximumOutbox)
    }

    @Test func `survives being written and read`() throws {
        var state = WatchState()
        _ = state.take(
            Self.report([Self.missing, WatchFinding(.checkFalse, .check("x"), "x", "…")]), memory: .init(),
            noticeID: "1")
        let folder = NSTemporaryDirectory() + "holdfast-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = StateFolder(folder)
        try store.create()
        #expect(try store.state("shop") == nil)
        try store.write(state, "shop")
        #expect(try store.state("shop") == state)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["shop.state.json"])
        for text in ["", "{", "[]", "{\"version\": 2}", "{\"version\": 1, \"open\": 3}"] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: store.statePath("shop")))
            #expect(throws: StateFolder.Fault.self) { try store.state("shop") }
        }
    }
}

@Suite struct `Which server answered` {
    static let former = ServerIdentity(
        systemIdentifier: "1", timeline: 1, startTime: "t1", nextTransaction: 100, isStandby: false)

    static func kind(_ change: (inout ServerIdentity) -> Void) -> WatchFinding.Kind? {
        var now = former
        change(&now)
        return ServerIdentity.finding(from: former, to: now, consequences: "")?.kind
    }

    @Test func `is told by the gravest that happened to it`() {
        #expect(Self.kind { $0.nextTransaction = 200 } == nil)
        #expect(Self.kind { $0.startTime = "t2" } == .serverRestarted)
        #expect(Self.kind { ($0.startTime, $0.timeline) = ("t2", 2) } == .serverFailedOver)
        #expect(Self.kind { ($0.startTime, $0.timeline, $0.nextTransaction) = ("t2", 2, 99) } == .serverRestored)
        #expect(Self.kind { ($0.systemIdentifier, $0.nextTransaction) = ("2", 1) } == .serverReplaced)
    }

    @Test func `may be a standby that lags behind the primary`() {
        #expect(Self.kind { ($0.isStandby, $0.nextTransaction, $0.startTime) = (true, 90, "t2") } == nil)
    }
}
