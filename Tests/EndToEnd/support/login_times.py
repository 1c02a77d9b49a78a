"""How long refused logins take, by the reason: `scripts/login-times`. What is equal cannot be told apart."""

import argparse
import random
import shutil
import statistics
import time

from .postgres import PASSWORD, PostgresServer, open_folder
from .proxy import Holdfast, ProxySettings
from .scram import ScramClient, initial, request, response
from .wire import WireClient, startup

ACCESS = "local all all trust\nhost all postgres,keeper all trust\nhost all all all scram-sha-256\n"

# What a login is refused for: the user and the password.
REASONS = {
    "wrong password": ("ann", "wrong"), "unknown user": ("nobody", PASSWORD), "no password": ("no_password", PASSWORD),
    "expired password": ("expired", PASSWORD),
}  # fmt: skip


def refused_login(host: str, port: int, user: str, password: str) -> tuple[float, float]:
    """Milliseconds from the startup packet to the server's first message, and from the proof to the refusal."""
    driver = ScramClient(password)
    with WireClient(host, port) as client:
        client.send(startup({"user": user, "database": "postgres"}))
        request(client.receive())
        start = time.perf_counter()
        client.send(initial(driver.first))
        challenge = request(client.receive())[1]
        challenged = time.perf_counter() - start
        final, _ = driver.final(challenge)
        start = time.perf_counter()
        client.send(response(final))
        answer = client.receive()
        refused = time.perf_counter() - start
        assert answer and answer.fields["C"] == "28P01", answer
        return challenged * 1000, refused * 1000


def offered(host: str, port: int, user: str) -> float:
    """Milliseconds from the startup packet to the offer of mechanisms: the lookup."""
    with WireClient(host, port) as client:
        start = time.perf_counter()
        client.send(startup({"user": user, "database": "postgres"}))
        request(client.receive())
        return (time.perf_counter() - start) * 1000


def measure(name: str, host: str, port: int, rounds: int) -> None:
    samples: dict[str, list[tuple[float, float, float]]] = {reason: [] for reason in REASONS}
    for _ in range(rounds):
        # In another order each round, so that nobody always comes first.
        for reason in random.sample(list(REASONS), len(REASONS)):
            user, password = REASONS[reason]
            samples[reason].append((offered(host, port, user), *refused_login(host, port, user, password)))
    print(f"\n{name}\n{'':18}{'lookup':>20}{'first message':>20}{'proof':>20}")
    for reason, taken in samples.items():
        columns = "".join(
            f"{statistics.median(values):>10.3f} ±{statistics.stdev(values):>8.3f}" for values in zip(*taken, strict=True)
        )
        print(f"{reason:18}{columns}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/login-times", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="logins for each reason (default 300)")
    rounds = parser.parse_args().rounds
    server = PostgresServer(access=ACCESS)
    folder = open_folder("holdfast-login-times-")
    running: list[Holdfast] = []
    try:
        server.start()
        server.execute("CREATE ROLE keeper LOGIN; GRANT SELECT ON pg_authid TO keeper; CREATE ROLE no_password LOGIN")
        server.execute(f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'")
        server.execute(f"CREATE ROLE expired LOGIN PASSWORD '{PASSWORD}' VALID UNTIL '2020-01-01'")
        path = folder / "users.txt"
        path.write_text(f'"ann" "{server.value("SELECT rolpassword FROM pg_authid WHERE rolname = $$ann$$")}"\n')
        path.chmod(0o600)
        asking = {"connection": f"host={server.host} port={server.port} user=keeper dbname=postgres"}
        print("Milliseconds, median ± standard deviation; a login of its own for each figure.")
        measure("PostgreSQL, no proxy", server.host, server.port, rounds)
        for name, users in [("Holdfast, users by query", asking), ("Holdfast, users from a file", {"file": str(path)})]:
            settings = ProxySettings(server.address, top={"auth": "scram"}, users=users)
            running.append(Holdfast(open_folder("holdfast-login-times-proxy-"), settings))
            running[-1].start()
            measure(name, running[-1].host, running[-1].port, rounds)
    finally:
        for holdfast in running:
            holdfast.kill()
            shutil.rmtree(holdfast.folder)
        server.remove()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
