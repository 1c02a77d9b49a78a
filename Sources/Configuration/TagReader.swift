import Policy

/// Reads `[[tag]]` blocks.
struct TagReader {
    let listeners: [ListenAddress]

    static let keys = [
        "name", "database", "user", "application_name", "client", "listener", "certificate", "os_user",
        "trust_application_name",
    ]
    private static let conditions = [
        "database", "user", "application_name", "client", "listener", "certificate", "os_user",
    ]

    func read(_ block: SectionReader) -> TagRule? {
        block.rejectKeys(besides: Self.keys)
        let name = name(of: block)
        let rule = TagRule(
            tag: name ?? Tag.production, databases: globs("database", in: block, example: "*_test"),
            users: globs("user", in: block, example: "ci"),
            applicationNames: globs("application_name", in: block, example: "pytest*"), clients: clients(in: block),
            listeners: listeners(in: block),
            certificates: globs("certificate", in: block, example: "CN=ci,*"),
            osUsers: globs("os_user", in: block, example: "deploy"))
        let trustsApplicationName = block.boolean("trust_application_name") ?? false
        guard let name else { return nil }
        if !Self.conditions.contains(where: block.has) {
            block.log.error(
                atKey: block.path, "the tag \"\(name)\" has no condition and would claim every session",
                "give one of \(Self.conditions.joined(separator: ", ")); for every session write database = [\"*\"]")
            return nil
        }
        if rule.restsOnApplicationNameAlone, name != Tag.production, !trustsApplicationName {
            block.log.error(
                atKey: block.path(of: "application_name"),
                "the tag \"\(name)\" rests on application_name alone, which every client chooses freely: anyone could "
                    + "leave \"production\" by naming itself so",
                "add database, user, client or listener, or accept it with trust_application_name = true in this block")
        }
        return rule
    }

    /// The tag's name: letters, digits, `_`, `-` and `.`.
    private func name(of block: SectionReader) -> String? {
        guard block.has("name") else {
            block.log.error(atKey: block.path, "a [[tag]] block has no name", "write name = \"test\"")
            return nil
        }
        guard let entry = block.string("name", example: "test") else { return nil }
        let isFit = entry.text.unicodeScalars.allSatisfy { scalar in
            scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_" || scalar == "-"
                || scalar == "."
        }
        guard isFit, !entry.text.isEmpty, entry.text.utf8.count <= 63 else {
            block.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no name for a tag",
                "write 1 to 63 letters, digits, \"_\", \"-\" or \".\"")
            return nil
        }
        return entry.text
    }

    private func globs(_ key: String, in block: SectionReader, example: String) -> [Glob] {
        (block.strings(key, example: example) ?? []).compactMap { PatternReader.glob($0, log: block.log) }
    }

    private func clients(in block: SectionReader) -> [ClientPattern] {
        (block.strings("client", example: "10.0.0.0/8") ?? []).compactMap { PatternReader.client($0, log: block.log) }
    }

    /// Listeners are named as under `listen`; a name that is no listener can never match.
    private func listeners(in block: SectionReader) -> [Glob] {
        (block.strings("listener", example: listeners.first?.text ?? "127.0.0.1:6543") ?? []).compactMap { entry in
            guard let glob = PatternReader.glob(entry, log: block.log) else { return nil }
            if !listeners.contains(where: { glob.matches($0.text) }) {
                block.log.error(
                    at: entry.path, "no listener is called \"\(SectionReader.shown(entry.text))\"",
                    "write one of those under listen: \(listeners.map(\.text).joined(separator: ", "))")
                return nil
            }
            return glob
        }
    }
}

/// Reads what several sections share.
enum PatternReader {
    static let maximumNameBytes = 100

    /// The name of a `[[rule]]` or `[[limit]]` block.
    static func name(of block: SectionReader, kind: String, example: String, reason: String) -> SectionReader.Entry? {
        guard block.has("name") else {
            block.log.error(
                atKey: block.path, "a [[\(kind)]] block has no name", "write name = \"\(example)\": \(reason)")
            return nil
        }
        guard let entry = block.string("name", example: example) else { return nil }
        let isFit =
            !entry.text.isEmpty && entry.text.utf8.count <= maximumNameBytes
            && entry.text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard isFit else {
            block.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no name for a \(kind)",
                "write 1 to \(maximumNameBytes) bytes on one line")
            return nil
        }
        return entry
    }

    /// Patterns over tags. A tag that no block gives is most likely a slip, and then the block concerns nobody.
    static func tags(_ key: String, in block: SectionReader, known: Set<String>) -> [Glob] {
        (block.strings(key, example: Tag.production) ?? []).compactMap { entry in
            guard let glob = glob(entry, log: block.log) else { return nil }
            if !known.contains(where: { glob.matches($0) }) {
                block.log.warning(
                    at: entry.path, "no [[tag]] block gives the tag \"\(SectionReader.shown(entry.text))\"",
                    Nearest.suggestion(for: entry.text, among: known.sorted()))
            }
            return glob
        }
    }

    static func glob(_ entry: SectionReader.Entry, log: IssueLog) -> Glob? {
        guard !entry.text.isEmpty else {
            log.error(at: entry.path, "an empty pattern matches nothing", "write a name, or \"*\" for every name")
            return nil
        }
        return Glob(entry.text)
    }

    static func client(_ entry: SectionReader.Entry, log: IssueLog) -> ClientPattern? {
        if entry.text == "local" { return .local }
        let message = "\"\(SectionReader.shown(entry.text))\" is no address range"
        do throws(AddressRange.Fault) {
            return .range(try AddressRange(entry.text))
        } catch {
            switch error {
            case .notAnAddress:
                log.error(
                    at: entry.path, message,
                    "write an address or a range like \"10.0.0.0/8\" or \"fd00::/8\", or \"local\" for a Unix-domain socket"
                )
            case .prefixOutOfRange(let maximum):
                log.error(at: entry.path, message, "the prefix is a number from 0 to \(maximum)")
            case .bitsAfterPrefix(let meant):
                log.error(at: entry.path, message, "bits after the prefix are set; write \"\(meant)\"")
            }
            return nil
        }
    }

    static func object(_ entry: SectionReader.Entry, log: IssueLog) -> ObjectPattern? {
        let message = "\"\(SectionReader.shown(entry.text))\" is no object pattern"
        do throws(ObjectPattern.Fault) {
            return try ObjectPattern(entry.text)
        } catch {
            switch error {
            case .unknownKind(let word):
                log.error(
                    at: entry.path, "\"\(SectionReader.shown(word))\" is no kind of object",
                    Nearest.suggestion(for: word, among: ObjectPattern.kindNames))
            case .emptyPart:
                log.error(
                    at: entry.path, message, "write \"users\", \"public.users\", \"public.*\" or \"table:public.*\"")
            case .tooManyParts:
                log.error(
                    at: entry.path, message,
                    "at most schema.table.column; for a dot within a name write \"?\"")
            }
            return nil
        }
    }
}
