"""The services as pods have them: containers of the image, accounts by their mounted tokens.

The chart's Roles on a real API server, a bus with identities, and nothing of a kubeconfig.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runbus.contracts.identities import INIT
from runbus.contracts.rights import RIGHTS
from runbus.contracts.states import RunState
from runbus.contracts.transitions import Publisher
from support.containers import BuiltImage
from support.control_plane import accounts
from support.control_plane.accounts import ACCOUNTS, VARIANTS
from support.control_plane.audit import NAMESPACE
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import POLL_S, ControlPlane
from support.identities import running_guarded
from support.service_containers import LIMIT_S, ServiceContainers, readable

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

MOUNTED = "/var/run/secrets/kubernetes.io/serviceaccount"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
TERM = "term-of-the-first-tokens"
UNAUTHORIZED = 401
ROLES = VARIANTS["Roles"]


def account(plane: ControlPlane, publisher: Publisher, folder: Path) -> dict[str, Path]:
    """Return what a kubelet mounts for a service's account; nothing for one without rights."""
    if publisher not in RIGHTS:
        return {}
    mounted = folder / f"{publisher.value}.account"
    mounted.mkdir(exist_ok=True)
    (folder / "token").write_text(plane.keys.tokens[ACCOUNTS[publisher]])
    readable(folder / "token", mounted / "new").replace(mounted / "token")
    readable(Path(plane.keys.path("ca.crt")), folder / "ca.crt").replace(mounted / "ca.crt")
    return {MOUNTED: mounted}


def new_tokens(plane: ControlPlane, folder: Path) -> None:
    """Write a new token for each account, as a kubelet does in time, and end the old ones."""
    for publisher in RIGHTS:
        name = ACCOUNTS[publisher]
        old = plane.keys.tokens[name]
        plane.let_in(NAMESPACE, name)
        account(plane, publisher, folder)
        plane.keys.tokens["before"] = old
    plane.request("DELETE", f"{SECRETS}/{TERM}")
    end_s = time.monotonic() + LIMIT_S
    while plane.request("GET", "/version", person="before")[0] != UNAUTHORIZED:
        assert time.monotonic() < end_s, "the old tokens are still good"
        time.sleep(POLL_S)


async def test_the_services_work_with_the_tokens_of_their_accounts_and_with_those_that_follow(
    built_image: BuiltImage, control_plane: ControlPlane, kubelet: Kubelet, tmp_path: Path
) -> None:
    assert kubelet
    at = urlsplit(control_plane.url)
    settings = {
        "KUBERNETES_SERVICE_HOST": str(at.hostname),
        "KUBERNETES_SERVICE_PORT": str(at.port),
        "RUNBUS_NAMESPACES": ",".join(ROLES.namespaces),
    }
    with accounts.applied(control_plane, ROLES.path):
        control_plane.request("POST", SECRETS, {"metadata": {"name": TERM}})
        for publisher in RIGHTS:
            control_plane.let_in(NAMESPACE, ACCOUNTS[publisher], while_there_is=TERM)
        control_plane.forget_judged()
        async with AsyncExitStack() as stack:
            nats = await stack.enter_async_context(running_guarded(tmp_path, is_provisioned=False))
            containers = ServiceContainers(built_image, tmp_path, nats)
            assert await containers.run(INIT, "init") == 0, containers.log(INIT)
            for publisher in Publisher:
                files = account(control_plane, publisher, tmp_path)
                service = containers.service(publisher, files, **settings)
                await stack.enter_async_context(service)
            assert (await containers.complete_a_run()).state is RunState.COMPLETED
            await asyncio.to_thread(new_tokens, control_plane, tmp_path)
            assert (await containers.complete_a_run()).state is RunState.COMPLETED
        judged = {each: control_plane.judged(name) for each, name in ACCOUNTS.items()}
    assert {each for each, asked in judged.items() if asked} == set(RIGHTS)
    assert all(each.is_allowed for asked in judged.values() for each in asked)
