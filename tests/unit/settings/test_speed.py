"""Judging and rendering stay cheap: a generous bound, so that only a slip of an order fails.

What is measured is processor time, so that a busy machine does not decide.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from runbus.pod_launcher.manifest import render
from runbus.settings.defaults import Defaults
from runbus.settings.limits import limits_of
from runbus.settings.model import Read, Resolved
from runbus.settings.reading import read_json
from runbus.settings.resolve import resolve
from support.documents import RUN_ID, a_job
from support.full_documents import a_full_job

ROUNDS = 50


def _seconds_each(work: Callable[[], object]) -> float:
    work()
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for _ in range(ROUNDS):
            work()
        best = min(best, time.process_time() - start)
    return best / ROUNDS


def _whole_way(body: bytes, defaults: Defaults) -> None:
    read = read_json(body)
    assert isinstance(read, Read)
    verdict = resolve(read.value, project="nlp", defaults=defaults, default_user="me")
    assert isinstance(verdict, Resolved)
    limits_of(verdict.document)
    render(verdict.document, run_id=RUN_ID, attempt=1, shard="00", namespace=verdict.namespace)


@pytest.mark.parametrize(("document", "most_s"), [(a_job(), 0.002), (a_full_job(), 0.01)])
def test_a_document_is_read_judged_and_rendered_in_no_time(
    document: dict[str, Any], most_s: float
) -> None:
    body, defaults = json.dumps(document).encode(), Defaults()
    assert _seconds_each(lambda: _whole_way(body, defaults)) < most_s


WORST = [
    {"args": ["{"] * 100_000},
    {"args": ["{{a" * 100_000]},
    {"labels": {f"k{number}": "x" for number in range(20_000)}},
    {f"unknown_{number}": 1 for number in range(20_000)},
    {"env": [{"name": f"V{number}"} for number in range(20_000)]},
    {"state_thresholds": {"running": "1" * 100_000}},
    {"image": "a/" * 100_000 + "!"},
    {"image": "a" * 200_000 + "!"},
    {"name": "a-" * 100_000},
    {"service_account": "a." * 100_000},
    {"env": [{"name": "A", "field": "metadata.labels['" + "a" * 100_000}]},
    {"resources": {"requests": {"memory": "1" * 100_000}}},
    {"parameters": {"a": [[]] * 30_000}},
]


@pytest.mark.parametrize("settings", WORST, ids=lambda each: next(iter(each)))
def test_no_document_takes_long_to_judge(settings: dict[str, Any]) -> None:
    """The largest and oddest documents end within what one message may take."""
    start = time.process_time()
    resolve(a_job(**settings), project=None, defaults=Defaults(), default_user="")
    assert time.process_time() - start < 2.0
