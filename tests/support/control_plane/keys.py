"""Keys, certificates and tokens of a control plane for tests. Knows no pytest.

Everybody comes with a token, as who they are in Kubernetes' own roles; certificates are for those
who serve (API server, kubelet) and for the API server where it calls a kubelet.
"""

from __future__ import annotations

import secrets
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

    def _write_tokens(self) -> None:
        rows = [
            f'{self.tokens[name]},{user},{name},"{groups}"'
            for name, (user, groups) in PEOPLE.items()
        ]
        Path(self.path("tokens.csv")).write_text("\n".join(rows) + "\n")
