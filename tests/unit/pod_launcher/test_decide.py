"""Whether an admitted run is created, and what a refusal means for it."""

from __future__ import annotations

import pytest

from runbus.contracts.states import OutcomeClass, RunState
from runbus.contracts.status import PodRef
from runbus.contracts.texts import MESSAGE_CHARACTERS_MAX
from runbus.pod_launcher.decide import decide, launched, refused
from runbus.pod_launcher.model import Create, Drop
from support.runs import a_policy, a_status, at

ADMITTED = a_status(RunState.ADMITTED)


def test_a_run_that_is_still_admitted_is_created() -> None:
    assert decide(ADMITTED, ADMITTED, "admitted") == Create()


@pytest.mark.parametrize(
    "state",
    [RunState.ABORTING, RunState.ABORTED, RunState.RUNNING, RunState.RETRYING, RunState.ERROR],
)
def test_a_run_that_has_moved_on_is_not_created(state: RunState) -> None:
    assert decide(ADMITTED, a_status(state), state.value) == Drop(f"run is {state.value}")


def test_another_attempt_is_not_created_by_an_old_message() -> None:
    assert isinstance(decide(ADMITTED, a_status(RunState.ADMITTED, attempt=2), "admitted"), Drop)


def test_what_is_launched_is_not_created_again() -> None:
    assert decide(ADMITTED, ADMITTED, "launched") == Drop("already launched")


def test_an_unknown_run_is_not_created() -> None:
    assert decide(ADMITTED, None, "") == Drop("unknown run")


def test_launched_keeps_the_state_and_names_the_pods() -> None:
    after = launched(ADMITTED, (PodRef(name="p", uid="u"),))

    assert (after.state, after.pods) == (RunState.ADMITTED, (PodRef(name="p", uid="u"),))


def test_a_refusal_ends_the_attempt_in_the_servers_own_words() -> None:
    after = refused(ADMITTED, "pods is forbidden: exceeded quota", at(5))

    assert (after.state, after.reason) == (RunState.ERROR, "LaunchRefused")
    assert after.message == "pods is forbidden: exceeded quota"
    assert after.outcome_class is OutcomeClass.USER


def test_a_refusal_in_many_words_is_cut() -> None:
    after = refused(ADMITTED, "x" * 1_000_000, at(5))

    assert len(after.message) == MESSAGE_CHARACTERS_MAX
    assert len(after.status_text) <= MESSAGE_CHARACTERS_MAX


def test_a_policy_may_name_a_refusal() -> None:
    after = refused(a_status(RunState.ADMITTED, retry=a_policy(1, "LaunchRefused")), "no", at(5))

    assert (after.state, after.not_before) == (RunState.RETRYING, at(15))
