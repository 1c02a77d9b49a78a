"""Code of the database that runs by itself: triggers, rules, policies, defaults, checks, indexes, casts, operators."""

from typing import Any

from .case import Case, Step, Topic, emptied, gone
from .existing_calls import DROP, IS_TIDY, STEADY, TIDY, TIDY_ROW, routine
from .wire import COPY_DONE, SYNC, bind, data, exchange, execute, parse, query

TRIGGERS = Topic("stored-trigger", "H13")
REWRITTEN = Topic("stored-rewrite", "H13")
COLUMNS = Topic("stored-column", "H13")
INDEXES = Topic("stored-index", "H13")
TYPES = Topic("stored-type", "H13")
EVENTS = Topic("stored-event", "H13")

ACT = f"create function act() returns trigger language plpgsql as $f$ begin {DROP} return coalesce(new, old); end $f$"


def trigger(when: str, rest: str = "for each row", kind: str = "trigger") -> str:
    return f"create {kind} t {when} {rest} execute function act()"


INSERTED = trigger("after insert on cache_u")
ROW = "INSERT INTO cache_u VALUES ('q', 'q')"
CHILD = ["create table parent (id int primary key)", "create table child (id int references parent on delete {action} on"
         " update cascade)", "insert into parent values (1), (2)", "insert into child values (1)"]  # fmt: skip


def children(action: str) -> list[str]:
    return [statement.format(action=action) for statement in CHILD]


