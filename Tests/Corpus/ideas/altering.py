"""ALTER: subcommands that lose columns or values, ways to take a table out of sight, and all that harm nothing."""

from .case import Case, Proof, Topic, column_gone, counted, gone, overwritten

LOSSES = Topic("alter-loss", "H2")
HIDING = Topic("out-of-sight", "H2")
CHANGES = Topic("alter-table", "H2")
OTHERS = Topic("alter-other", "H2")

# Name, title, statement, table, column that goes.
DROPPED_COLUMNS = [
    ("without-word", "without the word COLUMN", "ALTER TABLE leads DROP note", "leads", "note"),
    ("behind-add", "behind a harmless subcommand", "ALTER TABLE leads ADD extra int, DROP COLUMN note", "leads",
     "note"),
    ("two", "two columns at once", "ALTER TABLE leads DROP email, DROP COLUMN IF EXISTS note RESTRICT", "leads",
     "note"),
    ("partitioned", "in a partitioned table", "ALTER TABLE events DROP COLUMN payload", "events_2023", "payload"),
    ("heirs", "in a parent and its heirs", "ALTER TABLE base_doc DROP COLUMN title", "child_doc", "title"),
    ("star", "with the old star for heirs", "ALTER TABLE base_doc * DROP title", "child_doc", "title"),
    ("named-drop", "a column called drop", 'ALTER TABLE "Weird Schema"."Order Table" DROP "drop"',
     '"Weird Schema"."Order Table"', "drop"),
    ("uamp", "column name in Unicode escapes", r'ALTER TABLE leads DROP U&"n\006fte"', "leads", "note"),
    ("readded", "dropped and made anew", "ALTER TABLE leads DROP note; ALTER TABLE leads ADD note text", "leads", None),
]  # fmt: skip


def dropped_columns() -> list[Case]:
    empty = counted("leads where note is not null", 0)
    return [
        LOSSES.destructive(
            f"column-{name}", f"DROP COLUMN {title}", statement, tier=2, loss="column",
            proof=column_gone(table, column) if column else empty,
        )
        for name, title, statement, table, column in DROPPED_COLUMNS
    ]  # fmt: skip


# ALTER COLUMN … TYPE … USING an expression that the old value has no part in. Name, expression, value afterwards.
OVERWRITING = [
    ("empty-string", "text USING ''", ""),
    ("constant", "text USING 'gone'::text", "gone"),
    ("cast-null", "text USING CAST(NULL AS text)", None),
    ("function", "text USING lower('GONE')", "gone"),
    ("case", "text USING CASE WHEN true THEN 'gone' END", "gone"),
    ("coalesce", "text USING coalesce(NULL, 'gone')", "gone"),
    ("nullif", "text USING nullif('a', 'a')", None),
    ("arithmetic", "int USING 2 - 1", "1"),
    ("nullif-itself", "text USING nullif(note, note)", None),
    ("dead-branch", "text USING CASE WHEN false THEN note END", None),
    ("set-data", "varchar(10) COLLATE \"C\" USING ('go' || 'ne')", "gone"),
]


def overwritten_columns() -> list[Case]:
    return [
        LOSSES.destructive(
            "one-byte-type", "the type \"char\" keeps the first byte of each value",
            'ALTER TABLE leads ALTER name TYPE "char"',
            proof=("select max(length(name::text)) from leads", "1"), tier=2, loss="values",
        ),
        *(
        LOSSES.destructive(
            f"using-{name}", f"ALTER COLUMN TYPE {expression}",
            f"ALTER TABLE leads ALTER COLUMN note {'SET DATA ' if name == 'set-data' else ''}TYPE {expression}",
            proof=overwritten("leads", "note", value), tier=2, loss="values",
        )
        for name, expression, value in OVERWRITING
        ),
    ]  # fmt: skip


# A table, view or schema that is no longer found. Name, title, statement, name that is not found afterwards.
HIDDEN = [
    ("index-rename", "ALTER INDEX renames a table, too", "ALTER INDEX leads RENAME TO zz", "leads"),
    ("if-exists", "RENAME of a table with IF EXISTS and schema", "ALTER TABLE IF EXISTS public.leads RENAME TO zz",
     "leads"),
    ("matview-rename", "RENAME of a materialized view", "ALTER MATERIALIZED VIEW mv_sales RENAME TO zz", "mv_sales"),
    ("matview-as-table", "a materialized view by ALTER TABLE", "ALTER TABLE mv_sales RENAME TO zz", "mv_sales"),
    ("matview-moved", "SET SCHEMA of a materialized view", "ALTER MATERIALIZED VIEW mv_sales SET SCHEMA sales",
     "mv_sales"),
    ("partition-rename", "RENAME of a partition", "ALTER TABLE events_2024 RENAME TO zz", "events_2024"),
    ("moved", "SET SCHEMA", "ALTER TABLE leads SET SCHEMA sales", "leads"),
    ("moved-out-of-weird", "SET SCHEMA of quoted names", 'ALTER TABLE "Weird Schema"."Order Table" SET SCHEMA "sales"',
     '"Weird Schema"."Order Table"'),
    ("schema-rename", "RENAME of a schema", "ALTER SCHEMA sales RENAME TO zz", "sales.invoices"),
    ("schema-rename-public", "RENAME of the public schema", 'ALTER SCHEMA "public" RENAME TO zz', "public.leads"),
]  # fmt: skip


def hidden() -> list[Case]:
    return [
        HIDING.destructive(name, title, statement, proof=gone(relation), tier=2, loss="vanish")
        for name, title, statement, relation in HIDDEN
    ]


def moved_by_others() -> list[Case]:
    """Tables that move because something else does."""
    member = ["create extension hstore", "alter table leads owner to rt_super",
              "alter extension hstore add table leads"]
    return [
        HIDING.destructive(
            "extension-moves", "SET SCHEMA of an extension takes its tables along",
            "ALTER EXTENSION hstore SET SCHEMA sales", role="super", setup=member, tier=2, loss="vanish",
        ),
        HIDING.destructive(
            "renamed-in-do", "RENAME in a DO block", "DO $$ BEGIN ALTER TABLE leads RENAME TO zz; END $$",
            vis="embedded", tier=2, loss="vanish",
        ),
        HIDING.destructive(
            "renamed-then-dropped", "a harmless new name, then DROP under that name",
            "ALTER TABLE leads RENAME TO scratch", "DROP TABLE scratch", vis="split", loss="table",
        ),
        HIDING.destructive(
            "moved-then-dropped", "moved to a new schema, which is dropped",
            "CREATE SCHEMA bin; ALTER TABLE leads SET SCHEMA bin; DROP SCHEMA bin CASCADE", vis="split",
            proof=("select to_regclass('leads') is null and to_regclass('bin.leads') is null", "t"),
        ),
    ]  # fmt: skip


def detached() -> list[Case]:
    """Rows that leave the table they were found in."""
    attached: Proof = ("select count(*) from pg_inherits where inhrelid = 'events_2023'::regclass", "0")
    return [
        HIDING.destructive(
            "detach-concurrently", "DETACH PARTITION CONCURRENTLY",
            "ALTER TABLE events DETACH PARTITION events_2023 CONCURRENTLY", proof=attached, tier=2, loss="vanish",
            setup_app=["drop table events_default"],
        ),
        HIDING.destructive(
            "detach-if-exists", "DETACH PARTITION in a table that may be missing",
            "ALTER TABLE IF EXISTS public.events DETACH PARTITION public.events_2023", proof=attached, tier=2,
            loss="vanish",
        ),
        HIDING.destructive(
            "detach-extended", "DETACH PARTITION in a DO block",
            "DO 'begin alter table events detach partition events_2023; end'", proof=attached, vis="embedded", tier=2,
            loss="vanish",
        ),
        HIDING.destructive(
            "no-inherit", "NO INHERIT: an heir's rows leave the parent",
            "ALTER TABLE child_doc NO INHERIT base_doc", proof=counted("base_doc", 2), tier=2, loss="vanish",
        ),
        HIDING.destructive(
            "table-becomes-view", "a rule ON SELECT turns an empty table into a view",
            'CREATE RULE "_RETURN" AS ON SELECT TO e DO INSTEAD SELECT 1 AS a', setup_app=["create table e (a int)"],
            proof=("select relkind from pg_class where oid = 'e'::regclass", "v"),
        ),
    ]  # fmt: skip


