import Policy
import SQLParsing

/// Reads `[[rule]]` blocks, and the lists of class and group names that `[audit]` has too.
struct RuleReader {
    /// The tags that sessions can have.
    let tags: Set<String>

    static let keys = ["name", "tags", "classes", "objects", "except", "action", "message", "hint"]
    static let exceptionKeys = ["users", "databases", "objects"]
    static let maximumTextBytes = 1000

    func read(_ block: SectionReader) -> Rule? {
        block.rejectKeys(besides: Self.keys)
        let name = name(of: block)
        let action = action(of: block)
        if !block.has("classes") {
            block.log.error(
                atKey: block.path, "a [[rule]] block has no classes",
                "write classes = [\"table_loss\"], or [\"any\"] for every statement that has a class")
        }
        let classes = Self.classes("classes", in: block)
        let rule = Rule(
            name: name ?? "",
            tags: block.has("tags") ? PatternReader.tags("tags", in: block, known: tags) : [Glob("*")],
            classes: classes ?? [], objects: objects("objects", in: block),
            exceptions: exceptions(of: block), action: action ?? .block, message: text("message", in: block),
            hint: text("hint", in: block))
        return name == nil || action == nil || classes == nil ? nil : rule
    }

    /// The union of the classes and groups of a list.
    static func classes(_ key: String, in block: SectionReader) -> ClassSet? {
        guard let entries = block.strings(key, example: "table_loss") else { return nil }
        var classes: ClassSet = []
        for entry in entries {
            if let group = ClassGroup(rawValue: entry.text) {
                classes.formUnion(group.classes)
            } else if let member = StatementClass(name: entry.text) {
                classes.insert(member)
            } else {
                let groups = ClassGroup.allCases.map(\.rawValue)
                let nearest = Nearest.name(to: entry.text, among: groups + StatementClass.allCases.map(\.name))
                block.log.error(
                    at: entry.path, "no class or group is called \"\(SectionReader.shown(entry.text))\"",
                    nearest.map { "did you mean \"\($0)\"?" }
                        ?? "groups are \(groups.joined(separator: ", ")); the classes stand in docs/configuration.md")
            }
        }
        return classes
    }

    private func name(of block: SectionReader) -> String? {
        let entry = PatternReader.name(
            of: block, kind: "rule", example: "keep tables", reason: "refusals and the audit trail show it")
        guard let entry else { return nil }
        guard !entry.text.hasPrefix("holdfast:") else {
            block.log.error(
                at: entry.path, "names that begin with \"holdfast:\" are Holdfast's own", "choose another name")
            return nil
        }
        return entry.text
    }

    private func action(of block: SectionReader) -> RuleAction? {
        guard block.has("action") else {
            block.log.error(
                atKey: block.path, "a [[rule]] block has no action",
                "write action = \"block\", \"warn\" or \"allow\"")
            return nil
        }
        return block.word("action", among: ["block", "warn", "allow"]).flatMap(RuleAction.init(rawValue:))
    }

    private func objects(_ key: String, in block: SectionReader) -> [ObjectPattern] {
        (block.strings(key, example: "public.*") ?? []).compactMap { PatternReader.object($0, log: block.log) }
    }

    private func exceptions(of block: SectionReader) -> Rule.Exceptions {
        let except = block.section("except")
        except.rejectKeys(besides: Self.exceptionKeys)
        let names = { (key: String, example: String) in
            (except.strings(key, example: example) ?? []).compactMap { PatternReader.glob($0, log: block.log) }
        }
        return Rule.Exceptions(
            users: names("users", "migrator"), databases: names("databases", "scratch"),
            objects: objects("objects", in: except))
    }

    private func text(_ key: String, in block: SectionReader) -> String? {
        guard let entry = block.string(key, example: "…") else { return nil }
        guard entry.text.utf8.count <= Self.maximumTextBytes else {
            block.log.error(
                at: entry.path, "\"\(key)\" has \(entry.text.utf8.count) bytes",
                "write at most \(Self.maximumTextBytes): it goes into one error message")
            return nil
        }
        return entry.text.isEmpty ? nil : entry.text
    }
}