# Name, title, what is in the database, the client's steps, other fields.
FIRED: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("statement", "for each statement, on no row at all", [ACT, trigger("after update on cache_u", "")],
     ["UPDATE cache_u SET v = v WHERE k = 'none'"], {}),
    ("before-update", "before UPDATE of one column", [ACT, trigger("before update of v on cache_u")],
     ["UPDATE cache_u SET v = v WHERE k = 'k1'"], {}),
    ("delete", "after DELETE", [ACT, trigger("after delete on cache_u")], ["DELETE FROM cache_u WHERE k = 'k1'"], {}),
    ("when", "its WHEN calls a function", [IS_TIDY, "create function act() returns trigger language plpgsql as $f$ begin"
     " return new; end $f$", trigger("before insert on contacts", "for each row when (is_tidy(new.id))")],
     ["INSERT INTO contacts VALUES (9)"], {}),
    ("deferred", "a deferred constraint trigger: COMMIT runs it",
     [ACT, trigger("after insert on cache_u", "deferrable initially deferred for each row", "constraint trigger")],
     ["BEGIN", ROW, "COMMIT"], {}),
    ("set-constraints", "SET CONSTRAINTS runs what was deferred",
     [ACT, trigger("after insert on cache_u", "deferrable initially deferred for each row", "constraint trigger")],
     ["BEGIN", ROW, "SET CONSTRAINTS ALL IMMEDIATE", "COMMIT"], {}),
    ("deferred-sync", "Sync commits, and runs what was deferred",
     [ACT, trigger("after insert on cache_u", "deferrable initially deferred for each row", "constraint trigger")],
     exchange(parse("INSERT INTO cache_u VALUES ($1, $2)"), bind("", "", "q", "q"), execute(), SYNC), {}),
    ("partition", "on one partition, the row comes by the parent", [ACT, trigger("after insert on events_2024")],
     ["INSERT INTO events VALUES (7, '2024-05-05', 'x')"], {}),
    ("partitioned", "on the parent, the row goes to a partition", [ACT, trigger("after insert on events")],
     ["INSERT INTO events_2024 VALUES (7, '2024-05-05', 'x')"], {}),
    ("row-moves", "a row moves to another partition: its INSERT trigger runs",
     [ACT, trigger("after insert on events_2023")], ["UPDATE events SET ts = '2023-07-07' WHERE id = 3"], {}),
    ("heir", "on an heir, the statement names the parent", [ACT, trigger("before update on child_doc")],
     ["UPDATE base_doc SET title = title WHERE id = 10"], {}),
    ("cascade", "on a table that a foreign key deletes from", [*children("cascade"), ACT,
     trigger("after delete on child")], ["DELETE FROM parent WHERE id = 1"], {}),
    ("set-null", "on a table where a foreign key sets NULL", [*children("set null"), ACT,
     trigger("before update on child")], ["DELETE FROM parent WHERE id = 1"], {}),
    ("update-cascade", "on a table where a foreign key changes keys", [*children("cascade"), ACT,
     trigger("after update on child")], ["UPDATE parent SET id = 5 WHERE id = 1"], {}),
    ("copy", "COPY FROM fires it", [ACT, INSERTED], exchange(query("COPY cache_u FROM STDIN"), data("q\tq\n"),
                                                            COPY_DONE), {}),
    ("copy-extended", "COPY FROM by Execute fires it", [ACT, INSERTED],
     exchange(parse("COPY cache_u FROM STDIN"), bind(), execute(), data("q\tq\n"), COPY_DONE, SYNC), {}),
    ("merge", "MERGE fires it", [ACT, INSERTED], ["MERGE INTO cache_u t USING (SELECT 'q' AS k) s ON t.k = s.k WHEN NOT"
                                                 " MATCHED THEN INSERT VALUES (s.k, 'x')"], {}),
    ("merge-nothing", "MERGE that changes nothing fires statement triggers", [ACT, trigger("before update on cache_u",
     "")], ["MERGE INTO cache_u t USING (SELECT 'none' AS k) s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = v"], {}),
    ("on-conflict-update", "INSERT … ON CONFLICT fires the trigger for UPDATE",
     [ACT, trigger("after update on cache_u")],
     ["INSERT INTO cache_u VALUES ('k1', 'x') ON CONFLICT (k) DO UPDATE SET v = cache_u.v"], {}),
    ("on-conflict-nothing", "INSERT … ON CONFLICT DO NOTHING fires the trigger before INSERT",
     [ACT, trigger("before insert on cache_u")], ["INSERT INTO cache_u VALUES ('k1', 'x') ON CONFLICT DO NOTHING"],
     {}),
    ("cte", "a row written in WITH", [ACT, INSERTED], ["WITH n AS (INSERT INTO cache_u VALUES ('q', 'q') RETURNING k)"
                                                      " SELECT * FROM n"], {}),
    ("transition", "with transition tables", [ACT, trigger("after insert on cache_u", "referencing new table as added"
                                                          " for each statement")], [ROW], {}),
    ("nested", "a trigger writes a row whose trigger drops", [ACT, INSERTED,
     "create function first_act() returns trigger language plpgsql as $f$ begin insert into cache_u values ('q', 'q');"
     " return null; end $f$", "create trigger f after insert on audit_log execute function first_act()"],
     ["INSERT INTO audit_log (what) VALUES ('x')"], {}),
    ("second-round", "at the second depth only",
     ["create function act() returns trigger language plpgsql as $f$ begin if pg_trigger_depth() = 2 then drop table"
      " leads; else insert into cache_u values ('r', 'r'); end if; return null; end $f$", INSERTED], [ROW], {}),
    ("argument", "the name is the trigger's argument",
     ["create function act() returns trigger language plpgsql as $f$ begin execute format('drop table %I', tg_argv[0]);"
      " return null; end $f$", "create trigger t after insert on cache_u execute function act('leads')"], [ROW], {}),
    ("row-text", "the name is in the row",
     ["create function act() returns trigger language plpgsql as $f$ begin execute 'drop table ' || new.v; return null;"
      " end $f$", INSERTED], ["INSERT INTO cache_u VALUES ('job', 'leads')"], {}),
    ("some-rows", "only for certain rows", [ACT, trigger("after insert on cache_u", "for each row when (new.k = 'q')")],
     ["INSERT INTO cache_u VALUES ('p', 'p')", ROW], {}),
    ("always", "enabled always, in a session that replays",
     [ACT, INSERTED, "alter table cache_u enable always trigger t"],
     ["SET session_replication_role = replica", ROW], {"role": "super"}),
    ("replica", "enabled for sessions that replay", [ACT, INSERTED, "alter table cache_u enable replica trigger t"],
     ["SET session_replication_role = replica", ROW], {"role": "super"}),
    ("truncate", "before TRUNCATE of another table", [ACT, trigger("before truncate on cache_u", "")],
     ["TRUNCATE cache_u"], {}),
    ("instead-insert", "INSTEAD OF INSERT on a view", [ACT, trigger("instead of insert on v_contacts")],
     ["INSERT INTO v_contacts VALUES (9, 'x', 'y')"], {}),
    ("instead-delete", "INSTEAD OF DELETE on a view", [ACT, trigger("instead of delete on v_contacts")],
     ["DELETE FROM v_contacts WHERE id = 1"], {}),
    ("below-view", "on the table below a view", [ACT, trigger("after update on contacts")],
     ["UPDATE v_contacts SET note = note WHERE id = 1"], {}),
    ("other-role", "the trigger function has its owner's rights",
     ["create table inbox (a text)", "grant insert on inbox to rt_ro", ACT.replace("plpgsql as", "plpgsql security"
      " definer as"), trigger("after insert on inbox")], ["INSERT INTO inbox VALUES ('x')"], {"role": "ro"}),
    ("column-added", "a new column's default fires nothing, the UPDATE behind it does",
     [ACT, trigger("after update on cache_u")], ["ALTER TABLE cache_u ADD n int; UPDATE cache_u SET n = 1 WHERE k ="
                                                " 'k1'"], {}),
    ("pipeline", "a row among harmless statements in one go", [ACT, INSERTED],
     exchange(parse("SELECT 1"), bind(), execute(), parse("INSERT INTO cache_u VALUES ('q', 'q')", "i"), bind("i"),
              execute(), SYNC), {}),
    ("do-block", "a row written in DO", [ACT, INSERTED], [f"DO $$ BEGIN {ROW}; END $$"], {}),
    ("from-function", "a row written by a function of the database", [ACT, INSERTED,
     "create function add_row() returns void language sql as 'insert into cache_u values (''q'', ''q'')'"],
     ["SELECT add_row()"], {}),
    ("foreign-key-check", "a trigger on the referencing table's UPDATE, in a self-reference",
     ["create table tree (id int primary key, up int references tree on update cascade)",
      "insert into tree values (1, null), (2, 1)", ACT, trigger("before update of up on tree")],
     ["UPDATE tree SET id = 9 WHERE id = 1"], {}),
]  # fmt: skip


