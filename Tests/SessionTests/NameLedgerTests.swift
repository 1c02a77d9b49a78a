import SQLParsing
import Testing

@testable import Session

@Suite("What names hold") struct NameLedgerTests {
    private func record(_ sql: String) -> RememberedStatement {
        RememberedStatement(
            facts: TextFacts(
                classes: ClassSet(.create),
                statements: [StatementFacts(range: 0..<0, command: "", classes: ClassSet(.create), effects: [])]),
            sql: sql)
    }

    private func bytes(of ledger: borrowing NameLedger) -> Int { ledger.byteCount }

    private func found(_ name: [UInt8], _ segment: UInt64, in ledger: borrowing NameLedger) -> RememberedStatement? {
        ledger.lookUp(name, segment: segment)
    }

    @Test func `is counted once for a name that is defined again and again`() {
        var ledger = NameLedger()
        let name = Array("s".utf8)
        var sizes: Set<Int> = []
        for round in 0..<100 {
            let text = record("CREATE TABLE t (id int)")
            ledger.define(name, text, segment: UInt64(round))
            ledger.confirm(name, text)
            ledger.settle()
            sizes.insert(ledger.byteCount)
            #expect(found(name, UInt64(round), in: ledger) === text)
        }
        #expect(sizes.count == 1)
        ledger.remove(name)
        ledger.settle()
        #expect(bytes(of: ledger) == 0)
        #expect(bytes(of: ledger) == 0)
    }

    @Test func `grows with every name, and with its text`() {
        var ledger = NameLedger()
        var last = 0
        for number in 0..<100 {
            let text = record(String(repeating: "x", count: 1000))
            ledger.define(Array("s\(number)".utf8), text, segment: 0)
            ledger.confirm(Array("s\(number)".utf8), text)
            #expect(bytes(of: ledger) >= last + 1000)
            last = ledger.byteCount
        }
        ledger.removeAll()
        ledger.settle()
        #expect(bytes(of: ledger) == 0)
    }

    @Test func `of definitions that the server did not confirm goes when it has answered all`() {
        var ledger = NameLedger()
        let name = Array("s".utf8)
        let confirmed = record("a")
        ledger.define(name, confirmed, segment: 0)
        ledger.confirm(name, confirmed)
        ledger.settle()
        let before = ledger.byteCount
        ledger.define(name, record(String(repeating: "b", count: 5000)), segment: 1)
        ledger.define(Array("other".utf8), record("c"), segment: 1)
        #expect(bytes(of: ledger) > before + 5000)
        ledger.settle()
        #expect(bytes(of: ledger) == before)
        #expect(found(name, 2, in: ledger) === confirmed)
        #expect(found(Array("other".utf8), 2, in: ledger) == nil)
    }

    @Test func `is still counted when replies and requests no longer fit together`() {
        var ledger = NameLedger()
        for number in 0..<100 {
            let text = record(String(repeating: "x", count: 1000))
            ledger.define(Array("s\(number)".utf8), text, segment: 0)
            ledger.confirm(Array("s\(number)".utf8), text)
            ledger.loseTrack()
        }
        #expect(bytes(of: ledger) > 150_000)
    }

    private func holdsNothing(_ ledger: borrowing NameLedger, _ name: String) -> Bool {
        Array(name.utf8).withUnsafeBytes { ledger.holdsNothing(under: $0) }
    }

    @Test func `is nothing for every name but those with a definition that counts`() {
        var ledger = NameLedger()
        do {
            let isEmpty = holdsNothing(ledger, "a")
            #expect(isEmpty)
        }
        for number in 0..<200 { ledger.define(Array("s\(number)".utf8), record("x"), segment: 0) }
        for number in 0..<200 {
            do {
                let isEmpty = holdsNothing(ledger, "s\(number)")
                #expect(!isEmpty)
            }
            do {
                let isEmpty = holdsNothing(ledger, "t\(number)")
                #expect(isEmpty)
            }
            let name = Array("s\(number)".utf8)
            #expect(name.withUnsafeBytes { ledger.lookUp($0, segment: 0) } === found(name, 0, in: ledger))
            #expect(Array("t\(number)".utf8).withUnsafeBytes { ledger.lookUp($0, segment: 0) } == nil)
        }
        ledger.settle()
        do {
            let isEmpty = holdsNothing(ledger, "s7")
            #expect(isEmpty)
        }
        let long = String(repeating: "n", count: 80)
        ledger.define(Array(long.utf8.prefix(63)), record("x"), segment: 0)
        do {
            let isEmpty = holdsNothing(ledger, long)
            #expect(!isEmpty)
        }
        ledger.loseTrack()
        do {
            let isEmpty = holdsNothing(ledger, "anything")
            #expect(!isEmpty)
        }
    }
}
