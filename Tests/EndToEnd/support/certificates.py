"""Throw-away certificate authorities, made with the `openssl` program, and the certificates that they issue."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .programs import run

# What `openssl ca` wants to know. `$folder` is an authority's own; the extensions are named by use.
CONFIGURATION = """
[ca]
default_ca = authority
[authority]
dir = {folder}
database = $dir/index.txt
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir
certificate = $dir/ca.crt
private_key = $dir/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = anything
[anything]
organizationName = optional
organizationalUnitName = optional
commonName = optional
emailAddress = optional
[req]
distinguished_name = empty
[empty]
[authority_usage]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server_usage]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
{names}
[client_usage]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
"""

KEYS = {
    "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
    "ed25519": ["-newkey", "ed25519"],
}


@dataclass(frozen=True)
class Identity:
    """A certificate with its chain, and its private key, as PEM files."""

    certificate: Path
    key: Path

    def client_options(self) -> dict[str, str]:
        """What libpq calls them."""
        return {"sslcert": str(self.certificate), "sslkey": str(self.key)}

    def proxy_settings(self) -> dict[str, str]:
        """What proxy.conf calls them."""
        return {"certificate": str(self.certificate), "key": str(self.key)}


class Authority:
    """Issues and revokes; an authority below another one puts its own certificate behind each that it issues."""

    def __init__(self, folder: Path, name: str, parent: "Authority | None" = None) -> None:
        self.folder = folder / name.replace(" ", "-")
        self.folder.mkdir()
        self.parent = parent
        self.certificate = self.folder / "ca.crt"
        self.issued: dict[str, Identity] = {}
        (self.folder / "index.txt").touch()
        for counter in ("serial", "crlnumber"):
            (self.folder / counter).write_text("01\n")
        request = self._request("ca", f"/O=Holdfast tests/CN={name}", "ecdsa")
        (parent or self)._sign(request, self.certificate, "authority_usage", own=parent is None)

    def _configuration(self, names: str = "") -> Path:
        path = self.folder / "openssl.cnf"
        path.write_text(CONFIGURATION.format(folder=self.folder, names=f"subjectAltName = {names}" if names else ""))
        return path

    def _request(self, file: str, subject: str, key: str) -> Path:
        request = self.folder / f"{file}.csr"
        # The key is created with mode 0600, which libpq and the server insist on.
        run(
            "openssl", "req", "-new", *KEYS[key], "-nodes", "-config", self._configuration(), "-utf8",
            "-subj", subject, "-keyout", self.folder / f"{file}.key", "-out", request,
        )  # fmt: skip
        return request

    def _sign(
        self, request: Path, certificate: Path, usage: str, names: str = "", digest: str = "sha256",
        expired: bool = False, own: bool = False,
    ) -> None:  # fmt: skip
        arguments: list[str | Path] = ["-selfsign", "-keyfile", request.with_suffix(".key")] if own else []
        if expired:
            arguments += ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
        run(
            "openssl", "ca", "-batch", "-notext", "-config", self._configuration(names), "-extensions", usage,
            "-md", digest, "-in", request, "-out", certificate, *arguments,
        )  # fmt: skip

    def issue(
        self, file: str, subject: str, names: str = "", *, usage: str = "server", key: str = "ecdsa",
        digest: str = "sha256", expired: bool = False, own: bool = False,
    ) -> Identity:  # fmt: skip
        """`names` as subjectAltName takes them; `own` signs the certificate with its own key."""
        request = self._request(file, subject, key)
        certificate = self.folder / f"{file}.crt"
        self._sign(request, certificate, f"{usage}_usage", names, digest, expired, own)
        if self.parent and not own:
            certificate.write_text(certificate.read_text() + self.certificate.read_text())
        self.issued[file] = Identity(certificate, self.folder / f"{file}.key")
        return self.issued[file]

    def server(self, file: str, names: str = "DNS:localhost", **options) -> Identity:
        return self.issue(file, "/O=Holdfast tests/CN=localhost", names, **options)

    def client(self, common_name: str, file: str | None = None, **options) -> Identity:
        subject = f"/O=Holdfast tests/OU=Clients/CN={common_name}"
        return self.issue(file or f"client-{common_name}", subject, usage="client", **options)

    def revoke(self, identity: Identity) -> None:
        run("openssl", "ca", "-config", self._configuration(), "-revoke", identity.certificate)

    def revocations(self) -> str:
        """The list of this authority as it is now, in PEM."""
        return run("openssl", "ca", "-config", self._configuration(), "-gencrl").stdout


class Certificates:
    """One root with an authority below it that issues everything, and a stranger that nobody should trust.

    Certificates are made when they are first asked for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.top = Authority(folder, "root authority")
        self.issuer = Authority(folder, "issuing authority", self.top)
        self.stranger = Authority(folder, "strange authority")

    @property
    def root(self) -> Path:
        """What verifiers trust."""
        return self.top.certificate

    @property
    def strange_root(self) -> Path:
        return self.stranger.certificate

    @cached_property
    def crl(self) -> Path:
        """The lists of both authorities, with `revoked_server` and `revoked_client` on them.

        A verifier that checks the whole chain needs both.
        """
        for revoked in (self.revoked_server, self.revoked_client):
            self.issuer.revoke(revoked)
        path = self.folder / "all.crl"
        path.write_text(self.top.revocations() + self.issuer.revocations())
        return path

    @cached_property
    def server(self) -> Identity:
        """For `localhost`."""
        return self.issuer.server("server")

    @cached_property
    def other_server(self) -> Identity:
        """For `localhost` too, with another key."""
        return self.issuer.server("other-server")

    @cached_property
    def wrong_name(self) -> Identity:
        return self.issuer.issue("wrong-name", "/CN=elsewhere.example", "DNS:elsewhere.example")

    @cached_property
    def by_address(self) -> Identity:
        """For 127.0.0.1 and ::1 only."""
        return self.issuer.issue("by-address", "/O=Holdfast tests", "IP:127.0.0.1,IP:::1")

    @cached_property
    def expired_server(self) -> Identity:
        return self.issuer.server("expired-server", expired=True)

    @cached_property
    def revoked_server(self) -> Identity:
        return self.issuer.server("revoked-server")

    @cached_property
    def self_signed(self) -> Identity:
        return self.issuer.server("self-signed", own=True)

    @cached_property
    def strange_server(self) -> Identity:
        return self.stranger.server("server")

    @cached_property
    def rsa_server(self) -> Identity:
        return self.issuer.server("rsa-server", key="rsa")

    @cached_property
    def ed25519_server(self) -> Identity:
        return self.issuer.server("ed25519-server", key="ed25519")

    @cached_property
    def self_signed_ed25519(self) -> Identity:
        """Its signature names no digest, so that it has no end-point hash for channel binding."""
        return self.issuer.server("self-signed-ed25519", key="ed25519", own=True, digest="null")

    @cached_property
    def sha384_server(self) -> Identity:
        """Signed with SHA-384, which is then the digest of its end-point hash."""
        return self.issuer.server("sha384-server", digest="sha384")

    def client(self, role: str) -> Identity:
        """Whose common name is the role."""
        file = "client-" + role.replace("/", "-")
        return self.issuer.issued.get(file) or self.issuer.client(role, file)

    @cached_property
    def expired_client(self) -> Identity:
        return self.issuer.client("dan_certificate", "expired-client", expired=True)

    @cached_property
    def revoked_client(self) -> Identity:
        return self.issuer.client("dan_certificate", "revoked-client")

    @cached_property
    def strange_client(self) -> Identity:
        return self.stranger.client("dan_certificate")

    @cached_property
    def proxy_client(self) -> Identity:
        """What Holdfast shows to servers that ask for a certificate."""
        return self.issuer.client("holdfast")