def fired() -> list[Case]:
    return [
        TRIGGERS.destructive(name, f"a trigger of the database: {title}", *steps, vis="server", setup_app=made,
                             **fields)
        for name, title, made, steps, fields in FIRED
    ]  # fmt: skip


LOST_ROWS: dict[str, Any] = {"tier": 2, "loss": "rows", "proof": emptied("leads")}
POLICY = "alter table contacts enable row level security, force row level security"
# Rules, views and policies. Name, title, what is in the database, the client's steps, other fields.
ADDED: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("rule-also", "ON INSERT DO ALSO SELECT", [TIDY, "create rule r as on insert to cache_u do also select tidy()"],
     [ROW], {}),
    ("rule-delete", "ON INSERT DO ALSO DELETE", ["create rule r as on insert to cache_u do also delete from leads"],
     [ROW], LOST_ROWS),
    ("rule-instead", "ON UPDATE DO INSTEAD DELETE of another table",
     ["create rule r as on update to cache_u do instead delete from leads"],
     ["UPDATE cache_u SET v = 'x' WHERE k = 'k1'"], LOST_ROWS),
    ("rule-list", "a rule with a list of actions", ["create rule r as on delete to cache_u do also (insert into"
     " audit_log (what) values ('x'); update leads set note = null; delete from leads)"],
     ["DELETE FROM cache_u WHERE k = 'k1'"], LOST_ROWS),
    ("rule-condition", "a rule whose condition calls a function",
     [IS_TIDY, "create rule r as on insert to contacts where is_tidy(new.id) do instead nothing"],
     ["INSERT INTO contacts VALUES (9)"], {}),
    ("rule-on-view", "a rule makes a view writable",
     ["create view w as select 1 as a", "create rule r as on insert to w do instead delete from leads"],
     ["INSERT INTO w VALUES (1)"], LOST_ROWS),
    ("rule-copy-query", "COPY of a statement that a rule changes",
     [TIDY, "create rule r as on insert to cache_u do instead select tidy()"],
     ["INSERT INTO cache_u VALUES ('q', 'q')"], {}),
    ("view", "a condition in a view", [IS_TIDY, "create view w as select id from contacts where is_tidy(id)"],
     ["SELECT count(*) FROM w"], {}),
    ("view-in-view", "a view on a view on a view", [TIDY_ROW, "create view w1 as select tidy(id) as a from contacts",
     "create view w2 as select a from w1", "create view w3 as select max(a) as a from w2"], ["SELECT a FROM w3"], {}),
    ("view-barrier", "a view with security_barrier",
     [IS_TIDY, "create view w with (security_barrier) as select id from contacts where is_tidy(id)"],
     ["SELECT 1 FROM w WHERE id = 1"], {}),
    ("view-invoker", "a view with security_invoker",
     [IS_TIDY, "create view w with (security_invoker) as select id from contacts where is_tidy(id)"],
     ["SELECT 1 FROM w JOIN customers USING (id)"], {}),
    ("view-check", "a view with CHECK OPTION, a row comes through it",
     [IS_TIDY, "create view w as select * from contacts where is_tidy(id) with check option"],
     ["INSERT INTO w VALUES (9)"], {}),
    ("view-default", "the default of a view's column",
     [TIDY, "create view w as select * from contacts", "alter view w alter id set default tidy() + 90"],
     ["INSERT INTO w (name) VALUES ('x')"], {}),
    ("view-copied", "COPY of a query on a view", [TIDY, "create view w as select tidy() as a"],
     ["COPY (TABLE w) TO STDOUT"], {}),
    ("view-as-source", "UPDATE FROM a view", [TIDY, "create view w as select tidy() as a"],
     ["UPDATE contacts SET note = note FROM w WHERE id = a"], {}),
    ("recursive-view", "a recursive view", [TIDY_ROW, "create recursive view w (a) as values (1) union all select"
     " tidy(a) + 1 from w where a < 2"], ["TABLE w"], {}),
    ("view-of-set", "a view on a function in FROM", [TIDY, "create view w as select * from tidy() as t (a)"],
     ["SELECT FROM w"], {}),
    ("view-order", "a function in the ORDER BY of a view", [TIDY_ROW, "create view w as select id from contacts order by"
     " tidy(id)"], ["TABLE w"], {}),
    ("policy-select", "a policy for SELECT", [IS_TIDY, POLICY, "create policy p on contacts using (is_tidy(id))"],
     ["SELECT name FROM contacts"], {}),
    ("policy-insert", "a policy's WITH CHECK",
     [IS_TIDY, POLICY, "create policy p on contacts for insert with check (is_tidy(id))"],
     ["INSERT INTO contacts VALUES (9)"], {}),
    ("policy-update", "a policy for UPDATE", [IS_TIDY, POLICY, "create policy p on contacts for select using (true)",
     "create policy q on contacts for update using (true) with check (is_tidy(id))"],
     ["UPDATE contacts SET note = note WHERE id = 1"], {}),
    ("policy-restrictive", "a restrictive policy beside a harmless one", [IS_TIDY, POLICY,
     "create policy p on contacts using (true)", "create policy q on contacts as restrictive for delete using"
     " (is_tidy(id))"], ["DELETE FROM contacts WHERE id = 0 OR name = 'x'"], {}),
    ("policy-copy", "a policy, and COPY TO", [IS_TIDY, POLICY, "create policy p on contacts using (is_tidy(id))"],
     ["COPY contacts TO STDOUT"], {}),
    ("policy-reader", "a policy for a role that may only read, with its owner's rights",
     [routine("is_tidy(a int)", "bool", f"{DROP} return true;", "plpgsql security definer"),
      "alter table contacts enable row level security", "create policy p on contacts to rt_ro using (is_tidy(id))"],
     ["TABLE contacts"], {"role": "ro"}),
    ("policy-below-view", "a policy of the table below a view", [IS_TIDY, POLICY,
     "create policy p on contacts using (is_tidy(id))"], ["SELECT id FROM v_contacts"], {}),
    ("policy-by-select", "a policy that asks another table, whose policy calls a function", [IS_TIDY, POLICY,
     "create policy p on contacts using (is_tidy(id))", "alter table cache_u enable row level security, force row level"
     " security", "create policy p on cache_u using (exists (select from contacts where id = 1))"],
     ["TABLE cache_u"], {}),
]  # fmt: skip


