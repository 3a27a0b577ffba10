"""A real API server without a seat for anybody: 429 and Retry-After, and no run is forgotten.

Its limits of requests in flight are lowered to very few (those limits, and not priority and
fairness), and others keep them: who changes something sends its request without an end, who reads
asks again and again. Watches take no seat.
"""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from runbus.cli.stack.probe import get
from runbus.contracts.states import RunState
from support.chaos import Chaos, chaos_on_kubernetes
from support.cluster import until
from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.control_plane.wallet import Wallet
from support.fates import DEFAULTS
from support.load import Load
from support.system import PROJECT

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(300),
]
READING, CHANGING = 2, 1
FEW_SEATS = (
    f"--max-requests-inflight={READING}",
    f"--max-mutating-requests-inflight={CHANGING}",
    "--feature-gates=APIPriorityAndFairness=false",
)
READERS = 6
STUCK, STUCK_FOR = 8, "20s"
LIMIT_S = 60.0
RETRY_AFTER_S = 1.0  # what the API server asks for
TOO_MANY = 429


@pytest.fixture(scope="module")
def busy_plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    control_plane.restart_api_server(*FEW_SEATS)
    yield control_plane
    control_plane.restart_api_server()


@pytest.fixture(scope="module")
def wallet(
    busy_plane: ControlPlane, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Wallet:
    wallet = Wallet(busy_plane, namespace, tmp_path_factory.mktemp("wallet"))
    wallet.shows({"token": wallet.new_account().token})
    return wallet


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chaos(
    busy_plane: ControlPlane,
    namespace: str,
    kubelet: Kubelet,
    wallet: Wallet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Chaos]:
    assert kubelet
    folder = tmp_path_factory.mktemp("busy")
    defaults = f"{DEFAULTS}\nnamespaces: {{{PROJECT}: {namespace}}}\n"
    mine = {"RUNBUS_KUBECONFIG": str(wallet.path)}
    async with chaos_on_kubernetes(
        folder, busy_plane, namespace, proxied=(), defaults=defaults, **mine
    ) as chaos:
        yield chaos


@asynccontextmanager
async def no_seat_left(chaos: Chaos, token: str) -> AsyncIterator[None]:
    """Keep all seats for the length of a block."""
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(ssl=chaos.system.trust)
    url = chaos.system.kube_url
    async with (
        aiohttp.ClientSession(headers=headers, connector=connector) as http,
        asyncio.TaskGroup() as tasks,
    ):
        keeping = [tasks.create_task(reading(http, url)) for _ in range(READERS)]
        keeping += [
            tasks.create_task(changing(url, chaos.system.trust, chaos.pods, token))
            for _ in range(CHANGING)
        ]
        await until(lambda: is_full(http, url + chaos.pods), LIMIT_S)
        yield
        for each in keeping:
            each.cancel()


async def is_full(http: aiohttp.ClientSession, pods: str) -> bool:
    """Whether somebody who changes something finds no seat; where there is one, nothing changes."""
    async with http.post(f"{pods}?dryRun=All", json={}) as answer:
        return answer.status == TOO_MANY


async def reading(http: aiohttp.ClientSession, url: str) -> None:
    while True:
        async with http.get(f"{url}/api/v1/pods") as answer:
            await answer.read()


async def changing(url: str, trust: ssl.SSLContext | bool, path: str, token: str) -> None:
    """Begin a request that changes something, and never end it; again once it is answered."""
    parts = urlsplit(url)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    while True:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=trust)
        writer.write(head.encode())
        try:
            await reader.readline()  # nothing, as long as it has the seat
        finally:
            writer.transport.abort()


async def are_refused(chaos: Chaos, *services: str) -> bool:
    """Whether each of some services has been answered with 429."""
    return all([await refusals(chaos, each) > 0 for each in services])


async def refusals(chaos: Chaos, service: str) -> int:
    """Return how many requests of a service were answered with 429, by its own metrics."""
    _, told = await get(f"{chaos.process(service).health_url}/metrics")
    of_429 = rf'^runbus_kube_requests_total{{code="{TOO_MANY}".*}} (\S+)$'
    return int(sum(map(float, re.findall(of_429, told, re.MULTILINE))))


def launches(log: Path) -> dict[str, list[tuple[str, datetime]]]:
    """Return outcomes and moments of each message of the launcher's log."""
    found = defaultdict(list)
    for line in log.read_text().splitlines():
        entry = msgspec.json.decode(line)
        if entry["event"] == "message handled":
            at = datetime.fromisoformat(entry["ts"])
            found[entry["subject"]].append((entry["outcome"], at))
    return found


async def test_runs_of_all_fates_meet_theirs_while_nobody_gets_a_seat(
    chaos: Chaos, wallet: Wallet
) -> None:
    load = Load(chaos, "busy", random.Random(429))
    for number in range(STUCK):  # by name the watcher asks for a pod whose limit has passed
        limits = {"image_pull_backoff": STUCK_FOR}
        run_id = await chaos.system.submit(
            f"stuck-{number}", image="missing:1", state_thresholds=limits
        )
        await chaos.system.until(run_id, RunState.IMAGE_PULL_BACKOFF)
    with chaos.witness.outage():
        async with asyncio.TaskGroup() as tasks:
            async with no_seat_left(chaos, wallet.in_force.token):
                living = tasks.create_task(load.run(rounds=2, pause_s=0.2))
                await until(lambda: are_refused(chaos, "pod-launcher", "state-watcher"), LIMIT_S)
            await living
        assert await load.wrong_ends() == {}


async def test_a_create_that_was_refused_is_not_repeated_before_its_retry_after(
    chaos: Chaos,
) -> None:
    found = await asyncio.to_thread(launches, chaos.process("pod-launcher").log)
    waits = [
        (later - before).total_seconds()
        for handled in found.values()
        for (outcome, before), (_, later) in pairwise(handled)
        if outcome == "retried"
    ]

    assert waits
    assert min(waits) >= RETRY_AFTER_S


async def test_an_abort_that_found_no_seat_is_carried_out_once_there_is_one(
    chaos: Chaos, wallet: Wallet
) -> None:
    run_id = await chaos.submit("aborted", command=["sleep", "100"])
    await until(lambda: has_pod(chaos, run_id), LIMIT_S)

    before = await refusals(chaos, "aborter")

    async def refused() -> bool:
        return await refusals(chaos, "aborter") > before

    async with no_seat_left(chaos, wallet.in_force.token):
        await chaos.system.client.abort(PROJECT, run_id, by="ada")
        await until(refused, LIMIT_S)

    assert (await chaos.over(run_id)).state is RunState.ABORTED


async def has_pod(chaos: Chaos, run_id: str) -> bool:
    return await chaos.system.pods_of(run_id) != []


async def test_after_all_of_it_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []
