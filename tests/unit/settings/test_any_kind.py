"""Documents of every kind, whole and broken: a valid result or every violation, nothing else."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbus.contracts.document import RunDocument
from runbus.contracts.violations import ViolationCode
from runbus.pod_launcher.manifest import render
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Refused, Resolved
from runbus.settings.origins import explain, stored_origins
from runbus.settings.resolve import resolve
from support.any_run import KINDS, PLATFORM, any_run
from support.documents import RUN_ID

AT_ANY_SPEED = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FILE = {**PLATFORM, "caps": {"host_paths": ["/"]}}
CODES = {each.value for each in ViolationCode}
ODD = st.sampled_from([None, "", -1, 0, 10**9, True, "x", "1h30", "-1", [], {}, ["a"], {"a": "b"}])


def defaults() -> Defaults:
    found = defaults_of(FILE)
    assert isinstance(found, Defaults), found
    return found


def judged(raw: object) -> Resolved | Refused:
    return resolve(raw, project=None, defaults=defaults(), default_user="ann")


@pytest.mark.parametrize("kind", KINDS)
@AT_ANY_SPEED
@given(data=st.data())
def test_a_right_document_is_resolved_rendered_and_explained(
    kind: str, data: st.DataObject
) -> None:
    raw = data.draw(any_run(kind))
    before = copy.deepcopy(raw)
    found = judged(raw)

    assert raw == before
    assert isinstance(found, Resolved), found
    again = msgspec.json.decode(msgspec.json.encode(found.document), type=RunDocument)
    assert again == found.document
    objects = render(
        found.document,
        run_id=RUN_ID,
        attempt=1,
        shard="2a",
        namespace=found.namespace,
        platform=found.platform,
    )
    assert objects
    explained = explain(found.document, stored_origins(found), found.overrode)
    assert {each.level for each in explained} <= {"shipped", "service", "run", "request", "implied"}


@pytest.mark.parametrize("kind", KINDS)
@AT_ANY_SPEED
@given(data=st.data())
def test_a_document_broken_anywhere_is_judged_with_every_violation_in_its_place(
    kind: str, data: st.DataObject
) -> None:
    raw = copy.deepcopy(data.draw(any_run(kind)))  # the drawn one shares parts with others
    for _ in range(data.draw(st.integers(1, 3))):
        _break(raw, data)
    found = judged(raw)

    if isinstance(found, Refused):
        assert found.violations
        for each in found.violations:
            assert each.path.startswith("/")
            assert each.code in CODES
        assert len({(each.path, each.code) for each in found.violations}) == len(found.violations)
    else:
        assert found.document.name


def _break(raw: dict[str, Any], data: st.DataObject) -> None:
    """Put something odd into some place of a document."""
    place: Any = raw
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(ODD)
            return
        place = inner
