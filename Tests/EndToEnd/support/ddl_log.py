"""The guard's log of DDL in a database, made by hand: the table and the event triggers, nothing that refuses."""

from .postgres import PostgresServer

INSTALL = """
CREATE SCHEMA holdfast;
CREATE TABLE holdfast.ddl (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    session_user_name name NOT NULL DEFAULT session_user,
    application_name text DEFAULT current_setting('application_name'),
    client_addr inet DEFAULT inet_client_addr(),
    client_port int DEFAULT inet_client_port(),
    backend_pid int NOT NULL DEFAULT pg_backend_pid(),
    backend_start timestamptz,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    phase text NOT NULL, tag text NOT NULL, object_type text, schema_name text, object_identity text,
    object_oid oid, original boolean, in_extension boolean, audit_id text);

CREATE FUNCTION holdfast.started() RETURNS timestamptz LANGUAGE sql AS
    'SELECT backend_start FROM pg_stat_get_activity(pg_backend_pid())';

CREATE FUNCTION holdfast.note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tg_event = 'ddl_command_end' THEN
        INSERT INTO holdfast.ddl (backend_start, phase, tag, object_type, schema_name, object_identity, object_oid,
                                  original, in_extension)
        SELECT holdfast.started(), 'command', command_tag, object_type, schema_name, object_identity, objid, true,
               in_extension
        FROM pg_event_trigger_ddl_commands();
    ELSIF tg_event = 'sql_drop' THEN
        INSERT INTO holdfast.ddl (backend_start, phase, tag, object_type, schema_name, object_identity, object_oid,
                                  original, in_extension)
        SELECT holdfast.started(), 'drop', tg_tag, object_type, schema_name, object_identity, objid, original, false
        FROM pg_event_trigger_dropped_objects();
    ELSE
        INSERT INTO holdfast.ddl (backend_start, phase, tag, object_type, schema_name, object_identity, object_oid,
                                  original, in_extension)
        SELECT holdfast.started(), 'rewrite', tg_tag, 'table', nspname, format('%I.%I', nspname, relname), c.oid, true,
               false
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = pg_event_trigger_table_rewrite_oid();
    END IF;
END $$;

CREATE FUNCTION holdfast.note_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO holdfast.ddl (backend_start, phase, tag, object_type, schema_name, object_identity, object_oid, original,
                              in_extension)
    VALUES (holdfast.started(), 'truncate', 'TRUNCATE TABLE', 'table', tg_table_schema,
            format('%I.%I', tg_table_schema, tg_table_name), tg_relid, true, false);
    RETURN NULL;
END $$;

CREATE EVENT TRIGGER holdfast_command ON ddl_command_end EXECUTE FUNCTION holdfast.note();
CREATE EVENT TRIGGER holdfast_drop ON sql_drop EXECUTE FUNCTION holdfast.note();
CREATE EVENT TRIGGER holdfast_rewrite ON table_rewrite EXECUTE FUNCTION holdfast.note();
ALTER EVENT TRIGGER holdfast_command ENABLE ALWAYS;
ALTER EVENT TRIGGER holdfast_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER holdfast_rewrite ENABLE ALWAYS;
"""


def install_log(postgres: PostgresServer, database: str) -> None:
    postgres.execute(INSTALL, database)


def note_truncates_of(postgres: PostgresServer, database: str, *tables: str) -> None:
    for table in tables:
        postgres.execute(
            f"CREATE TRIGGER holdfast_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION holdfast.note_truncate()",
            database,
        )