def added() -> list[Case]:
    return [
        REWRITTEN.destructive(name, f"what the server adds to a statement: {title}", *steps, vis="server",
                              setup_app=made, **fields)
        for name, title, made, steps, fields in ADDED
    ]  # fmt: skip


# Defaults, checks, generated columns, domains. Name, title, what is in the database, the client's steps.
ON_ROWS: list[tuple[str, str, list[str], list[Step]]] = [
    ("default-values", "INSERT … DEFAULT VALUES", [TIDY, "create table s (a int default tidy())"],
     ["INSERT INTO s DEFAULT VALUES"]),
    ("default-word", "the word DEFAULT in UPDATE", [TIDY, "create table s (a int default tidy(), b int)",
     "insert into s values (1, 1)"], ["UPDATE s SET a = DEFAULT WHERE b = 1"]),
    ("default-copy", "COPY without the column", [TIDY, "create table s (a int default tidy(), b int)"],
     exchange(query("COPY s (b) FROM STDIN"), data("1\n"), COPY_DONE)),
    ("default-of-domain", "the default of a domain", [TIDY, "create domain d as int default tidy()",
     "create table s (a d, b int)"], ["INSERT INTO s (b) VALUES (1)"]),
    ("default-like", "a default taken over by LIKE", [TIDY, "create table s (a int default tidy(), b int)"],
     ["CREATE TEMP TABLE w (LIKE s INCLUDING DEFAULTS)", "INSERT INTO w (b) VALUES (1)"]),
    ("default-merge", "MERGE … INSERT DEFAULT VALUES", [TIDY, "create table s (a int default tidy())"],
     ["MERGE INTO s USING (SELECT 1) v(i) ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES"]),
    ("check-update", "a CHECK, by UPDATE", ["create table s (a int, b int)", "insert into s values (1, 1)", IS_TIDY,
     "alter table s add check (is_tidy(a)) not valid"], ["UPDATE s SET b = 2 WHERE a = 1"]),
    ("check-copy", "a CHECK, by COPY", [IS_TIDY, "create table s (a int check (is_tidy(a)))"],
     exchange(query("COPY s FROM STDIN"), data("1\n"), COPY_DONE)),
    ("check-validate", "VALIDATE CONSTRAINT", ["create table s (a int)", "insert into s values (1)", IS_TIDY,
     "alter table s add constraint c check (is_tidy(a)) not valid"], ["ALTER TABLE s VALIDATE CONSTRAINT c"]),
    ("check-inherited", "a CHECK of the parent, a row for the heir", [IS_TIDY, "create table s (a int check"
     " (is_tidy(a)))", "create table s1 () inherits (s)"], ["INSERT INTO s1 VALUES (1)"]),
    ("check-rewrite", "a table rewritten checks anew", ["create table s (a int, b int)", "insert into s values (1, 1)",
     IS_TIDY, "alter table s add check (is_tidy(a)) not valid"],
     ["ALTER TABLE s ALTER b TYPE int USING b + 0", "UPDATE s SET b = 3 WHERE b = 1"]),
    ("generated-update", "a generated column, by UPDATE of its base", [
     "create function tidy(a int) returns int language sql as 'select a'", STEADY,
     "create table s (a int, g int generated always as (steady(a)) stored)", "insert into s values (1)",
     "drop function tidy(int)", TIDY_ROW], ["UPDATE s SET a = 2 WHERE a = 1"]),
    ("partition-key", "an expression in a partition key", [TIDY_ROW, STEADY,
     "create table s (a int) partition by range (steady(a))", "create table s1 partition of s default"],
     ["INSERT INTO s VALUES (1)"]),
    ("partition-attach", "ATTACH PARTITION looks at every row", [TIDY_ROW, STEADY,
     "create table s (a int) partition by list (steady(a))", "create table s1 (a int)", "insert into s1 values (1)"],
     ["ALTER TABLE s ATTACH PARTITION s1 FOR VALUES IN (1)"]),
    ("partition-default", "a new partition makes the default one be looked at", [
     "create function tidy(a int) returns int language sql as 'select a'", STEADY,
     "create table s (a int) partition by list (steady(a))", "create table s0 partition of s default",
     "insert into s values (7)", "drop function tidy(int)", TIDY_ROW], ["CREATE TABLE s1 PARTITION OF s FOR VALUES IN"
                                                                       " (1)"]),
    ("domain-cast", "a value cast to a domain", [IS_TIDY, "create domain d as int check (is_tidy(value))"],
     ["SELECT '1'::d"]),
    ("domain-argument", "an argument of a domain's type", [IS_TIDY, "create domain d as int check (is_tidy(value))",
     "create function plain(d) returns int language plpgsql as $f$ begin return 1; end $f$"], ["SELECT plain(1)"]),
    ("domain-parameter", "a parameter of a domain's type in Bind", [IS_TIDY,
     "create domain d as int check (is_tidy(value))"], exchange(parse("SELECT $1::d"), bind("", "", "1"), SYNC)),
    ("domain-parameter-type", "a parameter declared by the domain's OID", [IS_TIDY,
     "create domain d as int check (is_tidy(value))"],
     exchange(parse("SELECT $1", "", types=["@@OID:type:public.d@@"]), bind("", "", "1"), SYNC)),
    ("domain-variable", "a variable of a domain's type in DO", [IS_TIDY, "create domain d as int check"
     " (is_tidy(value))"], ["DO $$ DECLARE v d := 1; BEGIN NULL; END $$"]),
    ("domain-json", "a record read from JSON", [IS_TIDY, "create domain d as int check (is_tidy(value))",
     "create type pair as (a d, b int)"], ["SELECT * FROM json_populate_record(NULL::pair, '{\"a\": 1}')"]),
    ("domain-array", "elements of an array", [IS_TIDY, "create domain d as int check (is_tidy(value))"],
     ["SELECT '{1,2}'::d[]"]),
    ("domain-row-text", "a row written as text", [IS_TIDY, "create domain d as int check (is_tidy(value))",
     "create type pair as (a d, b int)"], ["SELECT '(1,2)'::pair"]),
    ("domain-over-domain", "a domain over a domain", [IS_TIDY, "create domain d as int check (is_tidy(value))",
     "create domain e as d"], ["CREATE TEMP TABLE w (a e); INSERT INTO w VALUES (1)"]),
    ("domain-column", "a column of a domain's type, by COPY", [IS_TIDY, "create domain d as int check"
     " (is_tidy(value))", "create table s (a d)"], exchange(query("COPY s FROM STDIN"), data("1\n"), COPY_DONE)),
    ("domain-check-added", "ALTER DOMAIN … ADD CHECK looks at every row", [IS_TIDY, "create domain d as int",
     "create table s (a d)", "insert into s values (1)"], ["ALTER DOMAIN d ADD CHECK (is_tidy(VALUE))"]),
    ("domain-validate", "ALTER DOMAIN … VALIDATE CONSTRAINT", ["create domain d as int", "create table s (a d)",
     "insert into s values (1)", IS_TIDY, "alter domain d add constraint c check (is_tidy(value)) not valid"],
     ["ALTER DOMAIN d VALIDATE CONSTRAINT c"]),
    ("domain-retype", "a column gets a domain's type", ["create table s (a int)", "insert into s values (1)", IS_TIDY,
     "create domain d as int check (is_tidy(value))"], ["ALTER TABLE s ALTER a TYPE d"]),
    ("domain-returned", "a function that returns a domain", [IS_TIDY, "create domain d as int check (is_tidy(value))",
     "create function plain() returns d language plpgsql as $f$ begin return 1; end $f$"], ["SELECT plain()"]),
]  # fmt: skip


