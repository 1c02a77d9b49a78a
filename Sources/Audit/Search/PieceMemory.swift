import Synchronization

/// What is known of pieces that have no index, once they were read: which ids may stand in them. So that who looks for the
/// outcome of an intent, piece by piece, reads each of them once and not once for each intent.
final class PieceMemory: Sendable {
    struct Knowledge: Sendable {
        var ids: SearchBloom
        var holdsStart: Bool
        /// It is not written as Holdfast writes: it must be read each time.
        var isOpaque: Bool
    }

    private let known = Mutex<[Int: Knowledge]>([:])

    func knowledge(of piece: Int) -> Knowledge? { known.withLock { $0[piece] } }

    func learn(_ piece: Int, from text: TrailText) {
        var ids: Set<UInt64> = []
        var holdsStart = false
        if text.isAsWritten, let key = EventTable.idKey {
            var place = 0
            while let hit = key.first(in: text.bytes, from: place) {
                let rest = text.bytes[(hit + key.bytes.count)...].prefix { $0 != UInt8(ascii: "\"") }
                ids.insert(SearchToken.of(.id, rest))
                place = rest.endIndex
            }
            holdsStart = SearchNeedle.start?.first(in: text.bytes, from: 0) != nil
        }
        let knowledge = Knowledge(ids: SearchBloom(ids), holdsStart: holdsStart, isOpaque: !text.isAsWritten)
        known.withLock { $0[piece] = knowledge }
    }
}

extension SearchNeedle {
    /// The record of a start of the proxy.
    static let start = SearchNeedle.field("event", "start")
}
