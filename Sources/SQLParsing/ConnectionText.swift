internal import CPgQuery

/// The database that a connection string leads to (manual, "Connection Strings"), as far as its text says.
enum ConnectionText {
    /// - Parameter text: a constant with `dbname=…` or a URI; else the place is unknown.
    static func place(in text: Swift.String) -> EffectPlace {
        if text.hasPrefix("postgres://") || text.hasPrefix("postgresql://") { return uri(text) }
        var name: Swift.String?
        var rest = Substring(text)
        while true {
            rest = rest.drop { $0.isWhitespace }
            if rest.isEmpty { break }
            guard let sign = rest.firstIndex(of: "=") else { return .unknown }
            let key = rest[..<sign].filter { !$0.isWhitespace }
            rest = rest[rest.index(after: sign)...].drop { $0.isWhitespace }
            let value = Self.value(&rest)
            // Another service, or a string in a string, may lead anywhere. The last of a repeated key counts.
            if key == "service" { return .unknown }
            if key == "dbname" { name = value }
        }
        guard let name, !name.isEmpty, !name.contains("="), !name.contains("://") else { return .unknown }
        return .database(name)
    }

    /// Of the first argument of a dblink function: a connection string, or the name of a connection that is open already.
    static func place(of argument: TreeNode?) -> EffectPlace {
        guard let argument, let text = ConstantText.constant(argument) else { return .unknown }
        return place(in: Swift.String(decoding: text, as: UTF8.self))
    }

    /// Of a foreign server's options.
    ///
    /// - Parameter isWhole: what is not given has its default; else it stays as it is.
    static func place(
        inOptions options: UnsafeMutablePointer<List>?, ofWrapper wrapper: Swift.String, isWhole: Bool
    ) -> EffectPlace {
        var found = EffectPlace.here
        for option in TreeList(options) {
            let element = option.node(DefElem.self).pointee
            if TreeName.text(element.defname) == "service" { return .unknown }
            guard TreeName.text(element.defname) == "dbname", let value = element.arg else { continue }
            found = TreeName.text(of: TreeNode(value)).map { .database($0) } ?? .unknown
        }
        let speaksPostgres = wrapper == "postgres_fdw" || wrapper == "dblink_fdw"
        return found == .here && isWhole && speaksPostgres ? .unknown : found
    }

    private static func uri(_ text: Swift.String) -> EffectPlace {
        // postgresql://user@host/dbname?key=value; a key dbname behind the question mark would beat the path.
        guard let authority = text.firstRange(of: "://")?.upperBound else { return .unknown }
        let parts = text[authority...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard
            parts.count == 1 || !(parts[1].contains("dbname") || parts[1].contains("service") || parts[1].contains("%"))
        else { return .unknown }
        let path = parts[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        // An @ there: a slash in a password has cut the authority short.
        guard path.count == 2, !path[1].isEmpty, !path[1].contains(where: { "%@".contains($0) }) else {
            return .unknown
        }
        return .database(Swift.String(path[1]))
    }

    /// A value, quoted or not, with backslashes.
    private static func value(_ rest: inout Substring) -> Swift.String {
        var value = ""
        let isQuoted = rest.first == "'"
        if isQuoted { rest = rest.dropFirst() }
        while let character = rest.first {
            rest = rest.dropFirst()
            if character == "\\" {
                if let escaped = rest.popFirst() { value.append(escaped) }
            } else if isQuoted ? character == "'" : character.isWhitespace {
                break
            } else {
                value.append(character)
            }
        }
        return value
    }
}
