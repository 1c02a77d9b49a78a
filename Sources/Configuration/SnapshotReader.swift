import Policy

/// Reads `[snapshots]`.
enum SnapshotReader {
    static let keys = [
        "folder", "connection", "databases", "tags", "classes", "max_size", "timeout", "lock_timeout", "beyond",
        "unknown",
        "keep_count", "keep_age", "keep_size", "pg_dump",
    ]

    private static let (second, minute, hour) = (1000, 60_000, 3_600_000)

    /// - Parameter tags: those that sessions can have.
    static func settings(_ section: SectionReader, tags: Set<String>) -> SnapshotSettings {
        section.rejectKeys(besides: keys)
        var settings = SnapshotSettings()
        settings.folder = section.filePath("folder", example: "var/snapshots")?.text ?? ""
        settings.connection = section.string("connection", example: "host=localhost user=holdfast")?.text ?? ""
        if !section.listIsEmpty("databases") {
            settings.databases = (section.strings("databases", example: "shop") ?? []).compactMap {
                PatternReader.glob($0, log: section.log)
            }
        }
        settings.tags = PatternReader.tags("tags", in: section, known: tags)
        settings.classes = RuleReader.classes("classes", in: section)
        settings.maximumByteCount = section.size(
            "max_size", in: 1 << 10...1 << 50, otherwise: settings.maximumByteCount)
        settings.timeout = section.duration("timeout", in: second...24 * hour, otherwise: minute)
        settings.lockTimeout = section.duration("lock_timeout", in: 10...hour, otherwise: 5 * second)
        settings.beyond =
            section.word("beyond", among: SnapshotSettings.Beyond.allCases.map(\.rawValue))
            .flatMap(SnapshotSettings.Beyond.init) ?? .refuse
        settings.unknown =
            section.word("unknown", among: SnapshotSettings.Unknown.allCases.map(\.rawValue))
            .flatMap(SnapshotSettings.Unknown.init) ?? .refuse
        settings.keptCount = section.integer("keep_count", in: 0...1_000_000, otherwise: 0)
        settings.keptAge =
            !section.has("keep_age") || section.text("keep_age") == "off"
            ? nil : section.duration("keep_age", in: hour...100 * 366 * 24 * hour, otherwise: 720 * hour)
        settings.keptByteCount =
            section.text("keep_size") == "off" ? 0 : section.size("keep_size", in: 0...1 << 60, otherwise: 0)
        settings.dumpProgram = dumpProgram(section)
        return settings
    }

    /// Snapshots that nobody could take would refuse every loss: better said now.
    static func requireConnection(_ configuration: ProxyConfiguration, _ section: SectionReader) {
        guard configuration.snapshots.areOn, configuration.snapshotConnection.isEmpty, !configuration.isEmbedded else {
            return
        }
        section.log.error(
            at: section.path(of: "folder"), "no connection takes the snapshots",
            "write connection = \"host=localhost user=holdfast\" in [snapshots], or one in [guard] or [catalog]")
    }

    private static func dumpProgram(_ section: SectionReader) -> String {
        let example = "/usr/lib/postgresql/15/bin/pg_dump"
        guard let entry = section.string("pg_dump", example: example), !entry.text.isEmpty else { return "" }
        if !entry.text.hasPrefix("/") {
            section.log.error(
                at: entry.path, "\"\(SectionReader.shown(entry.text))\" is no absolute path",
                "write pg_dump = \"\(example)\", or leave it out to have it looked for")
        }
        return entry.text
    }
}