def on_rows() -> list[Case]:
    return [
        COLUMNS.destructive(name, f"code of a column or domain: {title}", *steps, vis="server", setup_app=made)
        for name, title, made, steps in ON_ROWS
    ]


# An index, a cluster order, statistics that were made while the function was harmless. Its later body is the loss.
TAME = "create function tidy(a int) returns int language sql as 'select a'"
ARMED = ["drop function tidy(int)", TIDY_ROW]
INDEXED = [TAME, STEADY, "create table s (a int, b int)", "insert into s select g, g from generate_series(1, 20) g"]
LOOKED_AT: list[tuple[str, str, list[str], list[Step]]] = [
    ("insert", "a new row", [*INDEXED, "create index i on s (steady(a))", *ARMED], ["INSERT INTO s VALUES (99)"]),
    ("update", "a changed row", [*INDEXED, "create index i on s (steady(a))", *ARMED],
     ["UPDATE s SET a = 99 WHERE b = 1"]),
    ("reindex", "REINDEX", [*INDEXED, "create index i on s (steady(a))", *ARMED], ["REINDEX INDEX i"]),
    ("reindex-table", "REINDEX CONCURRENTLY", [*INDEXED, "create index i on s (steady(a))", *ARMED],
     ["REINDEX TABLE CONCURRENTLY s"]),
    ("cluster", "CLUSTER", [*INDEXED, "create index i on s (steady(a))", "create index o on s (a)", *ARMED],
     ["CLUSTER s USING o"]),
    ("vacuum-full", "VACUUM FULL", [*INDEXED, "create index i on s (steady(a))", *ARMED], ["VACUUM FULL s"]),
    ("analyze", "ANALYZE of an index on an expression", [*INDEXED, "create index i on s (steady(a))", *ARMED],
     ["ANALYZE s"]),
    ("statistics", "ANALYZE of statistics on expressions", [*INDEXED, "create statistics x on (steady(a)), b from s",
                                                           *ARMED], ["ANALYZE s"]),
    ("analyze-superuser", "ANALYZE by a superuser runs it as the owner", [*INDEXED, "create index i on s (steady(a))",
                                                                         *ARMED], ["ANALYZE"]),
    ("rewrite", "a column's type changes, the index is made anew", [*INDEXED, "create index i on s (steady(a))",
                                                                   *ARMED], ["ALTER TABLE s ALTER b TYPE bigint"]),
    ("condition", "a condition of a partial index", [*INDEXED, "create index i on s (b) where steady(a) > 0", *ARMED],
     ["INSERT INTO s VALUES (99)"]),
    ("exclusion", "an exclusion constraint", [*INDEXED, "alter table s add exclude using btree (steady(a) with =)",
                                             *ARMED], ["INSERT INTO s VALUES (99)"]),
    ("recheck", "a query's condition by an index scan", [*INDEXED, "create index i on s (steady(a))", *ARMED],
     ["SELECT count(*) FROM s WHERE steady(a) = 3"]),
    ("matview", "an index of a materialized view", [TAME, STEADY, "create materialized view m as select id from"
     " contacts", "create index i on m (steady(id))", *ARMED], ["REFRESH MATERIALIZED VIEW m"]),
    ("temporary-like", "an index taken over by LIKE", [*INDEXED, "create index i on s (steady(a))", *ARMED],
     ["CREATE TEMP TABLE w (LIKE s INCLUDING INDEXES)", "INSERT INTO w VALUES (1)"]),
]  # fmt: skip


