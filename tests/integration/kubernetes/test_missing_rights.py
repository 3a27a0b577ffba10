"""A right that is taken away on a real API server is told: by the service, and by the doctor."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from runbus.cli.stack.probe import get
from runbus.contracts.rights import RIGHTS
from runbus.contracts.states import RunState
from runbus.contracts.transitions import Publisher
from support.commands import Command
from support.control_plane import accounts
from support.control_plane.accounts import ACCOUNTS, VARIANTS, without
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.least_rights import GRACE_S, OVER_S, GuardedServices, guarded_services
from support.system import PROJECT, sleeping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

ROLES = VARIANTS["Roles"]
LAUNCHER, WATCHER, ABORTER = Publisher.POD_LAUNCHER, Publisher.STATE_WATCHER, Publisher.ABORTER
COUNTER = "runbus_kube_refusals"
OF_ACCOUNTS = "--service-accounts=runbus"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(
    control_plane: ControlPlane, kubelet: Kubelet, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GuardedServices]:
    assert kubelet
    with accounts.applied(control_plane, ROLES.path):
        async with guarded_services(
            tmp_path_factory.mktemp("missing"),
            {each: control_plane.kubeconfig(account) for each, account in ACCOUNTS.items()},
            RUNBUS_NAMESPACES=",".join(ROLES.namespaces),
        ) as system:
            yield system


async def doctor(
    system: GuardedServices, plane: ControlPlane, person: str, *options: str
) -> list[Any]:
    """Return what the doctor finds on rights in both namespaces, asked by somebody."""
    nats = system.nats
    command = Command(
        {
            "RUNBUS_NATS_URL": nats.url,
            "RUNBUS_NATS_USER": "operator",
            "RUNBUS_NATS_PASSWORD_FILE": str(nats.password_file("operator")),
        }
    )
    where = [f"--namespace={each}" for each in ROLES.namespaces]
    kubeconfig = f"--kubeconfig={plane.kubeconfig(person)}"
    done = await command("doctor", "-o", "json", kubeconfig, *where, *options)
    return [each for each in done.json if each["section"] == "rights"]


async def told(system: GuardedServices, publisher: Publisher, pattern: str) -> None:
    """Wait until a service is not ready for the lack of a right, and look at its log."""
    process = system.services[publisher.value]
    async with asyncio.timeout(OVER_S):
        while (await get(f"{process.health_url}/readyz"))[0] == 200:
            await asyncio.sleep(0.05)
    problems = json.loads((await get(f"{process.health_url}/readyz"))[1])["problems"]
    assert re.fullmatch(pattern, problems["permissions on kubernetes"])
    assert (await get(f"{process.health_url}/livez"))[0] == 200
    log = await asyncio.to_thread(process.log.read_text)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (first, *_) = [each for each in lines if each["event"] == "refused by Kubernetes"]
    assert (first["level"], "Role" in first["way_out"]) == ("error", True)


async def test_with_all_rights_the_doctor_finds_each_accounts_whole_table(
    system: GuardedServices, control_plane: ControlPlane
) -> None:
    found = await doctor(system, control_plane, "admin", OF_ACCOUNTS)
    assert [(each["grade"], each["what"].split()[0]) for each in found] == [
        ("ok", publisher.value) for publisher in RIGHTS
    ]


@pytest.mark.parametrize("publisher", list(RIGHTS))
async def test_the_doctor_as_a_services_account_finds_its_rights_and_not_those_of_others(
    system: GuardedServices, control_plane: ControlPlane, publisher: Publisher
) -> None:
    found = await doctor(system, control_plane, ACCOUNTS[publisher])
    grades = {each["what"].split()[0]: each["grade"] for each in found}
    assert grades[publisher.value] == "ok"
    others = {grade for name, grade in grades.items() if name != publisher.value}
    assert "problem" in others or publisher is ABORTER


async def test_a_service_may_not_ask_for_the_rights_of_others(
    system: GuardedServices, control_plane: ControlPlane
) -> None:
    (found,) = await doctor(system, control_plane, ACCOUNTS[ABORTER], OF_ACCOUNTS)
    assert found["grade"] == "warning"
    assert "subjectaccessreviews" in found["way_out"]


async def test_a_quota_is_no_missing_right(
    system: GuardedServices, control_plane: ControlPlane
) -> None:
    path = f"/api/v1/namespaces/{PROJECT}/resourcequotas"
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    assert control_plane.request("POST", path, quota)[0] == 201
    try:
        async with asyncio.timeout(OVER_S):
            while "hard" not in control_plane.request("GET", f"{path}/none")[1]["status"]:
                await asyncio.sleep(0.05)
        final = await system.over(await system.submit("over-quota"))
    finally:
        control_plane.request("DELETE", f"{path}/none")
    assert "exceeded quota" in final.status_text
    assert await system.counted(LAUNCHER.value, COUNTER) == 0
    assert (await get(f"{system.services[LAUNCHER.value].health_url}/readyz"))[0] == 200


async def test_a_launcher_that_may_not_create_is_not_ready_and_says_so(
    system: GuardedServices, control_plane: ControlPlane
) -> None:
    with without(control_plane, ACCOUNTS[LAUNCHER], PROJECT, "create", "pods"):
        final = await system.over(await system.submit("not-launched"))
        assert (final.state, final.reason) == (RunState.ERROR, "LaunchRefused")
        await told(system, LAUNCHER, "Kubernetes refuses create pods in nlp")
    assert await system.counted(LAUNCHER.value, COUNTER, verb="create", resource="pods") == 1
    final = await system.over(await system.submit("launched"))
    assert final.state is RunState.COMPLETED


async def test_an_aborter_that_may_not_delete_is_not_ready_and_aborts_once_it_may(
    system: GuardedServices, control_plane: ControlPlane
) -> None:
    run_id = await system.submit("stays", command=sleeping(90))
    await system.until(run_id, RunState.RUNNING)
    with without(control_plane, ACCOUNTS[ABORTER], PROJECT, "delete", "pods"):
        await system.client.abort(PROJECT, run_id, by="ada")
        await told(system, ABORTER, "Kubernetes refuses delete pods in nlp")
        lacks = "and {} may not in nlp: delete pods"
        for person, options, who in (
            (ACCOUNTS[ABORTER], (), "this kubeconfig's user"),
            ("admin", (OF_ACCOUNTS,), "system:serviceaccount:runbus:runbus-aborter"),
        ):
            found = await doctor(system, control_plane, person, *options)
            (problem,) = [each for each in found if each["what"].startswith("aborter needs")]
            assert problem["grade"] == "problem"
            assert problem["what"].endswith(lacks.format(who))
    assert (await system.over(run_id)).state is RunState.ABORTED


async def test_a_watcher_that_may_not_list_is_not_ready_until_it_may(
    system: GuardedServices, control_plane: ControlPlane
) -> None:
    process = system.services[WATCHER.value]
    await process.stop(GRACE_S)
    with without(control_plane, ACCOUNTS[WATCHER], PROJECT, "list", "pods"):
        await process.start()
        async with asyncio.timeout(OVER_S):
            while not process.health_url:
                await asyncio.sleep(0.05)
            while not await system.counted(WATCHER.value, COUNTER, verb="list"):
                await asyncio.sleep(0.05)
        await told(system, WATCHER, "Kubernetes refuses list pods in nlp")
    final = await system.over(await system.submit("seen"))
    assert final.state is RunState.COMPLETED
