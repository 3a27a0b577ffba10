"""The defaults file: what it may hold, and every mistake in it at once."""

from __future__ import annotations

import msgspec
import pytest

from runbus.settings.defaults import Defaults, Limits, parse_defaults
from runbus.settings.model import Refused

WHOLE = """
defaults:
  image: registry.example.com/base:1
  state_thresholds: {executing: 2h}
  resources: {limits: {cpu: 2}}
allowed_priority_classes: [high, medium, low]
gpu_tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
namespaces: {nlp: team-nlp}
limits: {concurrent_runs: 500}
projects:
  nlp: {limits: {concurrent_runs: 50}}
  vision: {limits: {}}
  sound: {}
"""


def _parsed(text: str | bytes) -> Defaults:
    found = parse_defaults(text)
    assert isinstance(found, Defaults), found
    return found


def _refusal(text: str | bytes) -> list[tuple[str, str]]:
    found = parse_defaults(text)
    assert isinstance(found, Refused), found
    return [(each.path, each.code) for each in found.violations]


def test_a_whole_file_is_read_into_its_normal_form() -> None:
    found = _parsed(WHOLE)
    assert found.service == {
        "image": "registry.example.com/base:1",
        "state_thresholds": {"running": "2h"},
        "resources": {"limits": {"cpu": "2"}},
    }
    assert found.allowed_priority_classes == ("high", "medium", "low")
    assert msgspec.json.decode(msgspec.json.encode(found.platform)) == {
        "preemptible_nodes": {},
        "gpu_tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
        ],
    }
    assert (found.namespace_of("nlp"), found.namespace_of("vision")) == ("team-nlp", "vision")
    assert found.limits == Limits(concurrent_runs=500)
    assert found.concurrent_runs_by_project() == {"nlp": 50}


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "---\n", "null", b"\xef\xbb\xbf"])
def test_an_empty_file_changes_nothing(text: str | bytes) -> None:
    assert _parsed(text) == Defaults()


def test_json_is_taken_as_well() -> None:
    assert _parsed('{"limits": {"concurrent_runs": 0}}').limits == Limits(concurrent_runs=0)


LATER = [
    ("limits: {gpus: 8}", "/limits/gpus"),
    ("limits: {cpu: '8'}", "/limits/cpu"),
    ("projects: {nlp: {limits: {memory: 1Ti}}}", "/projects/nlp/limits/memory"),
]


@pytest.mark.parametrize(("text", "path"), LATER)
def test_what_a_later_release_brings_is_known_and_not_available(text: str, path: str) -> None:
    assert _refusal(text) == [(path, "not_available")]


WRONG = [
    ("- a", "/", "wrong_type"),
    ("text", "/", "wrong_type"),
    ("a: 1\na: 2", "/a", "duplicate_key"),
    ("limits: {concurrent_run: 3}", "/limits/concurrent_run", "unknown_key"),
    ("limits: {concurrent_runs: -1}", "/limits/concurrent_runs", "out_of_range"),
    ("limits: 5", "/limits", "wrong_type"),
    ("projects: [nlp]", "/projects", "wrong_type"),
    ("projects: {nlp: 5}", "/projects/nlp", "wrong_type"),
    ("projects: {NLP: {}}", "/projects/NLP", "invalid_name"),
    ("namespaces: {nlp: Team}", "/namespaces/nlp", "invalid_name"),
    ("allowed_priority_classes: [a, b, a]", "/allowed_priority_classes/2", "duplicate"),
    ("gpu_tolerations: [{key: x, effect: No}]", "/gpu_tolerations/0/effect", "invalid_value"),
    ("defaults: {imag: x}", "/defaults/imag", "unknown_key"),
    ("defaults: {kind: job}", "/defaults/kind", "not_allowed"),
    ("defaults: {project: nlp}", "/defaults/project", "not_allowed"),
    ("defaults: {name: x}", "/defaults/name", "not_allowed"),
    ("defaults: {user: x}", "/defaults/user", "not_allowed"),
    ("defaults: {state_thresholds: {running: 90}}", "/defaults/state_thresholds/running", None),
    ("defaults: {preemption_mode: constrain}", "/defaults/preemption_mode", "conflict"),
    (
        "allowed_priority_classes: [high]\ndefaults: {priority_class: hig}",
        "/defaults/priority_class",
        "not_allowed",
    ),
]


