"""standard_conforming_strings: how it changes, and that text is read as the server reads it from then on."""

from .case import Case, Step, Topic

CHANGED = Topic("scs", "H6")
KEPT_TEXT = Topic("scs-harmless", "H6")

WHEN_OFF = r"SELECT 'x\' , '; DROP TABLE leads; --'"  # the DROP is a statement while backslashes escape
WHEN_ON = r"SELECT 'a\'; DROP TABLE leads; --'"  # … while they do not
SET_OFF = "SET standard_conforming_strings = off"
SET_ON = "SET standard_conforming_strings = on"


def message(text: str) -> dict[str, str]:
    return {"t": "Query", "sql": text}


def extended(text: str) -> list[dict[str, object]]:
    return [
        {"t": "Parse", "name": "", "sql": text}, {"t": "Bind", "portal": "", "stmt": "", "params": []},
        {"t": "Execute", "portal": "", "max": 0},
    ]  # fmt: skip


def startup(name: str, value: str) -> dict[str, object]:
    return {"startup": {"extra": [[name, value]]}}


# Name, what happens first, whether backslashes escape afterwards, fields.
WAYS: list[tuple[str, list[Step], bool, dict[str, object]]] = [
    ("session-word", ["SET SESSION standard_conforming_strings TO 'off'"], True, {}),
    ("quoted-name", ['SET "standard_conforming_strings" TO false'], True, {}),
    ("unicode-name", [r'SET U&"\0073tandard_conforming_strings" = no'], True, {}),
    ("short-value", ["SET Standard_Conforming_Strings = 'of'"], True, {}),
    ("number", ["SET standard_conforming_strings = 0"], True, {}),
    ("two-of-three", [f"{SET_OFF}; {SET_ON}; SET SESSION standard_conforming_strings = f"], True, {}),
    ("set-config-local", ["BEGIN; SELECT set_config('standard_conforming_strings', 'off', true)"], True, {}),
    ("set-config-cte", ["WITH s AS (SELECT set_config('standard_conforming_strings', 'off', false)) TABLE s"], True,
     {}),
    ("set-config-where", ["SELECT 1 FROM leads WHERE set_config('standard_conforming_strings', 'off', false) = 'off'"],
     True, {}),
    ("pg-settings", ["UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'"], True, {}),
    ("do-perform", ["DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$"], True, {}),
    ("do-set", [f"DO $$ BEGIN {SET_OFF}; END $$"], True, {}),
    ("savepoint-released", [f"BEGIN; SAVEPOINT a; {SET_OFF}; RELEASE a", "COMMIT"], True, {}),
    ("committed-later", ["BEGIN", SET_OFF, "SAVEPOINT a; SELECT 1/0", "ROLLBACK TO a; COMMIT"], True,
     {"allow_errors": ["22012"]}),
    ("reset-to-startup", [SET_ON, "RESET standard_conforming_strings"], True, startup("standard_conforming_strings",
        "off")),
    ("reset-all", [SET_ON, "RESET ALL"], True, startup("options", "-cstandard_conforming_strings=off")),
    ("discard-all", [SET_ON, "DISCARD ALL"], True, startup("options", "--standard-conforming-strings=off")),
    ("options-escaped", [], True, startup("options", r"-c application_name=a\ b -c standard_conforming_strings=no")),
    ("options-last-wins", [], True, startup("options", "-c standard_conforming_strings=on"
                                            " -cstandard_conforming_strings=0")),
    ("database-default", ["ALTER DATABASE @@DB@@ SET standard_conforming_strings = off", {"op": "connect"}], True, {}),
    ("two-phase", [f"BEGIN; {SET_OFF}; PREPARE TRANSACTION '@@DB@@'", "ROLLBACK PREPARED '@@DB@@'"], True, {}),
    ("prepared-execute", ["PREPARE s (text, text) AS SELECT set_config($1, $2, false)",
                          "EXECUTE s('standard_conforming_strings', 'off')"], True, {}),
    ("cursor-fetch", ["BEGIN; DECLARE c CURSOR FOR SELECT set_config('standard_conforming_strings', 'off', false)",
                      "MOVE c", "COMMIT"], True, {}),
    ("local-chain", [f"BEGIN; SET LOCAL standard_conforming_strings = off; COMMIT AND CHAIN"], False, {}),
    ("implicit-rollback", [f"{SET_OFF}; SELECT 1/0"], False, {"allow_errors": ["22012"]}),
    ("abort", ["BEGIN", SET_OFF, "ABORT"], False, {}),
    ("rollback-chain", [f"BEGIN; {SET_OFF}; ROLLBACK AND CHAIN"], False, {}),
    ("nested-savepoints", [f"BEGIN; SAVEPOINT a; {SET_OFF}; SAVEPOINT b; {SET_ON}; ROLLBACK TO a"], False, {}),
    ("function-clause", ["CREATE FUNCTION f() RETURNS int LANGUAGE sql SET standard_conforming_strings = off AS"
                         " 'SELECT 1'",
                         "SELECT f()"], False, {}),
    ("set-local-over", [SET_OFF, "BEGIN; SET LOCAL standard_conforming_strings = on"], False, {}),
    ("failed-value", ["SET standard_conforming_strings = sometimes"], False, {"allow_errors": ["22023"]}),
    ("failed-in-block", ["BEGIN", f"{SET_OFF}; SELECT 1/0", "ROLLBACK"], False, {"allow_errors": ["22012"]}),
    ("from-current", ["CREATE FUNCTION f() RETURNS int LANGUAGE sql SET standard_conforming_strings FROM CURRENT AS"
                      " 'SELECT 1'",
                      "SELECT f()"], False, {}),
    ("commit-of-failed", ["BEGIN", SET_OFF, "SELECT 1/0", "COMMIT"], False, {"allow_errors": ["22012"]}),
    ("other-setting", ["SET backslash_quote = on; SET escape_string_warning = off"], False, {}),
]  # fmt: skip

