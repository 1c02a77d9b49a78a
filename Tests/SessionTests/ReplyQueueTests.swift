import Testing

@testable import Session

@Suite("Owed replies") struct ReplyQueueTests {
    private struct Owed {
        var kind: ReplyLedger.Kind
        var note: ReplyNote?
    }

    @Test func `come out in order, each with its own note, however many there are`() {
        var queue = ReplyQueue()
        var model: [Owed] = []
        let kinds: [ReplyLedger.Kind] = [.query, .functionCall, .sync, .parse, .bind, .describe, .execute, .close]
        for round in 0..<20_000 {
            // Grows to some hundreds, shrinks to nothing, and so on.
            if round / 700 % 2 == 0 ? round % 3 < 2 : round % 3 < 1 {
                let owed = Owed(kind: kinds[round % kinds.count], note: round % 5 == 0 ? ReplyNote() : nil)
                queue.append(owed.kind, note: owed.note)
                model.append(owed)
            } else {
                let expected = model.isEmpty ? nil : model.removeFirst()
                let (kind, hasNote, note) = (queue.firstKind, queue.firstHasNote, queue.firstNote)
                #expect(kind == expected?.kind)
                #expect(hasNote == (expected?.note != nil))
                #expect(note === expected?.note)
                let taken = queue.removeFirst()
                #expect(taken === expected?.note)
            }
            let (count, isEmpty) = (queue.count, queue.isEmpty)
            #expect(count == model.count)
            #expect(isEmpty == model.isEmpty)
        }
        for (index, owed) in model.enumerated() {
            let kind = queue.kind(at: index)
            #expect(kind == owed.kind)
        }
    }

    @Test func `can be taken out of the middle`() {
        var queue = ReplyQueue()
        let note = ReplyNote()
        queue.append(.query)
        queue.append(.copyEnd)
        queue.append(.execute, note: note)
        queue.append(.copyEnd)
        queue.removeFirst(of: .copyEnd)
        let kinds = (0..<queue.count).map { queue.kind(at: $0) }
        #expect(kinds == [.query, .execute, .copyEnd])
        _ = queue.removeFirst()
        let taken = queue.removeFirst()
        #expect(taken === note)
    }

    @Test func `give their memory back when nothing is owed`() {
        var queue = ReplyQueue()
        for _ in 0..<50_000 { queue.append(.bind, note: nil) }
        while !queue.isEmpty { _ = queue.removeFirst() }
        let byteCount = queue.byteCount
        #expect(byteCount == 0)
    }
}
