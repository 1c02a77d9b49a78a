/// Owed replies in order: a byte for each, and the notes of the few that have one.
///
/// A ring of bytes, so that noting an ordinary message and taking it out again touches no reference.
struct ReplyQueue: ~Copyable {
    typealias Kind = ReplyLedger.Kind

    private static let noteBit: UInt8 = 0x80
    /// The ring is given back beyond this when nothing is owed any more.
    private static let keptByteCount = 1024

    /// The kinds' raw values, and `noteBit` where there is a note. Its count is a power of two, or zero.
    private var ring: [UInt8] = []
    private var head = 0
    private(set) var count = 0
    /// The notes of the entries with `noteBit`, in order, from `noteHead` on.
    private var notes: [ReplyNote?] = []
    private var noteHead = 0

    init() {}

    var isEmpty: Bool { count == 0 }

    /// About how many bytes are held.
    var byteCount: Int { ring.count + (notes.count - noteHead) * 512 }

    /// The kind of the first entry.
    var firstKind: Kind? { count == 0 ? nil : kind(at: 0) }

    var firstHasNote: Bool { count > 0 && ring[head] & Self.noteBit != 0 }

    var firstNote: ReplyNote? { firstHasNote ? notes[noteHead] : nil }

    /// - Parameter index: counted from the first, below `count`.
    func kind(at index: Int) -> Kind? { Kind(rawValue: ring[(head + index) & (ring.count - 1)] & ~Self.noteBit) }

    /// Adds an entry behind all others.
    mutating func append(_ kind: Kind) { append(kind.rawValue) }

    mutating func append(_ kind: Kind, note: ReplyNote?) {
        guard let note else { return append(kind.rawValue) }
        append(kind.rawValue | Self.noteBit)
        notes.append(note)
    }

    /// Takes the first entry out, if there is one, with its note.
    mutating func removeFirst() -> ReplyNote? {
        guard count > 0 else { return nil }
        let note = firstHasNote ? removeFirstNote() : nil
        head = (head + 1) & (ring.count - 1)
        count -= 1
        if count == 0, ring.count > Self.keptByteCount {
            ring = []
            head = 0
        }
        return note
    }

    /// Takes out the first entry of the kind, which has no note.
    mutating func removeFirst(of kind: Kind) {
        guard let found = (0..<count).first(where: { self.kind(at: $0) == kind }) else { return }
        let mask = ring.count - 1
        for index in found..<(count - 1) { ring[(head + index) & mask] = ring[(head + index + 1) & mask] }
        count -= 1
    }

    private mutating func removeFirstNote() -> ReplyNote? {
        let note = notes[noteHead]
        notes[noteHead] = nil
        noteHead += 1
        if noteHead == notes.count {
            notes.removeAll(keepingCapacity: noteHead <= 64)
            noteHead = 0
        } else if noteHead > 64, noteHead > notes.count / 2 {
            notes.removeFirst(noteHead)
            noteHead = 0
        }
        return note
    }

    private mutating func append(_ entry: UInt8) {
        if count == ring.count { grow() }
        ring[(head + count) & (ring.count - 1)] = entry
        count += 1
    }

    private mutating func grow() {
        var grown: [UInt8] = Array(repeating: 0, count: max(16, ring.count * 2))
        for index in 0..<count { grown[index] = ring[(head + index) & (ring.count - 1)] }
        ring = grown
        head = 0
    }
}