IN_TRANSACTION = {"set-config-local", "local-chain", "rollback-chain", "nested-savepoints", "set-local-over"}


def both_readings() -> list[Case]:
    """After each way, the text that hides a DROP from a reader with the wrong idea, and the one that holds none."""
    cases: list[Case] = []
    for name, before, escapes, fields in WAYS:
        told = f"{name.replace('-', ' ')}: backslashes {'escape' if escapes else 'do not escape'}"
        dropping, harmless = (WHEN_OFF, WHEN_ON) if escapes else (WHEN_ON, WHEN_OFF)
        end = ["COMMIT"] if name in IN_TRANSACTION else []
        cases.append(CHANGED.destructive(name, told, *before, dropping, *end, vis="lexer", **fields))
        cases.append(KEPT_TEXT.benign(name, f"{told}, the DROP is text", *before, harmless, *end, **fields))
    return cases


def pipelines() -> list[Case]:
    """The text is on its way before the server has said which reading holds."""

    def sent(*messages: dict[str, object], replies: int) -> list[Step]:
        return [{"op": "send", "msgs": list(messages)}, {"op": "read", "count": replies}]

    sync: dict[str, object] = {"t": "Sync"}
    bound = [
        {"t": "Parse", "name": "", "sql": "SELECT set_config($1, $2, false)"},
        {"t": "Bind", "portal": "", "stmt": "", "params": ["standard_conforming_strings", "off"]},
        {"t": "Execute", "portal": "", "max": 0},
    ]
    ways: list[tuple[str, str, list[Step]]] = [
        ("bind-then-query", "parameters, then a simple query", sent(*bound, sync, message(WHEN_OFF), replies=2)),
        ("reset-behind", "set on and off in one go",
         sent(message(SET_OFF), message(SET_ON), message(WHEN_ON), replies=3)),
        ("rolled-back", "set and rolled back in one go",
         sent(message("BEGIN"), message(SET_OFF), message("ROLLBACK"), message(WHEN_ON), replies=4)),
        ("error-resets", "an error undoes the setting in one go",
         sent(message(f"{SET_OFF}; SELECT 1/0"), message(WHEN_ON), replies=2)),
        ("sync-between", "set in one pipeline, used in the next",
         sent(*extended(SET_OFF), sync, *extended("SELECT 1"), sync, message(WHEN_OFF), replies=3)),
    ]
    fields = {"error-resets": {"allow_errors": ["22012"]}}
    return [
        CHANGED.destructive(f"pipeline-{name}", title, *steps, vis="lexer", **fields.get(name, {}))
        for name, title, steps in ways
    ]


def cases() -> list[Case]:
    return [*both_readings(), *pipelines()]
