"""A real rsyslog that writes what it is sent to a file."""

import re
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .certificates import Identity
from .postgres import free_port
from .programs import eventually

MESSAGE = re.compile(
    r"^<(?P<priority>\d+)>1 (?P<time>\S+) (?P<host>\S+) (?P<application>\S+) (?P<process>\S+) (?P<kind>\S+) "
    r'\[(?P<id>[^ \]]+) instance="(?P<instance>[0-9a-f]+)" seq="(?P<seq>\d+)"(?P<data>(?:[^\]\\]|\\.)*)\] (?P<text>.*)$'
)


def accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


@dataclass
class Message:
    priority: int
    kind: str
    instance: str
    seq: int
    data: str
    text: str


class Rsyslog:
    """Start it, stop it, start it again. With an identity it speaks TLS, and asks for a certificate of `client_ca`."""

    def __init__(self, folder: Path, identity: Identity | None = None, client_ca: Path | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.file = folder / "received.log"
        self.configuration = folder / "rsyslog.conf"
        driver, files = "", ""
        if identity:
            mode = "x509/certvalid" if client_ca else "anon"
            driver = f'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="{mode}"'
            files = (
                f'DefaultNetstreamDriver="ossl" DefaultNetstreamDriverCAFile="{client_ca or identity.certificate}" '
                f'DefaultNetstreamDriverCertFile="{identity.certificate}" DefaultNetstreamDriverKeyFile="{identity.key}"'
            )
        self.configuration.write_text(
            f'global(workDirectory="{folder}" maxMessageSize="64k" {files})\n'
            f'module(load="imtcp" {driver})\n'
            f'input(type="imtcp" port="{self.port}" address="127.0.0.1")\n'
            'template(name="raw" type="string" string="%rawmsg%\\n")\n'
            f'action(type="omfile" file="{self.file}" template="raw" flushInterval="1" asyncWriting="off")\n'
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
        assert program, "rsyslogd is missing; scripts/test installs it"
        with open(self.folder / "rsyslog.log", "ab") as log:
            self.process = subprocess.Popen(
                [program, "-n", "-f", self.configuration, "-i", self.folder / "rsyslog.pid"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        eventually(lambda: accepts("127.0.0.1", self.port), 20, lambda: (self.folder / "rsyslog.log").read_text())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None

    def messages(self) -> list[Message]:
        if not self.file.exists():
            return []
        found = []
        for line in self.file.read_text(errors="strict").split("\n")[:-1]:
            match = MESSAGE.match(line)
            assert match, f"not a message of RFC 5424: {line!r}"
            found.append(
                Message(
                    int(match["priority"]), match["kind"], match["instance"], int(match["seq"]), match["data"], match["text"]
                )
            )
        return found
