/// Builds a ``HazardIndex``: reads every routine, then follows calls, triggers, rules and all other edges backwards from
/// those that do harm.
///
/// Keeps the readings of texts from one snapshot to the next, so that only what changed is read again. One thread's.
package struct HazardBuilder {
    private struct Text: Hashable {
        var language: CatalogContents.Language
        var source: String
        var sqlBody: String?
        var name: String
        var library: String
    }

    private var known: [Text: RoutineReading] = [:]

    /// Effects beyond this many of one object add only classes that are new.
    private static let effectLimit = 40
    private static let pathLimit = 600

    package init() {}

    /// An index of what the contents say.
    package mutating func index(of contents: CatalogContents) -> HazardIndex {
        var readings: [String: RoutineReading] = [:]
        var current: [Text: RoutineReading] = [:]
        for routine in contents.routines {
            let text = Text(
                language: routine.language, source: routine.source, sqlBody: routine.sqlBody,
                name: routine.schema + "." + routine.name, library: routine.library)
            let reading = known[text] ?? routine.reading()
            current[text] = reading
            readings[routine.key] = reading
        }
        for rule in contents.rules {
            let text = Text(language: .sql, source: rule.sql, sqlBody: nil, name: "", library: "")
            let reading = known[text] ?? RoutineReading(definition: rule.sql, own: "")
            current[text] = reading
            readings[rule.key] = reading
        }
        known = current
        var graph = HazardGraph(contents)
        for (key, reading) in readings {
            for mention in reading.mentions { graph.connect(key, mention) }
        }
        for (key, reading) in readings.sorted(by: { $0.key < $1.key }) where !reading.effects.isEmpty {
            graph.spread(from: key, reading, effectLimit: Self.effectLimit, pathLimit: Self.pathLimit)
        }
        return graph.index(of: contents)
    }
}

/// The objects of a catalog, who uses whom, and what each may do.
private struct HazardGraph {
    private struct Step {
        var user: String
        var label: String
    }

    private struct Found {
        var effects: [Effect] = []
        var classes: ClassSet = []
        var path = ""
    }

    /// Who uses a node.
    private var users: [String: [Step]] = [:]
    private var found: [String: Found] = [:]
    private var titles: [String: String] = [:]
    private var functions: [String: [CatalogContents.Routine]] = [:]
    private var relations: [String: [CatalogContents.Named]] = [:]
    private var types: [String: [CatalogContents.Named]] = [:]
    private var operators: [String: [CatalogContents.Named]] = [:]

    init(_ contents: CatalogContents) {
        for routine in contents.routines {
            functions[routine.name, default: []].append(routine)
            titles[routine.key] = (routine.isProcedure ? "procedure " : "function ") + routine.name
        }
        for relation in contents.relations {
            relations[relation.name, default: []].append(relation)
            for mode in AccessMode.allCases { titles[relation.key + mode.rawValue] = mode.verb + " " + relation.name }
        }
        for type in contents.types {
            types[type.name, default: []].append(type)
            titles[type.key] = "type " + type.name
        }
        for named in contents.operators {
            operators[named.name, default: []].append(named)
            titles[named.key] = "operator " + named.name
        }
        for edge in contents.edges { add(from: edge.from, to: edge.to, label: edge.label) }
    }

    private mutating func add(from: String, to: String, label: String) {
        users[to, default: []].append(Step(user: from, label: label))
    }

    /// What a body names: every object of that name, as the search_path is not known.
    mutating func connect(_ key: String, _ mention: Mention) {
        func fits(_ schema: String) -> Bool { mention.schema == nil || mention.schema == schema }
        switch mention.use {
        case .call(let count):
            for routine in functions[mention.name] ?? [] where fits(routine.schema) && routine.accepts(count) {
                add(from: key, to: routine.key, label: "")
            }
        case .field:
            for routine in functions[mention.name] ?? [] where routine.takesRow {
                add(from: key, to: routine.key, label: "")
            }
        case .function:
            for routine in functions[mention.name] ?? [] where fits(routine.schema) {
                add(from: key, to: routine.key, label: "")
            }
        case .relation(let mode):
            for relation in relations[mention.name] ?? [] where fits(relation.schema) {
                add(from: key, to: relation.key + mode.rawValue, label: "")
            }
        case .allRelations(let mode):
            for relation in relations.values.joined() { add(from: key, to: relation.key + mode.rawValue, label: "") }
        case .type:
            for type in (types[mention.name] ?? []) + (mention.elementName.flatMap { types[$0] } ?? [])
            where fits(type.schema) {
                add(from: key, to: type.key, label: "")
            }
        case .operator:
            for named in operators[mention.name] ?? [] where fits(named.schema) {
                add(from: key, to: named.key, label: "")
            }
        }
    }

