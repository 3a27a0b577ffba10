"""The bus killed, hung, cut off, slow; messages twice, out of order, unanswered: no run minds.

Every message is written through to the disk before it is answered for (`sync_interval: always`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from runbus.cli.stack.service import SERVICES
from runbus.contracts import subjects
from runbus.contracts.states import RunState
from support.chaos import READY_S, Chaos, event_of, id_of, running_chaos
from support.proxies import BusProxy, Send, Way
from support.system import sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(600),
]

# Longer than every timeout of a request to the bus.
HUNG_S = 11.0
CUT_S = 4.0
SWAP_WAIT_S = 0.3
DELIVERY = r"^H?MSG runbus\.v1\.\S+ \d+ \$JS\.ACK\."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chaos(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chaos]:
    folder = tmp_path_factory.mktemp("bus")
    async with running_chaos(folder, sync_always=True) as chaos:
        yield chaos


async def submit_several(chaos: Chaos, mark: str) -> dict[str, RunState]:
    """Submit runs that are under way for some seconds; return what each has to come to."""
    long = {"command": sleeping(100), "state_thresholds": {"running": "2s"}}
    image = {"image": "missing:1", "state_thresholds": {"image_pull_backoff": "2s"}}
    again = {
        "command": ["sh", "-c", 'sleep 0.5; test "$RUNBUS_ATTEMPT" = 2'],
        "retry": {"limit": 1, "backoff": "1s", "on": ["user"]},
    }
    return {
        await chaos.send(f"fine-{mark}", command=sleeping(2)): RunState.COMPLETED,
        await chaos.send(f"fails-{mark}", command=["sh", "-c", "exit 3"]): RunState.ERROR,
        await chaos.send(f"long-{mark}", **long): RunState.ABORTED,
        await chaos.send(f"image-{mark}", **image): RunState.ABORTED,
        await chaos.send(f"again-{mark}", **again): RunState.COMPLETED,
    }


async def came_to(chaos: Chaos, expected: dict[str, RunState]) -> None:
    found = {run_id: (await chaos.over(run_id)).state for run_id in expected}
    assert found == expected


def doubling(proxy: BusProxy, doubled: list[str]) -> None:
    """Have every delivery arrive twice."""

    async def twice(frame: bytes, send: Send) -> None:
        doubled.append(subject_of(frame))
        send(frame)
        send(frame)

    proxy.every(Way.DOWN, DELIVERY, twice)


def subject_of(frame: bytes) -> str:
    return frame.split(b" ", 2)[1].decode()


def swapping(proxy: BusProxy, swapped: list[str]) -> None:
    """Have every delivery overtaken by the next one, if that comes soon."""
    kept: list[bytes] = []

    async def swap(frame: bytes, send: Send) -> None:
        if kept:
            swapped.append(subject_of(frame))
            send(frame)
            send(kept.pop())
            return
        kept.append(frame)
        proxy.aside(send_in_time(send))

    async def send_in_time(send: Send) -> None:
        await asyncio.sleep(SWAP_WAIT_S)
        if kept:
            send(kept.pop())

    proxy.every(Way.DOWN, DELIVERY, swap, times=40)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_the_server_ends_and_comes_back_with_its_store_in_the_middle_of_runs(
    chaos: Chaos, how: str
) -> None:
    expected = await submit_several(chaos, how)
    await chaos.system.until(id_of(f"fine-{how}"), RunState.RUNNING)
    nats = chaos.system.stack.nats
    with chaos.witness.outage():
        if how == "killed":
            nats.kill()
        else:
            nats.terminate()
        await nats.wait()
        await nats.start()
        await nats.wait_ready(READY_S)
        async with asyncio.timeout(READY_S):
            while not chaos.system.client.bus.is_connected:
                await asyncio.sleep(0.05)

    await came_to(chaos, expected)


async def test_a_publish_that_is_never_answered_is_found_stored_and_not_done_twice(
    chaos: Chaos,
) -> None:
    publishers = {
        "accepted": "spec-validator",
        "admitted": "scheduler",
        "launched": "pod-launcher",
        "running": "state-watcher",
        "aborting": "aborter",
        "aborted": "state-watcher",
    }
    run_id = id_of("unanswered")
    answers = {
        event_type: chaos.bus[service].catch_answer(event_of(run_id, event_type))
        for event_type, service in publishers.items()
    }
    for answer in answers.values():
        answer.lose()

    await chaos.send("unanswered", command=sleeping(100), state_thresholds={"running": "1s"})
    final = await chaos.over(run_id)
    types = await chaos.types(run_id)

    assert final.state is RunState.ABORTED
    assert {
        each: types.count(each) for each in ("accepted", "admitted", "aborting", "aborted")
    } == {
        "accepted": 1,
        "admitted": 1,
        "aborting": 1,
        "aborted": 1,
    }


async def test_every_command_sent_again_under_another_id_changes_nothing(chaos: Chaos) -> None:
    bus = chaos.system.client.bus
    copied: list[str] = []

    async def copy(msg: Msg) -> None:
        headers = {str(name): text for name, text in (msg.headers or {}).items()}
        if "Copy" in headers or not msg.reply:
            return
        copied.append(msg.subject)
        for number in range(2):
            again = {"Copy": "1", "Nats-Msg-Id": f"copy-{len(copied)}-{number}"}
            await bus.send(msg.subject, msg.data, headers | again)

    verbs = (subjects.ABORT, subjects.CLEANUP, subjects.EVIDENCE_OF)
    wanted = [subjects.submit(), *(subjects.command(verb) for verb in verbs)]
    subscriptions = [await bus.subscribe(subject, copy) for subject in wanted]
    try:
        expected = await submit_several(chaos, "copied")
        await came_to(chaos, expected)
    finally:
        for subscription in subscriptions:
            await bus.unsubscribe(subscription)

    assert {subject.split(".")[2] for subject in copied} >= {"submit", "abort", "evidence-of"}


async def test_every_delivery_that_arrives_twice_is_handled_once(chaos: Chaos) -> None:
    doubled: list[str] = []
    for service in ("spec-validator", "pod-launcher", "aborter"):
        doubling(chaos.bus[service], doubled)
    try:
        await came_to(chaos, await submit_several(chaos, "twice"))
    finally:
        for proxy in chaos.bus.values():
            proxy.clear()

    assert {subject.split(".")[2] for subject in doubled} >= {"submit", "run", "abort"}


async def test_deliveries_out_of_order_are_put_right(chaos: Chaos) -> None:
    swapped: list[str] = []
    for service in SERVICES:
        swapping(chaos.bus[service], swapped)
    try:
        await came_to(chaos, await submit_several(chaos, "swapped"))
    finally:
        for proxy in chaos.bus.values():
            proxy.clear()

    assert swapped != []


async def test_a_bus_that_hangs_for_longer_than_anybody_waits_comes_back(chaos: Chaos) -> None:
    expected = await submit_several(chaos, "hung")
    await chaos.system.until(id_of("fine-hung"), RunState.RUNNING)
    with chaos.witness.outage():
        for proxy in chaos.bus.values():
            proxy.hang()
        await asyncio.sleep(HUNG_S)
        for proxy in chaos.bus.values():
            proxy.resume()
        await came_to(chaos, expected)


async def test_services_cut_off_from_the_bus_find_it_again(chaos: Chaos) -> None:
    expected = await submit_several(chaos, "cut")
    await chaos.system.until(id_of("fine-cut"), RunState.RUNNING)
    with chaos.witness.outage():
        for proxy in chaos.bus.values():
            proxy.cut()
        await asyncio.sleep(CUT_S)
        for proxy in chaos.bus.values():
            proxy.mend()
        await came_to(chaos, expected)


async def test_a_slow_bus_is_waited_for(chaos: Chaos) -> None:
    for proxy in chaos.bus.values():
        proxy.delay_s = 0.05
    try:
        await came_to(chaos, await submit_several(chaos, "slow"))
    finally:
        for proxy in chaos.bus.values():
            proxy.delay_s = 0.0


async def test_after_all_faults_of_the_bus_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []
