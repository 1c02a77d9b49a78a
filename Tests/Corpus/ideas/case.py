"""How a case is written down: the fields of Tests/Corpus/README.md, with the proof that most cases share."""

from typing import Any

Case = dict[str, Any]
Step = str | dict[str, Any]
Proof = tuple[str, str]  # the query, and its answer when the case has done on PostgreSQL itself what it claims

COUNTED = ("leads", "customers", "orders", "order_items", "contacts", "events", "base_doc", "sales.invoices",
           "profiles")
KEPT: Proof = (
    "select " + " || ' ' || ".join(f"(select count(*) from {table})" for table in COUNTED),
    "4 3 5 10 3 6 4 4 3",
)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def gone(relation: str) -> Proof:
    """A table, view, sequence or index is no longer found under its name."""
    return f"select to_regclass({quoted(relation)}) is null", "t"


def counted(relation: str, count: int) -> Proof:
    return f"select count(*) from {relation}", str(count)


def emptied(relation: str) -> Proof:
    return counted(relation, 0)


def column_gone(relation: str, column: str) -> Proof:
    return (
        f"select count(*) from pg_attribute where attrelid = {quoted(relation)}::regclass"
        f" and attname = {quoted(column)} and not attisdropped",
        "0",
    )


def overwritten(relation: str, column: str, value: str | None = None) -> Proof:
    """No row has another value than this in a column."""
    other = f"{column} is not null" if value is None else f"{column}::text is distinct from {quoted(value)}"
    return f"select count(*) from {relation} where {other}", "0"


class Topic:
    """Makes the cases of one category; its name stands in their ids."""

    def __init__(self, name: str, category: str) -> None:
        self.name = name
        self.category = f"{category}.{name.replace('-', '_')}"

    def case(self, name: str, title: str, expect: str, steps: tuple[Step, ...], proof: Proof, **fields: Any) -> Case:
        return {
            "id": f"H-{self.name}-{name}", "category": self.category, "title": title, "expect": expect,
            "role": fields.pop("role", "app"), **fields, "steps": list(steps),
            "proof_sql": proof[0], "proof_expected_direct": proof[1],
        }  # fmt: skip

    def destructive(
        self, name: str, title: str, *steps: Step, proof: Proof = gone("leads"), vis: str = "plain", tier: int = 1,
        loss: str = "table", **fields: Any,
    ) -> Case:  # fmt: skip
        return self.case(name, title, "destructive", steps, proof, tier=tier, loss=loss, vis=vis, **fields)

    def benign(self, name: str, title: str, *steps: Step, proof: Proof = KEPT, **fields: Any) -> Case:
        return self.case(name, title, "benign", steps, proof, **fields)

    def ddl(self, name: str, title: str, *steps: Step, proof: Proof = KEPT, **fields: Any) -> Case:
        return self.case(name, title, "ddl", steps, proof, **fields)

    def robust(self, name: str, title: str, *steps: Step, proof: Proof = KEPT, **fields: Any) -> Case:
        return self.case(name, title, "robust", steps, proof, **fields)
