"""The verdict on a request: accepted with its whole status, or rejected with every violation."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from runbus.contracts import codec
from runbus.contracts.states import RunState
from runbus.contracts.streams import MAX_MESSAGE_BYTES
from runbus.contracts.texts import WHO_CHARACTERS_MAX
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Function
from runbus.spec_validator.decide import is_same_request, judge, key_reused
from runbus.spec_validator.model import Accept, Reject, Request, Verdict
from support.runs import RUN_ID, at

JOB = {"project": "nlp", "name": "train", "kind": "job", "image": "x:1"}


def verdict(
    document: object = None,
    *,
    body: bytes | None = None,
    key: str | None = None,
    defaults: Defaults | None = None,
    classes: tuple[str, ...] | None = None,
    user: str = "/ada",
    **settings: Any,
) -> Verdict:
    raw = msgspec.json.encode(JOB | settings if document is None else document)
    request = Request(project="nlp", body=raw if body is None else body, key=key, user=user)
    return judge(request, RUN_ID, defaults or Defaults(), at(0), classes)


def accepted(found: Verdict) -> Accept:
    assert isinstance(found, Accept), found
    return found


def rejected(found: Verdict) -> Reject:
    assert isinstance(found, Reject), found
    return found


def test_a_right_document_is_accepted_with_its_limits_in_the_status() -> None:
    found = accepted(verdict(state_thresholds={"running": "2h"}, retry={"limit": 2}))

    status = found.event.status
    assert (status.state, status.since, status.user) == (RunState.ACCEPTED, at(0), "/ada")
    assert status.thresholds["running"].limit_s == 7200
    assert status.thresholds["pending_not_scheduled"].limit_s is None
    assert (status.retry.limit, status.ttl_after_finish_s) == (2, 3600)


def test_the_documents_own_user_goes_before_the_clients_identity() -> None:
    assert accepted(verdict(JOB | {"user": "bob"})).event.status.user == "bob"


def test_a_limit_on_the_whole_run_is_a_deadline_from_the_start() -> None:
    status = accepted(verdict(state_thresholds={"total": "1h"})).event.status

    assert (status.deadline, status.deadline_of) == (at(3600), "total")


def test_a_body_that_is_no_json_is_rejected_at_its_root() -> None:
    event = rejected(verdict(body=b"{nonsense")).event

    assert event.violations[0].path == "/"
    assert event.status.state is RunState.REJECTED


def test_a_rejection_carries_the_subjects_project_and_the_name_if_there_is_one() -> None:
    event = rejected(verdict({"project": "other", "name": "train", "kind": "job"})).event

    assert (event.status.project, event.status.name) == ("nlp", "train")
    assert {each.path for each in event.violations} >= {"/project", "/image"}


def test_the_text_of_a_rejection_names_the_first_violation_and_counts_the_rest() -> None:
    event = rejected(verdict(name="UPPER", kind="jobb")).event

    assert event.status.status_text.startswith("rejected: /name")
    assert event.status.status_text.endswith("(and 1 more)")


def test_an_idempotency_key_that_is_too_long_is_a_violation_beside_the_others() -> None:
    event = rejected(verdict(key="k" * 300, kind="jobb")).event

    assert {each.code for each in event.violations} >= {"invalid_idempotency_key"}
    assert "/kind" in {each.path for each in event.violations}


@pytest.mark.parametrize(
    ("key", "wanted"), [("", "a longer value"), ("k" * 257, "a shorter value")]
)
def test_an_idempotency_key_of_the_wrong_length_is_told_which_way_to_mend_it(
    key: str, wanted: str
) -> None:
    (violation,) = rejected(verdict(key=key)).event.violations

    assert wanted in (violation.hint or "")


LONG = "x" * 500_000
DEEP = msgspec.json.decode(
    '{"k":' * 60 + json.dumps({f"{LONG[:300]}{n}": None for n in range(250)}) + "}" * 60
)


@pytest.mark.parametrize(
    ("document", "rest"),
    [
        (JOB | {"name": LONG}, {}),
        (JOB | {"kind": LONG}, {}),
        (JOB | {"image": ""}, {"user": LONG * 2}),
        (JOB, {"key": LONG * 2}),
        (JOB | {"nonsense": DEEP}, {}),
        (JOB | {f"{LONG[:320]}{number}": LONG[:900] for number in range(400)}, {}),
        (JOB | {"env": [{"name": f"{LONG[:900]}{n}", "value": None} for n in range(500)]}, {}),
        ([LONG], {}),
        (LONG + LONG, {}),
    ],
)
def test_whatever_is_long_in_a_request_its_rejection_fits_into_an_event(
    document: object, rest: dict[str, Any]
) -> None:
    event = rejected(verdict(document, **rest)).event

    assert len(codec.encode(event)) < MAX_MESSAGE_BYTES // 2


def test_the_accepted_event_of_a_client_with_a_long_name_fits() -> None:
    event = accepted(verdict(JOB, user=LONG * 2)).event

    assert len(event.status.user) == WHO_CHARACTERS_MAX
    assert len(codec.encode(event)) < MAX_MESSAGE_BYTES // 2


def test_a_class_of_the_operators_list_is_ranked_by_its_place() -> None:
    defaults = Defaults(allowed_priority_classes=("high", "medium", "low"))

    found = accepted(verdict(priority_class="medium", defaults=defaults))

    assert found.event.status.priority_rank == 1


def test_without_a_list_the_clusters_classes_count() -> None:
    found = accepted(verdict(priority_class="b", classes=("a", "b")))

    assert (found.event.status.priority_rank, found.event.warnings) == (1, ())


def test_a_class_that_the_cluster_lacks_is_refused_with_the_list_highest_first() -> None:
    [violation] = rejected(verdict(priority_class="c", classes=("z", "a"))).event.violations

    assert (violation.path, violation.allowed) == ("/priority_class", ["z", "a"])


def test_with_no_list_and_no_cluster_a_class_is_a_warning() -> None:
    found = accepted(verdict(priority_class="c"))

    assert [each.path for each in found.event.warnings] == ["/priority_class"]
    assert found.event.status.priority_rank is None


NOT_RUN_YET: list[dict[str, Any]] = [
    {"kind": "mpijob", "command": "python"},
    {"kind": "spark", "command": "local:///a.py", "spark": {"version": "3.5.6"}},
    {"kind": "dask"},
    {"kind": "nuclio", "nuclio": {"handler": "main:handler", "runtime": "python:3.11"}},
    {"kind": "serving", "nuclio": {"handler": "main:handler", "runtime": "python:3.11"}},
]


@pytest.mark.parametrize("settings", NOT_RUN_YET, ids=lambda each: each["kind"])
def test_a_kind_that_no_service_runs_yet_is_refused_on_the_bus(settings: dict[str, Any]) -> None:
    (violation,) = rejected(verdict(**settings)).event.violations

    assert (violation.path, violation.code) == ("/kind", "not_available")
    assert (violation.given, violation.allowed) == (settings["kind"], ["job"])
    assert "runbus lint, explain, render" in (violation.hint or "")


def test_an_accepted_run_keeps_the_platform_and_the_content_of_its_function() -> None:
    defaults = defaults_of({"preemptible_nodes": {"preset": "aks"}})
    assert isinstance(defaults, Defaults)
    request = Request(
        project="nlp",
        body=msgspec.json.encode(JOB | {"function": "hub://x"}),
        key=None,
        user="/ada",
    )
    function = Function(settings={"workdir": "/app"}, content_hash="abc")
    event = accepted(judge(request, RUN_ID, defaults, at(0), None, function)).event

    assert event.platform == defaults.platform
    assert event.function_hash == "abc"
    assert (event.document.workdir, event.document.affinity) == ("/app", None)
    assert (event.origins or {})["/workdir"] == "function"


def test_the_same_document_written_otherwise_is_the_same_request() -> None:
    one = accepted(verdict(body=b'{"project":"nlp","name":"a","kind":"job","image":"x:1"}'))
    two = accepted(verdict(body=b'{"image":"x:1","kind":"job", "name":"a","project":"nlp"}'))
    three = accepted(verdict(body=b'{"image":"x:2","kind":"job", "name":"a","project":"nlp"}'))

    assert is_same_request(one.event, two.event)
    assert not is_same_request(one.event, three.event)


def test_a_reused_key_names_the_run_that_has_it() -> None:
    violation = key_reused("k", RUN_ID)

    assert violation.code == "idempotency_key_reused"
    assert RUN_ID in (violation.hint or "")


@pytest.mark.parametrize(
    "settings",
    [
        {
            "volumes": [
                {"name": "v", "mount": "/v", "v3io": {"container": "c", "access_key": "CNRY"}}
            ]
        },
        {
            "volumes": [
                {"name": "v", "mount": "/v", "v3io": {"container": "c", "secret": {"k": "CNRY"}}}
            ]
        },
        {"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": ["CNRY"]}]},
        {"env": [{"name": "API_TOKEN", "value": "CNRY", "secret": {"name": "s", "key": "k"}}]},
        {"env": {"API_TOKEN": "CNRY"}},
    ],
)
def test_a_literal_that_should_have_been_a_reference_is_refused_and_echoed_nowhere(
    settings: dict[str, object],
) -> None:
    document = {"name": "a", "kind": "job", "image": "i", **settings}
    request = Request(project="nlp", body=msgspec.json.encode(document))
    verdict = judge(request, RUN_ID, Defaults(), at(0))
    assert isinstance(verdict, Reject)
    assert b"CNRY" not in msgspec.json.encode(verdict.event)
