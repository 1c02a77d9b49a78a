/// Collects what is wrong in one file.
final class IssueLog {
    let file: String
    let positions: TOMLPositions
    private(set) var issues: [ConfigurationIssue] = []

    init(file: String, positions: TOMLPositions) {
        self.file = file
        self.positions = positions
    }

    /// About the value that the path leads to.
    func error(at value: TOMLPath, _ message: String, _ remedy: String = "") {
        add(.error, positions.value(value), message, remedy)
    }

    /// About the key that the path ends with, or the block that it names.
    func error(atKey key: TOMLPath, _ message: String, _ remedy: String = "") {
        add(.error, positions.key(key), message, remedy)
    }

    func warning(at value: TOMLPath, _ message: String, _ remedy: String = "") {
        add(.warning, positions.value(value), message, remedy)
    }

    func warning(atKey key: TOMLPath, _ message: String, _ remedy: String = "") {
        add(.warning, positions.key(key), message, remedy)
    }

    private func add(
        _ severity: ConfigurationIssue.Severity, _ position: SourcePosition, _ message: String, _ remedy: String
    ) {
        issues.append(
            ConfigurationIssue(severity: severity, file: file, position: position, message: message, remedy: remedy))
    }
}

/// One table of the file: reads its keys as typed values and notes what is wrong with them.
///
/// Every reading function returns the fallback (or nil) after it has noted an error, so that one pass finds them all.
struct SectionReader {
    let path: TOMLPath
    let log: IssueLog
    private let members: [String: TOMLNode]

    init(_ members: [String: TOMLNode], path: TOMLPath, log: IssueLog) {
        self.members = members
        self.path = path
        self.log = log
    }

    /// A text and where it stands.
    struct Entry {
        var text: String
        var path: TOMLPath
    }

    func has(_ key: String) -> Bool { members[key] != nil }

    /// Whether the key holds a list with nothing in it.
    func listIsEmpty(_ key: String) -> Bool {
        guard case .array(let elements) = members[key] else { return false }
        return elements.isEmpty
    }

    func path(of key: String) -> TOMLPath { path + [.key(key)] }

    /// Notes every key that is not among the known ones.
    func rejectKeys(besides known: [String]) {
        for key in members.keys.sorted() where !known.contains(key) {
            log.error(
                atKey: path(of: key), "unknown key \"\(Self.shown(key))\"",
                Nearest.suggestion(for: key, among: known))
        }
    }

    func string(_ key: String, example: String) -> Entry? {
        guard let node = members[key] else { return nil }
        guard case .string(let text) = node else {
            log.error(at: path(of: key), "\"\(key)\" is \(node.typeName)", "write a text: \(key) = \"\(example)\"")
            return nil
        }
        return Entry(text: text, path: path(of: key))
    }

    /// A file's path as it stands, perhaps empty; nil where the key is absent or holds none.
    func filePath(_ key: String, example: String) -> Entry? {
        guard let entry = string(key, example: example) else { return nil }
        guard !entry.text.hasPrefix("~") else {
            log.error(
                at: entry.path, "\"~\" is not expanded here", "write the path from / on, or relative to this file")
            return nil
        }
        return entry
    }

    /// One of a few words.
    func word(_ key: String, among words: [String]) -> String? {
        guard let entry = string(key, example: words.first ?? "") else { return nil }
        guard words.contains(entry.text) else {
            log.error(
                at: entry.path, "\"\(Self.shown(entry.text))\" is no value of \"\(key)\"",
                Nearest.suggestion(for: entry.text, among: words))
            return nil
        }
        return entry.text
    }

    /// The key's value if it is a text; nothing is reported.
    func text(_ key: String) -> String? {
        guard case .string(let text) = members[key] else { return nil }
        return text
    }

    func boolean(_ key: String) -> Bool? {
        guard let node = members[key] else { return nil }
        guard case .boolean(let value) = node else {
            log.error(at: path(of: key), "\"\(key)\" is \(node.typeName)", "write true or false without quotes")
            return nil
        }
        return value
    }

    func integer(_ key: String, in range: ClosedRange<Int>, otherwise fallback: Int) -> Int {
        guard let node = members[key] else { return fallback }
        guard case .integer(let value) = node else {
            log.error(
                at: path(of: key), "\"\(key)\" is \(node.typeName), not a whole number",
                "write a number without quotes: \(key) = \(fallback)")
            return fallback
        }
        guard range.contains(value) else {
            log.error(
                at: path(of: key), "\(key) = \(value) is out of range",
                "write a number from \(range.lowerBound) to \(range.upperBound)")
            return fallback
        }
        return value
    }

