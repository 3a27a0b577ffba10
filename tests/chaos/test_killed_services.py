"""Each service killed (SIGKILL) at every point that matters: nothing is lost, nothing done twice.

A proxy holds the one message; the service is killed while it is held; then the message is lost,
or had been carried out already and its answer is lost. The services' cases go on side by side:
each service is killed over and over while the others carry on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from msgspec import Struct

from runbus.contracts.states import RunState
from support.chaos import Chaos, command_on, event_of, id_of
from support.kube_proxies import Stage
from support.proxies import Catch, Way
from support.system import PROJECT, sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(600),
]

QUICK = {"command": sleeping(0.5)}
TOO_LONG = {"command": sleeping(100), "state_thresholds": {"running": "1s"}}

Arm = Callable[[Chaos, str, str], Catch]


class Case(Struct, frozen=True):
    """One moment to be killed at: `arm(chaos, service, run name)` sets the trap."""

    service: str
    moment: str
    arm: Arm
    state: RunState = RunState.COMPLETED

    @property
    def name(self) -> str:
        """The name of its run."""
        initials = "".join(word[0] for word in self.service.split("-"))
        return f"{initials}-{self.moment}".replace("_", "-")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its run."""
        return QUICK if self.state is RunState.COMPLETED else TOO_LONG


def before_it_stores(event_type: str) -> Arm:
    return lambda chaos, service, name: chaos.bus[service].catch(
        Way.UP, event_of(id_of(name), event_type)
    )


def once_it_has_stored(event_type: str) -> Arm:
    return lambda chaos, service, name: chaos.bus[service].catch_answer(
        event_of(id_of(name), event_type)
    )


def before_it_sends(verb: str) -> Arm:
    return lambda chaos, service, name: chaos.bus[service].catch(
        Way.UP, command_on(id_of(name), verb)
    )


def once_it_has_sent(verb: str) -> Arm:
    return lambda chaos, service, name: chaos.bus[service].catch_answer(
        command_on(id_of(name), verb)
    )


def before_it_acknowledges(subject: str) -> Arm:
    return lambda chaos, service, name: chaos.bus[service].catch_ack(
        rf"^H?MSG runbus\.v1\.{subject}".format(project=PROJECT, run=id_of(name), name=name)
    )


def on_its_way_to_kubernetes(method: str, stage: Stage) -> Arm:
    return lambda chaos, service, name: chaos.kube[service].catch(
        rf"^{method} /api/v1/namespaces/{PROJECT}/pods[\s\S]*{id_of(name)}", stage
    )


ABORTED = RunState.ABORTED
CASES = [
    Case("spec-validator", "before_accepted", before_it_stores("accepted")),
    Case("spec-validator", "after_accepted", once_it_has_stored("accepted")),
    Case(
        "spec-validator",
        "before_ack",
        before_it_acknowledges(r'submit\.{project} [\s\S]*"name":"{name}"'),
    ),
    Case("scheduler", "before_admitted", before_it_stores("admitted")),
    Case("scheduler", "after_admitted", once_it_has_stored("admitted")),
    Case("pod-launcher", "before_create", on_its_way_to_kubernetes("POST", Stage.REQUEST)),
    Case("pod-launcher", "after_create", on_its_way_to_kubernetes("POST", Stage.ANSWER)),
    Case("pod-launcher", "before_launched", before_it_stores("launched")),
    Case("pod-launcher", "after_launched", once_it_has_stored("launched")),
    Case(
        "pod-launcher",
        "before_ack",
        before_it_acknowledges(r"run\.{project}\.{run}\.\w+\.admitted "),
    ),
    Case("state-watcher", "before_running", before_it_stores("running")),
    Case("state-watcher", "after_running", once_it_has_stored("running")),
    Case("state-watcher", "before_completed", before_it_stores("completed")),
    Case("state-watcher", "after_completed", once_it_has_stored("completed")),
    Case("state-watcher", "before_abort_run", before_it_sends("abort"), ABORTED),
    Case("state-watcher", "after_abort_run", once_it_has_sent("abort"), ABORTED),
    Case("state-watcher", "before_aborted", before_it_stores("aborted"), ABORTED),
    Case("aborter", "before_evidence", before_it_sends("evidence"), ABORTED),
    Case("aborter", "before_aborting", before_it_stores("aborting"), ABORTED),
    Case("aborter", "after_aborting", once_it_has_stored("aborting"), ABORTED),
    Case("aborter", "before_ack", before_it_acknowledges(r"abort\.{project}\.{run} "), ABORTED),
    Case("aborter", "before_delete", on_its_way_to_kubernetes("DELETE", Stage.REQUEST), ABORTED),
    Case("aborter", "after_delete", on_its_way_to_kubernetes("DELETE", Stage.ANSWER), ABORTED),
]


async def kill_at(chaos: Chaos, case: Case) -> None:
    """Submit a run, kill the service at the moment of the case, and start it again.

    A message that it had in hand comes again after 30 s; what comes next does not wait for that.
    """
    trap = case.arm(chaos, case.service, case.name)
    if case.service == "spec-validator":
        await chaos.send(case.name, **case.settings)  # from the work queue, and acknowledged
    else:
        await chaos.submit(case.name, **case.settings)
    await trap.caught()
    async with chaos.killed(case.service):
        trap.lose()


async def kill_at_all(chaos: Chaos, service: str, failed: dict[str, AssertionError]) -> None:
    """Go through the cases of a service, one after another."""
    for case in CASES:
        if case.service == service:
            try:
                await kill_at(chaos, case)
            except AssertionError as error:
                failed[case.name] = error


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def failed(chaos: Chaos) -> AsyncIterator[dict[str, AssertionError]]:
    """Kill every service at every moment; gives the cases whose moment never came."""
    failed: dict[str, AssertionError] = {}
    async with asyncio.TaskGroup() as tasks:
        for service in {case.service for case in CASES}:
            tasks.create_task(kill_at_all(chaos, service, failed))
    yield failed


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.service}-{case.moment}")
async def test_a_service_killed_at_the_worst_moment_loses_and_doubles_nothing(
    chaos: Chaos, failed: dict[str, AssertionError], case: Case
) -> None:
    if case.name in failed:
        raise failed[case.name]

    final = await chaos.over(id_of(case.name))

    assert (final.state, final.attempt) == (case.state, 1)
    assert len(chaos.lives(id_of(case.name))) == 1


async def test_killed_before_it_tells_a_verdict_the_same_key_is_the_same_run(
    chaos: Chaos,
) -> None:
    trap = chaos.bus["spec-validator"].catch(Way.UP, rf"^H?PUB _INBOX[\s\S]*{id_of('untold')}")

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(chaos.submit("untold"))
        await trap.caught()
        async with chaos.killed("spec-validator"):
            trap.lose()

    assert asking.result() == id_of("untold")
    assert (await chaos.types(id_of("untold"))).count("accepted") == 1
    assert (await chaos.over(id_of("untold"))).state is RunState.COMPLETED


async def test_after_all_of_it_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []
