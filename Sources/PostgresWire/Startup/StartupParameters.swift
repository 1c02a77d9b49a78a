/// The parameters of a startup packet, read as the server reads them.
package struct StartupParameters: Sendable, Hashable {
    /// The last value of each name, as `ProcessStartupPacket` keeps it.
    package private(set) var values: [String: String] = [:]

    /// Reads a packet's name and value pairs.
    ///
    /// - Throws: `startupLayout` unless the pairs end with a NUL that is the packet's last byte.
    package init(packet: UnsafeRawBufferPointer) throws(WireFault) {
        var reader = WireReader(packet, from: 8)
        while true {
            guard let name = reader.string() else { throw .startupLayout }
            if name.isEmpty { break }
            guard let value = reader.string() else { throw .startupLayout }
            values[name.text] = value.text
        }
        guard reader.isAtEnd else { throw .startupLayout }
    }

    /// The role that logs in, cut as the server cuts it.
    package var user: String { Self.cut(values["user"] ?? "") }

    /// The database as the server will choose it: the user's name when none is given, none for physical replication.
    package var database: String {
        if replication == .physical { return "" }
        let given = values["database"] ?? ""
        return Self.cut(given.isEmpty ? (values["user"] ?? "") : given)
    }

    package var applicationName: String { values["application_name"] ?? "" }

    /// The kind of walsender that `replication` asks for.
    package enum Replication: Sendable { case none, physical, logical }

    package var replication: Replication {
        guard let value = values["replication"]?.lowercased() else { return .none }
        if value == "database" { return .logical }
        // parse_bool (utils/adt/bool.c): unique prefixes of these words; anything else the server refuses.
        let falseWords = ["0", "false", "no", "off", "f", "fa", "fal", "fals", "n", "of"]
        return falseWords.contains(value) ? .none : .physical
    }

    /// Names are cut to `NAMEDATALEN - 1` bytes. A multibyte character that the cut splits leaves an invalid tail,
    /// which becomes U+FFFD.
    private static func cut(_ name: String) -> String {
        name.utf8.count <= 63 ? name : String(decoding: name.utf8.prefix(63), as: UTF8.self)
    }
}