def looked_at() -> list[Case]:
    return [
        INDEXES.destructive(name, f"an expression in an index or statistics: {title}", *steps, vis="server",
                            setup_app=made, **({"role": "super"} if "superuser" in name else {}))
        for name, title, made, steps in LOOKED_AT
    ]  # fmt: skip


COIN = "create type coin as (v int)"
CAST_BODY = "create function to_int(coin) returns int language plpgsql as $f$ begin {0} return ($1).v; end $f$"
ORDER = ["create function coin_order(a coin, b coin) returns int language plpgsql immutable as $f$ begin perform"
         " tidy(); return (a).v - (b).v; end $f$",
         *(f"create function coin_{name}(a coin, b coin) returns bool language sql immutable as 'select (a).v {sign}"
           f" (b).v'; create operator {sign} (leftarg = coin, rightarg = coin, function = coin_{name})"
           for name, sign in [("lt", "<"), ("le", "<="), ("eq", "="), ("ge", ">="), ("gt", ">")])]  # fmt: skip
OWN_ORDER = "create operator class coin_ops default for type coin using btree as operator 1 <, operator 2 <=, operator 3 =," \
            " operator 4 >=, operator 5 >, function 1 coin_order(coin, coin)"
OWN_HASH = ["create function coin_hash(a coin) returns int language plpgsql immutable as $f$ begin perform tidy();"
            " return (a).v; end $f$",
            "create operator class coin_hash_ops default for type coin using hash as operator 1 =, function 1"
            " coin_hash(coin)"]  # fmt: skip
