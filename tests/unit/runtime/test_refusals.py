"""What bus or Kubernetes refuses is told: a log line, a count, and not ready until it stops."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog import get_logger
from structlog.testing import capture_logs

from runbus.runtime.kube_rights import asked
from runbus.runtime.refusals import LOGGED_EVERY_S, QUIET_S, SUBJECTS_MAX, BusRefusals, KubeRefusals
from support.clocks import ManualClock

PUBLISH = 'publish to "a.b"'
SUBSCRIPTION = 'subscription to "a.>"'


class Told:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        counter = Counter("refusals", "x", ["operation"], registry=self.registry)
        self.refusals = BusRefusals(self.clock, get_logger(), counter)

    def count(self, operation: str) -> float | None:
        return self.registry.get_sample_value("refusals_total", {"operation": operation})


@pytest.fixture
def told() -> Told:
    return Told()


def test_without_a_refusal_nothing_is_wrong(told: Told) -> None:
    assert told.refusals.ready_problem() is None


def test_a_refusal_is_logged_counted_and_makes_the_process_not_ready(told: Told) -> None:
    with capture_logs() as logs:
        told.refusals.refused(PUBLISH)

    assert told.refusals.ready_problem() == 'the bus refuses publish to "a.b"'
    assert told.count("publish") == 1
    assert [(each["log_level"], each["refused"]) for each in logs] == [("error", PUBLISH)]


def test_the_same_refusal_again_and_again_is_counted_each_time_and_logged_now_and_then(
    told: Told,
) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            told.refusals.refused(PUBLISH)
        told.clock.advance(LOGGED_EVERY_S)
        told.refusals.refused(PUBLISH)

    assert told.count("publish") == 4
    assert len(logs) == 2


def test_a_process_is_ready_again_once_nothing_has_been_refused_for_a_while(told: Told) -> None:
    told.refusals.refused(PUBLISH)
    told.clock.advance(QUIET_S)

    assert told.refusals.ready_problem() is None


def test_a_refused_subscription_stays_a_problem_until_the_connection_is_made_anew(
    told: Told,
) -> None:
    told.refusals.refused(SUBSCRIPTION)
    told.clock.advance(QUIET_S * 10)
    assert told.refusals.ready_problem() == 'the bus refuses subscription to "a.>"'

    told.refusals.on_reconnect()
    assert told.refusals.ready_problem() is None
    assert told.count("subscription") == 1


def test_several_refusals_are_told_by_the_newest_and_their_number(told: Told) -> None:
    told.refusals.refused('publish to "x"')
    told.refusals.refused(PUBLISH)

    assert told.refusals.ready_problem() == 'the bus refuses publish to "a.b", and 1 more'


def test_refusals_on_ever_new_subjects_are_bounded(told: Told) -> None:
    for number in range(SUBJECTS_MAX * 2):
        told.refusals.refused(f'publish to "ack.{number}"')

    problem = told.refusals.ready_problem()
    assert problem is not None
    assert f"{SUBJECTS_MAX - 1} more" in problem


def test_a_right_that_is_missing_on_kubernetes_is_logged_counted_and_makes_not_ready() -> None:
    registry, clock = CollectorRegistry(), ManualClock()
    counter = Counter("refusals", "x", ["verb", "resource"], registry=registry)
    refusals = KubeRefusals(clock, get_logger(), counter)
    with capture_logs() as logs:
        refusals.refused(asked("DELETE", "/api/v1/namespaces/nlp/pods/x"))

    assert refusals.ready_problem() == "Kubernetes refuses delete pods in nlp"
    labels = {"verb": "delete", "resource": "pods"}
    assert registry.get_sample_value("refusals_total", labels) == 1
    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("error", "refused by Kubernetes")
    ]
    clock.advance(QUIET_S)
    assert refusals.ready_problem() is None


def test_a_right_that_a_service_goes_on_without_is_no_problem() -> None:
    counter = Counter("refusals", "x", ["verb", "resource"], registry=CollectorRegistry())
    refusals = KubeRefusals(ManualClock(), get_logger(), counter)
    with capture_logs() as logs:
        refusals.refused(asked("GET", "/api/v1/nodes/x"))

    assert (refusals.ready_problem(), logs) == (None, [])
