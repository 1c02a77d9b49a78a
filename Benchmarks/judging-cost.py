#!/usr/bin/env python3
"""What judging costs: CPU of Holdfast with the guard and of the same program as a bare relay, turn by turn in one run.

    swift build -c release --product holdfast-relay
    PYTHONPATH=Tests/EndToEnd:Benchmarks .venv/bin/python Benchmarks/judging-cost.py [rounds] [seconds] [modes] [clients]

Both are `holdfast-relay` (Benchmarks/Relay): the same loops, sockets and sessions, the shipped rules on a production database,
the trail open. In the bare one nobody looks at what goes by once a client is logged in.
"""

import itertools
import shutil
import statistics
import sys

from compare import DATABASE, Cell, measure
from contenders import Contender
from support.postgres import PostgresServer, open_folder
from support.programs import program, run
from support.proxy import REPOSITORY, Holdfast, ProxySettings

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 7
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
MODES = sys.argv[3].split(",") if len(sys.argv) > 3 else ["simple", "prepared"]
CLIENTS = [int(part) for part in sys.argv[4].split(",")] if len(sys.argv) > 4 else [8]
PROGRAM = REPOSITORY / ".build/release/holdfast-relay"


def start(server: PostgresServer, mode: str) -> Holdfast:
    # The program takes proxy.conf's path from the end of the command line that the support code makes.
    settings = ProxySettings(server=server.address, prefix=[str(PROGRAM), mode])
    proxy = Holdfast(open_folder("holdfast-bench-proxy-"), settings)
    proxy.start()
    return proxy


server = PostgresServer(extra_settings="shared_buffers = 256MB\nlog_min_messages = warning")
proxies: dict[str, Holdfast] = {}
try:
    server.start()
    server.execute(f"CREATE DATABASE {DATABASE}")
    run(
        program("pgbench"), "--initialize", "--quiet", "--scale=10", "--host", server.host, "--port", str(server.port),
        "--username=postgres", DATABASE,
    )  # fmt: skip
    for mode in ("bare", "guarded"):
        proxies[mode] = start(server, mode)
    contenders = [Contender(mode, proxy.host, proxy.port, proxy.pid) for mode, proxy in proxies.items()]
    print("CPU seconds per 100,000 transactions, medians; the ratio's spread over the rounds")
    for protocol, clients in itertools.product(MODES, CLIENTS):
        costs: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        for number in range(ROUNDS):
            # Each round begins with the other one.
            for contender in contenders[:: -1 if number % 2 else 1]:
                costs[contender.name].append(measure(contender, Cell(protocol, clients), SECONDS).cpu_per_100k)
        bare, guarded = (statistics.median(costs[name]) for name in ("bare", "guarded"))
        ratios = sorted(mine / others for mine, others in zip(costs["guarded"], costs["bare"], strict=True))
        print(
            f"{protocol:9} {clients:3} clients   bare {bare:.3f}   guarded {guarded:.3f}   {guarded / bare - 1:+.1%}"
            f"   (rounds {ratios[0] - 1:+.1%} … {statistics.median(ratios) - 1:+.1%} … {ratios[-1] - 1:+.1%})",
            flush=True,
        )
finally:
    for proxy in proxies.values():
        proxy.kill()
        shutil.rmtree(proxy.folder)
    server.remove()
