/// What is known of a function by its name: those of PostgreSQL, of its contrib modules and of common extensions that
/// destroy, run SQL text or a program, or reach files.
struct KnownFunction: Sendable {
    /// The class of any call.
    var statementClass: StatementClass?
    /// The argument (from 0) that holds SQL text which the function runs; nil if none. `anyText` judges every one.
    var runs = Runs.nothing
    /// Counts only when written with one of these schemas.
    var schema: String?

    enum Runs: Sendable {
        case nothing
        /// The last argument that is no flag is SQL (dblink takes a connection's name before it, or not). Where it is
        /// not constant, the call has this class.
        case text(ifUnknown: StatementClass?)
        /// The first argument is a setting's name, the second its value (set_config).
        case setting
    }

    private static let dangerous = KnownFunction(statementClass: .dangerousFunction)
    private static let runsSQL = KnownFunction(statementClass: nil, runs: .text(ifUnknown: .dangerousFunction))
    private static let file = KnownFunction(statementClass: .serverFile)
    /// Runs its text read-only (SPI_execute with read_only): what is not constant can call functions, no more.
    private static let readOnlySQL = KnownFunction(statementClass: nil, runs: .text(ifUnknown: nil))

    private static let scheduled = KnownFunction(
        statementClass: nil, runs: .text(ifUnknown: .dangerousFunction), schema: "cron")

    /// By the function's name in lower case.
    static let table: [String: KnownFunction] = [
        // contrib/dblink: another connection, where nobody watches. Connecting and fetching run nothing.
        "dblink": runsSQL, "dblink_exec": runsSQL, "dblink_open": runsSQL, "dblink_send_query": runsSQL,
        // contrib/xml2: pastes its arguments into a statement of its own.
        "xpath_table": dangerous,
        // Large objects' data.
        "lo_unlink": dangerous, "lo_truncate": dangerous, "lo_truncate64": dangerous,
        // Files of the server (genfile.c, be-fsstubs.c, contrib/adminpack).
        "lo_import": file, "lo_export": file, "pg_read_file": file, "pg_read_binary_file": file,
        "pg_read_file_old": file, "pg_ls_dir": file, "pg_stat_file": file, "pg_file_write": file,
        "pg_file_read": file, "pg_file_rename": file, "pg_file_unlink": file, "pg_file_sync": file,
        // contrib/pg_surgery.
        "heap_force_kill": dangerous, "heap_force_freeze": dangerous,
        // Replication.
        "pg_drop_replication_slot": dangerous, "pg_replication_origin_drop": dangerous,
        // Binary upgrade support writes the catalog; contrib/pageinspect and others only read.
        "binary_upgrade_create_empty_extension": dangerous,
        // xml.c, tsvector_op.c, tsquery_rewrite.c, contrib/tablefunc.
        "query_to_xml": readOnlySQL, "query_to_xmlschema": readOnlySQL, "query_to_xml_and_xmlschema": readOnlySQL,
        "ts_stat": readOnlySQL, "ts_rewrite": readOnlySQL, "crosstab": readOnlySQL, "crosstab2": readOnlySQL,
        "crosstab3": readOnlySQL, "crosstab4": readOnlySQL, "crosstabn": readOnlySQL,
        // Settings.
        "set_config": KnownFunction(statementClass: nil, runs: .setting),
        // Extensions: pg_cron, pg_background, TimescaleDB, pg_partman, PostGIS.
        "schedule": scheduled,
        "schedule_in_database": scheduled,
        "alter_job": scheduled,
        "pg_background_launch": runsSQL, "drop_chunks": dangerous, "drop_partition_time": dangerous,
        "drop_partition_id": dangerous, "undo_partition": dangerous, "dropgeometrytable": dangerous,
        "dropgeometrycolumn": dangerous, "droptopology": dangerous, "droptopogeometrycolumn": dangerous,
    ]

    /// The settings that make the server run a command of the shell (guc_tables.c).
    static let commandSettings: Set<String> = [
        "archive_command", "restore_command", "archive_cleanup_command", "recovery_end_command",
        "ssl_passphrase_command",
    ]

    /// The settings that make it load a library.
    static let librarySettings: Set<String> = [
        "shared_preload_libraries", "session_preload_libraries", "local_preload_libraries", "dynamic_library_path",
        "archive_library", "jit_provider", "extension_control_path",
    ]
}

/// Finds known functions by the bytes of a name, without making a String of it.
struct KnownFunctionIndex: Sendable {
    private let byHash: [UInt64: KnownFunction]
    /// A bit for every hash's lowest byte: most names are told from all known ones by it.
    private let lowestBytes: (UInt64, UInt64, UInt64, UInt64)
    /// What the routines, triggers, rules … of the session's database may do.
    var hazards = HazardIndex()
    /// Where the names in a text are collected instead of being looked up; nil when statements are judged.
    var log: MentionLog?

    init() {
        var byHash: [UInt64: KnownFunction] = [:]
        for (name, function) in KnownFunction.table { byHash[Self.hash(name.utf8)] = function }
        self.byHash = byHash
        var bits: [UInt64] = [0, 0, 0, 0]
        for hash in byHash.keys { bits[Int(hash & 0xFF) >> 6] |= 1 << (hash & 63) }
        lowestBytes = (bits[0], bits[1], bits[2], bits[3])
    }

    /// Whether some known function has that name, in whatever schema.
    func mayKnow(_ name: some Sequence<UInt8>) -> Bool {
        let hash = Self.hash(name)
        let bits =
            switch hash & 0xFF {
            case ..<64: lowestBytes.0
            case ..<128: lowestBytes.1
            case ..<192: lowestBytes.2
            default: lowestBytes.3
            }
        return bits >> (hash & 63) & 1 != 0 && byHash[hash] != nil
    }

    /// The names in a statement matter.
    var noticesNames: Bool { log != nil || !hazards.isEmpty }

    /// The function of that name. Two names with one hash would only make a harmless one look known.
    func function(named name: some Sequence<UInt8>) -> KnownFunction? { byHash[Self.hash(name)] }

    /// FNV-1a.
    static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}
