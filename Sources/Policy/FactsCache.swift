import Glibc
import SQLParsing

/// The facts of texts that come again and again, as those of an object-relational mapper do: a 2 KB join that has to be
/// parsed costs 25 µs, found here 0.3.
///
/// Everything that facts are made of is compared with every look: all bytes of the text, the lexical settings, and what
/// code in the database may do. Rules are not, because only facts without a class are kept: of those no rule can say
/// anything, whatever it is, and no trail has them.
///
/// One for each judge, ``slotCount`` texts at most. A text is kept when it has come twice: texts that hold values come
/// once, and cost no copy.
struct FactsCache: ~Copyable {
    /// Longer texts are not kept.
    static let textLimit = 8 << 10
    static let slotCount = 256

    private struct Slot {
        /// Of the text that was seen last and was not the one that is kept.
        var candidate: UInt64 = 0
        var hash: UInt64 = 0
        var text: [UInt8] = []
        var settings = LexicalSettings()
        var hazards = HazardIndex()
        var facts: TextFacts?
    }

    /// Empty until the first text is to be kept.
    private var slots: [Slot] = []

    /// What is known of the text.
    func facts(
        of text: UnsafeRawBufferPointer, settings: LexicalSettings, hazards: HazardIndex
    ) -> TextFacts? {
        guard !slots.isEmpty, text.count <= Self.textLimit else { return nil }
        let hash = Self.hash(text)
        let index = Int(truncatingIfNeeded: hash >> 56)
        guard slots[index].hash == hash, let facts = slots[index].facts, slots[index].settings == settings,
            slots[index].hazards.isSame(as: hazards), slots[index].text.withUnsafeBytes({ $0.isSame(as: text) })
        else { return nil }
        return facts
    }

    /// The text has these facts, and was not found.
    mutating func note(
        _ facts: TextFacts, of text: UnsafeRawBufferPointer, settings: LexicalSettings, hazards: HazardIndex
    ) {
        guard facts.classes.isEmpty, text.count <= Self.textLimit, !text.isEmpty else { return }
        if slots.isEmpty { slots = Array(repeating: Slot(), count: Self.slotCount) }
        let hash = Self.hash(text)
        let index = Int(truncatingIfNeeded: hash >> 56)
        guard slots[index].candidate == hash else {
            slots[index].candidate = hash
            return
        }
        slots[index] = Slot(
            candidate: 0, hash: hash, text: Array(text), settings: settings, hazards: hazards, facts: facts)
    }

    /// Two lanes of eight bytes each, so that one multiplication need not wait for the other. Whoever finds two texts with
    /// one hash has them put each other out, nothing more.
    private static func hash(_ text: UnsafeRawBufferPointer) -> UInt64 {
        let (odd, other): (UInt64, UInt64) = (0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F)
        var first = UInt64(truncatingIfNeeded: text.count) &* odd
        var second = other
        var at = 0
        while at + 16 <= text.count {
            first = (first ^ text.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* odd
            second = (second ^ text.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)) &* other
            first ^= first >> 29
            second ^= second >> 31
            at += 16
        }
        if at < text.count, text.count >= 16 {
            // The last sixteen bytes, of which some have been taken already.
            at = text.count - 16
            first = (first ^ text.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* odd
            second = (second ^ text.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)) &* other
            at = text.count
        }
        while at < text.count {
            first = (first ^ UInt64(text[at])) &* odd
            at += 1
        }
        let sum = (first ^ first >> 32) &* other ^ (second ^ second >> 29) &* odd
        return (sum ^ sum >> 32) &* odd
    }
}

extension UnsafeRawBufferPointer {
    /// Both have the same bytes.
    func isSame(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let first = baseAddress, let second = other.baseAddress else { return isEmpty }
        // Both buffers have so many bytes. A byte at a time, comparing would take as long as judging.
        return memcmp(first, second, count) == 0
    }
}
