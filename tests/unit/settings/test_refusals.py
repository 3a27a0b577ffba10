"""What makes a document impossible once it is resolved: each with its place and the way out."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.contracts.violations import Violation
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Refused
from runbus.settings.resolve import resolve
from support.documents import a_job


def _violations(
    raw: object,
    *,
    project: str | None = None,
    file: dict[str, Any] | None = None,
    cluster: tuple[str, ...] | None = None,
) -> tuple[Violation, ...]:
    defaults = defaults_of(file)
    assert isinstance(defaults, Defaults), defaults
    found = resolve(
        raw,
        project=project,
        defaults=defaults,
        default_user="ann",
        cluster_priority_classes=cluster,
    )
    assert isinstance(found, Refused), found
    return found.violations


def _brief(found: tuple[Violation, ...]) -> list[tuple[str, str]]:
    return [(each.path, each.code) for each in found]


@pytest.mark.parametrize(
    ("raw", "code"),
    [(None, "empty"), ([], "wrong_type"), ("x", "wrong_type"), (3, "wrong_type")],
)
def test_what_is_no_mapping_is_one_violation_at_the_root(raw: object, code: str) -> None:
    assert _brief(_violations(raw, project="nlp")) == [("/", code)]


def test_everything_required_is_named_at_once() -> None:
    assert _brief(_violations({})) == [
        ("/", "empty"),
        ("/project", "required"),
        ("/name", "required"),
        ("/kind", "required"),
        ("/image", "required"),
    ]


def test_what_the_request_says_and_the_operator_gives_is_not_missing() -> None:
    found = _violations({"name": "a"}, project="nlp", file={"defaults": {"image": "x:1"}})
    assert _brief(found) == [("/kind", "required")]


def test_a_value_that_was_refused_is_not_also_missing() -> None:
    raw = a_job(name="Not A Name", image=3)
    assert sorted(_brief(_violations(raw))) == [("/image", "wrong_type"), ("/name", "invalid_name")]


def test_another_project_than_that_of_the_request_is_refused() -> None:
    (found,) = _violations(a_job(project="nlp"), project="vision")
    assert (found.path, found.code, found.given) == ("/project", "project_mismatch", "nlp")
    assert found.allowed == ["vision"]


@pytest.mark.parametrize("project", ["Not_A_Project", "x" * 64, "-", "\ud800"])
def test_a_request_to_no_possible_project_is_refused(project: str) -> None:
    assert [each.path for each in _violations(a_job(project=None), project=project)] == ["/project"]


def test_a_priority_class_off_the_list_is_refused_with_the_list_highest_first() -> None:
    (found,) = _violations(
        a_job(priority_class="hihg"), file={"allowed_priority_classes": ["high", "medium", "low"]}
    )
    assert found == Violation(
        "/priority_class",
        "not_allowed",
        given="hihg",
        allowed=["high", "medium", "low"],
        hint="did you mean high?",
    )


def test_the_priority_classes_of_the_cluster_count_where_the_operator_lists_none() -> None:
    (found,) = _violations(a_job(priority_class="x"), cluster=())
    assert (found.allowed, found.hint) == ([], "the cluster has none: leave it out")


def test_constrain_without_spot_nodes_is_refused_with_the_other_modes() -> None:
    (found,) = _violations(a_job(preemption_mode="constrain"))
    assert (found.path, found.code) == ("/preemption_mode", "conflict")
    assert found.allowed == ["allow", "prevent", "none"]
    assert "preemptible_nodes" in (found.hint or "")


# The operator's resources, the run's, and the finding.
RESOURCES: list[tuple[dict[str, Any], dict[str, Any], str, str, str]] = [
    (
        {"limits": {"cpu": "2"}},
        {"requests": {"cpu": "4"}},
        "/resources/requests/cpu",
        "request_above_limit",
        "the limit 2 comes from the operator's defaults: set /resources/limits/cpu too",
    ),
    (
        {"requests": {"memory": "4Gi"}},
        {"limits": {"memory": "1Gi"}},
        "/resources/limits/memory",
        "request_above_limit",
        "the request 4Gi comes from the operator's defaults: set /resources/requests/memory too",
    ),
    (
        {"requests": {"example.com/nic": 1}},
        {"limits": {"example.com/nic": 2}},
        "/resources/limits/example.com~1nic",
        "conflict",
        "the request 1 comes from the operator's defaults:"
        " set /resources/requests/example.com~1nic too",
    ),
]


@pytest.mark.parametrize(("service", "run", "path", "code", "hint"), RESOURCES)
def test_a_request_above_its_limit_is_refused_across_levels(
    service: dict[str, Any], run: dict[str, Any], path: str, code: str, hint: str
) -> None:
    (found,) = _violations(a_job(resources=run), file={"defaults": {"resources": service}})
    assert (found.path, found.code, found.hint) == (path, code, hint)


def test_a_request_above_its_limit_in_one_document_is_told_once() -> None:
    raw = a_job(resources={"requests": {"cpu": 4}, "limits": {"cpu": 2}})
    assert _brief(_violations(raw)) == [("/resources/requests/cpu", "request_above_limit")]


def test_a_limit_that_was_refused_is_not_judged_by_what_stands_instead() -> None:
    raw = a_job(resources={"requests": {"cpu": 4}, "limits": {"cpu": "8 cores"}})
    found = _violations(raw, file={"defaults": {"resources": {"limits": {"cpu": 2}}}})
    assert _brief(found) == [("/resources/limits/cpu", "invalid_quantity")]


def test_gpus_without_a_count_anywhere_are_refused() -> None:
    raw = a_job(resources={"gpus": {"type": "nvidia.com/gpu"}})
    assert _brief(_violations(raw)) == [("/resources/gpus/count", "required")]


UNSTARTABLE: list[tuple[dict[str, Any], str]] = [
    ({"args": ["short", "x" * 131072]}, "/args/1"),
    ({"args": ["{a}" * 1400], "parameters": {"a": "x" * 100}}, "/args/0"),
    ({"env": [{"name": "A", "value": "x" * 131072}]}, "/env/0/value"),
]


@pytest.mark.parametrize(("settings", "path"), UNSTARTABLE)
def test_an_argument_or_variable_that_no_program_can_get_is_refused(
    settings: dict[str, Any], path: str
) -> None:
    assert _brief(_violations(a_job(**settings))) == [(path, "too_large")]


def test_a_document_that_no_event_can_carry_with_its_defaults_is_refused() -> None:
    half = {f"{letter}{number}": "x" * 120_000 for letter in "ab" for number in (1, 2)}
    env = [{"name": name, "value": value} for name, value in half.items()]
    file = {"defaults": {"env": env[:3]}}
    (found,) = _violations(a_job(env=[*env[3:], {"name": "c", "value": "x" * 120_000}]), file=file)
    assert (found.path, found.code) == ("/", "too_large")


def test_every_violation_of_a_document_is_listed_at_once() -> None:
    raw = {
        "project": "nlp",
        "name": "-bad",
        "kind": "spark",
        "replicas": 4,
        "imgae": "x",
        "priority_class": "no",
        "resources": {"requests": {"cpu": "4"}, "limits": {"memory": "1GG"}},
        "preemption_mode": "constrain",
        "state_thresholds": {"running": "1h30"},
        "env": [{"name": "A", "value": None}],
    }
    file = {
        "defaults": {"resources": {"limits": {"cpu": 2}}},
        "allowed_priority_classes": ["high"],
    }
    assert sorted(_brief(_violations(raw, project="vision", file=file))) == [
        ("/command", "required"),
        ("/env/0/value", "null_value"),
        ("/image", "required"),
        ("/imgae", "unknown_key"),
        ("/name", "invalid_name"),
        ("/preemption_mode", "conflict"),
        ("/priority_class", "not_allowed"),
        ("/project", "project_mismatch"),
        ("/resources", "conflict"),
        ("/resources/limits/memory", "invalid_quantity"),
        ("/spark/version", "required"),
        ("/state_thresholds/running", "invalid_duration"),
    ]
