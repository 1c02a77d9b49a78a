"""The messages of the frontend, as Tests/Corpus/README.md writes them, and steps that send them."""

from typing import Any

Message = dict[str, Any]
SYNC: Message = {"t": "Sync"}
FLUSH: Message = {"t": "Flush"}
COPY_DONE: Message = {"t": "CopyDone"}


def query(text: str) -> Message:
    return {"t": "Query", "sql": text}


def parse(text: str, name: str = "", **fields: Any) -> Message:
    return {"t": "Parse", "name": name, "sql": text, **fields}


def bind(statement: str = "", portal: str = "", *parameters: Any, **fields: Any) -> Message:
    return {"t": "Bind", "portal": portal, "stmt": statement, "params": list(parameters), **fields}


def describe(kind: str, name: str = "") -> Message:
    return {"t": "Describe", "kind": kind, "name": name}


def execute(portal: str = "", limit: int = 0) -> Message:
    return {"t": "Execute", "portal": portal, "max": limit}


def close(kind: str, name: str = "") -> Message:
    return {"t": "Close", "kind": kind, "name": name}


def data(text: str) -> Message:
    return {"t": "CopyData", "data": text}


def at_once(text: str, *parameters: Any) -> list[Message]:
    """Parse, Bind and Execute of the unnamed statement."""
    return [parse(text), bind("", "", *parameters), execute()]


def send(*messages: Message, **fields: Any) -> dict[str, Any]:
    return {"op": "send", "msgs": list(messages), **fields}


def read(until: str = "Z", count: int = 1) -> dict[str, Any]:
    return {"op": "read", "until": until, "count": count}


def exchange(*messages: Message, replies: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """Messages in one go, and as many ReadyForQuery as they bring."""
    return [send(*messages, **fields), read(count=replies)]
