"""What services show to the API server: a kubeconfig of their own, and who its tokens are.

Not an admin's: who is in the group `system:masters` is never made to wait, nor refused anything.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from support.control_plane.plane import ControlPlane

_NUMBERS = count(1)
BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


class Account(Struct, frozen=True):
    """A service account, and a token of it."""

    name: str
    token: str


class Wallet:
    """The kubeconfig of the services, and the service accounts whose tokens are in it."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path) -> None:
        self._plane = plane
        self._accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self._namespace = namespace
        self.folder = folder
        self.path = folder / "services.kubeconfig"
        self.token_file = folder / "token"
        self.accounts: list[Account] = []
        self.plugin_runs = folder / "plugin-runs"

    def shows(self, user: dict[str, Any]) -> None:
        """Write the kubeconfig with these credentials, as a whole."""
        config: Any = msgspec.yaml.decode(self._plane.kubeconfig().read_bytes())
        config["users"][0]["user"] = user
        put(self.path, msgspec.json.encode(config))

    @property
    def in_force(self) -> Account:
        """The account that was created last."""
        return self.accounts[-1]

    def new_account(self) -> Account:
        """Create a service account with all rights."""
        name = f"services-{next(_NUMBERS)}"
        self._create(self._accounts, {"metadata": {"name": name}})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self._namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
        binding = {
            "metadata": {"name": f"{self._namespace}-{name}"},
            "subjects": [subject],
            "roleRef": role | {"name": "cluster-admin"},
        }
        self._create(BINDING, binding)
        asked = {"spec": {"expirationSeconds": 600}}
        token: str = self._create(f"{self._accounts}/{name}/token", asked)["status"]["token"]
        self.accounts.append(Account(name, token))
        return self.accounts[-1]

    def shows_plugin(self, token: str) -> None:
        """Write the kubeconfig with a plugin that gives out a token, and notes that it did."""
        status = {"token": token}
        kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
        script = self.folder / "plugin.sh"
        answer = msgspec.json.encode(kind | {"status": status}).decode()
        put(script, f"#!/bin/sh\necho >> {self.plugin_runs}\necho '{answer}'\n".encode())
        script.chmod(0o755)
        self.shows({"exec": {"apiVersion": kind["apiVersion"], "command": str(script)}})

    def shows_certificate(self, life_s: float) -> None:
        """Write the kubeconfig with a client certificate that runs out."""
        certificate, key = self._plane.keys.client_certificate("services", life_s=life_s)
        self.shows({"client-certificate": certificate, "client-key": key})

    def revokes(self, account: Account) -> None:
        """Delete a service account: its tokens are refused from then on."""
        assert self._plane.request("DELETE", f"{self._accounts}/{account.name}")[0] == 200

    def _create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = self._plane.request("POST", path, body)
        assert status == 201, answer
        return answer


def put(path: Path, content: bytes) -> None:
    """Replace a file at once, as who rotates credentials does."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
