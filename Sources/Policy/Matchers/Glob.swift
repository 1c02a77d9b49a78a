/// A pattern over names: `*` stands for any run of characters, `?` for exactly one, everything else for itself.
///
/// Case counts and the whole name must match. Names are compared byte by byte, as PostgreSQL compares them, so two
/// spellings of `é` are two names. Matching takes at most pattern × name steps and allocates nothing.
package struct Glob: Sendable, Hashable {
    /// The pattern as written.
    package let text: String
    private let pattern: [UInt8]

    package init(_ text: String) {
        self.text = text
        pattern = Array(text.utf8)
    }

    /// Whether the pattern has a wildcard; without one it is a plain name.
    package var hasWildcard: Bool { pattern.contains { $0 == Self.star || $0 == Self.one } }

    /// Whether every name matches: the pattern is made of `*` only.
    package var matchesEverything: Bool { !pattern.isEmpty && pattern.allSatisfy { $0 == Self.star } }

    /// Whether the whole name matches.
    package func matches(_ name: String) -> Bool {
        if let result = name.utf8.withContiguousStorageIfAvailable({ matches(bytes: $0) }) { return result }
        return Array(name.utf8).withUnsafeBufferPointer { matches(bytes: $0) }
    }

    private static let star = UInt8(ascii: "*")
    private static let one = UInt8(ascii: "?")

    /// Greedy matching with one point of return: when a later part fails, only the last `*` takes one character more.
    private func matches(bytes name: UnsafeBufferPointer<UInt8>) -> Bool {
        var here = 0
        var next = 0
        var lastStar: Int?
        var takenByStar = 0
        while here < name.count {
            if next < pattern.count, pattern[next] == Self.star {
                lastStar = next
                takenByStar = here
                next += 1
            } else if next < pattern.count, pattern[next] == Self.one {
                here = Self.characterEnd(in: name, from: here)
                next += 1
            } else if next < pattern.count, pattern[next] == name[here] {
                here += 1
                next += 1
            } else if let star = lastStar {
                takenByStar = Self.characterEnd(in: name, from: takenByStar)
                here = takenByStar
                next = star + 1
            } else {
                return false
            }
        }
        while next < pattern.count, pattern[next] == Self.star { next += 1 }
        return next == pattern.count
    }

    /// Where the UTF-8 character at `start` ends.
    private static func characterEnd(in name: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var end = start + 1
        while end < name.count, name[end] & 0xC0 == 0x80 { end += 1 }
        return end
    }
}

extension [Glob] {
    /// Whether any of the patterns matches.
    package func matches(_ name: String) -> Bool { contains { $0.matches(name) } }
}
