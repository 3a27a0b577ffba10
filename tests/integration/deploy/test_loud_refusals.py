"""A right that is missing is told: by a log line, a metric and /readyz, never by silence."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from runbus.cli.stack.probe import get
from runbus.contracts.identities import Identity, identities
from runbus.contracts.states import RunState
from runbus.contracts.streams import EVENTS
from runbus.contracts.transitions import Publisher
from support.chart import NAMESPACES, grants_of_services
from support.least_rights import GuardedSystem, guarded_system
from support.system import PROJECT, a_job

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

LAUNCHER = Publisher.POD_LAUNCHER.value
LACKED = f"$JS.ACK.{EVENTS}.{LAUNCHER}.>"
SOON_S = 20.0


def without_acknowledgements() -> list[Identity]:
    """Return an installation's identities, of which the pod-launcher may not acknowledge."""
    return [
        replace(each, publish=tuple(right for right in each.publish if right != LACKED))
        if each.name == LAUNCHER
        else each
        for each in identities()
    ]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GuardedSystem]:
    folder = tmp_path_factory.mktemp("loud")
    grants = grants_of_services()
    watched = {**grants, Publisher.POD_LAUNCHER: []}  # it may create no pod either
    async with guarded_system(
        folder,
        watched,
        allowed=without_acknowledgements(),
        RUNBUS_NAMESPACES=",".join(NAMESPACES),
    ) as system:
        reply = await system.client.submit(a_job("refused"))
        final = await system.client.wait(PROJECT, reply.run_id, timeout_s=SOON_S)
        assert final.state is RunState.ERROR
        yield system


async def test_what_kubernetes_refuses_ends_the_run_and_says_why(system: GuardedSystem) -> None:
    (record,) = await system.client.list_runs(PROJECT)
    status = record.status
    assert status.reason == "LaunchRefused"
    assert "cannot create" in status.message
    refused = {each.right for each in system.proxies[LAUNCHER].refused}
    assert refused == {("create", "", "pods")}
    assert await system.counted(LAUNCHER, "runbus_kube_refusals", verb="create") == 1


async def test_a_refusal_makes_the_service_not_ready(system: GuardedSystem) -> None:
    url = system.services[LAUNCHER].health_url
    async with asyncio.timeout(SOON_S):
        while (await get(f"{url}/readyz"))[0] == 200:
            await asyncio.sleep(0.05)
    _, told = await get(f"{url}/readyz")
    problem = json.loads(told)["problems"]["permissions"]
    assert problem.startswith(f'the bus refuses publish to "{LACKED[:-2].lower()}.')
    assert (await get(f"{url}/livez"))[0] == 200


async def test_a_refusal_is_counted(system: GuardedSystem) -> None:
    _, text = await get(f"{system.services[LAUNCHER].health_url}/metrics")
    lines = [line for line in text.splitlines() if line.startswith("runbus_bus_refusals_total{")]
    assert lines
    assert 'operation="publish"' in lines[0]


async def test_a_refusal_is_logged_as_an_error_with_the_way_out(system: GuardedSystem) -> None:
    log = await asyncio.to_thread(system.services[LAUNCHER].log.read_text)
    told = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (first, *_) = [each for each in told if each["event"] == "refused by the bus"]
    assert first["level"] == "error"
    assert first["refused"].startswith('publish to "$js.ack.')
    assert "server's configuration" in first["way_out"]


async def test_the_others_are_ready(system: GuardedSystem) -> None:
    for service, process in system.services.items():
        if service != LAUNCHER:
            assert (await get(f"{process.health_url}/readyz"))[0] == 200


async def test_a_password_that_is_wrong_is_told_at_once(
    system: GuardedSystem, tmp_path: Path
) -> None:
    wrong = tmp_path / "password"
    await asyncio.to_thread(wrong.write_text, "wrong")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "runbus.scheduler"),
        env=os.environ
        | {
            "RUNBUS_NATS_URL": system.nats.url,
            "RUNBUS_NATS_USER": "scheduler",
            "RUNBUS_NATS_PASSWORD_FILE": str(wrong),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SOON_S):
            told = json.loads(await process.stderr.readline())
    finally:
        process.terminate()
        await process.communicate()
    assert (told["event"], told["kind"]) == ("bus connection", "error")
    assert "authorization violation" in told["text"].lower()
    assert "wrong" not in told["text"]
