"""Abort commands against where the run stands; fences of deletes."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.aborter.decide import abort_order, is_left, judge, withdrawn
from runbus.aborter.model import Drop, Store, Verdict
from runbus.contracts import codec
from runbus.contracts.commands import AbortRun
from runbus.contracts.events import RunAborting
from runbus.contracts.states import FINAL_STATES, RunState
from runbus.contracts.status import AbortCause, RunStatus
from runbus.contracts.texts import MESSAGE_CHARACTERS_MAX
from runbus.contracts.transitions import LIVE_STATES
from runbus.reading.pods import read_pod
from support.pods import PodBuilder, a_bound_pod
from support.runs import a_status, at, limits
from support.watching import ours

USER = AbortRun(by="ada", message="enough")
ACTIVE = sorted(LIVE_STATES - {RunState.ABORTING})


def by_threshold(**fields: Any) -> AbortRun:
    values: dict[str, Any] = {
        "by": "threshold",
        "by_user": False,
        "reason": "ThresholdExceeded",
        "message": "cannot pull x:1",
        "attempt": 1,
        "if_sequence": 7,
        "state": RunState.IMAGE_PULL_BACKOFF,
        "limit_s": 3600.0,
    }
    return AbortRun(**(values | fields))


def verdict(command: AbortRun, status: RunStatus, *, now: float = 100) -> Verdict:
    return judge(command, status, 7, asked_by="/client", now=at(now))


def aborting(*, by_user: bool, state: RunState = RunState.RUNNING) -> RunStatus:
    cause = AbortCause(by="x", by_user=by_user, state=state, since=at(3))
    return a_status(RunState.ABORTING, abort=cause)


WAITING = AbortCause(by="threshold", state=RunState.PENDING_SCHEDULED)


def fences(
    cause: AbortCause, pod: PodBuilder, *, attempt: int = 1
) -> tuple[str, str | None] | None:
    """Return uid and version by which an aborted run's pod is deleted; None where it stays."""
    order = abort_order(a_status(RunState.ABORTING, attempt=attempt, abort=cause), pod.pod())
    return None if order is None else (order.uid, order.resource_version)


@pytest.mark.parametrize("state", ACTIVE)
def test_a_user_may_abort_in_every_state_that_is_not_final(state: RunState) -> None:
    found = verdict(USER, a_status(state))

    assert isinstance(found, Store)
    assert found.status.state is RunState.ABORTING
    assert found.status.abort is not None
    assert (found.status.abort.by, found.status.abort.state) == ("ada", state)


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_final_run_is_not_aborted(state: RunState) -> None:
    assert verdict(USER, a_status(state)) == Drop(f"run is {state.value}")


def test_a_thresholds_abort_of_the_state_judged_is_stored_with_its_reason() -> None:
    found = verdict(by_threshold(), a_status(RunState.IMAGE_PULL_BACKOFF, since=at(10)))

    assert isinstance(found, Store)
    assert found.status.status_text == "aborting after 1h in image_pull_backoff: cannot pull x:1"
    assert found.status.since == at(100)


@pytest.mark.parametrize("fence", [{"if_sequence": 6}, {"attempt": 2}])
def test_a_thresholds_abort_of_a_run_that_moved_on_is_dropped(fence: dict[str, int]) -> None:
    assert verdict(by_threshold(**fence), a_status(RunState.RUNNING)) == Drop("run moved on")


def test_a_users_abort_goes_over_a_thresholds() -> None:
    found = verdict(USER, aborting(by_user=False))

    assert isinstance(found, Store)
    assert found.status.abort is not None
    assert (found.status.abort.by_user, found.status.abort.state) == (True, RunState.RUNNING)


def test_a_second_user_abort_changes_nothing() -> None:
    assert verdict(USER, aborting(by_user=True)) == Drop("run is aborting")


def test_a_thresholds_abort_never_goes_over_another() -> None:
    assert verdict(by_threshold(), aborting(by_user=False)) == Drop("run is aborting")


def test_an_unnamed_user_is_named_by_the_clients_identity() -> None:
    found = verdict(AbortRun(), a_status(RunState.RUNNING))

    assert isinstance(found, Store)
    assert found.status.status_text == "aborting by /client"


def test_long_texts_of_a_command_are_cut_so_that_every_later_event_fits() -> None:
    long = "x" * 1_000_000
    found = verdict(AbortRun(by=long, message=long, reason=long), a_status(RunState.RUNNING))

    assert isinstance(found, Store)
    assert len(codec.encode(RunAborting(status=found.status))) < 16 * 1024


def test_the_long_message_of_a_pod_found_is_cut_when_an_abort_is_withdrawn() -> None:
    pod = a_bound_pod().waiting("CreateContainerConfigError", "x" * 100_000).pod()

    after = withdrawn(aborting(by_user=False), read_pod(pod), pod, at(100))

    assert len(after.message) == MESSAGE_CHARACTERS_MAX


def test_a_waiting_pod_is_deleted_by_uid_and_version() -> None:
    assert fences(WAITING, ours(a_bound_pod())) == ("uid-1", "7")


@pytest.mark.parametrize(
    "cause",
    [
        AbortCause(by="threshold", state=RunState.RUNNING),
        AbortCause(by="ada", by_user=True, state=RunState.PENDING_SCHEDULED),
    ],
)
def test_a_running_pod_and_a_users_abort_are_deleted_by_uid_only(cause: AbortCause) -> None:
    assert fences(cause, ours(a_bound_pod())) == ("uid-1", None)


@pytest.mark.parametrize("cause", [WAITING, AbortCause(by="ada", by_user=True)])
def test_a_late_pod_of_an_earlier_attempt_is_no_part_of_what_was_judged(cause: AbortCause) -> None:
    assert fences(cause, ours(a_bound_pod(), attempt=1), attempt=2) == ("uid-1", None)


@pytest.mark.parametrize("cause", [WAITING, AbortCause(by="ada", by_user=True)])
def test_an_earlier_attempts_pod_that_has_ended_stays_for_its_time_to_live(
    cause: AbortCause,
) -> None:
    ended = ours(a_bound_pod(), attempt=1).terminated(1).phase("Failed")

    assert fences(cause, ended, attempt=2) is None


def test_a_pod_in_another_state_than_judged_has_left_it() -> None:
    status = aborting(by_user=False, state=RunState.PENDING_SCHEDULED)

    assert is_left(status, read_pod(a_bound_pod().running().pod()))
    assert not is_left(status, read_pod(a_bound_pod().waiting("ContainerCreating").pod()))


def test_a_withdrawn_abort_leaves_the_state_found_with_its_own_limit() -> None:
    before = aborting(by_user=False, state=RunState.PENDING_SCHEDULED)
    before = type(before)(
        **{f: getattr(before, f) for f in before.__struct_fields__}
        | {"thresholds": limits(running=60)}
    )
    pod = a_bound_pod().running().pod()

    after = withdrawn(before, read_pod(pod), pod, at(100))

    assert (after.state, after.abort, after.since) == (RunState.RUNNING, None, at(100))
    assert after.deadline == at(160)
