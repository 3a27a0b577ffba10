"""What an autoscaler said last, from events of both styles and of several authors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runbus.reading.autoscaler import AutoscalerWord, read_autoscaler
from runbus.reading.objects import decode_kube_event_list
from support.runs import at


def an_event(
    reason: str, second: int, *, by: str = "cluster-autoscaler", **fields: Any
) -> dict[str, Any]:
    when = f"2026-11-01T10:00:{second:02d}Z"
    written = {"reason": reason, "lastTimestamp": when, "source": {"component": by}}
    return written | {"message": f"{reason} it is"} | fields


def word(*events: dict[str, Any]) -> AutoscalerWord:
    body = msgspec.json.encode({"items": events})
    return read_autoscaler(decode_kube_event_list(body).items, at(60))


@pytest.mark.parametrize(
    ("events", "said", "adds_nodes"),
    [
        pytest.param([], "", False, id="nobody said anything"),
        pytest.param(
            [an_event("TriggeredScaleUp", 1)],
            "cluster-autoscaler: TriggeredScaleUp: TriggeredScaleUp it is",
            True,
            id="nodes are added",
        ),
        pytest.param(
            [an_event("TriggeredScaleUp", 1), an_event("NotTriggerScaleUp", 9)],
            "cluster-autoscaler: NotTriggerScaleUp: NotTriggerScaleUp it is",
            False,
            id="the latest counts",
        ),
        pytest.param(
            [an_event("TriggeredScaleUp", 9), an_event("NotTriggerScaleUp", 1)],
            "cluster-autoscaler: TriggeredScaleUp: TriggeredScaleUp it is",
            True,
            id="whatever the order",
        ),
        pytest.param(
            [an_event("TriggeredScaleUp", 1), an_event("FailedScheduling", 9, by="scheduler")],
            "cluster-autoscaler: TriggeredScaleUp: TriggeredScaleUp it is",
            True,
            id="only autoscalers count",
        ),
        pytest.param(
            [an_event("TriggeredScaleUp", 9, by="somebody")], "", False, id="not by its reason"
        ),
        pytest.param(
            [an_event("Nominated", 9, by="karpenter", message="")],
            "karpenter: Nominated",
            True,
            id="karpenter makes a node",
        ),
        pytest.param(
            [
                an_event("Nominated", 1, by="karpenter"),
                an_event("FailedScheduling", 9, by="karpenter"),
            ],
            "karpenter: FailedScheduling: FailedScheduling it is",
            False,
            id="karpenter makes none",
        ),
        pytest.param(
            [
                an_event("NotTriggerScaleUp", 5),
                an_event(
                    "TriggeredScaleUp",
                    0,
                    by="",
                    reportingComponent="cluster-autoscaler",
                    lastTimestamp=None,
                    eventTime="2026-11-01T10:00:09.123456Z",
                ),
            ],
            "cluster-autoscaler: TriggeredScaleUp: TriggeredScaleUp it is",
            True,
            id="the newer style of events",
        ),
        pytest.param(
            [{"reason": "NotTriggerScaleUp", "reportingComponent": "cluster-autoscaler"}],
            "cluster-autoscaler: NotTriggerScaleUp",
            False,
            id="without any time",
        ),
    ],
)
def test_the_latest_event_of_an_autoscaler_is_its_word(
    events: list[dict[str, Any]], said: str, adds_nodes: bool
) -> None:
    found = word(*events)

    assert (found.text, found.adds_nodes, found.asked_at) == (said, adds_nodes, at(60))


def test_a_long_message_is_cut() -> None:
    assert len(word(an_event("NotTriggerScaleUp", 1, message="x" * 5000)).message) == 500
