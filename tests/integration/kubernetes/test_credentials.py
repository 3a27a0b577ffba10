"""Credentials that run out, are revoked and are renewed while services run: nobody restarts.

Tokens are a service account's own (TokenRequest) and are revoked by deleting it, which the API
server believes up to ten seconds later; certificates run out by themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec import Struct

from runbus.cli.stack.probe import get
from runbus.contracts.states import RunState
from support.cluster import until
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.system import PROJECT, System, running_system, sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(300),
]
_NUMBERS = count(1)
LIMIT_S = 60.0
CERTIFICATE_LIFE_S = 30.0
BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
DAY_S = 86_400.0
UNAUTHORIZED = 401
LOUD = "Kubernetes cannot be asked for anything"
WITH_CREDENTIALS = ("pod-launcher", "state-watcher", "aborter")


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


@pytest.fixture(scope="module")
def wallet(
    control_plane: ControlPlane, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Wallet:
    return Wallet(control_plane, namespace, tmp_path_factory.mktemp("wallet"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(
    control_plane: ControlPlane,
    namespace: str,
    kubelet: Kubelet,
    wallet: Wallet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[System]:
    """The five services with credentials of their own; the test itself is admin."""
    assert kubelet
    wallet.shows({"token": wallet.new_account().token})
    async with running_system(
        tmp_path_factory.mktemp("system"),
        defaults=f"namespaces: {{{PROJECT}: {namespace}}}\n",
        kubeconfig=str(control_plane.kubeconfig()),
        RUNBUS_KUBECONFIG=str(wallet.path),
    ) as system:
        pids = {name: each.pid for name, each in system.stack.services.items()}
        yield system
        assert {name: each.pid for name, each in system.stack.services.items()} == pids


async def works(system: System) -> None:
    """Have a run completed and another one aborted: all that services ask of Kubernetes."""
    stuck = await system.submit("stuck", command=sleeping(90), state_thresholds={"running": "1s"})
    fine = await system.submit("fine")
    assert (await system.over(fine)).state is RunState.COMPLETED
    assert (await system.over(stuck)).state is RunState.ABORTED


async def replaced(system: System, wallet: Wallet, account: Account) -> None:
    """Delete an account whose credentials have been replaced; what comes then goes unnoticed."""
    wallet.revokes(account)
    headers = {"Authorization": f"Bearer {account.token}"}

    async def is_refused() -> bool:
        async with system.http.get(f"{system.kube_url}/version", headers=headers) as answer:
            return answer.status == UNAUTHORIZED

    await until(is_refused, LIMIT_S)
    await works(system)


async def all_say(system: System, text: str) -> None:
    """Wait until each service that needs Kubernetes is not ready for a reason, or (empty) is."""

    async def told() -> bool:
        found = [await kubernetes_problem(system, each) for each in WITH_CREDENTIALS]
        return all(text in each if text else not each for each in found)

    await until(told, LIMIT_S)


async def kubernetes_problem(system: System, service: str) -> str:
    _, told = await get(f"{system.stack.services[service].health_url}/readyz")
    found: str = msgspec.json.decode(told)["problems"].get("kubernetes", "")
    return found


async def stands_still_until(system: System, renewed: Callable[[], None]) -> None:
    """Have services whose credentials are of no use say so; renew them, and all goes on."""
    running = await system.submit("runs", command=sleeping(90))
    await system.until(running, RunState.RUNNING)
    await all_say(system, "401")
    waiting = await system.submit("waits")
    await system.client.abort(PROJECT, running, by="ada")
    await system.until(waiting, RunState.ADMITTED)
    await system.until(running, RunState.ABORTING)
    for service in WITH_CREDENTIALS:
        assert LOUD in system.stack.services[service].log.read_text(), service
    assert await system.pods_of(waiting) == []
    assert len(await system.pods_of(running)) == 1

    renewed()

    assert (await system.over(waiting)).state is RunState.COMPLETED
    assert (await system.over(running)).state is RunState.ABORTED
    await all_say(system, "")
    await works(system)


async def test_a_token_that_is_revoked_stops_everything_aloud_until_its_file_has_another(
    system: System, wallet: Wallet
) -> None:
    before, first, second = wallet.in_force, wallet.new_account(), wallet.new_account()
    put(wallet.token_file, first.token.encode())
    wallet.shows({"tokenFile": str(wallet.token_file)})
    await replaced(system, wallet, before)

    wallet.revokes(first)
    await stands_still_until(system, lambda: put(wallet.token_file, second.token.encode()))


async def test_a_plugin_is_run_again_once_its_token_is_refused(
    system: System, wallet: Wallet
) -> None:
    before, first, second = wallet.in_force, wallet.new_account(), wallet.new_account()
    wallet.shows_plugin(first.token)
    await replaced(system, wallet, before)
    runs = len(wallet.plugin_runs.read_text())
    wallet.shows_plugin(second.token)
    await replaced(system, wallet, first)

    assert len(WITH_CREDENTIALS) <= runs < len(wallet.plugin_runs.read_text()) <= 4 * runs


async def test_a_certificate_that_runs_out_is_replaced_by_the_newest_of_the_kubeconfig(
    system: System, wallet: Wallet
) -> None:
    wallet.shows_certificate(CERTIFICATE_LIFE_S)
    await replaced(system, wallet, wallet.in_force)  # from here on nobody has a token

    await stands_still_until(system, lambda: wallet.shows_certificate(DAY_S))
