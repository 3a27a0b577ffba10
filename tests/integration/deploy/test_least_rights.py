"""Every service does all of its work with its own identity, and needs every right that it has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from runbus.cli.stack.probe import get
from runbus.contracts import subjects
from runbus.contracts.commands import ChangeDeadline, DeadlineAction
from runbus.contracts.identities import OPERATOR, identities, tenant_identity
from runbus.contracts.rights import RIGHTS
from runbus.contracts.states import EventType, RunState, Threshold
from runbus.contracts.streams import DEADLETTERS
from runbus.contracts.transitions import Publisher
from runbus.sdk.defaults import store_defaults
from runbus.sdk.function_store import store_function
from support.chart import NAMESPACES, grants_of_services
from support.identities import session_of
from support.least_rights import OVER_S, GuardedSystem, guarded_system
from support.sockets import called
from support.system import PROJECT, a_job, sleeping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

GRANTS = grants_of_services()
TENANT = tenant_identity(PROJECT)
LOOK_EVERY_S = 0.02


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GuardedSystem]:
    folder = tmp_path_factory.mktemp("least-rights")
    async with guarded_system(
        folder,
        GRANTS,
        allowed=(*identities(), TENANT),
        RUNBUS_NAMESPACES=",".join(NAMESPACES),
    ) as system:
        yield system


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def called_ports(system: GuardedSystem) -> AsyncIterator[dict[str, set[int]]]:
    """Look again and again whom each service has a connection to, while the tests go on."""
    found: dict[str, set[int]] = {name: set() for name in system.services}

    async def look() -> None:
        while True:
            for name, process in system.services.items():
                with contextlib.suppress(OSError):  # one that is started again
                    found[name] |= called(process.pid)
            await asyncio.sleep(LOOK_EVERY_S)

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        yield found
        looking.cancel()


async def test_a_run_completes(system: GuardedSystem) -> None:
    run_id = await system.submit("simple")
    final = await system.over(run_id)
    assert final.state is RunState.COMPLETED


async def test_a_command_on_the_stream_is_taken(
    system: GuardedSystem,
) -> None:
    sent = await system.client.send(a_job("sent"), key="one")
    final = await system.over(sent.run_id)
    assert final.state is RunState.COMPLETED


async def test_a_stuck_run_is_aborted_with_evidence(system: GuardedSystem) -> None:
    run_id = await system.submit(
        "stuck", image="missing:1", state_thresholds={"image_pull_backoff": "1s"}
    )
    final = await system.over(run_id)
    assert final.state is RunState.ABORTED
    async with asyncio.timeout(OVER_S):
        while not await system.client.evidence(PROJECT, run_id):
            await asyncio.sleep(0.1)


async def test_a_run_that_fits_no_node_is_aborted_once_no_autoscaler_helps(
    system: GuardedSystem,
) -> None:
    run_id = await system.submit(
        "too-big",
        resources={"requests": {"cpu": "1000"}},
        state_thresholds={"pending_not_scheduled": "1s"},
    )
    final = await system.over(run_id)
    assert final.state is RunState.ABORTED


async def test_a_user_changes_a_deadline_and_aborts(system: GuardedSystem) -> None:
    run_id = await system.submit("long", command=sleeping(60), state_thresholds={"running": "1h"})
    await system.until(run_id, RunState.RUNNING)
    changed = await system.client.change_deadline(
        PROJECT,
        run_id,
        ChangeDeadline(threshold=Threshold.RUNNING, action=DeadlineAction.EXTEND, extend_s=60),
    )
    assert changed.deadline is not None
    await system.client.abort(PROJECT, run_id, by="ada", message="enough")
    final = await system.over(run_id)
    assert final.state is RunState.ABORTED


async def test_defaults_and_functions_of_the_bus_are_taken_up(system: GuardedSystem) -> None:
    bus = system.client.bus
    defaults = b"limits: {concurrent_runs: 9}\npreemptible_nodes: {preset: gke}\n"
    await store_defaults(bus, defaults, author="ada", after=0)
    function = b"kind: job\nmetadata: {name: hello}\nspec: {image: 'x:1'}\n"
    await store_function(bus, "hello", "latest", function, author="ada", after=0)
    run_id = await system.submit("from-hub", image=None, function="hub://hello")
    final = await system.over(run_id)
    assert final.state is RunState.COMPLETED
    stays = await system.submit("stays", command=sleeping(2))  # is it on a spot node?
    assert (await system.over(stays)).state is RunState.COMPLETED
    refused = await system.client.submit(a_job("none", image=None, function="hub://helo"))
    assert not refused.accepted


async def test_what_cannot_be_handled_becomes_a_dead_letter(system: GuardedSystem) -> None:
    for verb in (subjects.ABORT, subjects.DEADLINE):
        await system.client.bus.publish(subjects.command(verb, PROJECT, "0" * 12), b"[")
    services = {"aborter", "state-watcher"}
    async with asyncio.timeout(OVER_S):
        while services:
            for service in tuple(services):
                found = await system.client.bus.last_message(
                    DEADLETTERS, subjects.dead_letter(service)
                )
                if found is not None:
                    services.discard(service)
            await asyncio.sleep(0.1)


COMMANDS = (
    "doctor -o json",
    "list",
    "defaults get",
    "defaults history",
    "function list",
    "deadletters list -o name",
    "submit -p nlp -n by-operator -i x:1 --watch -- true",
)


@pytest.mark.parametrize("command", COMMANDS)
async def test_people_have_what_the_command_line_needs(system: GuardedSystem, command: str) -> None:
    environment = os.environ | {
        "RUNBUS_NATS_URL": system.nats.url,
        "RUNBUS_NATS_USER": OPERATOR,
        "RUNBUS_NATS_PASSWORD_FILE": str(system.nats.password_file(OPERATOR)),
        "RUNBUS_KUBECONFIG": system.cluster.kubeconfig,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "runbus.cli", *command.split()),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(OVER_S):
        out, told = await process.communicate()
    assert "refuses" not in told.decode(), told
    expected = (0, 1) if command.startswith("doctor") else (0,)  # the dead letters are a finding
    assert process.returncode in expected, (out, told)


async def test_a_tenant_submits_gets_its_verdict_and_hears_of_its_run(
    system: GuardedSystem,
) -> None:
    over = asyncio.Event()

    async def hear(msg: Msg) -> None:
        if msg.subject.endswith(f".{EventType.COMPLETED.value}"):
            over.set()

    async with session_of(system.nats, TENANT.name) as tenant:
        await tenant.bus.subscribe(subjects.events_of_project(PROJECT), hear)
        verdict = await tenant.bus.request(
            subjects.api(subjects.API_SUBMIT, PROJECT), json.dumps(a_job("tenants")).encode()
        )
        assert json.loads(verdict.data)["accepted"] is True
        async with asyncio.timeout(OVER_S):
            await over.wait()
        assert tenant.refused == []


async def test_a_scheduler_started_again_takes_its_lease_and_its_place(
    system: GuardedSystem,
) -> None:
    process = system.services["scheduler"]
    await process.stop(15)
    await process.start()
    await process.wait_ready(30)
    await test_a_run_completes(system)


@pytest.mark.parametrize("service", [each.value for each in Publisher])
async def test_the_bus_has_refused_nobody_and_all_are_ready(
    system: GuardedSystem, service: str
) -> None:
    status, told = await get(f"{system.services[service].health_url}/readyz")
    assert (await system.counted(service, "runbus_bus_refusals"), status) == (0, 200), told


@pytest.mark.parametrize("publisher", list(Publisher))
async def test_a_role_is_what_its_service_has_used(
    system: GuardedSystem, publisher: Publisher
) -> None:
    proxy = system.proxies[publisher.value]
    used = {ask.right for ask in proxy.asked}
    granted = {each.right for each in GRANTS[publisher]}
    assert proxy.refused == set()
    assert used == granted


@pytest.mark.parametrize("publisher", list(Publisher))
async def test_a_service_has_called_what_its_network_policy_lets_it_and_nothing_else(
    system: GuardedSystem, called_ports: dict[str, set[int]], publisher: Publisher
) -> None:
    """The chart's policies: the bus, and the API server for those that have rights there."""
    bus, api_server = (
        int(url.rpartition(":")[2])
        for url in (system.nats.url, system.proxies[publisher.value].url)
    )
    expected = {bus, api_server} if publisher in RIGHTS else {bus}
    assert called_ports[publisher.value] == expected
