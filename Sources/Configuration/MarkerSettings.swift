/// `[marker]`: databases that say themselves that they are production.
package struct MarkerSettings: Sendable, Hashable {
    /// What a session is whose database has not been asked yet, or cannot be.
    package enum Unknown: String, Sendable, CaseIterable {
        /// What the `[[tag]]` blocks say.
        case configured
        case production
    }

    /// libpq connection string of the role that asks; nil: that of `[catalog]`.
    package var connection: String?
    /// How often databases with sessions are asked again; also after DDL.
    package var refresh: Duration
    package var unknown: Unknown

    /// Nil where there is no `[marker]`: nobody is asked.
    static func read(_ root: SectionReader) -> MarkerSettings? {
        guard root.has("marker") else { return nil }
        let section = root.section("marker")
        section.rejectKeys(besides: keys)
        let example = "host=localhost user=holdfast"
        let connection = section.string("connection", example: example)
        let catalog = root.section("catalog").text("connection") ?? ""
        let isEmbedded = (root.text("server") ?? "embedded") == "embedded" && catalog != "off" && !root.has("upstream")
        if connection?.text.isEmpty ?? true, catalog.isEmpty || catalog == "off", !isEmbedded {
            root.log.error(
                atKey: section.path, "nobody can ask the databases: neither [marker] nor [catalog] has a connection",
                "write connection = \"\(example)\"")
        }
        return MarkerSettings(
            connection: connection.flatMap { $0.text.isEmpty ? nil : $0.text },
            refresh: section.duration("refresh", in: 1000...86_400_000, otherwise: 60_000),
            unknown: section.word("unknown", among: Unknown.allCases.map(\.rawValue)).flatMap(Unknown.init)
                ?? .configured)
    }

    static let keys = ["connection", "refresh", "unknown"]
}