COINS = "(VALUES (ROW(2)::coin), (ROW(1)::coin)) t (c)"
PURSE = ["create table purse (c coin)", "insert into purse values (row(2)), (row(1)), (row(2))"]
# Casts, operators, operator classes, ranges. Name, title, what is in the database (as a superuser), steps, other fields.
OF_TYPES: list[tuple[str, str, list[str], list[Step]]] = [
    ("cast-explicit", "an explicit cast", [COIN, CAST_BODY.format(DROP), "create cast (coin as int) with function"
     " to_int(coin)"], ["SELECT CAST(ROW(1)::coin AS int)"]),
    ("cast-assignment", "an assignment cast, by INSERT", [COIN, CAST_BODY.format(DROP), "create cast (coin as int) with"
     " function to_int(coin) as assignment", "create table s (a int)", "alter table s owner to rt_app"],
     ["INSERT INTO s VALUES (ROW(1)::coin)"]),
    ("cast-implicit", "an implicit cast, by an argument", [COIN, CAST_BODY.format(DROP), "create cast (coin as int) with"
     " function to_int(coin) as implicit"], ["SELECT abs(ROW(-1)::coin)"]),
    ("cast-implicit-where", "an implicit cast, by a comparison", [COIN, CAST_BODY.format(DROP), "create cast (coin as"
     " int) with function to_int(coin) as implicit"], ["SELECT 1 FROM contacts WHERE id + ROW(1)::coin = 2"]),
    ("cast-in-plpgsql", "an assignment cast, by a variable in DO", [COIN, CAST_BODY.format(DROP), "create cast (coin as"
     " int) with function to_int(coin) as assignment"], ["DO $$ DECLARE n int; BEGIN n := ROW(1)::coin; END $$"]),
    ("operator", "an operator", [routine("same(int, text)", "bool", f"{DROP} return true;"),
     "create operator = (leftarg = int, rightarg = text, function = same)"],
     ["SELECT name FROM contacts WHERE id = name"]),
    ("operator-prefix", "a prefix operator", [TIDY_ROW, "create operator !!! (rightarg = int, function = tidy)"],
     ["SELECT !!! id FROM contacts"]),
    ("operator-any", "an operator by = ANY (array)", [routine("same(int, text)", "bool", f"{DROP} return true;"),
     "create operator = (leftarg = int, rightarg = text, function = same)"],
     ["SELECT id FROM contacts WHERE id = ANY (ARRAY['x', 'y']::text[])"]),
    ("operator-in", "an operator by IN", [routine("same(int, text)", "bool", f"{DROP} return true;"),
     "create operator = (leftarg = int, rightarg = text, function = same)"],
     ["SELECT id FROM contacts WHERE id IN ('x'::text, 'y'::text)"]),
    ("operator-in-select", "an operator by IN (SELECT)", [routine("same(int, text)", "bool", f"{DROP} return true;"),
     "create operator = (leftarg = int, rightarg = text, function = same)"],
     ["SELECT id FROM contacts WHERE id IN (SELECT name FROM customers)"]),
    ("operator-case", "an operator by CASE … WHEN", [routine("same(int, text)", "bool", f"{DROP} return true;"),
     "create operator = (leftarg = int, rightarg = text, function = same)"],
     ["SELECT CASE id WHEN name THEN 1 END FROM contacts"]),
    ("operator-nullif", "an operator by NULLIF", [routine("same(int, text)", "bool", f"{DROP} return true;"),
     "create operator = (leftarg = int, rightarg = text, function = same)"], ["SELECT NULLIF(id, name) FROM contacts"]),
    ("operator-distinct", "an operator by IS DISTINCT FROM", [routine("same(int, text)", "bool", f"{DROP} return"
     " true;"), "create operator = (leftarg = int, rightarg = text, function = same)"],
     ["SELECT id IS DISTINCT FROM name FROM contacts"]),
    ("operator-using", "an operator by JOIN USING", [COIN, routine("same(coin, coin)", "bool",
     f"{DROP} return true;"), "create operator = (leftarg = coin, rightarg = coin, function = same)", *PURSE],
     ["SELECT count(*) FROM purse a JOIN purse b USING (c)"]),
    ("operator-between", "operators by BETWEEN", [routine("below(int, text)", "bool", f"{DROP} return true;"),
     "create operator >= (leftarg = int, rightarg = text, function = below)",
     "create operator <= (leftarg = int, rightarg = text, function = below)"],
     ["SELECT id FROM contacts WHERE id BETWEEN 'a'::text AND 'b'::text"]),
    ("operator-like", "an operator by LIKE", [routine("alike(int, text)", "bool", f"{DROP} return true;"),
     "create operator ~~ (leftarg = int, rightarg = text, function = alike)"],
     ["SELECT id FROM contacts WHERE id LIKE 'x'::text"]),
    ("operator-path", "a built-in operator, with pg_catalog last in the path",
     [routine("same(int, int)", "bool", f"{DROP} return $1 operator(pg_catalog.=) $2;"),
      "create operator = (leftarg = int, rightarg = int, function = same)"],
     ["SET search_path = public, pg_catalog", "SELECT name FROM contacts WHERE id = 1"]),
    ("order-by", "an own order, by ORDER BY", [TIDY, COIN, *ORDER, OWN_ORDER], [f"SELECT c FROM {COINS} ORDER BY c"]),
    ("order-using", "an own order, by ORDER BY … USING", [TIDY, COIN, *ORDER, OWN_ORDER],
     [f"SELECT c FROM {COINS} ORDER BY c USING >"]),
    ("order-distinct", "an own order, by DISTINCT", [TIDY, COIN, *ORDER, OWN_ORDER], [f"SELECT DISTINCT c FROM"
                                                                                     f" {COINS}"]),
    ("order-group", "an own order, by GROUP BY", [TIDY, COIN, *ORDER, OWN_ORDER], [f"SELECT c, count(*) FROM {COINS}"
                                                                                  " GROUP BY c"]),
    ("order-union", "an own order, by UNION", [TIDY, COIN, *ORDER, OWN_ORDER, *PURSE],
     ["SELECT c FROM purse UNION SELECT c FROM purse"]),
    ("order-window", "an own order, by a window", [TIDY, COIN, *ORDER, OWN_ORDER, *PURSE],
     ["SELECT rank() OVER (ORDER BY c) FROM purse"]),
    ("order-aggregate", "an own order, by count(DISTINCT)", [TIDY, COIN, *ORDER, OWN_ORDER, *PURSE],
     ["SELECT count(DISTINCT c) FROM purse"]),
    ("order-max", "an own order, by greatest()", [TIDY, COIN, *ORDER, OWN_ORDER], ["SELECT greatest(ROW(1)::coin,"
                                                                                  " ROW(2)::coin)"]),
    ("order-index", "an own order, by a unique index", [TIDY.replace(DROP, ""), COIN, *ORDER, OWN_ORDER, *PURSE[:1],
     "create unique index on purse (c)", "insert into purse values (row(1))", "drop function tidy()", TIDY],
     ["INSERT INTO purse VALUES (ROW(3))"]),
    ("order-new-index", "an own order, by CREATE INDEX", [TIDY, COIN, *ORDER, OWN_ORDER, *PURSE],
     ["CREATE INDEX ON purse (c)"]),
    ("order-analyze", "an own order, by ANALYZE", [TIDY, COIN, *ORDER, OWN_ORDER, *PURSE], ["ANALYZE purse"]),
    ("order-array", "an own order, by comparing arrays", [TIDY, COIN, *ORDER, OWN_ORDER],
     ["SELECT ARRAY[ROW(1)::coin] < ARRAY[ROW(2)::coin]"]),
    ("order-row", "an own order, by comparing rows", [TIDY, COIN, *ORDER, OWN_ORDER],
     ["SELECT ROW(1, ROW(1)::coin) < ROW(1, ROW(2)::coin)"]),
    ("order-range", "an own order, by a range over it", [TIDY, COIN, *ORDER, OWN_ORDER, "create type purse_range as range"
     " (subtype = coin)"], ["SELECT purse_range(ROW(1)::coin, ROW(2)::coin)"]),
    ("order-partition", "an own order, by a partition key", [TIDY.replace(DROP, ""), COIN, *ORDER, OWN_ORDER,
     "create table s (c coin) partition by range (c)",
     "create table s1 partition of s for values from (row(0)::coin) to (row(9)::coin)", "drop function tidy()", TIDY,
     "alter table s owner to rt_app", "alter table s1 owner to rt_app"], ["INSERT INTO s VALUES (ROW(3))"]),
    ("hash-group", "an own hash, by GROUP BY", [TIDY, COIN,
     *(text.replace("perform tidy();", "").replace("function = coin_eq)", "function = coin_eq, hashes)")
       for text in ORDER), OWN_ORDER, *OWN_HASH, *PURSE], ["SELECT c FROM purse GROUP BY c"]),
    ("range-difference", "the difference function of a range, by a GiST index", [TIDY, "create function diff(int, int)"
     " returns float8 language plpgsql immutable as $f$ begin perform tidy(); return $1 - $2; end $f$",
     "create type span as range (subtype = int, subtype_diff = diff)", "create table s (r span)",
     "alter table s owner to rt_app", "insert into s select span(g, g + 5) from generate_series(1, 2000) g"],
     ["CREATE INDEX ON s USING gist (r)"]),
]  # fmt: skip


