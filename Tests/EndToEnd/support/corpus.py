"""Runs the bypass corpus of Tests/Corpus against Holdfast: `scripts/corpus` from the shell, `run_corpus` from tests."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg

from .postgres import PostgresServer, open_folder
from .programs import postgres_programs, run
from .proxy import REPOSITORY, RULES, Holdfast, ProxySettings, binary

CORPUS = REPOSITORY / "Tests/Corpus"

ACCESS = """
host all rt_scram 127.0.0.1/32 scram-sha-256
host all rt_md5 127.0.0.1/32 md5
host all rt_clear 127.0.0.1/32 password
"""

# Template databases: name, encoding, locale.
TEMPLATES = [
    ("utf8", "UTF8", "C.UTF-8"), ("sqlascii", "SQL_ASCII", "C"), ("latin1", "LATIN1", "C"), ("eucjp", "EUC_JP", "C"),
]  # fmt: skip


# The role that Holdfast logs in as where the guard is installed: nobody else may write grants.
GUARD_ROLE = "rt_holdfast"

Address = tuple[str, int]


def psql(server: Address, user: str, database: str, *arguments: str | Path) -> None:
    run(
        postgres_programs() / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--host", server[0],
        "--port", str(server[1]), f"--username={user}", f"--dbname={database}", "--output=/dev/null", *arguments,
    )  # fmt: skip


def prepare(server: Address, user: str = "postgres", is_guarded: bool = False) -> None:
    """Makes the roles and template databases that cases use, as far as they are missing. `user` is a superuser."""
    psql(server, user, "postgres", "--file", CORPUS / "roles.sql")
    if is_guarded:
        role = f"IF to_regrole('{GUARD_ROLE}') IS NULL THEN CREATE ROLE {GUARD_ROLE} LOGIN; END IF"
        psql(server, user, "postgres", f"--command=DO $$ BEGIN {role}; END $$")
    for name, encoding, locale in TEMPLATES:
        template = f"rt_template_{name}"
        with psycopg.connect(host=server[0], port=server[1], user=user, dbname="postgres", autocommit=True) as session:
            if session.execute("SELECT FROM pg_database WHERE datname = %s", [template]).fetchone():
                continue
            session.execute(
                f"CREATE DATABASE {template} OWNER rt_app TEMPLATE template0 ENCODING '{encoding}'"
                f" LC_COLLATE '{locale}' LC_CTYPE '{locale}'"
            )
        psql(server, user, template, "--command=SET ROLE rt_app", "--file", CORPUS / "template.sql")


def memory() -> Path | None:
    """A file system in memory, if it has room: on a disk, making a database for each case takes most of the time."""
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2 << 30 else None


@contextmanager
def corpus_server(is_guarded: bool = False) -> Iterator[PostgresServer]:
    """A PostgreSQL with the roles, template databases and extras that cases use.

    `is_guarded`: with the role, too, that the guard wants (`guard_arguments`).
    """
    certificates = open_folder("holdfast-corpus-")
    certificate, key = certificates / "server.crt", certificates / "server.key"
    run(
        "openssl", "req", "-new", "-x509", "-days", "30", "-nodes", "-subj", "/CN=localhost", "-out", certificate,
        "-keyout", key,
    )  # fmt: skip
    # The server takes a key that root owns and its group may read, or one of its own.
    run("sh", "-c", f"if [ $(id -u) = 0 ]; then chown postgres {key}; fi; chmod 600 {key}")
    tls = f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\nlog_min_messages = warning\n"
    # A subscription's worker starts at once, not seconds after the one of the case before.
    settings = f"{tls}max_wal_size = 256MB\nwal_retrieve_retry_interval = 100ms\n"
    server = PostgresServer(extra_settings=settings, extra_access=ACCESS, parent=memory())
    try:
        server.start()
        prepare((server.host, server.port), is_guarded=is_guarded)
        yield server
    finally:
        server.remove()
        run("rm", "-r", certificates)


# The shipped rules let DELETE without WHERE and its like pass; that Holdfast can stop them is proven with this rule.
KEEP_DATA = {"name": "keep data", "tags": ["production"], "classes": ["data_loss"], "action": "block"}


@contextmanager
def corpus_proxy(server: PostgresServer, is_strict: bool, is_guarded: bool = False) -> Iterator[Holdfast]:
    """Holdfast with the shipped rules, or those and `KEEP_DATA`. The corpus' databases have no tag: they are production.

    `is_guarded`: it opens grants at the guard for what the rules let pass.
    """
    rules = [*RULES, KEEP_DATA] if is_strict else RULES
    catalog = {"connection": f"host={server.host} port={server.port} user=postgres"}
    guard = {"connection": f"host={server.host} port={server.port} user={GUARD_ROLE} dbname=postgres", "watch": "off"}
    settings = ProxySettings(
        server=server.address, rules=rules, catalog=catalog, guard=guard if is_guarded else {}
    )
    holdfast = Holdfast(open_folder("holdfast-corpus-proxy-"), settings)
    try:
        holdfast.start()
        yield holdfast
        holdfast.stop()
    finally:
        holdfast.kill()
        run("rm", "-r", holdfast.folder)


def runner_command(proxy: Address, direct: Address, *arguments: str) -> list[str]:
    return [
        sys.executable, str(CORPUS / "runner.py"), "--host", proxy[0], "--port", str(proxy[1]), "--direct-host",
        direct[0], "--direct-port", str(direct[1]), "--pgbin", str(postgres_programs()), *arguments,
    ]  # fmt: skip


def guard_arguments() -> list[str]:
    """For the runner: Holdfast's guard is put into each case's database once its setup is done."""
    return ["--guard", str(binary()), "--guard-role", GUARD_ROLE]


def make_command(server: PostgresServer, *arguments: str) -> list[str]:
    return [
        sys.executable, str(CORPUS / "make_cases.py"), "--direct", server.address, "--pgbin", str(postgres_programs()),
        *arguments,
    ]  # fmt: skip


def write_losses(server: PostgresServer, out: Path, is_guarded: bool, *arguments: str) -> int:
    """Runs the destructive cases with the wire wall, and with both if `is_guarded`; losses.py makes tables of that."""
    with tempfile.TemporaryDirectory() as folder, corpus_proxy(server, True, is_guarded) as holdfast:
        reports: list[str] = []
        for wall, more in [("wire", []), ("both", guard_arguments())][: 1 + is_guarded]:
            reports += [f"--{wall}", f"{folder}/{wall}.jsonl"]
            subprocess.run(
                runner_command(
                    (holdfast.host, holdfast.port), (server.host, server.port), "--expect", "destructive", "-q",
                    "--report", reports[-1], *arguments, *more,
                ),
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
        return subprocess.call([sys.executable, str(CORPUS / "losses.py"), *reports, "--out", str(out)])


def address(text: str) -> Address:
    host, port = text.rsplit(":", 1)
    return host, int(port)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/corpus", description=__doc__, epilog="Other options go to Tests/Corpus/runner.py."
    )
    parser.add_argument("--proxy", type=address, help="judge a running proxy at HOST:PORT; needs --direct")
    parser.add_argument("--direct", type=address, help="the server behind it, HOST:PORT; alone: cases are proven there")
    parser.add_argument("--direct-user", default="postgres", help="a superuser there; a password comes from PGPASSWORD")
    parser.add_argument("--prove", action="store_true", help="no proxy: prove the cases on PostgreSQL itself")
    parser.add_argument("--make", action="store_true", help="no proxy: prove new cases of ideas/ and write them down")
    parser.add_argument("--strict", action="store_true", help="block the class group data_loss, too")
    parser.add_argument("--guard", action="store_true", help="both walls: the guard in each case's database as well")
    parser.add_argument("--guard-alone", action="store_true", help="no proxy: the guard by itself")
    parser.add_argument(
        "--losses", type=Path, metavar="FILE",
        help="write what is lost all the same, by technique, as Markdown: destructive cases under --strict rules;"
        " with --guard both without and with the guard",
    )  # fmt: skip
    options, others = parser.parse_known_args()
    if options.proxy and not options.direct:
        parser.error("--proxy needs --direct")
    if options.make:
        with corpus_server() as server:
            return subprocess.call(make_command(server, *others))
    others = ["--jobs", "4", *others]
    is_guarded = options.guard or options.guard_alone
    if is_guarded and not options.losses:
        others += guard_arguments()
    if options.direct:
        prepare(options.direct, options.direct_user, is_guarded)
        others += ["--direct-user", options.direct_user, "--direct-password", os.environ.get("PGPASSWORD", "")]
        return subprocess.call(runner_command(options.proxy or options.direct, options.direct, *others))
    with corpus_server(is_guarded) as server:
        direct = (server.host, server.port)
        if options.losses:
            return write_losses(server, options.losses, is_guarded, *others)
        if options.guard_alone:
            return subprocess.call(runner_command(direct, direct, "--mode", "proxy", *others))
        with nullcontext() if options.prove else corpus_proxy(server, options.strict, is_guarded) as holdfast:
            proxy = (holdfast.host, holdfast.port) if holdfast else direct
            return subprocess.call(runner_command(proxy, direct, *others))


if __name__ == "__main__":
    sys.exit(main())
