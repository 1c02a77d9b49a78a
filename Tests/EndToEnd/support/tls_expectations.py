"""What a client must see in each cell of the TLS matrix, derived from how libpq tries and how PostgreSQL answers.

`test_tls_matrix.py` holds the same derivation against PostgreSQL itself first: a combination without a proxy is a server
that is set up as the proxy's client side is.
"""

from dataclasses import dataclass

from .tls_matrix import ANY_DATABASE, Method, Outcome

# Between clients and Holdfast; PostgreSQL has `off` (ssl = off), `allow` (ssl = on) and `require` (hostssl lines only).
CLIENT_TLS_MODES = ["off", "allow", "prefer", "require"]
SERVER_TLS_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"]

# libpq's own words.
NO_TLS_THERE = "server does not support SSL, but SSL was required"
DIRECT_REFUSED = "SSL error: unexpected eof while reading"
BINDING_WITHOUT_TLS = "channel binding required, but SSL not in use"
NOTHING_TO_BIND = (
    "channel binding is required, but server did not offer an authentication method that supports channel binding"
)
# PostgreSQL's.
BINDING_FAILED = "FATAL: SCRAM channel binding check failed"
CERTIFICATE_WANTED = "FATAL: connection requires a valid client certificate"
# Holdfast's, since no server without a proxy is ever in that place.
SERVER_WITHOUT_TLS = (
    "FATAL: holdfast cannot reach the PostgreSQL server at localhost:5432: "
    "server does not support SSL, but SSL was required"
)


def other_method(method: Method) -> str:
    """Holdfast's, who has checked the client itself and has no password to give on."""
    asked = {
        "password": 'a clear-text password ("password", "ldap", "pam", "radius")', "md5": "an MD5 password",
    }[method.name]  # fmt: skip
    return f'FATAL: holdfast cannot log in to the server as "{method.role}": the server asks for {asked}'


def unencrypted(method: Method) -> str:
    """PostgreSQL's answer to a client that no line of pg_hba.conf lets in without TLS."""
    return (
        f'FATAL: no pg_hba.conf entry for host "127.0.0.1", user "{method.role}", database "{ANY_DATABASE}", '
        "no encryption"
    )


@dataclass(frozen=True)
class Combination:
    """One way to set up the proxy and the server behind it."""

    authentication: str
    client_tls: str
    server_tls: str
    server_has_tls: bool
    # Holdfast shows clients the certificate that the server shows.
    shares_certificate: bool = False

    def __str__(self) -> str:
        words = [self.authentication, self.client_tls, self.server_tls, "ssl-on" if self.server_has_tls else "ssl-off"]
        return " ".join(words + ["same-certificate"] * self.shares_certificate)

    @property
    def is_server_refused(self) -> bool:
        return not self.server_has_tls and self.server_tls not in ("disable", "prefer")

    @property
    def is_server_encrypted(self) -> bool:
        return self.server_has_tls and self.server_tls != "disable"


@dataclass(frozen=True)
class Attempt:
    """One connection of libpq's; it may follow with another one only where the other side sent an error."""

    outcome: Outcome
    is_answered: bool = False


def refused(error: str) -> Attempt:
    return Attempt(Outcome(error=error), is_answered=True)


def given_up(error: str) -> Attempt:
    return Attempt(Outcome(error=error))


def expected(mode: str, method: Method, client_tls: str, proxy: Combination | None = None) -> Outcome:
    """What the client sees; without a proxy, of PostgreSQL set up like that client side."""

    def attempt(with_tls: bool) -> Attempt:
        return try_proxy(proxy, method, with_tls) if proxy else try_server(client_tls, method, with_tls)

    if client_tls == "off":
        match mode:
            case "direct":
                return Outcome(error=DIRECT_REFUSED)
            case "require" | "verify-ca" | "verify-full":
                return Outcome(error=NO_TLS_THERE)
            case "allow":
                return first_of(attempt(False), given_up(NO_TLS_THERE))
            case _:
                return attempt(False).outcome
    match mode:
        case "disable":
            return attempt(False).outcome
        case "allow":
            return first_of(attempt(False), attempt(True))
        case "prefer":
            return first_of(attempt(True), attempt(False))
        case _:
            return attempt(True).outcome


def first_of(first: Attempt, second: Attempt) -> Outcome:
    """libpq's two tries under `allow` and `prefer`."""
    if not first.is_answered:
        return first.outcome
    if not second.outcome.error:
        return second.outcome
    return Outcome(error=f"{first.outcome.error} / {second.outcome.error}")


def try_server(client_tls: str, method: Method, with_tls: bool) -> Attempt:
    if with_tls:
        return Attempt(Outcome(True, True))
    if client_tls == "require" or method.has_certificate:
        return refused(unencrypted(method))
    if method.channel_binding == "require":
        return given_up(BINDING_WITHOUT_TLS)
    return Attempt(Outcome(False, False))


def try_proxy(proxy: Combination, method: Method, with_tls: bool) -> Attempt:
    if not with_tls and (proxy.client_tls == "require" or method.has_certificate and proxy.client_tls != "off"):
        return refused(unencrypted(method))
    # The client proves who it is before the server hears of it.
    if proxy.authentication == "scram" and method.channel_binding == "require" and not with_tls:
        return given_up(BINDING_WITHOUT_TLS)
    if proxy.is_server_refused:
        return refused(SERVER_WITHOUT_TLS)
    done = Attempt(Outcome(with_tls, proxy.is_server_encrypted))
    if method.has_certificate:
        if not proxy.is_server_encrypted:
            return refused(unencrypted(method))
        # Where clients cannot show a certificate, Holdfast has none for the server.
        return refused(CERTIFICATE_WANTED) if proxy.client_tls == "off" else done
    if proxy.authentication == "scram":
        return refused(other_method(method)) if method.name in ("password", "md5") else done
    if method.channel_binding == "require":
        if not with_tls:
            return given_up(BINDING_WITHOUT_TLS)
        if not proxy.is_server_encrypted:
            return given_up(NOTHING_TO_BIND)
    binds = method.role == "cid_scram" and method.channel_binding != "disable"
    if binds and with_tls and proxy.is_server_encrypted and not proxy.shares_certificate:
        return refused(BINDING_FAILED)
    return done