# Subcommands of ALTER TABLE that lose nothing. Name, subcommand, catalog expression afterwards, its value.
SUBCOMMANDS = [
    ("add-column-default", "leads ADD COLUMN IF NOT EXISTS score numeric(6,2) NOT NULL DEFAULT 0.5",
     "count(score) from leads", "4"),
    ("add-generated", "leads ADD shout text GENERATED ALWAYS AS (upper(name)) STORED", "min(shout) from leads", "ANN"),
    ("add-identity", "contacts ADD n int GENERATED ALWAYS AS IDENTITY (START WITH 10)", "min(n) from contacts", "10"),
    ("set-default", "leads ALTER note SET DEFAULT 'DROP TABLE leads'",
     "pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = 'leads'::regclass and adnum = 4",
     "'DROP TABLE leads'::text"),
    ("drop-default", "orders ALTER COLUMN status DROP DEFAULT",
     "count(*) from pg_attrdef where adrelid = 'orders'::regclass and adnum = 4", "0"),
    ("set-not-null", "leads ALTER email SET NOT NULL",
     "attnotnull from pg_attribute where attrelid = 'leads'::regclass and attname = 'email'", "t"),
    ("drop-not-null", "leads ALTER name DROP NOT NULL",
     "attnotnull from pg_attribute where attrelid = 'leads'::regclass and attname = 'name'", "f"),
    ("drop-identity", "orders ALTER id DROP IDENTITY IF EXISTS",
     "attidentity = '' from pg_attribute where attrelid = 'orders'::regclass and attname = 'id'", "t"),
    ("set-identity", "orders ALTER id SET GENERATED ALWAYS SET INCREMENT BY 5 RESTART WITH 100",
     "attidentity from pg_attribute where attrelid = 'orders'::regclass and attname = 'id'", "a"),
    ("set-statistics", "leads ALTER note SET STATISTICS 200, ALTER note SET (n_distinct = 5), ALTER name SET STORAGE"
     " EXTERNAL",
     "attstattarget from pg_attribute where attrelid = 'leads'::regclass and attname = 'note'", "200"),
    ("set-compression", "leads ALTER note SET COMPRESSION pglz",
     "attcompression from pg_attribute where attrelid = 'leads'::regclass and attname = 'note'", "p"),
    ("widen", "cache_u ALTER v TYPE varchar(50)", "min(v) from cache_u", "v1"),
    ("retype-using-itself", "leads ALTER note TYPE varchar(40) USING trim(note)", "min(note) from leads", "n1"),
    ("rename-column", "leads RENAME COLUMN note TO remark", "min(remark) from leads", "n1"),
    ("rename-constraint", "orders RENAME CONSTRAINT orders_pkey TO orders_key",
     "count(*) from pg_constraint where conname = 'orders_key'", "1"),
    ("add-check", "leads ADD CONSTRAINT short CHECK (length(name) < 100) NOT VALID",
     "convalidated from pg_constraint where conname = 'short'", "f"),
    ("add-unique-deferrable", "leads ADD UNIQUE (email) DEFERRABLE INITIALLY DEFERRED",
     "condeferred from pg_constraint where conname = 'leads_email_key'", "t"),
    ("add-foreign-key", "contacts ADD FOREIGN KEY (id) REFERENCES customers ON DELETE SET NULL ON UPDATE CASCADE NOT"
     " VALID",
     "confdeltype from pg_constraint where conname = 'contacts_id_fkey'", "n"),
    ("add-exclusion", "contacts ADD EXCLUDE USING btree (id WITH =)",
     "count(*) from pg_constraint where conrelid = 'contacts'::regclass and contype = 'x'", "1"),
    ("alter-constraint", "orders ALTER CONSTRAINT orders_customer_id_fkey DEFERRABLE",
     "condeferrable from pg_constraint where conname = 'orders_customer_id_fkey'", "t"),
    ("drop-check-cascade", "profiles DROP CONSTRAINT IF EXISTS no_such CASCADE", "count(*) from profiles", "3"),
    ("disable-trigger", "leads DISABLE TRIGGER USER, ENABLE TRIGGER ALL", "count(*) from leads", "4"),
    ("cluster", "leads CLUSTER ON leads_name_idx, SET WITHOUT CLUSTER", "count(*) from leads", "4"),
    ("reloptions", "leads SET (fillfactor = 80, autovacuum_enabled = off), RESET (fillfactor)",
     "reloptions from pg_class where oid = 'leads'::regclass", "{autovacuum_enabled=off}"),
    ("unlogged", "contacts SET UNLOGGED", "relpersistence from pg_class where relname = 'contacts'", "u"),
    ("logged", "cache_u SET LOGGED", "relpersistence from pg_class where relname = 'cache_u'", "p"),
    ("owner", "leads OWNER TO rt_other", "pg_get_userbyid(relowner) from pg_class where relname = 'leads'", "rt_other"),
    ("row-security", "leads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
     "relforcerowsecurity from pg_class where relname = 'leads'", "t"),
    ("replica-identity", "leads REPLICA IDENTITY USING INDEX leads_pkey",
     "relreplident from pg_class where relname = 'leads'", "i"),
    ("inherit", "heir INHERIT base_doc", "count(*) from base_doc", "4"),
    ("attach-default", "parts ATTACH PARTITION part_0 FOR VALUES IN (0)", "count(*) from parts", "1"),
    ("of-type", "typed OF pair", "reloftype::regtype from pg_class where relname = 'typed'", "pair"),
    ("access-method", "contacts SET ACCESS METHOD heap", "count(*) from contacts", "3"),
    ("tablespace", "contacts SET TABLESPACE pg_default", "count(*) from contacts", "3"),
]  # fmt: skip

