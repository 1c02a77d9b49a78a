/// Which statement a name stands for, while the server's answers are still under way.
///
/// Used for prepared statements and for portals. Only statements that do something worth judging or recording are
/// held; a name that is not held is an ordinary statement's, or nobody's. Names count by their first 63 bytes, as in
/// the server's hash tables (`hash_search` with string keys of `NAMEDATALEN`, utils/hash/dynahash.c).
///
/// A message may be skipped by the server after an earlier error, so a later message of *another* segment (behind a
/// Sync) may find the name as it was. Where that cannot be told, the look-up answers with every candidate.
struct NameLedger: ~Copyable {
    private struct Slot {
        /// The newest definition, in the segment it was forwarded in.
        var newest: (segment: UInt64, record: RememberedStatement?)?
        /// Definitions that may still hold: older ones, unconfirmed.
        var older: [RememberedStatement] = []
        /// What the server has confirmed.
        var confirmed: RememberedStatement?

        var isEmpty: Bool { newest == nil && older.isEmpty && confirmed == nil }

        /// The place itself, and what is remembered: a record that stands in several places counts in each.
        var byteCount: Int {
            var count = 160 + older.reduce(0) { $0 + $1.byteCount }
            if let record = newest?.record { count += record.byteCount }
            if let confirmed, confirmed !== newest?.record { count += confirmed.byteCount }
            return count
        }
    }

    private var slots: [[UInt8]: Slot] = [:]
    /// A bit for the hash of each name that has had a slot since there was none: most names that are asked for have none, and
    /// are told by it without a key.
    private var heldHashes: UInt64 = 0
    /// Candidates for every name, once replies and requests no longer fit together.
    private var suspects: [RememberedStatement] = []
    /// The names whose slots may hold more than what was confirmed.
    private var unsettled: Set<[UInt8]> = []
    private var slotBytes = 0
    private var suspectBytes = 0

    /// Nothing is held: every name is ordinary, and an ordinary definition changes nothing.
    var isEmpty: Bool { slots.isEmpty && suspects.isEmpty }

    /// The key of a name as it came on the wire.
    static func key(_ name: UnsafeRawBufferPointer) -> [UInt8] { Array(name.prefix(63)) }

    /// Nothing is held that the name could stand for: an ordinary definition of it changes nothing.
    func holdsNothing(under name: UnsafeRawBufferPointer) -> Bool {
        if isEmpty { return true }
        guard suspects.isEmpty else { return false }
        return heldHashes & Self.hashBit(name) == 0 || slots[Self.key(name)] == nil
    }

    private static func hashBit(_ name: some Collection<UInt8>) -> UInt64 {
        // FNV-1a.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.prefix(63) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return 1 << (hash >> 58)
    }

    /// About how many bytes are held.
    var byteCount: Int { slotBytes + suspectBytes }

    /// A definition was forwarded.
    mutating func define(_ key: [UInt8], _ record: RememberedStatement?, segment: UInt64) {
        if record == nil && isEmpty { return }
        change(key) { slot in
            if let previous = slot.newest?.record { slot.older = Self.adding(previous, to: slot.older) }
            slot.newest = (segment, record)
        }
    }

    /// SQL text was forwarded that may define the name.
    mutating func mayDefine(_ key: [UInt8], _ record: RememberedStatement) {
        change(key) { $0.older = Self.adding(record, to: $0.older) }
    }

    /// The server confirmed a definition.
    mutating func confirm(_ key: [UInt8], _ record: RememberedStatement?) {
        if record == nil && slots[key] == nil { return }
        change(key) { $0.confirmed = record }
    }

    /// The server confirmed that the name is free.
    mutating func remove(_ key: [UInt8]) {
        guard !slots.isEmpty, slots[key] != nil else { return }
        change(key) { $0.confirmed = nil }
    }

    /// The server confirmed that all names are free.
    mutating func removeAll() {
        guard !slots.isEmpty else { return }
        for key in Array(slots.keys) { change(key) { $0.confirmed = nil } }
    }

    /// ``settle()`` would change nothing.
    var isSettled: Bool { unsettled.isEmpty }

    /// Every reply has come: only what was confirmed holds.
    mutating func settle() {
        guard !unsettled.isEmpty else { return }
        let keys = unsettled
        unsettled.removeAll(keepingCapacity: keys.count <= 16)
        for key in keys { update(key) { $0 = Slot(confirmed: $0.confirmed) } }
    }

    private mutating func change(_ key: [UInt8], _ body: (inout Slot) -> Void) {
        unsettled.insert(key)
        update(key, body)
    }

    private mutating func update(_ key: [UInt8], _ body: (inout Slot) -> Void) {
        var slot = slots.removeValue(forKey: key) ?? Slot()
        slotBytes -= slot.isEmpty ? 0 : slot.byteCount + key.count
        body(&slot)
        guard !slot.isEmpty else {
            if slots.isEmpty { heldHashes = 0 }
            return
        }
        slotBytes += slot.byteCount + key.count
        slots[key] = slot
        heldHashes |= Self.hashBit(key)
    }

    /// What a name as it came on the wire may stand for; nil if it is ordinary for certain.
    func lookUp(_ name: UnsafeRawBufferPointer, segment: UInt64) -> RememberedStatement? {
        holdsNothing(under: name) ? nil : lookUp(Self.key(name), segment: segment)
    }

    /// What the name may stand for; nil if it is ordinary for certain.
    func lookUp(_ key: [UInt8], segment: UInt64) -> RememberedStatement? {
        guard !isEmpty else { return nil }
        var candidates = suspects
        if let slot = slots[key] {
            if let newest = slot.newest, newest.segment == segment {
                if let record = newest.record { candidates.append(record) }
            } else {
                candidates += slot.older
                if let record = slot.newest?.record { candidates.append(record) }
                if let record = slot.confirmed { candidates.append(record) }
            }
        }
        guard let first = candidates.first else { return nil }
        return candidates.dropFirst().allSatisfy { $0 === first } ? first : .merged(Self.distinct(candidates))
    }

    /// Replies and requests no longer fit together: from now on every name may stand for any definition held.
    mutating func loseTrack() {
        for slot in slots.values {
            for record in slot.older + [slot.newest?.record, slot.confirmed].compactMap({ $0 }) {
                suspects = Self.adding(record, to: suspects)
            }
        }
        suspectBytes = suspects.reduce(0) { $0 + $1.byteCount }
    }

    private static func adding(_ record: RememberedStatement, to records: [RememberedStatement])
        -> [RememberedStatement]
    {
        if records.contains(where: { $0 === record }) { return records }
        return records.count < 16 ? records + [record] : [.merged(distinct(records + [record]))]
    }

    private static func distinct(_ records: [RememberedStatement]) -> [RememberedStatement] {
        var seen = Set<ObjectIdentifier>()
        return records.filter { seen.insert(ObjectIdentifier($0)).inserted }
    }
}
