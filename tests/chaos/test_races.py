"""Two things at once, each order forced by holding one of them: what comes out is right.

The held message decides the order; nothing here depends on how fast anything is.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import msgspec
import pytest

from runbus.contracts.states import RunState
from runbus.reading.history import ObjectLife
from support.chaos import ALLOWANCES, WORLDS, Chaos, event_of, id_of
from support.cluster import until
from support.held_back import give_secret, until_phase, waiting_for, waiting_for_secret
from support.kube_proxies import Stage
from support.proxies import Way
from support.system import PROJECT, sleeping

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("chaos", WORLDS, indirect=True, scope="module"),
]


def on_a_pod(method: str, run_id: str) -> str:
    return rf"^{method} /api/v1/namespaces/[^/]+/pods[\s\S]*{run_id}"


async def abort(chaos: Chaos, run_id: str) -> None:
    answer = await chaos.system.client.abort(PROJECT, run_id, by="ada")
    assert answer.is_requested


async def is_gone(chaos: Chaos, uid: str) -> bool:
    return not chaos.witness.lives[uid].is_there


async def late_pod_is_gone(chaos: Chaos, run_id: str, *, pods: int = 1) -> None:
    """Wait until the last of so many pods of a run's first attempt is gone; check how fast."""

    def found() -> list[ObjectLife]:
        return [life for life in chaos.lives(run_id) if life.attempt == 1]

    async def all_gone() -> bool:
        return len(found()) == pods and not any(life.is_there for life in found())

    await until(all_gone, 60)
    last = max(found(), key=lambda life: life.appeared_at)
    assert last.gone_at is not None
    stayed_s = (last.gone_at - last.appeared_at).total_seconds()
    assert stayed_s <= ALLOWANCES.late_s + ALLOWANCES.slack_s


# An abort racing a completion.


async def test_a_completion_that_is_stored_while_the_abort_is_on_its_way_stands(
    chaos: Chaos, tmp_path: Path
) -> None:
    run_id = id_of("done-first")
    aborting = chaos.bus["aborter"].catch(Way.UP, event_of(run_id, "aborting"))
    await chaos.submit("done-first", command=waiting_for(tmp_path / "go"))
    await chaos.system.until(run_id, RunState.RUNNING)

    await abort(chaos, run_id)
    await aborting.caught()
    (tmp_path / "go").touch()
    final = await chaos.over(run_id)
    aborting.let_go()

    assert final.state is RunState.COMPLETED
    assert "aborting" not in await chaos.types(run_id)


async def test_a_program_that_ended_before_its_abort_was_stored_completed(
    chaos: Chaos, tmp_path: Path
) -> None:
    run_id = id_of("aborted-first")
    completed = chaos.bus["state-watcher"].catch(Way.UP, event_of(run_id, "completed"))
    deleted = chaos.kube["aborter"].catch(on_a_pod("DELETE", run_id))
    await chaos.submit("aborted-first", command=waiting_for(tmp_path / "go"))
    await chaos.system.until(run_id, RunState.RUNNING)
    (tmp_path / "go").touch()
    await completed.caught()

    await abort(chaos, run_id)
    await chaos.system.until(run_id, RunState.ABORTING)
    completed.let_go()  # too late: refused by its fence, and judged again
    final = await chaos.over(run_id)
    if deleted.is_caught:
        deleted.let_go()
    chaos.kube["aborter"].clear()

    assert final.state is RunState.COMPLETED
    assert (await chaos.types(run_id))[-2:] == ["aborting", "completed"]


async def test_a_program_that_ends_while_its_delete_is_on_its_way_completed(
    chaos: Chaos, tmp_path: Path
) -> None:
    run_id = id_of("while-deleting")
    deleted = chaos.kube["aborter"].catch(on_a_pod("DELETE", run_id))
    await chaos.submit("while-deleting", command=waiting_for(tmp_path / "go"))
    await chaos.system.until(run_id, RunState.RUNNING)

    await abort(chaos, run_id)
    await deleted.caught()
    (tmp_path / "go").touch()
    final = await chaos.over(run_id)
    deleted.let_go()

    assert final.state is RunState.COMPLETED


# A pod starting just as its deadline passes.


async def test_a_pod_that_starts_while_its_deadline_is_judged_is_not_aborted(
    chaos: Chaos,
) -> None:
    run_id = id_of("judged")
    look = chaos.kube["state-watcher"].catch(on_a_pod("GET", run_id))
    await chaos.submit("judged", **waiting_for_secret("judged"))
    await look.caught()

    await give_secret(chaos, "judged")
    await until_phase(chaos, run_id, "Running")
    look.let_go()
    final = await chaos.over(run_id)

    assert final.state is RunState.COMPLETED
    assert "aborting" not in await chaos.types(run_id)


async def test_a_pod_that_starts_before_its_abort_is_taken_up_is_not_aborted(
    chaos: Chaos,
) -> None:
    run_id = id_of("commanded")
    command = chaos.bus["aborter"].catch(
        Way.DOWN, rf"^H?MSG runbus\.v1\.abort\.{PROJECT}\.{run_id} "
    )
    await chaos.submit("commanded", **waiting_for_secret("commanded"))
    await command.caught()

    await give_secret(chaos, "commanded")
    await chaos.system.until(run_id, RunState.RUNNING)
    command.let_go()
    final = await chaos.over(run_id)

    assert final.state is RunState.COMPLETED
    assert "aborting" not in await chaos.types(run_id)


