"""Every kind of DDL that the trail must tell of, each with a question to the catalog whether it has happened."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """In all texts `{x}` is a name of the cell's own; `{x}` is a table (id int, name text) of two rows before."""

    name: str
    statement: str
    # SQL that is true once the statement has taken effect, and not before.
    proof: str
    # Run directly before, besides the table.
    setup: str = ""
    # The server runs it in no transaction block.
    runs_alone: bool = False


def relation(name: str) -> str:
    return f"to_regclass('{name}') IS NOT NULL"


def gone(name: str) -> str:
    return f"to_regclass('{name}') IS NULL"


def exists(query: str) -> str:
    return f"EXISTS (SELECT FROM {query})"


def missing(query: str) -> str:
    return f"NOT EXISTS (SELECT FROM {query})"


COLUMN = "pg_attribute WHERE attrelid = '{x}'::regclass AND NOT attisdropped AND attname = "

KINDS = [
    # What makes things.
    Kind("create table", "CREATE TABLE {x}_new (id int PRIMARY KEY)", relation("{x}_new")),
    Kind("create table as", "CREATE TABLE {x}_as AS SELECT * FROM {x}", relation("{x}_as")),
    Kind("select into", "SELECT * INTO {x}_into FROM {x}", relation("{x}_into")),
    Kind("create view", "CREATE VIEW {x}_view AS SELECT id FROM {x}", relation("{x}_view")),
    Kind("create materialized view", "CREATE MATERIALIZED VIEW {x}_mat AS SELECT id FROM {x}", relation("{x}_mat")),
    Kind("create sequence", "CREATE SEQUENCE {x}_seq", relation("{x}_seq")),
    Kind("create index", "CREATE INDEX {x}_index ON {x} (id)", relation("{x}_index")),
    Kind(
        "create index concurrently", "CREATE INDEX CONCURRENTLY {x}_index ON {x} (id)", relation("{x}_index"),
        runs_alone=True,
    ),
    Kind("create schema", "CREATE SCHEMA {x}_s", exists("pg_namespace WHERE nspname = '{x}_s'")),
    Kind("create enum", "CREATE TYPE {x}_enum AS ENUM ('a')", exists("pg_type WHERE typname = '{x}_enum'")),
    Kind("create composite", "CREATE TYPE {x}_row AS (a int)", exists("pg_type WHERE typname = '{x}_row'")),
    Kind("create domain", "CREATE DOMAIN {x}_domain AS int", exists("pg_type WHERE typname = '{x}_domain'")),
    Kind(
        "create function", "CREATE FUNCTION {x}_f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        exists("pg_proc WHERE proname = '{x}_f'"),
    ),
    Kind(
        "create procedure", "CREATE PROCEDURE {x}_p() LANGUAGE sql AS 'SELECT 1'",
        exists("pg_proc WHERE proname = '{x}_p'"),
    ),
    Kind(
        "create trigger",
        "CREATE TRIGGER {x}_t BEFORE UPDATE ON {x} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        exists("pg_trigger WHERE tgname = '{x}_t'"),
    ),
    Kind(
        "create rule", "CREATE RULE {x}_r AS ON INSERT TO {x} DO ALSO NOTHING",
        exists("pg_rewrite WHERE rulename = '{x}_r'"),
    ),
    Kind("create policy", "CREATE POLICY {x}_pol ON {x}", exists("pg_policy WHERE polname = '{x}_pol'")),
    Kind(
        "create statistics", "CREATE STATISTICS {x}_stat ON id, name FROM {x}",
        exists("pg_statistic_ext WHERE stxname = '{x}_stat'"),
    ),
    Kind(
        "create publication", "CREATE PUBLICATION {x}_pub FOR TABLE {x}",
        exists("pg_publication WHERE pubname = '{x}_pub'"),
    ),
    Kind(
        "create collation", "CREATE COLLATION {x}_coll (LOCALE = 'C')",
        exists("pg_collation WHERE collname = '{x}_coll'"),
    ),
    Kind(
        "create aggregate", "CREATE AGGREGATE {x}_agg (int) (SFUNC = int4pl, STYPE = int)",
        exists("pg_proc WHERE proname = '{x}_agg'"),
    ),
    Kind(
        "create foreign data wrapper", "CREATE FOREIGN DATA WRAPPER {x}_fdw",
        exists("pg_foreign_data_wrapper WHERE fdwname = '{x}_fdw'"),
    ),
    Kind("create role", "CREATE ROLE {x}_role", exists("pg_roles WHERE rolname = '{x}_role'")),
    Kind(
        "create database", "CREATE DATABASE {x}_test", exists("pg_database WHERE datname = '{x}_test'"),
        runs_alone=True,
    ),
    Kind("do", "DO $$ BEGIN CREATE TABLE {x}_do (); END $$", relation("{x}_do")),
    # What alters them.
    Kind("add column", "ALTER TABLE {x} ADD COLUMN more int", exists(COLUMN + "'more'")),
    Kind("drop column", "ALTER TABLE {x} DROP COLUMN name", missing(COLUMN + "'name'")),
    Kind(
        "alter column type", "ALTER TABLE {x} ALTER COLUMN id TYPE bigint",
        exists(COLUMN + "'id' AND atttypid = 'bigint'::regtype"),
    ),
    Kind("rename column", "ALTER TABLE {x} RENAME COLUMN name TO label", exists(COLUMN + "'label'")),
    Kind("rename table", "ALTER TABLE {x} RENAME TO {x}_renamed", relation("{x}_renamed")),
    Kind(
        "table owner", "ALTER TABLE {x} OWNER TO mx_owner",
        exists("pg_class WHERE oid = '{x}'::regclass AND relowner = 'mx_owner'::regrole"),
    ),
    Kind("move table", "ALTER TABLE {x} SET SCHEMA mx_other", relation("mx_other.{x}")),
    Kind(
        "add constraint", "ALTER TABLE {x} ADD CONSTRAINT {x}_check CHECK (id > 0)",
        exists("pg_constraint WHERE conname = '{x}_check'"),
    ),
    Kind(
        "drop constraint", "ALTER TABLE {x} DROP CONSTRAINT {x}_check",
        missing("pg_constraint WHERE conname = '{x}_check'"), "ALTER TABLE {x} ADD CONSTRAINT {x}_check CHECK (id > 0)",
    ),
    Kind(
        "row security", "ALTER TABLE {x} ENABLE ROW LEVEL SECURITY",
        exists("pg_class WHERE oid = '{x}'::regclass AND relrowsecurity"),
    ),
    Kind(
        "disable trigger", "ALTER TABLE {x} DISABLE TRIGGER {x}_t",
        exists("pg_trigger WHERE tgname = '{x}_t' AND tgenabled = 'D'"),
        "CREATE TRIGGER {x}_t BEFORE UPDATE ON {x} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ),
    Kind(
        "detach partition", "ALTER TABLE {x}_parted DETACH PARTITION {x}_part",
        missing("pg_inherits WHERE inhrelid = '{x}_part'::regclass"),
        "CREATE TABLE {x}_parted (id int) PARTITION BY LIST (id);"
        "CREATE TABLE {x}_part PARTITION OF {x}_parted FOR VALUES IN (1)",
    ),
    Kind(
        "alter sequence", "ALTER SEQUENCE {x}_seq INCREMENT 7",
        exists("pg_sequence WHERE seqrelid = '{x}_seq'::regclass AND seqincrement = 7"), "CREATE SEQUENCE {x}_seq",
    ),
    Kind(
        "alter enum", "ALTER TYPE {x}_enum ADD VALUE 'b'",
        exists("pg_enum WHERE enumtypid = '{x}_enum'::regtype AND enumlabel = 'b'"),
        "CREATE TYPE {x}_enum AS ENUM ('a')",
    ),
    Kind(
        "rename index", "ALTER INDEX {x}_index RENAME TO {x}_other", relation("{x}_other"),
        "CREATE INDEX {x}_index ON {x} (id)",
    ),
    Kind(
        "rename schema", "ALTER SCHEMA {x}_s RENAME TO {x}_s2", exists("pg_namespace WHERE nspname = '{x}_s2'"),
        "CREATE SCHEMA {x}_s",
    ),
    Kind(
        "alter function", "ALTER FUNCTION {x}_f() COST 77", exists("pg_proc WHERE proname = '{x}_f' AND procost = 77"),
        "CREATE FUNCTION {x}_f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ),
    Kind(
        "alter role", "ALTER ROLE {x}_role CREATEDB", exists("pg_roles WHERE rolname = '{x}_role' AND rolcreatedb"),
        "CREATE ROLE {x}_role",
    ),
    Kind(
        "comment", "COMMENT ON TABLE {x} IS 'the {x}'",
        "obj_description('{x}'::regclass, 'pg_class') IS NOT NULL",
    ),
    Kind("grant", "GRANT SELECT ON {x} TO mx_owner", "has_table_privilege('mx_owner', '{x}', 'SELECT')"),
    Kind(
        "revoke", "REVOKE SELECT ON {x} FROM mx_owner", "NOT has_table_privilege('mx_owner', '{x}', 'SELECT')",
        "GRANT SELECT ON {x} TO mx_owner",
    ),
    # What drops them, and empties them.
    Kind("drop table", "DROP TABLE {x}", gone("{x}")),
    Kind(
        "drop table cascade", "DROP TABLE {x} CASCADE", gone("{x}_view"), "CREATE VIEW {x}_view AS SELECT id FROM {x}",
    ),
    Kind("drop view", "DROP VIEW {x}_view", gone("{x}_view"), "CREATE VIEW {x}_view AS SELECT id FROM {x}"),
    Kind(
        "drop materialized view", "DROP MATERIALIZED VIEW {x}_mat", gone("{x}_mat"),
        "CREATE MATERIALIZED VIEW {x}_mat AS SELECT id FROM {x}",
    ),
    Kind("drop sequence", "DROP SEQUENCE {x}_seq", gone("{x}_seq"), "CREATE SEQUENCE {x}_seq"),
    Kind("drop index", "DROP INDEX {x}_index", gone("{x}_index"), "CREATE INDEX {x}_index ON {x} (id)"),
    Kind(
        "drop schema", "DROP SCHEMA {x}_s CASCADE", missing("pg_namespace WHERE nspname = '{x}_s'"),
        "CREATE SCHEMA {x}_s; CREATE TABLE {x}_s.inside ()",
    ),
    Kind(
        "drop type", "DROP TYPE {x}_enum", missing("pg_type WHERE typname = '{x}_enum'"),
        "CREATE TYPE {x}_enum AS ENUM ('a')",
    ),
    Kind(
        "drop function", "DROP FUNCTION {x}_f()", missing("pg_proc WHERE proname = '{x}_f'"),
        "CREATE FUNCTION {x}_f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ),
    Kind(
        "drop trigger", "DROP TRIGGER {x}_t ON {x}", missing("pg_trigger WHERE tgname = '{x}_t'"),
        "CREATE TRIGGER {x}_t BEFORE UPDATE ON {x} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ),
    Kind(
        "drop policy", "DROP POLICY {x}_pol ON {x}", missing("pg_policy WHERE polname = '{x}_pol'"),
        "CREATE POLICY {x}_pol ON {x}",
    ),
    Kind(
        "drop role", "DROP ROLE {x}_role", missing("pg_roles WHERE rolname = '{x}_role'"), "CREATE ROLE {x}_role",
    ),
    Kind("truncate", "TRUNCATE {x}", missing("{x}")),
    Kind("delete all", "DELETE FROM {x}", missing("{x}")),
    Kind("update all", "UPDATE {x} SET name = '{x}'", exists("{x} WHERE name = '{x}'")),
]  # fmt: skip
