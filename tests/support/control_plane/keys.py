"""Keys, certificates and tokens of a control plane for tests. Needs openssl; knows no pytest.

Everybody comes with a token, as who they are in Kubernetes' own roles; certificates are for those
who serve (API server, kubelet) and for the API server where it calls a kubelet.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

DAYS = "3650"
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
SERVERS = "DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1"


class OpensslMissingError(Exception):
    """There is no openssl on the PATH."""


class Keys:
    """The folder with everything; `tokens` by the name of who comes with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokens = {name: secrets.token_hex(16) for name in PEOPLE}
        if shutil.which("openssl") is None:
            raise OpensslMissingError("openssl is not on the PATH")
        folder.mkdir(parents=True, mode=0o700)
        self._authority()
        self._certificate("apiserver", "/CN=kube-apiserver", "serverAuth")
        self._certificate("kubelet", "/O=system:nodes/CN=system:node:any", "serverAuth")
        self._certificate("apiserver-kubelet-client", "/CN=kube-apiserver", "clientAuth")
        self._key("accounts")
        self._openssl("ec", "-in", self.path("accounts.key"), "-pubout", "-out", "accounts.pub")
        self._write_tokens()

    def path(self, name: str) -> str:
        """The path of a file: `ca.crt`, `apiserver.key`, `tokens.csv` and so on."""
        return str(self.folder / name)

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
        self._key(file)
        subject = ("-subj", f"/O=system:masters/CN={name}")
        self._openssl("req", "-new", "-key", f"{file}.key", *subject, "-out", f"{file}.csr")
        ends_at = datetime.now(UTC) + timedelta(seconds=life_s)
        (self.folder / "index.txt").touch()
        (self.folder / "ca.cnf").write_text(_SIGNING.format(folder=self.folder))
        ending = ("-enddate", ends_at.strftime("%y%m%d%H%M%SZ"))
        authority = ("-keyfile", "ca.key", "-cert", "ca.crt", "-rand_serial", *ending)
        files = ("-in", f"{file}.csr", "-out", f"{file}.crt")
        self._openssl("ca", "-config", "ca.cnf", "-batch", "-notext", *authority, *files)
        return self.path(f"{file}.crt"), self.path(f"{file}.key")

    def _write_tokens(self) -> None:
        rows = [
            f'{self.tokens[name]},{user},{name},"{groups}"'
            for name, (user, groups) in PEOPLE.items()
        ]
        Path(self.path("tokens.csv")).write_text("\n".join(rows) + "\n")

    def _authority(self) -> None:
        self._key("ca")
        subject = ("-subj", "/CN=test-authority", "-days", DAYS)
        self._openssl("req", "-x509", "-new", "-key", "ca.key", *subject, "-out", "ca.crt")

    def _certificate(self, name: str, subject: str, usage: str) -> None:
        self._key(name)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={SERVERS}\nextendedKeyUsage={usage}\n")
        request = f"{name}.csr"
        self._openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", request)
        authority = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS)
        files = ("-in", request, "-extfile", str(extensions), "-out", f"{name}.crt")
        self._openssl("x509", "-req", *authority, *files)

    def _key(self, name: str) -> None:
        curve = ("-name", "prime256v1", "-genkey", "-noout")
        self._openssl("ecparam", *curve, "-out", f"{name}.key")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=30
        )
