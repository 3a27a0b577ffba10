"""The answer of `runbus why`: rows of pods, and a place for whatever is no pod."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runbus.reading.why import WhyProblem, why
from support.pods import a_bound_pod, a_pod, at

PULLING = a_bound_pod("a").waiting("ErrImagePull", "not found").document()
RUNNING = a_bound_pod("b").running().document()


def test_a_row_has_exactly_these_fields_in_this_order() -> None:
    [row] = why([PULLING]).rows
    assert msgspec.json.encode(row) == (
        b'{"name":"a","state":"image_pull_backoff","since":"2026-11-01T10:00:05Z",'
        b'"reason":"ErrImagePull","class":null,"never_heals":false}'
    )


def test_what_is_not_known_is_null() -> None:
    [row] = why([a_bound_pod("a").phase("Failed", reason="NodeAffinity").document()]).rows
    assert row.since is None
    assert msgspec.to_builtins(row)["class"] == "infrastructure"
    assert why([RUNNING]).rows[0].reason is None


@pytest.mark.parametrize(
    ("document", "since"),
    [
        (a_pod().gated("a").document(), "10:00:00"),
        (a_pod().unschedulable().document(), "10:00:00"),
        (a_bound_pod().waiting("ContainerCreating").document(), "10:00:05"),
        (a_bound_pod().waiting("ImagePullBackOff").document(), "10:00:05"),
        (a_bound_pod().running(time="10:03:00").document(), "10:03:00"),
        (a_bound_pod().terminated(1).document(), "10:20:00"),
    ],
)
def test_without_a_record_since_is_the_pods_own_time(document: object, since: str) -> None:
    assert why([document]).rows[0].since == f"2026-11-01T{since}Z"


@pytest.mark.parametrize(
    "documents",
    [
        [PULLING, RUNNING],
        [PULLING, None, RUNNING],
        [{"kind": "PodList", "items": [PULLING, RUNNING]}],
        [{"kind": "List", "items": [PULLING, RUNNING]}],
        [{"kind": "List", "items": [PULLING]}, {"kind": "List", "items": [RUNNING]}],
        [{"kind": "PodList", "items": [{**PULLING, "kind": None}, RUNNING]}],
    ],
)
def test_pods_come_alone_in_lists_and_in_several_documents(documents: list[object]) -> None:
    answer = why(documents)
    assert [each.name for each in answer.rows] == ["a", "b"]
    assert answer.problems == ()


def test_items_of_a_pod_list_need_no_kind() -> None:
    item = {key: value for key, value in PULLING.items() if key not in {"kind", "apiVersion"}}
    assert why([{"kind": "PodList", "items": [item]}]).rows[0].name == "a"


@pytest.mark.parametrize("items", [[], None])
def test_an_empty_list_has_no_rows_and_no_problems(items: object) -> None:
    answer = why([{"kind": "PodList", "items": items}])
    assert (answer.pods, answer.problems) == ((), ())


PROBLEMS: list[tuple[list[Any], list[tuple[int, str, str]]]] = [
    ([], [(1, "/", "nothing to read; expected a Pod, a PodList or a List")]),
    ([None], [(1, "/", "nothing to read; expected a Pod, a PodList or a List")]),
    (["x"], [(1, "/", "text given; expected a Pod, a PodList or a List")]),
    ([[RUNNING]], [(1, "/", "a list given; expected a Pod, a PodList or a List")]),
    ([{}], [(1, "/", "kind is missing; expected a Pod, a PodList or a List")]),
    ([{"kind": ["Pod"]}], [(1, "/", "kind ['Pod'] given; expected a Pod, a PodList or a List")]),
    (
        [RUNNING, {"kind": "Service"}],
        [(2, "/", "kind Service given; expected a Pod, a PodList or a List")],
    ),
    (
        [{"kind": "List", "items": [RUNNING, {"kind": "Service"}, 3]}],
        [
            (1, "/items/1", "kind Service given; expected a Pod, a PodList or a List"),
            (1, "/items/2", "a number given; expected a Pod, a PodList or a List"),
        ],
    ),
    ([{"kind": "List", "items": {}}], [(1, "/items", "a mapping given; expected a list")]),
    (
        [{"kind": "Pod", "status": {"conditions": [{"type": 1}]}}],
        [(1, "/status/conditions/0/type", "Expected str, got int")],
    ),
    (
        [{"kind": "PodList", "items": [RUNNING, {"metadata": {"labels": {"a": 1}}}]}],
        [(1, "/items/1/metadata/labels/*", "Expected str, got int")],
    ),
]


@pytest.mark.parametrize(("documents", "expected"), PROBLEMS)
def test_what_is_no_pod_is_told_with_its_place(
    documents: list[Any], expected: list[tuple[int, str, str]]
) -> None:
    problems = why(documents).problems
    assert [(each.document, each.path, each.problem) for each in problems] == expected


def test_a_problem_does_not_hide_the_pods_beside_it() -> None:
    assert [each.name for each in why([{"kind": "Service"}, RUNNING]).rows] == ["b"]


def test_a_problem_reads_as_one_line() -> None:
    problem = WhyProblem(2, "/items/0", "kind is missing")
    assert str(problem) == "document 2, /items/0: kind is missing"


def test_a_time_that_yaml_has_parsed_is_taken() -> None:
    document = a_pod("a").document()
    document["metadata"]["creationTimestamp"] = at("10:00:00")
    assert why([document]).rows[0].since == "2026-11-01T10:00:00Z"


def test_readers_of_text_are_told_in_words_and_how_the_pod_will_end() -> None:
    [pulling, leaving] = why([PULLING, a_bound_pod("c").running().deleting().document()]).pods
    assert pulling.text == "cannot pull registry.example.com/x:1: not found"
    assert pulling.ends_as is None
    assert leaving.text == "running"
    assert leaving.ends_as == (
        "ends as error, class user: the pod was deleted by somebody (PodDeleted)"
    )
