extension AuditRecord.Statement {
    /// Cuts a text that is longer than so many bytes of UTF-8: three quarters of them stay of its beginning, one of its end.
    /// Never within a character.
    package mutating func shorten(to limit: Int) {
        let count = sql.utf8.count
        guard count > limit else { return }
        var text = sql
        let hash = text.withUTF8 { AuditHash.hex(AuditHash.sha256($0)) }
        let head = text.boundary(near: limit - limit / 4, isBefore: true)
        let tail = text.boundary(near: count - limit / 4, isBefore: false)
        sql = String(text.unicodeScalars[..<head])
        excerpt = AuditRecord.Excerpt(
            byteCount: Int64(count), hash: hash, tail: String(text.unicodeScalars[tail...]))
    }
}

extension String {
    /// The nearest place between two scalars, at or before so many bytes from the start, or at or behind it.
    fileprivate func boundary(near offset: Int, isBefore: Bool) -> Index {
        var index = utf8.index(utf8.startIndex, offsetBy: offset)
        while index < endIndex, index > startIndex, UTF8.isContinuation(utf8[index]) {
            index = isBefore ? utf8.index(before: index) : utf8.index(after: index)
        }
        return index
    }
}