async def test_a_pod_that_starts_before_its_delete_arrives_has_its_abort_withdrawn(
    chaos: Chaos,
) -> None:
    run_id = id_of("withdrawn")
    deleted = chaos.kube["aborter"].catch(on_a_pod("DELETE", run_id))
    await chaos.submit("withdrawn", **waiting_for_secret("withdrawn", command=sleeping(3)))
    await deleted.caught()

    await give_secret(chaos, "withdrawn")
    await until_phase(chaos, run_id, "Running")
    deleted.let_go()
    final = await chaos.over(run_id)

    assert final.state is RunState.COMPLETED
    assert "abort_withdrawn" in await chaos.types(run_id)


# A queue outside that holds what the launcher creates.


async def test_a_run_that_a_queue_outside_holds_is_aborted(chaos: Chaos) -> None:
    if chaos.system.stack.cluster is None:
        pytest.skip("Kubernetes 1.20 drops scheduling gates: it does not know them yet")
    run_id, launcher = id_of("held"), chaos.kube["pod-launcher"]
    launcher.amend = partial(with_gate, on_a_pod("POST", run_id))
    await chaos.submit("held", command=sleeping(100))
    await chaos.system.until(run_id, RunState.HELD)
    launcher.amend = lambda _named, body: body

    await abort(chaos, run_id)
    final = await chaos.over(run_id)

    assert final.state is RunState.ABORTED
    assert await chaos.system.pods_of(run_id) == []


def with_gate(pattern: str, named: str, body: bytes) -> bytes:
    """Return a pod's manifest as the webhook of a queue leaves it."""
    if not re.search(pattern, named):
        return body
    manifest = msgspec.json.decode(body)
    manifest["spec"]["schedulingGates"] = [{"name": "example.com/queue"}]
    return msgspec.json.encode(manifest)


# An abort while the launcher creates; objects that appear late.


async def test_a_pod_created_while_its_run_is_being_aborted_is_gone_at_once(
    chaos: Chaos,
) -> None:
    run_id = id_of("creating")
    create = chaos.kube["pod-launcher"].catch(on_a_pod("POST", run_id))
    await chaos.submit("creating", command=sleeping(100))
    await create.caught()

    await abort(chaos, run_id)
    await chaos.system.until(run_id, RunState.ABORTING)
    create.let_go()
    final = await chaos.over(run_id)

    assert final.state is RunState.ABORTED
    await late_pod_is_gone(chaos, run_id)


async def test_a_pod_whose_creation_was_not_answered_yet_is_aborted(chaos: Chaos) -> None:
    run_id = id_of("created")
    created = chaos.kube["pod-launcher"].catch(on_a_pod("POST", run_id), Stage.ANSWER)
    await chaos.submit("created", command=sleeping(100))
    await created.caught()

    await abort(chaos, run_id)
    final = await chaos.over(run_id)
    created.let_go()

    assert final.state is RunState.ABORTED
    assert await chaos.system.pods_of(run_id) == []


async def test_a_pod_that_appears_once_its_run_is_aborted_is_gone_at_once(chaos: Chaos) -> None:
    run_id = id_of("late")
    create = chaos.kube["pod-launcher"].catch(on_a_pod("POST", run_id))
    await chaos.submit("late", command=sleeping(100))
    await create.caught()
    await abort(chaos, run_id)
    final = await chaos.over(run_id)
    assert (final.state, chaos.lives(run_id)) == (RunState.ABORTED, [])

    create.let_go()
    await late_pod_is_gone(chaos, run_id)

    assert (await chaos.types(run_id))[-1] == "aborted"


async def test_a_pod_of_an_attempt_that_is_over_is_gone_at_once_beside_the_next_one(
    chaos: Chaos, tmp_path: Path
) -> None:
    run_id = id_of("again")
    create = chaos.kube["pod-launcher"].catch(on_a_pod("POST", run_id))
    await chaos.submit(
        "again",
        command=[
            "sh",
            "-c",
            f'[ "$RUNBUS_ATTEMPT" = 2 ] || exit 1; until [ -e {tmp_path}/go ]; do sleep 0.1; done',
        ],
        retry={"limit": 1, "backoff": "1s", "on": ["user"]},
    )
    await create.caught()  # the launcher gives it up after 10 s and creates the pod once more
    await chaos.system.until(run_id, RunState.RUNNING, attempt=2)
    [first] = [life for life in chaos.lives(run_id) if life.attempt == 1]
    await chaos.system.kube("DELETE", f"{chaos.pods}/{first.name}")
    await until(lambda: is_gone(chaos, first.uid), 60)  # its name is free again

    create.let_go()
    await late_pod_is_gone(chaos, run_id, pods=2)
    (tmp_path / "go").touch()
    final = await chaos.over(run_id)

    assert (final.state, final.attempt) == (RunState.COMPLETED, 2)


async def test_after_all_races_the_six_invariants_hold(chaos: Chaos) -> None:
    assert await chaos.breaches() == []
