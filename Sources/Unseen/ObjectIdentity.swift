/// The names in an object's identity as PostgreSQL writes it (`pg_identify_object`): `public."Odd name"`,
/// `t on public.orders`, `public.f(integer)`, `for public.t.c`.
package struct ObjectIdentity: Sendable, Equatable {
    /// The dotted names outside parentheses, unquoted, in order: for `t on public.orders` `[["t"], ["public", "orders"]]`.
    package var names: [[String]]

    package init(_ text: String) {
        var reader = Reader(text)
        names = reader.names()
    }

    /// The object itself.
    package var object: [String] { names.first ?? [] }

    /// What the object is a part of, if the identity says so: the table of `t on public.orders`, of the column
    /// `public.t.c` when it is known to be one.
    package func owner(objectType: String) -> [String] {
        if objectType.hasSuffix("column") || objectType == "default value" { return Array(object.dropLast()) }
        return names.count > 1 ? names[1] : []
    }

    /// The ways to write a dotted name short: `["a", "b"]` is `a.b` and `b`.
    package static func spellings(of name: [String]) -> Set<String> {
        Set(name.indices.map { name[$0...].joined(separator: ".") })
    }

    private struct Reader {
        private let scalars: [Unicode.Scalar]
        private var position = 0

        init(_ text: String) { scalars = Array(text.unicodeScalars) }

        mutating func names() -> [[String]] {
            var names: [[String]] = []
            var depth = 0
            while position < scalars.count {
                switch scalars[position] {
                case "(":
                    depth += 1
                    position += 1
                case ")":
                    depth -= 1
                    position += 1
                case " ", ",", "[", "]":
                    position += 1
                case "\"" where depth > 0:
                    _ = part()
                default:
                    if depth > 0 {
                        position += 1
                    } else {
                        let name = self.name()
                        if name.isWord || !Self.connectives.contains(name.parts.first ?? "") {
                            names.append(name.parts)
                        }
                    }
                }
            }
            return names
        }

        /// Words between names, where they stand alone and unquoted.
        private static let connectives: Set<String> = ["on", "for", "in", "USING", "publication", "server", "language"]

        private mutating func name() -> (parts: [String], isWord: Bool) {
            let isQuoted = scalars[position] == "\""
            var parts = [part()]
            while position < scalars.count, scalars[position] == "." {
                position += 1
                guard position < scalars.count else { break }
                parts.append(part())
            }
            return (parts, isQuoted || parts.count > 1)
        }

        /// One identifier or operator, quoted or not. Moves on by at least one character.
        private mutating func part() -> String {
            var text = String.UnicodeScalarView()
            guard scalars[position] == "\"" else {
                repeat {
                    text.append(scalars[position])
                    position += 1
                } while position < scalars.count && !" .,()[]\"".unicodeScalars.contains(scalars[position])
                return String(text)
            }
            position += 1
            while position < scalars.count {
                if scalars[position] == "\"" {
                    guard position + 1 < scalars.count, scalars[position + 1] == "\"" else { break }
                    position += 1
                }
                text.append(scalars[position])
                position += 1
            }
            position += 1
            return String(text)
        }
    }
}
