"""Credentials that run out, are revoked and are renewed while services run: nobody restarts.

Tokens are a service account's own (TokenRequest) and are revoked by deleting it, which the API
server believes up to ten seconds later; certificates run out by themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
import pytest_asyncio

from runbus.cli.doctor.runs import check_runs
from runbus.cli.stack.probe import get
from runbus.contracts.states import RunState
from support.cluster import until
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.control_plane.wallet import Account, Wallet, put
from support.system import PROJECT, System, running_system, sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(300),
]
LIMIT_S = 60.0
CERTIFICATE_LIFE_S = 30.0
DAY_S = 86_400.0
UNAUTHORIZED = 401
LOUD = "Kubernetes cannot be asked for anything"
WITH_CREDENTIALS = ("pod-launcher", "state-watcher", "aborter")


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
    over = await system.over(fine)
    assert over.state is RunState.COMPLETED, over.status_text
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


async def stands_still_until(system: System, renewed: Callable[[str], Awaitable[None]]) -> None:
    """Have services whose credentials are of no use say so; renew them, and all goes on.

    `renewed` gets the id of a run that waits for it.
    """
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

    await renewed(waiting)

    assert (await system.over(waiting)).state is RunState.COMPLETED
    assert (await system.over(running)).state is RunState.ABORTED
    await all_say(system, "")
    await works(system)


async def is_told(system: System, run_id: str) -> bool:
    """Whether the doctor says that nothing is created for a run."""
    found = await check_runs(system.client, None)
    return any(run_id in each.what and "nothing is created" in each.what for each in found)


async def test_a_token_that_is_revoked_stops_everything_aloud_until_its_file_has_another(
    system: System, wallet: Wallet
) -> None:
    before, first, second = wallet.in_force, wallet.new_account(), wallet.new_account()
    put(wallet.token_file, first.token.encode())
    wallet.shows({"tokenFile": str(wallet.token_file)})
    await replaced(system, wallet, before)

    wallet.revokes(first)

    async def renewed(waiting: str) -> None:
        await until(lambda: is_told(system, waiting), LIMIT_S)
        put(wallet.token_file, second.token.encode())

    await stands_still_until(system, renewed)


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

    async def renewed(_waiting: str) -> None:
        wallet.shows_certificate(DAY_S)

    await stands_still_until(system, renewed)
