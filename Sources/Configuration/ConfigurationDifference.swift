import SQLParsing

/// What is not the same in two texts of proxy.conf: setting by setting, comments and layout left aside.
package enum ConfigurationDifference {
    /// A setting that one of the texts has, or both have with other values.
    package struct Change: Sendable, Equatable {
        /// `max_clients`, `audit.durability`, `rule "keep tables".action`, `limit 2.clients`.
        package var key: String
        /// As the file has it, secrets replaced; nil where it is not in it.
        package var old: String?
        package var new: String?
    }

    /// The changes, in the alphabetical order of their keys.
    ///
    /// Blocks are told apart by their `name`, else by their number; if blocks that both texts have are in another order, that
    /// is a change, too: of `rule order`. Texts that are no TOML count as empty.
    package static func changes(from old: String, to new: String) -> [Change] {
        let (before, after) = (settings(of: old), settings(of: new))
        var changes: [Change] = []
        for key in Set(before.values.keys).union(after.values.keys).sorted()
        where before.values[key] != after.values[key] {
            changes.append(Change(key: key, old: before.values[key], new: after.values[key]))
        }
        for (block, names) in before.order.sorted(by: { $0.key < $1.key }) {
            let others = after.order[block] ?? []
            let kept = names.filter(others.contains)
            let reordered = others.filter(names.contains)
            if kept != reordered {
                changes.append(
                    Change(
                        key: "\(block) order", old: kept.joined(separator: ", "), new: reordered.joined(separator: ", ")
                    ))
            }
        }
        return changes
    }

    private struct Settings {
        var values: [String: String] = [:]
        /// The blocks of each kind that have names.
        var order: [String: [String]] = [:]

        mutating func take(_ node: TOMLNode, _ path: String) {
            switch node {
            case .table(let members):
                for (key, member) in members { take(member, path.isEmpty ? shown(key) : "\(path).\(shown(key))") }
            case .array(let elements) where !elements.isEmpty && elements.allSatisfy(\.isTable):
                var seen: Set<String> = []
                for (index, element) in elements.enumerated() {
                    var label = String(index + 1)
                    if let name = element.name, seen.insert(name).inserted {
                        label = quoted(name)
                        order[path, default: []].append(label)
                    }
                    // So that an empty block is seen, too.
                    values["\(path) \(label)"] = "[[\(path)]]"
                    take(element, "\(path) \(label)")
                }
            default:
                let isSecret = Self.secretWords.contains { path.lowercased().contains($0) }
                values[path] = isSecret ? "***" : text(node)
            }
        }

        private static let secretWords = ["password", "secret", "token", "webhook"]

        private func text(_ node: TOMLNode) -> String {
            switch node {
            case .string(let text): quoted(SecretRedaction.redacted(text: text))
            case .integer(let number): String(number)
            case .float(let number): String(number)
            case .boolean(let value): String(value)
            case .date: "a date"
            case .array(let elements): "[\(elements.map(text).joined(separator: ", "))]"
            case .table(let members):
                "{ "
                    + members.sorted { $0.key < $1.key }.map { "\(shown($0.key)) = \(text($0.value))" }
                    .joined(separator: ", ") + " }"
            }
        }

        private func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }

        private func shown(_ key: String) -> String {
            let isBare =
                !key.isEmpty
                && key.unicodeScalars.allSatisfy { scalar in
                    scalar.isASCII
                        && (scalar.properties.isAlphabetic || scalar == "_" || scalar == "-"
                            || ("0"..."9").contains(scalar))
                }
            return isBare ? key : quoted(key)
        }
    }

    private static func settings(of text: String) -> Settings {
        var settings = Settings()
        if let document = try? TOMLDocument(text) { settings.take(document.root, "") }
        return settings
    }
}

extension TOMLNode {
    fileprivate var isTable: Bool {
        if case .table = self { return true }
        return false
    }

    /// What a block calls itself.
    fileprivate var name: String? {
        guard case .table(let members) = self, case .string(let name) = members["name"] else { return nil }
        return name
    }
}
