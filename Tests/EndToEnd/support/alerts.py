"""Whoever is told what a watch finds: a webhook, and a program."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .programs import eventually


class Webhook:
    """An HTTP server on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        # The next answers, the first first: a status, or a status and where to redirect to; then 204.
        self.answers: list[int | tuple[int, str]] = []
        # While cleared, nobody gets an answer.
        self.gate = threading.Event()
        self.gate.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.requests.append((self.path, dict(self.headers), body))
                hook.gate.wait(60)
                answer = hook.answers.pop(0) if hook.answers else 204
                code, target = answer if isinstance(answer, tuple) else (answer, None)
                self.send_response(code)
                if target:
                    self.send_header("Location", target)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, _, body in self.requests]

    def wait(self, kind: str, state: str = "raised", timeout: float = 15) -> dict[str, Any]:
        """The first notice that raises or clears a finding of this kind."""
        return eventually(
            lambda: next((body for body in self.bodies if any(item["kind"] == kind for item in body[state])), None),
            timeout, lambda: f"{state} {kind} at the webhook, which got {self.bodies}",
        )  # fmt: skip

    def count(self, kind: str, state: str = "raised") -> int:
        return sum(item["kind"] == kind for body in self.bodies for item in body[state])

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def recorder(folder: Path, code: int = 0) -> tuple[Path, Path]:
    """A program that appends its arguments and what it reads to a file; both paths."""
    program, output = folder / "told.sh", folder / "told.txt"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{output}"\ncat >> "{output}"\necho >> "{output}"\nexit {code}\n')
    program.chmod(0o755)
    return program, output
