/// The tables of pg_catalog, by name: an unqualified one is found there before any other schema. And the table that a database
/// says in that it is production (`holdfast mark`): changing what it says is a change of that kind.
enum SystemCatalogs {
    /// `src/include/catalog` of PostgreSQL 15 to 18.
    static let names: Set<String> = [
        "pg_aggregate", "pg_am", "pg_amop", "pg_amproc", "pg_attrdef", "pg_attribute", "pg_auth_members", "pg_authid",
        "pg_cast", "pg_class", "pg_collation", "pg_constraint", "pg_conversion", "pg_database", "pg_db_role_setting",
        "pg_default_acl", "pg_depend", "pg_description", "pg_enum", "pg_event_trigger", "pg_extension",
        "pg_foreign_data_wrapper", "pg_foreign_server", "pg_foreign_table", "pg_index", "pg_inherits", "pg_init_privs",
        "pg_language", "pg_largeobject", "pg_largeobject_metadata", "pg_namespace", "pg_opclass", "pg_operator",
        "pg_opfamily", "pg_parameter_acl", "pg_partitioned_table", "pg_policy", "pg_proc", "pg_publication",
        "pg_publication_namespace", "pg_publication_rel", "pg_range", "pg_replication_origin", "pg_rewrite",
        "pg_seclabel", "pg_sequence", "pg_shdepend", "pg_shdescription", "pg_shseclabel", "pg_statistic",
        "pg_statistic_ext", "pg_statistic_ext_data", "pg_subscription", "pg_subscription_rel", "pg_tablespace",
        "pg_transform", "pg_trigger", "pg_ts_config", "pg_ts_config_map", "pg_ts_dict", "pg_ts_parser",
        "pg_ts_template", "pg_type", "pg_user_mapping",
        // Views that pass a write on to the catalog by a rule of initdb's.
        "pg_settings", markTable,
    ]

    /// The schema and the table of the mark; also in ``EnvironmentMark`` of Sentinel.
    static let markSchema = "holdfast_mark"
    static let markTable = "holdfast_environment"

    static func isMark(_ object: ObjectName) -> Bool {
        object.schema == markSchema || (object.schema == nil && object.name == markTable)
    }

    static func contains(_ object: ObjectName) -> Bool {
        switch object.schema {
        case nil: names.contains(object.name)
        case "pg_catalog", "pg_toast", markSchema: true
        default: false
        }
    }
}
