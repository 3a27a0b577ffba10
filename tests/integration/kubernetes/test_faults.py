"""What goes wrong between services and a real API server: watches, lateness, names, clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbus.contracts.states import RunState
from support.chaos import Chaos, id_of
from support.cluster import until
from support.cluster_pods import container, pod
from support.control_plane.plane import ControlPlane
from support.freezing import frozen
from support.held_back import give_secret, until_phase, waiting_for, waiting_for_secret
from support.kube_proxies import KubeProxy, WatchBreak
from support.system import PROJECT, sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(300),
]
LIMIT_S = 60.0
MINUTES = timedelta(minutes=5)


async def once_each(chaos: Chaos, run_id: str) -> None:
    types = await chaos.types(run_id)
    assert sorted(types) == sorted(set(types)), types


async def abort(chaos: Chaos, run_id: str) -> None:
    answer = await chaos.system.client.abort(PROJECT, run_id, by="ada")
    assert answer.is_requested


# Watches.


@pytest.mark.parametrize("how", list(WatchBreak), ids=[each.name for each in WatchBreak])
async def test_what_a_broken_watch_did_not_bring_is_brought_by_the_next(
    chaos: Chaos, how: WatchBreak
) -> None:
    mark = how.name.lower().replace("_", "-")
    proxy = chaos.kube["state-watcher"]
    broken = proxy.break_watches(how)
    with chaos.witness.outage():
        fine = await chaos.submit(f"fine-{mark}", command=sleeping(1))
        limits = {"running": "2s"}
        long = await chaos.submit(f"long-{mark}", command=sleeping(60), state_thresholds=limits)

        assert (await chaos.over(fine)).state is RunState.COMPLETED
        assert (await chaos.over(long)).state is RunState.ABORTED

    assert [each.is_set() for each in broken] == [True]
    for run_id in (fine, long):
        await once_each(chaos, run_id)


async def test_what_happened_before_all_history_was_compacted_is_found_by_a_list(
    chaos: Chaos, control_plane: ControlPlane, tmp_path: Path
) -> None:
    proxy, watcher = chaos.kube["state-watcher"], chaos.process("state-watcher")
    ends = await chaos.submit("ends", command=waiting_for(tmp_path / "go"))
    gone = await chaos.submit("gone", command=sleeping(60))
    for run_id in (ends, gone):
        await chaos.system.until(run_id, RunState.RUNNING)
    expired = watcher.log.read_text().count("watch expired")

    with chaos.witness.outage():
        proxy.cut()
        (tmp_path / "go").touch()
        await until_phase(chaos, ends, "Succeeded")
        [lost] = await chaos.system.pods_of(gone)
        path = f"{chaos.pods}/{lost['metadata']['name']}"
        assert (await chaos.system.kube("DELETE", path, {"gracePeriodSeconds": 0}))[0] == 200
        control_plane.compact()
        await asyncio.to_thread(control_plane.restart_api_server)
        proxy.mend()
        assert (await chaos.over(ends)).state is RunState.COMPLETED
        lost_to = await chaos.over(gone)

    assert (lost_to.state, lost_to.reason) == (RunState.ERROR, "PodLost")
    assert watcher.log.read_text().count("watch expired") == expired + 1
    for run_id in (ends, gone):
        await once_each(chaos, run_id)


# Too late, and under another's name.


async def test_a_launcher_that_was_frozen_between_look_and_create_creates_nothing_late(
    chaos: Chaos,
) -> None:
    run_id, launcher = id_of("frozen"), chaos.process("pod-launcher")
    look = chaos.bus["pod-launcher"].catch_answer(rf"MSG\.GET\.[\s\S]*{run_id}")
    await chaos.submit("frozen", command=sleeping(60))
    await look.caught()

    with chaos.witness.outage():
        with frozen(launcher.pid):
            look.let_go()  # it says that the run is admitted, and is read once that is not true
            await abort(chaos, run_id)
            final = await chaos.over(run_id)
        await until(lambda: dropped(launcher.log, run_id), LIMIT_S)

    assert final.state is RunState.ABORTED
    assert chaos.lives(run_id) == []


async def dropped(log: Path, run_id: str) -> bool:
    lines = (await asyncio.to_thread(log.read_text)).splitlines()
    return any(run_id in line and "dropped: run is aborted" in line for line in lines)


async def test_a_pod_of_somebody_else_with_the_name_of_one_that_is_gone_is_not_deleted(
    chaos: Chaos,
) -> None:
    run_id = id_of("namesake")
    deleted = chaos.kube["aborter"].catch(rf"^DELETE .*{run_id}")
    await chaos.submit("namesake", command=sleeping(60))
    await chaos.system.until(run_id, RunState.RUNNING)
    await abort(chaos, run_id)
    await deleted.caught()

    [ours] = await chaos.system.pods_of(run_id)
    name = ours["metadata"]["name"]
    path = f"{chaos.pods}/{name}"
    assert (await chaos.system.kube("DELETE", path, {"gracePeriodSeconds": 0}))[0] == 200
    body = pod(name, container("main", "sleep", "60"))
    status, other = await chaos.system.kube("POST", chaos.pods, body)
    assert status == 201, other
    deleted.let_go()
    final = await chaos.over(run_id)

    assert final.state is RunState.ABORTED
    status, left = await chaos.system.kube("GET", path)
    assert (status, left["metadata"]["uid"]) == (200, other["metadata"]["uid"])
    assert "deletionTimestamp" not in left["metadata"]
    await chaos.system.kube("DELETE", path, {"gracePeriodSeconds": 0})


# Clocks.


@contextmanager
def another_clock(chaos: Chaos, ahead: timedelta) -> Iterator[None]:
    """Have the cluster's clock be ahead of that of the services."""
    proxies: list[KubeProxy] = list(chaos.kube.values())
    for proxy in proxies:
        proxy.skew = ahead
    try:
        yield
    finally:
        for proxy in proxies:
            proxy.skew = timedelta()


