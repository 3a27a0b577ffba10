"""Whether an admitted run is created, and what a refusal means for it."""

from __future__ import annotations

import pytest

from runbus.contracts.states import OutcomeClass, RunState
from runbus.contracts.status import PodRef
from runbus.contracts.texts import MESSAGE_CHARACTERS_MAX
from runbus.pod_launcher.decide import decide, launched, refused
from runbus.pod_launcher.model import Create, Drop, Refuse
from support.runs import a_policy, a_status, at, limits, replace

ADMITTED = a_status(RunState.ADMITTED)


def test_a_run_that_is_still_admitted_is_created() -> None:
    assert decide(ADMITTED, ADMITTED) == Create()


@pytest.mark.parametrize(
    "state",
    [RunState.ABORTING, RunState.ABORTED, RunState.RUNNING, RunState.RETRYING, RunState.ERROR],
)
def test_a_run_that_has_moved_on_is_not_created(state: RunState) -> None:
    assert decide(ADMITTED, a_status(state)) == Drop(f"run is {state.value}")


def test_another_attempt_is_not_created_by_an_old_message() -> None:
    assert isinstance(decide(ADMITTED, a_status(RunState.ADMITTED, attempt=2)), Drop)


def test_what_is_launched_is_not_created_again_whatever_its_newest_event_is_about() -> None:
    newest = launched(ADMITTED, (PodRef(name="p"),))

    assert decide(ADMITTED, newest) == Drop("already launched")
    extended = replace(newest, thresholds=limits(running=60))
    assert decide(ADMITTED, extended) == Drop("already launched")


def test_an_unknown_run_is_not_created() -> None:
    assert decide(ADMITTED, None) == Drop("unknown run")


@pytest.mark.parametrize("namespaces", [(), ("nlp",), ("other", "nlp")])
def test_a_namespace_that_is_watched_is_created_in(namespaces: tuple[str, ...]) -> None:
    assert decide(ADMITTED, ADMITTED, namespaces) == Create()


def test_a_namespace_that_nobody_watches_is_refused_and_the_setting_is_named() -> None:
    found = decide(ADMITTED, ADMITTED, ("default", "team-a"))

    assert isinstance(found, Refuse)
    assert "namespace nlp " in found.message
    assert "RUNBUS_NAMESPACES=default,team-a" in found.message


def test_a_run_that_is_over_is_dropped_even_where_its_namespace_is_not_watched() -> None:
    assert isinstance(decide(ADMITTED, a_status(RunState.ABORTED), ("other",)), Drop)


def test_launched_keeps_the_state_and_names_the_pods() -> None:
    after = launched(ADMITTED, (PodRef(name="p", uid="u"),))

    assert (after.state, after.pods) == (RunState.ADMITTED, (PodRef(name="p", uid="u"),))


def test_a_refusal_ends_the_attempt_in_the_servers_own_words() -> None:
    after = refused(ADMITTED, "pods is forbidden: exceeded quota", at(5), by="Kubernetes")

    assert (after.state, after.reason) == (RunState.ERROR, "LaunchRefused")
    assert after.message == "pods is forbidden: exceeded quota"
    assert after.status_text == "Kubernetes refused it: pods is forbidden: exceeded quota"
    assert after.outcome_class is OutcomeClass.USER


def test_a_refusal_in_many_words_is_cut() -> None:
    after = refused(ADMITTED, "x" * 1_000_000, at(5), by="Kubernetes")

    assert len(after.message) == MESSAGE_CHARACTERS_MAX
    assert len(after.status_text) <= MESSAGE_CHARACTERS_MAX


def test_a_policy_may_name_a_refusal() -> None:
    before = a_status(RunState.ADMITTED, retry=a_policy(1, "LaunchRefused"))

    after = refused(before, "no", at(5), by="Kubernetes")

    assert (after.state, after.not_before) == (RunState.RETRYING, at(15))
