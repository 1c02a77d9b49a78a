#!/usr/bin/env python3
"""Seeds of the fuzz targets, one input a line in Fuzzing/Seeds/TARGET.txt: printable ASCII as it is, else \\xNN.

    seeds.py make                  adds what the project's own tests hold: corpus, verdict files, transcripts
    seeds.py unpack TARGET FOLDER  writes each seed to a file, as libFuzzer wants them
    seeds.py pack TARGET FOLDER    makes the folder's files the target's seeds
"""

import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("frames", "lexer", "judge", "session", "stream", "exchange")
LONGEST = 1000


def escaped(data: bytes) -> str:
    """The line of an input."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in data)


def unescaped(line: str) -> bytes:
    """The input of a line."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), line.encode("ascii"))


def read(target: str) -> list[bytes]:
    path = ROOT / "Fuzzing/Seeds" / f"{target}.txt"
    return [unescaped(line) for line in path.read_text("ascii").splitlines()] if path.exists() else []


def write(target: str, inputs: list[bytes]) -> None:
    lines = sorted({escaped(data) for data in inputs}, key=lambda line: (len(line), line))
    (ROOT / "Fuzzing/Seeds" / f"{target}.txt").write_text("".join(line + "\n" for line in lines), "ascii")


def texts() -> Iterator[bytes]:
    """The SQL of the corpus and of the verdict files."""
    def inside(step: object) -> Iterator[bytes]:
        if isinstance(step, str):
            yield step.encode()
        elif isinstance(step, list):
            for part in step:
                yield from inside(part)
        elif isinstance(step, dict):
            if isinstance(step.get("sql"), str):
                yield step["sql"].encode()
            if isinstance(step.get("sql_hex"), str):
                yield bytes.fromhex(step["sql_hex"])
            yield from inside(step.get("msgs", []))

    for line in (ROOT / "Tests/Corpus/cases.jsonl").read_text().rstrip().split("\n"):
        yield from inside(json.loads(line)["steps"])
    for path in sorted((ROOT / "Tests/PolicyTests/Verdicts").glob("*.verdicts")):
        for line in path.read_text().splitlines():
            if line.startswith(("allow", "warn", "block")) and line.count(" | ") >= 2:
                yield line.split(" | ", 2)[2].replace("\\n", "\n").encode()


def name(text: str) -> bytes:
    return (b"" if text == "''" else text.encode()) + b"\0"


def turn(line: str) -> bytes | None:
    """A line of a transcript (Tests/SessionTests/Support/WireText.swift) as a turn of the session target."""
    side, _, rest = line.partition(" ")
    if side not in ("c>", "s<"):
        return None
    kind, _, rest = rest.strip().partition(" ")
    rest = re.sub(r"\{(\d+)\*([^}]*)\}", lambda found: found[2] * min(int(found[1]), 12), rest.replace("\\n", "\n"))
    first, _, second = rest.partition(" ")
    bodies = {
        "Query": ("Q", name(rest)), "Parse": ("P", name(first) + name(second) + b"\0\0"),
        "Bind": ("B", name(first) + name(second) + bytes(6)), "Describe": ("D", b"P" + name(rest)),
        "Execute": ("E", name(rest) + bytes(4)), "Close": ("C", first.encode() + name(second)), "Sync": ("S", b""),
        "Flush": ("H", b""), "CopyDone": ("c", b""), "CopyFail": ("f", name(rest)), "Password": ("p", name(rest)),
        "Terminate": ("X", b""), "CopyData": ("d", rest.encode()),
    } if side == "c>" else {
        "ReadyForQuery": ("Z", rest.encode()), "CommandComplete": ("C", name(rest)),
        "ErrorResponse": ("E", b"SERROR\0C" + name(first) + b"M" + name(second) + b"\0"),
        "FatalResponse": ("E", b"SFATAL\0C" + name(first) + b"M" + name(second) + b"\0"),
        "NoticeResponse": ("N", b"SNOTICE\0C00000\0M" + name(rest) + b"\0"),
        "ParameterStatus": ("S", name(first) + name(second)), "ParseComplete": ("1", b""), "BindComplete": ("2", b""),
        "CloseComplete": ("3", b""), "NoData": ("n", b""), "RowDescription": ("T", b"\0\0"), "DataRow": ("D", b"\0\0"),
        "EmptyQueryResponse": ("I", b""), "PortalSuspended": ("s", b""), "CopyInResponse": ("G", bytes(3)),
        "CopyOutResponse": ("H", bytes(3)), "CopyDone": ("c", b""), "FunctionCallResponse": ("V", bytes(4)),
        "AuthenticationOk": ("R", bytes(4)), "BackendKeyData": ("K", bytes(8)),
    }
    if kind == "FunctionCall":
        bodies[kind] = ("F", struct.pack(">I", int(rest or 0)) + bytes(6))
    if kind not in bodies:
        return None
    letter, body = bodies[kind]
    body = body[:255]
    return bytes([ord(letter) | (0x80 if side == "s<" else 0), len(body)]) + body


def make() -> None:
    sql = [text for text in dict.fromkeys(texts()) if 0 < len(text) <= LONGEST]
    write("lexer", read("lexer") + [b"0" + text for text in sql])
    changes = b"012345"
    write("judge", read("judge") + [b"0" + bytes([48 + at % 64, changes[at % 6]]) + text for at, text in enumerate(sql)])
    write("stream", read("stream") + [b"0" + bytes([48 + at % 40, 48 + at % 3]) + text for at, text in enumerate(sql)])
    exchanges = [b"03" + b"".join(bytes([0x51, len(text) + 1]) + text + b"\0" for text in sql[at:at + 1])
                 for at in range(0, len(sql), 4) if len(sql[at]) < 255]
    frames = []
    for path in sorted((ROOT / "Tests/SessionTests/Transcripts").glob("*.transcript")):
        turns = [found for line in path.read_text().splitlines() if (found := turn(line.strip()))]
        exchanges.append(b"20" + b"".join(turns))
        for side, mark in ((0, b"0"), (0x80, b"1")):
            stream = b"".join(
                bytes([found[0] & 0x7F]) + struct.pack(">I", len(found) + 2) + found[2:]
                for found in turns if found[0] & 0x80 == side)
            frames.append(b"3" + mark + stream)
    frames.append(b"10" + struct.pack(">II", 18, 196608) + b"user\0ann\0\0")
    frames.append(b"10" + struct.pack(">II", 8, 80877103) + struct.pack(">II", 18, 196608) + b"user\0ann\0\0")
    frames.append(b"10" + struct.pack(">IIII", 16, 80877102, 1, 2))
    write("session", read("session") + [data for data in exchanges if len(data) <= 2 * LONGEST])
    write("frames", read("frames") + [data[:LONGEST] for data in frames])


def unpack(target: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for data in read(target):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(target: str, folder: Path) -> None:
    write(target, [path.read_bytes() for path in folder.iterdir() if path.stat().st_size <= 2 * LONGEST])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make"]:
            make()
        case ["unpack", target, folder] if target in TARGETS:
            unpack(target, Path(folder))
        case ["pack", target, folder] if target in TARGETS:
            pack(target, Path(folder))
        case _:
            sys.exit(__doc__)