    /// A duration such as `"30s"`; range and fallback in milliseconds.
    func duration(_ key: String, in range: ClosedRange<Int>, otherwise fallback: Int) -> Duration {
        let example = Quantity.text(milliseconds: fallback)
        guard let node = members[key] else { return .milliseconds(fallback) }
        guard case .string(let text) = node, let value = Quantity.milliseconds(text) else {
            log.error(
                at: path(of: key), "\"\(key)\" is no duration",
                "write a number and a unit (ms, s, m, h): \(key) = \"\(example)\"")
            return .milliseconds(fallback)
        }
        guard range.contains(value) else {
            let (low, high) = (
                Quantity.text(milliseconds: range.lowerBound), Quantity.text(milliseconds: range.upperBound)
            )
            log.error(at: path(of: key), "\(key) = \"\(text)\" is out of range", "write from \(low) to \(high)")
            return .milliseconds(fallback)
        }
        return .milliseconds(value)
    }

    /// A size such as `"16MB"`, in bytes; a bare number is bytes too.
    func size(_ key: String, in range: ClosedRange<Int>, otherwise fallback: Int) -> Int {
        guard let node = members[key] else { return fallback }
        let value: Int? =
            switch node {
            case .integer(let number): number
            case .string(let text): Quantity.bytes(text)
            case .float, .boolean, .date, .array, .table: nil
            }
        guard let value else {
            log.error(
                at: path(of: key), "\"\(key)\" is no size",
                "write a number and a unit (B, kB, MB, GB): \(key) = \"\(Quantity.text(bytes: fallback))\"")
            return fallback
        }
        guard range.contains(value) else {
            let (low, high) = (Quantity.text(bytes: range.lowerBound), Quantity.text(bytes: range.upperBound))
            log.error(at: path(of: key), "\(key) is out of range", "write from \(low) to \(high)")
            return fallback
        }
        return value
    }

    /// A list of texts; one text alone counts as a list of one.
    ///
    /// - Returns: nil when the key is absent or holds something else.
    func strings(_ key: String, example: String) -> [Entry]? {
        guard let node = members[key] else { return nil }
        let remedy = "write a list of texts: \(key) = [\"\(example)\"]"
        switch node {
        case .string(let text):
            return [Entry(text: text, path: path(of: key))]
        case .array(let elements):
            if elements.isEmpty {
                log.error(
                    at: path(of: key), "\"\(key)\" is empty and would match nothing", "leave the key out, or \(remedy)")
                return nil
            }
            return elements.enumerated().compactMap { index, element in
                let path = path(of: key) + [.index(index)]
                guard case .string(let text) = element else {
                    log.error(at: path, "an entry of \"\(key)\" is \(element.typeName)", remedy)
                    return nil
                }
                return Entry(text: text, path: path)
            }
        case .integer, .float, .boolean, .date, .table:
            log.error(at: path(of: key), "\"\(key)\" is \(node.typeName)", remedy)
            return nil
        }
    }

    /// A table of its own (`[log]`, or inline); an absent one is empty.
    func section(_ key: String) -> SectionReader {
        let path = path(of: key)
        switch members[key] {
        case nil:
            return SectionReader([:], path: path, log: log)
        case .table(let members):
            return SectionReader(members, path: path, log: log)
        case .array:
            log.error(atKey: path, "\"\(key)\" is a list", "write [\(key)] once, in single brackets")
        case .some(let node):
            log.error(at: path, "\"\(key)\" is \(node.typeName)", "write a table: [\(key)]")
        }
        return SectionReader([:], path: path, log: log)
    }

    /// The blocks of an array of tables (`[[rule]]`), in order.
    func blocks(_ key: String) -> [SectionReader] {
        let path = path(of: key)
        switch members[key] {
        case nil:
            return []
        case .array(let elements):
            return elements.enumerated().compactMap { index, element in
                let place = path + [.index(index)]
                guard case .table(let members) = element else {
                    log.error(at: place, "an entry of \"\(key)\" is \(element.typeName)", "write blocks: [[\(key)]]")
                    return nil
                }
                return SectionReader(members, path: place, log: log)
            }
        case .table:
            log.error(atKey: path, "[\(key)] stands in single brackets", "write [[\(key)]], once for each block")
            return []
        case .some(let node):
            log.error(at: path, "\"\(key)\" is \(node.typeName)", "write blocks: [[\(key)]]")
            return []
        }
    }

    /// A foreign text fit for an error message: one line, not endless.
    static func shown(_ text: String) -> String {
        let clean = String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 ? "?" : $0 }))
        return clean.count > 60 ? clean.prefix(60) + "…" : clean
    }
}