NEEDED = {
    "inherit": ["create table heir (id int, title text)"],
    "attach-default": ["create table parts (a int) partition by list (a); create table part_0 as select 0 as a"],
    "of-type": ["create type pair as (p int, q int); create table typed (p int, q int)"],
}
RETYPED = {"widen", "retype-using-itself", "rename-column"}
CHANGING_VALUES = {"add-column-default", "add-generated", "add-identity"}


def subcommands() -> list[Case]:
    return [
        CHANGES.ddl(
            name, f"ALTER TABLE {subcommand}", f"ALTER TABLE {subcommand}", proof=(f"select {expression}", value),
            **({"setup_app": NEEDED[name]} if name in NEEDED else {}),
            **({"ignore_lost": ["retyped", "columns", "values"]} if name in RETYPED | CHANGING_VALUES else {}),
            **({"setup": ["grant all on schema public to rt_other"]} if name == "owner" else {}),
        )
        for name, subcommand, expression, value in SUBCOMMANDS
    ]  # fmt: skip


# Other ALTERs that lose no table. Name, what is made before, statement.
OTHER_OBJECTS = [
    ("view", None, "ALTER VIEW v_contacts ALTER COLUMN note SET DEFAULT 'x'; ALTER VIEW v_contacts SET"
     " (security_barrier)"),
    ("sequence", None, "ALTER SEQUENCE invoice_seq RESTART 5 INCREMENT 2 OWNED BY NONE"),
    ("index", None, "ALTER INDEX leads_name_idx SET (fillfactor = 70)"),
    ("index-attach", ["create index p on only events (id); create index c on events_2023 (id)"],
     "ALTER INDEX p ATTACH PARTITION c"),
    ("domain", None, "ALTER DOMAIN email_dom ADD CONSTRAINT len CHECK (length(VALUE) < 99) NOT VALID"),
    ("type-attribute", ["create type pair as (p int)"], "ALTER TYPE pair ADD ATTRIBUTE q text, ALTER ATTRIBUTE p TYPE"
     " bigint"),
    ("enum-value", None, "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'meh' BEFORE 'ok'"),
    ("function", ["create function f() returns int language sql as 'select 1'"],
     "ALTER FUNCTION f() IMMUTABLE PARALLEL SAFE"),
    ("function-schema", ["create function f() returns int language sql as 'select 1'"],
     "ALTER ROUTINE f() SET SCHEMA sales"),
    ("policy", ["create policy p on leads using (true)"], "ALTER POLICY p ON leads TO rt_ro USING (id > 0)"),
    ("trigger-rename", ["create function t() returns trigger language plpgsql as 'begin return new; end'",
                        "create trigger g before insert on leads for each row execute function t()"],
     "ALTER TRIGGER g ON leads RENAME TO drop_table"),
    ("rule-rename", ["create rule r as on insert to contacts do also notify x"],
     "ALTER RULE r ON contacts RENAME TO r2"),
    ("schema-owner", None, "ALTER SCHEMA sales OWNER TO rt_other"),
    ("statistics", ["create statistics s on name, email from leads"], "ALTER STATISTICS s SET STATISTICS 50"),
    ("publication", ["create publication p for table leads"], "ALTER PUBLICATION p SET TABLE contacts WHERE (id > 1)"),
    ("default-privileges", None, "ALTER DEFAULT PRIVILEGES GRANT TRUNCATE ON TABLES TO rt_ro"),
    ("database-setting", None, "ALTER DATABASE @@DB@@ SET work_mem = '8MB'"),
    ("aggregate", ["create aggregate total(int) (sfunc = int4pl, stype = int)"],
     "ALTER AGGREGATE total(int) RENAME TO sum2"),
    ("collation", ["create collation l from \"C\""], "ALTER COLLATION l RENAME TO l2"),
    ("text-search", ["create text search configuration ts (copy = simple)"],
     "ALTER TEXT SEARCH CONFIGURATION ts DROP MAPPING IF EXISTS FOR word"),
]  # fmt: skip


def other_objects() -> list[Case]:
    return [
        OTHERS.ddl(
            name, f"ALTER of another object: {name}", statement, **({"setup_app": made} if made else {}),
            **({"setup": ["grant create on database @@DB@@ to rt_other"]} if name == "schema-owner" else {}),
        )
        for name, made, statement in OTHER_OBJECTS
    ]  # fmt: skip


def cases() -> list[Case]:
    return [
        *dropped_columns(), *overwritten_columns(), *hidden(), *moved_by_others(), *detached(), *subcommands(),
        *other_objects(),
    ]  # fmt: skip