def started_at(shown: dict[str, Any]) -> datetime:
    [status] = shown["status"]["containerStatuses"]
    return datetime.fromisoformat(status["state"]["running"]["startedAt"])


@pytest.mark.parametrize("ahead", [MINUTES, -MINUTES], ids=["ahead", "behind"])
async def test_a_state_that_began_unseen_is_timed_by_our_clock(
    chaos: Chaos, ahead: timedelta
) -> None:
    name = f"unseen-{ahead.days}"
    limits = {"pending_scheduled": "-1", "running": "8s"}
    settings = waiting_for_secret(name, command=sleeping(60), state_thresholds=limits)
    with another_clock(chaos, ahead):
        run_id = await chaos.submit(name, **settings)
        await chaos.system.until(run_id, RunState.PENDING_SCHEDULED)
        async with chaos.killed("state-watcher"):
            await asyncio.sleep(3)  # what is not seen has to be told from what was
            await give_secret(chaos, name)
            await until_phase(chaos, run_id, "Running")
            [shown] = await chaos.system.pods_of(run_id)
            await asyncio.sleep(3)
        entered = await chaos.system.until(run_id, RunState.RUNNING)
        final = await chaos.over(run_id)

    late_s = (entered.since - started_at(shown)).total_seconds()
    assert 0 <= late_s <= 3
    assert final.state is RunState.ABORTED
    assert final.since - entered.since >= timedelta(seconds=8)


async def test_a_pod_has_its_grace_where_the_clusters_clock_is_behind(
    chaos: Chaos, tmp_path: Path
) -> None:
    begun, done = tmp_path / "begun", tmp_path / "done"
    script = (
        f"trap 'sleep 5; touch {done}; exit 0' TERM; touch {begun}; while :; do sleep 0.1; done"
    )
    with another_clock(chaos, -MINUTES):
        run_id = await chaos.submit(
            "tidies-up", command=["sh", "-c", script], termination_grace_period="30s"
        )
        await until(lambda: is_there(begun), LIMIT_S)
        await abort(chaos, run_id)
        final = await chaos.over(run_id)

    assert final.state is RunState.ABORTED
    assert done.exists()


async def is_there(file: Path) -> bool:
    return await asyncio.to_thread(file.exists)


async def test_after_all_these_faults_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []
