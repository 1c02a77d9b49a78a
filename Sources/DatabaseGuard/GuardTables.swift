/// The guard's tables in schema `holdfast`, as SQL. All belong to the superuser who installed the guard.
enum GuardTables {
    /// Creates what is not there yet. Run by `install`, and by `upgrade` for what a newer version added.
    static let script = """
        CREATE SCHEMA IF NOT EXISTS holdfast;
        COMMENT ON SCHEMA holdfast IS 'Holdfast''s guard: docs/guard.md. Take it out with "holdfast guard remove".';

        -- One row: what is installed, and how it was chosen to be.
        CREATE TABLE IF NOT EXISTS holdfast.guard (
            is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
            version integer NOT NULL,
            installed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
            -- Whether the loss of a column is refused, and ALTER COLUMN TYPE where it can lose values.
            keeps_columns boolean NOT NULL DEFAULT true,
            keeps_values boolean NOT NULL DEFAULT true,
            -- OIDs of this copy of the guard: in a database restored from a dump they are others, and the OIDs in
            -- holdfast.guarded are then those of another database.
            stamp oid[] NOT NULL
        );

        -- Tables that are not guarded: regular expressions for schema and name, made of the pattern.
        CREATE TABLE IF NOT EXISTS holdfast.exempt (
            pattern text PRIMARY KEY,
            schema_expression text NOT NULL,
            name_expression text NOT NULL
        );

        -- Every guarded table as it was last seen.
        CREATE TABLE IF NOT EXISTS holdfast.guarded (
            relation oid PRIMARY KEY,
            schema_name name NOT NULL,
            table_name name NOT NULL,
            kind "char" NOT NULL,
            -- The columns' types by number; 0 where a column was dropped.
            column_types oid[] NOT NULL,
            -- Made by an extension's script.
            is_in_extension boolean NOT NULL,
            -- The transaction that created it; NULL for a table that is older than the guard.
            created_in xid8,
            -- The guard itself is just giving it its trigger.
            is_arming boolean NOT NULL DEFAULT false
        );

        -- Partitions and inheriting tables.
        CREATE TABLE IF NOT EXISTS holdfast.lineage (
            parent oid NOT NULL,
            child oid NOT NULL,
            PRIMARY KEY (parent, child)
        );
        CREATE INDEX IF NOT EXISTS lineage_child ON holdfast.lineage (child);

        -- The grants that were used, each by one transaction. The grants themselves are advisory locks.
        CREATE SEQUENCE IF NOT EXISTS holdfast.grant_number AS integer;
        CREATE TABLE IF NOT EXISTS holdfast.grant_use (
            grant_number bigint PRIMARY KEY,
            audit_id text NOT NULL,
            transaction xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
            used_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
            backend_pid integer NOT NULL DEFAULT pg_catalog.pg_backend_pid()
        );

        -- Every DDL that the server executed, and every TRUNCATE of a guarded table; not those of temporary objects.
        CREATE TABLE IF NOT EXISTS holdfast.ddl (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
            session_user_name name NOT NULL DEFAULT SESSION_USER,
            application_name text DEFAULT pg_catalog.current_setting('application_name'),
            client_addr inet DEFAULT pg_catalog.inet_client_addr(),
            client_port integer DEFAULT pg_catalog.inet_client_port(),
            backend_pid integer NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
            backend_start timestamptz,
            transaction xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
            phase text NOT NULL CHECK (phase IN ('command', 'drop', 'rewrite', 'truncate')),
            tag text NOT NULL,
            object_type text,
            schema_name text,
            object_identity text,
            object_oid oid,
            -- Of a dropped object: whether the command named it, or it went along with another.
            original boolean,
            in_extension boolean,
            audit_id text
        );
        CREATE INDEX IF NOT EXISTS ddl_at ON holdfast.ddl (at);
        CREATE INDEX IF NOT EXISTS ddl_transaction ON holdfast.ddl (transaction);
        """
}
