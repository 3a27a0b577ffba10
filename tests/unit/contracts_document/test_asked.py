"""What the run's own level said, told from an effective document and the levels of its parts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runbus.contracts.asked import asked_for
from runbus.contracts.document import RunDocument
from runbus.contracts.events import Overridden

BELOW = (Overridden(level="service", value="x"),)


@pytest.mark.parametrize(
    ("document", "origins", "overrode", "asked"),
    [
        (
            {"nuclio": {"handler": "main:handler", "http": {"workers": 1, "host": "a.b"}}},
            {"/nuclio/http/workers": "shipped"},
            (),
            {"nuclio": {"handler": "main:handler", "http": {"host": "a.b"}}},
        ),
        (
            {"dask": {"mode": "cluster"}, "min_replicas": 0},
            {"/dask/mode": "shipped", "/min_replicas": "shipped"},
            (),
            {},
        ),
        (
            {"roles": {"executor": {"env": [{"name": "A", "value": "1"},
                                            {"name": "B", "value": "2"}],
                                    "priority_class": "low"}}},
            {"/roles/executor/env/A": "service", "/roles/executor/priority_class": "service"},
            (),
            {"roles": {"executor": {"env": [{"name": "B", "value": "2"}]}}},
        ),
        (
            {"roles": {"executor": {"priority_class": "low"}}},
            {},
            ("/roles/executor/node_selector/zone",),
            {"roles": {"executor": {"priority_class": "low", "node_selector": {"zone": ""}}}},
        ),
        ({"image": "x:1"}, {}, ("/node_selector/a.b~1c",),
         {"image": "x:1", "node_selector": {"a.b/c": ""}}),
        ({"image": "x:1"}, {}, ("/image",), {"image": "x:1"}),
    ],
)  # fmt: skip
def test_only_the_runs_own_parts_are_asked_for_and_what_it_cancelled(
    document: dict[str, Any],
    origins: dict[str, str],
    overrode: tuple[str, ...],
    asked: dict[str, Any],
) -> None:
    found = asked_for(
        msgspec.convert(document, RunDocument), origins, dict.fromkeys(overrode, BELOW)
    )
    assert found == asked


def test_what_is_asked_for_is_plain_json_that_may_be_sent_again() -> None:
    document = RunDocument(args=("a", "b"))
    assert asked_for(document, {}, {}) == {"args": ["a", "b"]}
    assert asked_for(document, None, {}) == {"args": ["a", "b"]}