@pytest.mark.parametrize(("text", "path", "code"), WRONG)
def test_a_mistake_is_named_with_its_place(text: str, path: str, code: str | None) -> None:
    ((found_path, found_code),) = _refusal(text)
    assert found_path == path
    assert code is None or found_code == code


def test_two_documents_are_no_defaults_file() -> None:
    assert _refusal("limits: {}\n---\nlimits: {}") == [("/", "invalid_syntax")]


def test_every_mistake_is_listed_at_once() -> None:
    text = (
        "caps: {replicas: 0}\nlimits: {gpus: 1, concurrent_runs: x}\nfoo: 1\n"
        "defaults: {name: x, preemption_mode: constrain, volumes: [{name: a, pvc: b, mount: c}]}"
    )
    assert sorted(_refusal(text)) == [
        ("/caps/replicas", "out_of_range"),
        ("/defaults/name", "not_allowed"),
        ("/defaults/preemption_mode", "conflict"),
        ("/defaults/volumes/0/mount", "invalid_path"),
        ("/foo", "unknown_key"),
        ("/limits/concurrent_runs", "wrong_type"),
        ("/limits/gpus", "not_available"),
    ]


def test_a_default_gpu_type_without_a_count_is_right() -> None:
    found = _parsed("defaults: {resources: {gpus: {type: amd.com/gpu}}}")
    assert found.service == {"resources": {"gpus": {"type": "amd.com/gpu"}}}


def test_a_preset_says_what_a_spot_node_is_and_the_operators_own_words_stand_beside_it() -> None:
    text = (
        "preemptible_nodes: {preset: gke, node_selector: {pool: spot},"
        " tolerations: [{key: spot, operator: Exists}]}"
    )
    nodes = _parsed(text).platform.preemptible_nodes
    assert nodes.node_selector == {"cloud.google.com/gke-spot": "true", "pool": "spot"}
    assert [each.key for each in nodes.tolerations] == ["cloud.google.com/gke-spot", "spot"]


@pytest.mark.parametrize("preset", ["gke", "eks", "aks", "karpenter", "iguazio"])
def test_every_platform_has_a_label_for_its_spot_nodes(preset: str) -> None:
    nodes = _parsed(f"preemptible_nodes: {{preset: {preset}}}").platform.preemptible_nodes
    assert len(nodes.node_selector) == 1


def test_a_project_has_defaults_caps_and_limits_of_its_own() -> None:
    text = (
        "caps: {replicas: 64}\n"
        "projects: {nlp: {defaults: {image: x:1}, caps: {replicas: 8},"
        " limits: {concurrent_runs: 3}}}"
    )
    found = _parsed(text)
    assert found.of_project("nlp").settings == {"image": "x:1"}
    assert [each.caps.replicas for each in found.caps_of("nlp")] == [64, 8]
    assert [each.caps.replicas for each in found.caps_of("vision")] == [64, None]
    assert found.concurrent_runs_by_project() == {"nlp": 3}


IMPOSSIBLE = [
    ("projects: {nlp: {defaults: {name: x}}}", "/projects/nlp/defaults/name", "not_allowed"),
    (
        "projects: {nlp: {defaults: {preemption_mode: constrain}}}",
        "/projects/nlp/defaults/preemption_mode",
        "conflict",
    ),
    (
        "caps: {state_thresholds: {running: 1h}}\ndefaults: {state_thresholds: {running: 2h}}",
        "/defaults/state_thresholds/running",
        "cap_exceeded",
    ),
    (
        "preemptible_nodes: {preset: aks}\nprojects: {nlp: {defaults: {node_selector:"
        " {kubernetes.azure.com/scalesetpriority: spot}}}}",
        "/projects/nlp/defaults/node_selector/kubernetes.azure.com~1scalesetpriority",
        "conflict",
    ),
    ("defaults: {function: 'hub://x'}", "/defaults/function", "not_allowed"),
]


@pytest.mark.parametrize(("text", "path", "code"), IMPOSSIBLE)
def test_defaults_that_would_refuse_every_run_are_refused_themselves(
    text: str, path: str, code: str
) -> None:
    assert _refusal(text) == [(path, code)]
