import Policy

/// A pattern for objects of the trail: `orders`, `public.*`, `table:*.order?`. `*` stands for any run of characters, `?` for
/// one; large and small letters are alike, since who searches seldom knows how a name was quoted.
///
/// A pattern without a dot means the whole name or any part of it: `orders` finds `public.orders` and `public.orders.price`.
package struct ObjectGlob: Sendable, Hashable {
    /// As written.
    package let text: String
    /// What stood in front of the colon: `table`.
    let kind: String?
    let pattern: [UInt8]
    private let glob: Glob
    private let hasDot: Bool

    /// Nil if there is no name in it.
    package init?(_ text: String) {
        self.text = text
        var name = Substring(text)
        var kind: String?
        if let colon = text.firstIndex(of: ":"), text[..<colon].allSatisfy({ $0.isLetter || $0 == "_" || $0 == " " }) {
            kind = String(text[..<colon]).lowercased()
            name = text[text.index(after: colon)...]
        }
        guard !name.isEmpty else { return nil }
        self.kind = kind
        pattern = FoldedText.fold(name)
        glob = Glob(String(decoding: pattern, as: UTF8.self))
        hasDot = name.contains(".")
    }

    func matches(_ object: AuditRecord.Object) -> Bool {
        if let kind, object.kind.lowercased() != kind { return false }
        let name = String(decoding: FoldedText.fold(object.name), as: UTF8.self)
        if glob.matches(name) { return true }
        return !hasDot && name.split(separator: ".").contains { glob.matches(String($0)) }
    }

    /// The names that an index has of an object which this may match; nil if that cannot be told from the pattern.
    var indexedNames: [String]? {
        guard !glob.hasWildcard else { return longestPart.map { [$0] } }
        return [String(decoding: pattern, as: UTF8.self)]
    }

    /// `public` of `public.ord*`: a part between dots without a wildcard.
    private var longestPart: String? {
        guard hasDot else { return nil }
        return String(decoding: pattern, as: UTF8.self).split(separator: ".")
            .filter { !$0.contains("*") && !$0.contains("?") }.max { $0.utf8.count < $1.utf8.count }.map(String.init)
    }

    /// Bytes that stand in every name which this may match, in a row: the longest such.
    var certainBytes: [UInt8] {
        pattern.split { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }.max { $0.count < $1.count }
            .map(Array.init) ?? []
    }
}