def of_types() -> list[Case]:
    return [
        TYPES.destructive(
            name, f"code of a type: {title}", *steps, vis="server",
            setup=[*made, *(["alter table purse owner to rt_app"] if PURSE[0] in made else [])],
        )
        for name, title, made, steps in OF_TYPES
    ]  # fmt: skip


EVENT = f"create function act() returns event_trigger language plpgsql as $f$ begin {DROP} end $f$"
# An event trigger that a superuser made long ago. Name, title, its event, the client's steps.
ON_DDL: list[tuple[str, str, str, list[Step]]] = [
    ("create-table", "the end of CREATE TABLE", "ddl_command_end when tag in ('CREATE TABLE')",
     ["CREATE TABLE n1 (a int)"]),
    ("create-temp", "the end of CREATE TEMP TABLE", "ddl_command_end when tag in ('CREATE TABLE')",
     ["CREATE TEMP TABLE w (a int)"]),
    ("start", "the start of COMMENT", "ddl_command_start when tag in ('COMMENT')", ["COMMENT ON TABLE contacts IS 'x'"]),
    ("drop", "a dropped function", "sql_drop when tag in ('DROP FUNCTION')", ["DROP FUNCTION IF EXISTS plain()"]),
    ("rewrite", "a table that is rewritten", "table_rewrite", ["ALTER TABLE audit_log ALTER id TYPE bigint"]),
    ("select-into", "SELECT INTO", "ddl_command_end when tag in ('SELECT INTO')", ["SELECT 1 AS a INTO n1"]),
    ("grant", "GRANT", "ddl_command_end when tag in ('GRANT')", ["GRANT SELECT ON contacts TO rt_ro"]),
    ("refresh", "REFRESH MATERIALIZED VIEW", "ddl_command_end when tag in ('REFRESH MATERIALIZED VIEW')",
     ["REFRESH MATERIALIZED VIEW mv_sales"]),
    ("drop-temp", "a temporary table that is dropped", "sql_drop", ["CREATE TEMP TABLE w (a int)", "DROP TABLE"
                                                                    " pg_temp.w"]),
]  # fmt: skip


def on_ddl() -> list[Case]:
    plain = "create function plain() returns int language sql as 'select 1'; alter function plain() owner to rt_app"
    return [
        EVENTS.destructive(
            name, f"an event trigger of the database: {title}", *steps, vis="server", proof=gone("public.leads"),
            setup=[plain, EVENT, f"create event trigger e on {event} execute function act()"],
        )
        for name, title, event, steps in ON_DDL
    ]  # fmt: skip


def cases() -> list[Case]:
    return [*fired(), *added(), *on_rows(), *looked_at(), *of_types(), *on_ddl()]
