/// One function of schema `holdfast`.
struct GuardFunction {
    /// Who may call it. Event triggers and triggers need nobody's permission to call theirs.
    enum Audience {
        case owner
        case grantingRoles
        case everybody
    }

    enum Language: String {
        case plpgsql
        case sql
    }

    var name: String
    /// With the arguments' names.
    var arguments = ""
    /// The arguments' types alone, as `regprocedure` takes them.
    var argumentTypes = ""
    var returns: String
    var language = Language.plpgsql
    /// Runs as the guard's owner, whoever calls it, with nothing but pg_catalog to find names in: temporary objects come
    /// last, and are never looked at for functions and operators.
    var isEntry = false
    /// Further settings that hold while it runs.
    var settings: [(name: String, value: String)] = []
    var audience = Audience.owner
    var body: String

    var signature: String { "holdfast.\(name)(\(argumentTypes))" }

    /// As `pg_proc.proconfig` holds them.
    var configuration: [String] { (isEntry ? ["search_path=pg_catalog, pg_temp"] : []) + settings.map { "\($0.name)=\($0.value)" } }

    /// Creates it, or puts it back as it should be.
    var script: String {
        let attributes = (isEntry ? ["SECURITY DEFINER SET search_path = pg_catalog, pg_temp"] : ["SECURITY INVOKER"])
            + settings.map { "SET \($0.name) = '\($0.value)'" }
        return """
            CREATE OR REPLACE FUNCTION holdfast.\(name)(\(arguments)) RETURNS \(returns)
            LANGUAGE \(language.rawValue) VOLATILE PARALLEL UNSAFE \(attributes.joined(separator: " "))
            AS $holdfast$\(body)$holdfast$;
            ALTER FUNCTION \(signature) OWNER TO CURRENT_USER;
            REVOKE ALL ON FUNCTION \(signature) FROM PUBLIC;
            \(audience == .everybody ? "GRANT EXECUTE ON FUNCTION \(signature) TO PUBLIC;" : "")

            """
    }
}
