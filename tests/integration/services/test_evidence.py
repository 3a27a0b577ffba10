"""Evidence and deletes before an API server that does not always answer, on a real bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec import Struct

from runbus.aborter.cleaning import EVIDENCE_AGE_MAX_S, EvidenceHandler
from runbus.aborter.cluster import Cluster, FoundPod
from runbus.aborter.config import AborterConfig
from runbus.aborter.deleting import Deleter
from runbus.aborter.keeping import CONNECTIONS_MAX, QUEUE_MAX, EvidenceKeeper
from runbus.contracts import codec, subjects
from runbus.contracts.commands import KeepEvidence, ObjectFence
from runbus.contracts.envelope import Envelope
from runbus.contracts.evidence import RunEvidence
from runbus.contracts.states import RunState
from runbus.contracts.status import AbortCause
from runbus.contracts.streams import EVIDENCE
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.errors import RetryableError
from runbus.runtime.inbox import Delivery
from runbus.runtime.kube import Kube
from runbus.runtime.runlog import RunRecord
from support.buses import TestBus
from support.kube_servers import (
    KubeServer,
    a_refusal,
    an_object,
    connected,
    running_kube_server,
)
from support.pods import a_bound_pod
from support.runs import PROJECT, RUN_ID, a_record, a_status, pod_name
from support.watching import ours

POD = ours(a_bound_pod()).running()
GUARD_S = 30.0


class ApiServer:
    """Every run has one running pod. Paths that end with a word of `hanging` or `broken` fail."""

    def __init__(self) -> None:
        self.hanging: set[str] = set()
        self.broken: set[str] = set()
        self.let_go = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        last = request.path.rpartition("/")[2]
        if last in self.broken:
            return a_refusal(503, "out of order")
        if last in self.hanging:
            await self.let_go.wait()
        match last:
            case "log":
                return web.Response(body=b"the last line\n")
            case "events":
                return an_object({"items": []})
            case "pods":
                return an_object({"items": [self.pod(request.query["labelSelector"])]})
            case "node-1":
                return an_object({"metadata": {"name": "node-1"}})
        return an_object(POD.document())

    @staticmethod
    def pod(selector: str) -> dict[str, Any]:
        run_id = selector.rpartition("=")[2]
        document = POD.labelled(**{"runbus.dev/run-id": run_id}).document()
        document["metadata"]["name"] += f"-{run_id}"
        return document


class Aborter(Struct):
    """The parts of an aborter, at work."""

    api: ApiServer
    server: KubeServer
    keeper: EvidenceKeeper
    deleter: Deleter
    stopping: asyncio.Event

    def deleted(self) -> list[str]:
        """Return the names of the pods that were deleted."""
        return [path.rpartition("/")[2] for path in self.server.asked_to("DELETE")]


def a_keeper(
    on: TestBus, kube: Kube, made_as: type[EvidenceKeeper] = EvidenceKeeper
) -> EvidenceKeeper:
    cluster, config = Cluster(kube, CONNECTIONS_MAX), AborterConfig(drain_s=1.0)
    return made_as(cluster, on.bus, SystemClock(), on.log, config)


@asynccontextmanager
async def aborting(
    on: TestBus, folder: Path, keeper_made_as: type[EvidenceKeeper] = EvidenceKeeper
) -> AsyncIterator[Aborter]:
    """Run the deleter and the keeper for the length of a block, then stop them as SIGTERM does."""
    api, stopping, deleted = ApiServer(), asyncio.Event(), asyncio.Event()
    async with (
        asyncio.timeout(GUARD_S),
        running_kube_server(api) as server,
        connected(folder, server.url) as kube,
    ):
        keeper = a_keeper(on, kube, keeper_made_as)
        run_log = on.run_log(Publisher.ABORTER)
        deleter = Deleter(Cluster(kube), run_log, keeper, SystemClock(), on.log)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keeper.run(stopping, deleted))
            deleting = tasks.create_task(deleter.run(stopping))
            try:
                yield Aborter(api, server, keeper, deleter, stopping)
            finally:
                stopping.set()
                await deleting
                deleted.set()
        api.let_go.set()


def an_aborting_run(run_id: str = RUN_ID) -> RunRecord:
    cause = AbortCause(by="ada", by_user=True, state=RunState.RUNNING)
    return a_record(a_status(RunState.ABORTING, run_id=run_id, abort=cause))


async def evidence_of(on: TestBus, run_id: str = RUN_ID) -> RunEvidence | None:
    message = await on.bus.last_message(EVIDENCE, subjects.evidence(PROJECT, run_id))
    return codec.decode(RunEvidence, message.data) if message is not None else None


async def kept(on: TestBus, run_id: str = RUN_ID) -> RunEvidence:
    """Return the evidence of a run, once it is there."""
    async with asyncio.timeout(GUARD_S):
        while (found := await evidence_of(on, run_id)) is None:
            await on.bus.ping()
    return found


async def until_deleted(aborter: Aborter, count: int) -> None:
    async with asyncio.timeout(GUARD_S):
        while len(aborter.deleted()) < count:
            await asyncio.sleep(0.01)


async def test_the_log_tail_of_a_running_pod_is_kept_before_it_is_deleted(
    on: TestBus, tmp_path: Path
) -> None:
    async with aborting(on, tmp_path) as aborter:
        aborter.deleter.hand_over(an_aborting_run())
        found = await kept(on)
        await until_deleted(aborter, 1)

    [pod] = found.pods
    assert [each.log_tail for each in pod.containers] == ["the last line\n"]
    assert (found.cause, found.problems) == ("aborting", ())
    assert found.node is not None


async def test_logs_that_never_come_hold_up_no_delete_of_anybody(
    on: TestBus, tmp_path: Path
) -> None:
    many = [f"{number:012d}" for number in range(200)]
    async with aborting(on, tmp_path) as aborter:
        aborter.api.hanging.add("log")
        for run_id in [*many, RUN_ID]:
            aborter.deleter.hand_over(an_aborting_run(run_id))

        await until_deleted(aborter, len(many) + 1)
        assert await evidence_of(on) is None


async def test_on_sigterm_what_there_is_is_kept_soon(on: TestBus, tmp_path: Path) -> None:
    many = [f"{number:012d}" for number in range(100)]
    async with aborting(on, tmp_path) as aborter:
        aborter.api.hanging.add("log")
        for run_id in many:
            aborter.deleter.hand_over(an_aborting_run(run_id))
        await until_deleted(aborter, len(many))

    for run_id in many:
        found = await kept(on, run_id)
        assert "not everything could be read in time" in found.problems
        assert [pod.phase for pod in found.pods] == ["Running"]


async def test_where_too_many_wait_what_is_known_of_the_pods_is_kept_at_once(
    on: TestBus, tmp_path: Path
) -> None:
    async with (
        running_kube_server(ApiServer()) as server,
        connected(tmp_path, server.url) as kube,
        asyncio.TaskGroup() as tasks,
    ):
        keeper = a_keeper(on, kube)  # and nobody works
        pods = [FoundPod(POD.pod(), POD.body())]
        for number in range(QUEUE_MAX + 1):
            tasks.create_task(keeper.before_delete(an_aborting_run(f"{number:012d}"), pods))

    found = await kept(on, f"{QUEUE_MAX:012d}")
    assert server.asked == []
    assert [pod.phase for pod in found.pods] == ["Running"]
    assert found.problems == ("too many runs are aborted at once: nothing more was collected",)


class FailingKeeper(EvidenceKeeper):
    """Fails once in a way nobody foresaw."""

    has_failed = False

    async def before_delete(self, record: RunRecord, pods: Any) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise ExceptionGroup("unforeseen", [ZeroDivisionError()])
        await super().before_delete(record, pods)


async def test_a_deleter_goes_on_after_what_nobody_foresaw(on: TestBus, tmp_path: Path) -> None:
    async with aborting(on, tmp_path, FailingKeeper) as aborter:
        for run_id in ["a" * 12, "b" * 12]:
            aborter.deleter.hand_over(an_aborting_run(run_id))
        await until_deleted(aborter, 1)


def a_command(age_s: float = 0.0) -> Delivery:
    fence = ObjectFence(namespace=PROJECT, name=pod_name(), uid="uid-1")
    command = KeepEvidence(attempt=1, namespace=PROJECT, objects=(fence,))
    return Delivery(
        subject=subjects.command(subjects.EVIDENCE_OF, PROJECT, RUN_ID),
        data=codec.encode(command),
        headers={},
        envelope=Envelope(id="", type="", source=""),
        sequence=1,
        deliveries=1,
        stored_at=datetime.now(UTC) - timedelta(seconds=age_s),
        reply="",
    )


@pytest.mark.parametrize("broken", ["events", "log", "node-1", pod_name()])
async def test_evidence_that_may_be_had_later_is_asked_for_again_and_at_last_kept_without(
    on: TestBus, tmp_path: Path, broken: str
) -> None:
    await on.admit(await on.accept())
    async with aborting(on, tmp_path) as aborter:
        handler = EvidenceHandler(on.run_log(Publisher.ABORTER), aborter.keeper, SystemClock())
        aborter.api.broken.add(broken)
        with pytest.raises(RetryableError):
            await handler.handle(a_command())
        assert await evidence_of(on) is None

        assert await handler.handle(a_command(EVIDENCE_AGE_MAX_S + 1)) == "kept"

    found = await kept(on)
    logs = [each.log_tail for pod in found.pods for each in pod.containers]
    assert logs == ([None] if broken == "log" else [] if not found.pods else ["the last line\n"])
    told = [*found.problems, *(each.log_problem for pod in found.pods for each in pod.containers)]
    assert any("out of order" in text for text in told)


async def test_evidence_is_complete_once_kubernetes_answers_again(
    on: TestBus, tmp_path: Path
) -> None:
    await on.admit(await on.accept())
    async with aborting(on, tmp_path) as aborter:
        handler = EvidenceHandler(on.run_log(Publisher.ABORTER), aborter.keeper, SystemClock())
        aborter.api.broken.add("events")
        with pytest.raises(RetryableError):
            await handler.handle(a_command())
        aborter.api.broken.clear()
        assert await handler.handle(a_command(5.0)) == "kept"

    found = await kept(on)
    assert (len(found.pods), found.problems) == (1, ())
