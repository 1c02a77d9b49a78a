/// What a misspelt word was probably meant to be.
enum Nearest {
    /// The candidate with the fewest edits, if they are few enough for a slip; the first of several.
    static func name(to word: String, among candidates: [String]) -> String? {
        let written = Array(word.lowercased().unicodeScalars.prefix(64))
        let allowed = max(1, min(3, written.count / 3))
        var best: (name: String, edits: Int)?
        for candidate in candidates {
            let edits = distance(written, Array(candidate.unicodeScalars))
            if edits <= allowed, edits < best?.edits ?? .max { best = (candidate, edits) }
        }
        return best?.name
    }

    /// `did you mean "listen"?`, or else all that is possible.
    static func suggestion(for word: String, among candidates: [String]) -> String {
        if let name = name(to: word, among: candidates) { return "did you mean \"\(name)\"?" }
        return "possible are \(candidates.joined(separator: ", "))"
    }

    /// Insertions, deletions, replacements and swaps of neighbours between two words.
    private static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        guard !left.isEmpty else { return right.count }
        guard !right.isEmpty else { return left.count }
        var rows = [Array(0...right.count)]
        for i in 1...left.count {
            var row = [i]
            for j in 1...right.count {
                let cost = left[i - 1] == right[j - 1] ? 0 : 1
                var edits = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + cost)
                if i > 1, j > 1, left[i - 1] == right[j - 2], left[i - 2] == right[j - 1] {
                    edits = min(edits, rows[i - 2][j - 2] + 1)
                }
                row.append(edits)
            }
            rows.append(row)
        }
        return rows[left.count][right.count]
    }
}