    /// Carries what a node does to everything that uses it, nearest first.
    mutating func spread(from sink: String, _ reading: RoutineReading, effectLimit: Int, pathLimit: Int) {
        var queue = [(key: sink, path: " → " + reading.summary)]
        var seen: Set<String> = [sink]
        var next = 0
        while next < queue.count {
            let (key, path) = queue[next]
            next += 1
            take(reading.effects, at: key, path, effectLimit)
            for step in users[key] ?? [] where seen.insert(step.user).inserted {
                var way = step.label.isEmpty ? "" : " → " + step.label
                if let title = titles[key] { way += " → " + title }
                way += path
                queue.append((step.user, way.utf8.count > pathLimit ? path : way))
            }
        }
    }

    private mutating func take(_ effects: [Effect], at key: String, _ path: String, _ limit: Int) {
        var entry = found[key] ?? Found()
        let bringsNew = effects.contains { !entry.classes.contains($0.statementClass) }
        if entry.path.isEmpty || (bringsNew && entry.path.utf8.count < 400) {
            entry.path += (entry.path.isEmpty ? "" : ";") + path
        }
        for effect in effects where !entry.effects.contains(effect) {
            if entry.effects.count < limit || !entry.classes.contains(effect.statementClass) {
                entry.effects.append(effect)
            } else if !entry.effects.contains(Effect(effect.statementClass)) {
                // No named object: nothing that an exception names.
                entry.effects.append(Effect(effect.statementClass))
            }
            entry.classes.insert(effect.statementClass)
        }
        found[key] = entry
    }

    // MARK: - By name

    private static let implicitOperators: Set<String> = ["=", "<>", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*"]

    func index(of contents: CatalogContents) -> HazardIndex {
        guard !found.isEmpty else { return HazardIndex() }
        var tables = HazardIndex.Tables()
        for routine in contents.routines {
            guard var hazard = hazard(routine.key, routine.schema) else { continue }
            hazard.arguments = routine.minimumArguments...max(routine.minimumArguments, routine.maximumArguments)
            hazard.takesRow = routine.takesRow
            hazard.isVolatile = routine.isVolatile
            tables.functions[routine.name, default: []].append(hazard)
            tables.note(routine.name)
        }
        for relation in contents.relations {
            for mode in AccessMode.allCases {
                guard let hazard = hazard(relation.key + mode.rawValue, relation.schema) else { continue }
                tables.relations[mode, default: [:]][relation.name, default: []].append(hazard)
                tables.note(relation.name)
            }
        }
        for type in contents.types {
            guard let hazard = hazard(type.key, type.schema) else { continue }
            tables.types[type.name, default: []].append(hazard)
            tables.note(type.name)
        }
        for named in contents.operators {
            guard let hazard = hazard(named.key, named.schema) else { continue }
            tables.operators[named.name, default: []].append(hazard)
            tables.note(named.name)
            if Self.implicitOperators.contains(named.name) { tables.hasImplicitOperators = true }
        }
        for trigger in contents.eventTriggers {
            guard var hazard = hazard(trigger.function, "") else { continue }
            hazard.path = " → event trigger \(trigger.name)" + hazard.path
            tables.commands.append((trigger.tags, hazard))
        }
        let isHarmless = tables.names.isEmpty && tables.commands.isEmpty
        return isHarmless ? HazardIndex() : HazardIndex(tables)
    }

    private func hazard(_ key: String, _ schema: String) -> HazardIndex.Hazard? {
        guard let entry = found[key] else { return nil }
        return HazardIndex.Hazard(schema: schema, effects: entry.effects, path: entry.path)
    }
}

extension HazardIndex.Tables {
    fileprivate mutating func note(_ name: String) { names.insert(KnownFunctionIndex.hash(name.utf8)) }
}

extension CatalogContents.Routine {
    fileprivate func accepts(_ count: Int?) -> Bool {
        guard let count else { return true }
        return count >= minimumArguments && count <= maximumArguments
    }
}
