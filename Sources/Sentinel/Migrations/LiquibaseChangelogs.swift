/// The change sets of Liquibase's changelogs in XML, YAML and SQL, as far as they stand there plainly: id and author.
/// Parameters (`${…}`) and JSON are not read, and said not to be.
struct LiquibaseChangelogs: Sendable, Equatable {
    struct ChangeSet: Sendable, Hashable {
        var id: String
        var author: String
    }

    private(set) var changeSets: [ChangeSet: String] = [:]
    private(set) var faults: [String] = []

    init(folder: String) throws(ScriptFolder.Fault) {
        let endings = [".xml", ".yaml", ".yml", ".sql", ".json"]
        let files = try ScriptFolder.files(in: folder, isRecursive: true) { path in
            endings.contains(where: path.hasSuffix)
        }
        for file in files {
            do throws(ScriptFolder.Fault) {
                let script = try ScriptFolder.read(folder, file)
                take(file, script.text)
            } catch {
                faults.append(error.reason)
            }
        }
        if changeSets.isEmpty, faults.isEmpty { faults.append("no change set is below \(folder)") }
    }

    /// From texts, for tests.
    init(files: [(file: String, text: String)]) { for (file, text) in files { take(file, text) } }

    private mutating func take(_ file: String, _ text: String) {
        let found: [ChangeSet]
        if file.hasSuffix(".xml") {
            found = Self.xml(text)
        } else if file.hasSuffix(".sql") {
            found = Self.sql(text)
        } else if file.hasSuffix(".json") {
            if text.contains("\"changeSet\"") { faults.append("\(file): changelogs in JSON are not read") }
            return
        } else {
            found = Self.yaml(text)
        }
        for change in found {
            if change.id.isEmpty || change.id.contains("${") || change.author.contains("${") {
                faults.append("\(file): a change set's id \"\(change.id)\" is only known when Liquibase runs")
            } else {
                changeSets[change] = file
            }
        }
    }

    private static func xml(_ text: String) -> [ChangeSet] {
        var found: [ChangeSet] = []
        var rest = Substring(text)
        while let open = rest.firstIndex(of: "<") {
            rest = rest[open...]
            if rest.hasPrefix("<!--") {
                guard let end = rest.firstRange(of: "-->") else { break }
                rest = rest[end.upperBound...]
            } else if rest.hasPrefix("<![CDATA[") {
                guard let end = rest.firstRange(of: "]]>") else { break }
                rest = rest[end.upperBound...]
            } else {
                let (name, attributes) = element(&rest)
                if name == "changeSet" || name.hasSuffix(":changeSet") {
                    found.append(ChangeSet(id: attributes["id"] ?? "", author: attributes["author"] ?? ""))
                }
            }
        }
        return found
    }

    /// Takes `<name key="value" …` off the text, up to and with its `>`.
    private static func element(_ rest: inout Substring) -> (name: String, attributes: [String: String]) {
        rest.removeFirst()
        let name = String(rest.prefix { !$0.isWhitespace && $0 != ">" && $0 != "/" })
        rest = rest.dropFirst(name.count)
        var attributes: [String: String] = [:]
        while let next = rest.first, next != ">" {
            guard !next.isWhitespace, next != "/", next != "?" else {
                rest.removeFirst()
                continue
            }
            let key = rest.prefix { !$0.isWhitespace && $0 != "=" && $0 != ">" }
            rest = rest.dropFirst(key.count).drop(while: \.isWhitespace)
            guard rest.first == "=" else {
                // Whatever this is, it is passed: without progress there would be no end.
                if key.isEmpty { rest = rest.dropFirst() }
                continue
            }
            rest = rest.dropFirst().drop(while: \.isWhitespace)
            guard let quote = rest.first, quote == "\"" || quote == "'" else { continue }
            rest.removeFirst()
            let value = String(rest.prefix { $0 != quote })
            rest = rest.dropFirst(value.count + 1)
            attributes[String(key)] = unescaped(value)
        }
        rest = rest.dropFirst()
        return (name, attributes)
    }

    private static func unescaped(_ text: String) -> String {
        text.contains("&")
            ? text.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
                .replacing("&apos;", with: "'").replacing("&amp;", with: "&")
            : text
    }

    /// `--changeset author:id attribute:value …`
    private static func sql(_ text: String) -> [ChangeSet] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            var rest = line.drop(while: \.isWhitespace)
            guard rest.hasPrefix("--") else { return nil }
            rest = rest.dropFirst(2).drop(while: \.isWhitespace)
            guard rest.lowercased().hasPrefix("changeset ") else { return nil }
            rest = rest.dropFirst("changeset ".count).drop(while: \.isWhitespace)
            guard let colon = rest.firstIndex(of: ":") else { return nil }
            let id = rest[rest.index(after: colon)...].prefix { !$0.isWhitespace }
            return ChangeSet(id: unquoted(id), author: unquoted(rest[..<colon]))
        }
    }

    /// `- changeSet:` with `id:` and `author:` among the keys right below it.
    private static func yaml(_ text: String) -> [ChangeSet] {
        var found: [ChangeSet] = []
        var open: (indent: Int, keys: Int?, change: ChangeSet)?
        for line in text.split(whereSeparator: \.isNewline) {
            let bare = line.drop { $0 == " " }
            if bare.isEmpty || bare.hasPrefix("#") { continue }
            let indent = line.count - bare.count
            if let current = open, indent <= current.indent {
                found.append(current.change)
                open = nil
            }
            let item = bare.hasPrefix("- ") ? bare.dropFirst(2).drop { $0 == " " } : bare
            if item.hasPrefix("changeSet:") {
                open = (indent, nil, ChangeSet(id: "", author: ""))
                continue
            }
            guard var current = open else { continue }
            let keys = current.keys ?? indent
            current.keys = keys
            if indent == keys, let colon = bare.firstIndex(of: ":") {
                let value = unquoted(bare[bare.index(after: colon)...])
                switch bare[..<colon] {
                case "id": current.change.id = value
                case "author": current.change.author = value
                default: break
                }
            }
            open = current
        }
        if let open { found.append(open.change) }
        return found
    }

    /// A scalar without quotes, blanks and a comment behind it.
    private static func unquoted(_ text: Substring) -> String {
        let bare = text.drop(while: \.isWhitespace)
        if let quote = bare.first, quote == "\"" || quote == "'" {
            return String(bare.dropFirst().prefix { $0 != quote })
        }
        let value = bare.firstRange(of: " #").map { bare[..<$0.lowerBound] } ?? bare
        return String(value.reversed().drop(while: \.isWhitespace).reversed())
    }
}
