"""Keys, certificates and tokens of a control plane for tests. Knows no pytest.

Everybody comes with a token, as who they are in Kubernetes' own roles; certificates are for those
who serve (API server, kubelet) and for the API server where it calls a kubelet.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from support.authorities import Authority

# User and groups of each token; the names of the roles are Kubernetes' own.
PEOPLE = {
    "admin": ("admin", "system:masters"),
    "kubelet": ("kubelet", "system:masters"),
    "scheduler": ("system:kube-scheduler", ""),
    "controllers": ("system:kube-controller-manager", ""),
    "nobody": ("nobody", ""),
}
# What `openssl ca` wants to be told before it dates a certificate to the second.
_SIGNING = """[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/index.serial
default_md = sha256
policy = any
unique_subject = no
x509_extensions = client
[any]
organizationName = optional
commonName = supplied
[client]
extendedKeyUsage = clientAuth
"""


class Keys(Authority):
    """The folder with everything; `tokens` by the name of who comes with it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tokens = {name: secrets.token_hex(16) for name in PEOPLE}
        self.certify("apiserver", "/CN=kube-apiserver", "serverAuth")
        self.certify("kubelet", "/O=system:nodes/CN=system:node:any", "serverAuth")
        self.certify("apiserver-kubelet-client", "/CN=kube-apiserver", "clientAuth")
        self.key("accounts")
        self.openssl("ec", "-in", self.path("accounts.key"), "-pubout", "-out", "accounts.pub")
        self._write_tokens()

    def write_kubeconfig(self, path: Path, url: str, name: str, namespace: str = "default") -> Path:
        """Write the kubeconfig (JSON, which is YAML) of one of the people."""
        cluster = {"server": url, "certificate-authority": self.path("ca.crt")}
        context = {"cluster": "test", "user": name, "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": self.tokens[name]}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path.write_bytes(msgspec.json.encode(config))
        path.chmod(0o600)
        return path

    def client_certificate(self, name: str, *, life_s: float) -> tuple[str, str]:
        """Make a certificate of a user of that name in the group of all rights, soon to run out.

        Gives the paths of certificate and key.
        """
        file = f"client-{secrets.token_hex(4)}"
        self.key(file)
        subject = ("-subj", f"/O=system:masters/CN={name}")
        self.openssl("req", "-new", "-key", f"{file}.key", *subject, "-out", f"{file}.csr")
        ends_at = datetime.now(UTC) + timedelta(seconds=life_s)
        (self.folder / "index.txt").touch()
        (self.folder / "ca.cnf").write_text(_SIGNING.format(folder=self.folder))
        ending = ("-enddate", ends_at.strftime("%y%m%d%H%M%SZ"))
        authority = ("-keyfile", "ca.key", "-cert", "ca.crt", "-rand_serial", *ending)
        files = ("-in", f"{file}.csr", "-out", f"{file}.crt")
        self.openssl("ca", "-config", "ca.cnf", "-batch", "-notext", *authority, *files)
        return self.path(f"{file}.crt"), self.path(f"{file}.key")

    def _write_tokens(self) -> None:
        rows = [
            f'{self.tokens[name]},{user},{name},"{groups}"'
            for name, (user, groups) in PEOPLE.items()
        ]
        Path(self.path("tokens.csv")).write_text("\n".join(rows) + "\n")
