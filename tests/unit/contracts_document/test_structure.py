"""The structural check as tables: what is right, and what each kind of mistake is told."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from runbus.contracts.document import RunDocument
from runbus.contracts.structure import REQUIRED, check, missing_required
from runbus.contracts.violations import NOT_SHOWN, Violation, ViolationCode
from support.whole_document import WHOLE

Raw = dict[str, Any]


def test_a_document_with_every_setting_is_right_and_stays_as_it_is() -> None:
    raw = copy.deepcopy(WHOLE)
    checked = check(raw)
    assert checked.violations == ()
    assert checked.is_right
    assert checked.settings == WHOLE
    assert msgspec.json.decode(msgspec.json.encode(checked.document)) == WHOLE
    assert raw == WHOLE


def test_the_example_covers_every_setting() -> None:
    assert {*WHOLE, "replicas"} == set(RunDocument.__struct_fields__)


# One form for each meaning: what is given, and the settings that come out.
NORMAL_FORMS: list[tuple[Raw, Raw]] = [
    ({}, {}),
    ({"image": None, "resources": None, "replicas": None}, {}),
    ({"labels": {"a": None}, "env": [{"name": "A", "value": "", "field": None}]},
     {"labels": {}, "env": [{"name": "A", "value": ""}]}),
    ({"command": "python -m x"}, {"command": ["python -m x"]}),
    ({"replicas": 0, "min_replicas": None}, {"replicas": 0}),
    ({"command": []}, {"command": []}),
    ({"resources": {}}, {"resources": {}}),
    ({"resources": {"gpus": {"count": 0}}}, {"resources": {"gpus": {"count": 0}}}),
    ({"resources": {"requests": {"cpu": 4, "memory": 2e9}}},
     {"resources": {"requests": {"cpu": "4", "memory": "2000000000"}}}),
    ({"resources": {"limits": {"cpu": 0.5}}}, {"resources": {"limits": {"cpu": "0.5"}}}),
    ({"state_thresholds": {"executing": "6h"}}, {"state_thresholds": {"running": "6h"}}),
    ({"retry": {True: ["executing"]}}, {"retry": {"on": ["running"]}}),
    ({"volumes": [{"name": "a", "mount": "/a/", "secret": "s"}]},
     {"volumes": [{"name": "a", "mount": "/a", "secret": "s"}]}),
    ({"tolerations": [{"key": "", "operator": "Exists"}]},
     {"tolerations": [{"operator": "Exists"}]}),
    ({"args": ("a", "b")}, {"args": ["a", "b"]}),
    # A repeated variable replaces the value in place: that is for the merge to do.
    ({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
     {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "settings"), NORMAL_FORMS)
def test_one_meaning_has_one_form(raw: Raw, settings: Raw) -> None:
    checked = check(raw)
    assert checked.violations == ()
    assert checked.settings == settings


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (None, "empty"),
        ([], "wrong_type"),
        ("text", "wrong_type"),
        (3, "wrong_type"),
        (b"{}", "wrong_type"),
    ],
)
def test_what_is_no_mapping_is_refused_as_a_whole(raw: object, code: str) -> None:
    checked = check(raw)
    assert [(each.path, each.code) for each in checked.violations] == [("/", code)]
    assert checked.document == RunDocument()


def test_places_can_start_below_another_document() -> None:
    inner = check({"comand": "x", "env": [{"name": "A"}]}, at="/projects/nlp/defaults")
    whole = check("text", at="/defaults")
    assert [each.path for each in (*inner.violations, *whole.violations)] == [
        "/projects/nlp/defaults/comand",
        "/projects/nlp/defaults/env/0",
        "/defaults",
    ]


def test_every_violation_is_told_and_what_is_right_is_kept() -> None:
    checked = check(
        {"name": "1x", "image": "x:1", "comand": "y", "env": [{"name": "A", "value": "1"}, 7]}
    )
    assert [each.path for each in checked.violations] == ["/name", "/comand", "/env/1"]
    assert checked.settings == {"image": "x:1", "env": [{"name": "A", "value": "1"}]}


def test_required_settings_are_told_unless_a_violation_speaks_of_them_already() -> None:
    checked = check({"project": "nlp", "image": " "})
    missing = missing_required(checked.document, checked.violations)
    assert [each.path for each in missing] == ["/name", "/kind"]
    assert all(each.code == ViolationCode.REQUIRED and each.hint for each in missing)
    assert {each.path for each in missing_required(RunDocument())} == {f"/{e}" for e in REQUIRED}
    assert missing_required(check(WHOLE).document) == ()


def _v3io(**more: object) -> Raw:
    return {"volumes": [{"name": "a", "mount": "/a", "v3io": {"container": "c", **more}}]}


SECRETS: list[tuple[Raw, str]] = [
    (_v3io(access_key="hunter2"), "hunter2"),
    (_v3io(accessKey="hunter2", secret="s"), "hunter2"),
    (_v3io(secret={"name": "hunter2"}), "hunter2"),
    ({"nuclio": {"v3io_stream": {"path": "v3io:///a/b", "password": "hunter2"}}}, "hunter2"),
    ({"env": [{"name": "API_TOKEN", "value": 271828}]}, "271828"),
    ({"env": [{"name": "A", "secret": "hunter2"}]}, "hunter2"),
    ({"env": [{"name": "DB_PASSWORD", "valeu": "hunter2"}]}, "hunter2"),
    ({"env": [{"name": "DB_PASSWORD", "value": ["hunter2"]}]}, "hunter2"),
    ({"env": {"DB_PASSWORD": "hunter2"}}, "hunter2"),
]


@pytest.mark.parametrize(("raw", "secret"), SECRETS)
def test_no_finding_shows_a_secret(raw: Raw, secret: str) -> None:
    violations = check(raw).violations
    assert violations
    assert secret not in msgspec.json.encode(violations).decode()


def test_a_value_that_is_no_credential_is_shown_with_the_way_out() -> None:
    (found,) = check({"env": [{"name": "EPOCHS", "value": 3}]}).violations
    assert found == Violation(
        "/env/0/value", "wrong_type", 3, "text in quotes", 'put it in quotes: "3"'
    )
    (hidden,) = check({"env": [{"name": "API_TOKEN", "value": 3}]}).violations
    assert (hidden.given, hidden.hint) == (NOT_SHOWN, "put it in quotes")


def test_a_document_full_of_mistakes_gives_a_bounded_answer() -> None:
    found = check({"x" * 5000 + str(at): at for at in range(5000)}).violations
    assert found[-1].code == ViolationCode.TOO_MANY_VIOLATIONS
    assert len(found) == 201
    assert len(msgspec.json.encode(found)) < 512 * 1024


def test_shared_parts_cannot_make_the_check_run_for_ever() -> None:
    shared: Raw = {"matchExpressions": [{"key": "a", "operator": "Exists"}] * 2000}
    terms = {"nodeSelectorTerms": [shared] * 2000}
    raw = {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        "kind": "job",
    }
    assert ViolationCode.TOO_LARGE in {each.code for each in check(raw).violations}


def test_parameters_that_contain_themselves_are_refused() -> None:
    circle: Raw = {}
    circle["again"] = circle
    (found,) = check({"parameters": circle}).violations
    assert (found.path, found.code) == ("/parameters", "too_large")


def test_parameters_may_have_96_kib_and_not_a_byte_more() -> None:
    fits = {"a": "x" * (96 * 1024 - len('{"a":""}'))}
    assert check({"parameters": fits}).violations == ()
    (found,) = check({"parameters": {"a": fits["a"] + "x"}}).violations
    assert (found.path, found.code) == ("/parameters", "too_large")


def test_a_document_may_say_which_run_it_repeats() -> None:
    assert check({"annotations": {"runbus.dev/rerun-of": "nlp/abcdefghij23"}}).is_right
