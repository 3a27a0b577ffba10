"""A function.yaml, ours or MLRun's, becomes the level below a run; what does not map is named."""

from __future__ import annotations

from runbus.contracts.grammars import FUNCTION_TAG_DEFAULT
from runbus.contracts.locations import FunctionName
from runbus.settings.defaults import Defaults
from runbus.settings.function_files import (
    FunctionFile,
    from_catalogue,
    no_such_function,
    no_such_source,
    parse_function,
    reference_in,
)
from runbus.settings.model import Function, Level, Refused, Resolved
from runbus.settings.resolve import resolve

MLRUN = b"""
kind: job
verbose: false
metadata:
  name: train-model
  tag: "1.2"
  labels: {framework: sklearn}
  categories: [training]
spec:
  command: ''
  args: []
  image: registry.example.com/ml/train:1
  description: Trains any estimator
  default_handler: train
  entry_points:
    train:
      name: train
      parameters:
      - {name: context, default: ''}
      - {name: epochs, type: int, default: 3}
  build: {functionSourceCode: aW1wb3J0IG9z, origin_filename: ''}
  env:
  - {name: MODE, value: fast}
  - {name: HF, valueFrom: {secretKeyRef: {name: nlp-secrets, key: token}}}
  resources: {requests: {cpu: 1, memory: 1Gi}, limits: {nvidia.com/gpu: 1}}
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: d}}
  - {name: lake, flexVolume: {driver: v3io/fuse}}
  volume_mounts:
  - {name: data, mountPath: /data}
  - {name: lake, mountPath: /lake}
  priority_class_name: high
  disable_auto_mount: true
  affinity: null
"""


def test_what_maps_of_an_mlrun_function_is_in_our_words() -> None:
    found = parse_function(MLRUN)
    assert isinstance(found, FunctionFile)
    assert (found.name, found.tag, found.labels) == ("train-model", "1.2", {"framework": "sklearn"})
    assert found.function.settings == {
        "kind": "job",
        "image": "registry.example.com/ml/train:1",
        "parameters": {"epochs": 3},
        "env": [
            {"name": "MODE", "value": "fast"},
            {"name": "HF", "secret": {"name": "nlp-secrets", "key": "token"}},
        ],
        "resources": {
            "requests": {"cpu": "1", "memory": "1Gi"},
            "gpus": {"type": "nvidia.com/gpu", "count": 1},
        },
        "volumes": [{"name": "data", "pvc": "d", "mount": "/data"}],
        "priority_class": "high",
        "auto_mount": False,
    }


def test_defaults_of_parameters_that_are_false_zero_or_empty_are_kept() -> None:
    text = b"""
metadata: {name: a}
spec:
  image: i
  default_handler: train
  entry_points:
    train:
      parameters:
      - {name: context}
      - {name: dataset, default: ''}
      - {name: suffix, type: str, default: ''}
      - {name: epochs, type: int, default: 0}
      - {name: shuffle, type: bool, default: false}
      - {name: columns, type: list, default: []}
      - {name: seed, type: int, default: null}
"""
    found = parse_function(text)
    assert isinstance(found, FunctionFile)
    assert found.function.settings["parameters"] == {
        "suffix": "",
        "epochs": 0,
        "shuffle": False,
        "columns": [],
    }


def test_what_does_not_map_is_named_with_its_place() -> None:
    found = parse_function(MLRUN)
    assert isinstance(found, FunctionFile)
    assert {(each.path, each.code) for each in found.function.warnings} == {
        ("/spec/description", "not_mapped"),
        ("/spec/build", "not_mapped"),
        ("/spec/default_handler", "not_mapped"),
        ("/spec/volumes/1", "not_mapped"),
    }


def test_the_handler_of_a_function_that_stays_maps() -> None:
    text = b"kind: remote\nmetadata: {name: a}\nspec: {image: i, default_handler: 'main:handler'}"
    found = parse_function(text)
    assert isinstance(found, FunctionFile)
    assert found.function.settings["kind"] == "nuclio"
    assert found.function.settings["nuclio"] == {"handler": "main:handler"}


def test_a_tag_that_is_not_given_is_latest() -> None:
    found = parse_function(b"kind: job\nmetadata: {name: a}\nspec: {}")
    assert isinstance(found, FunctionFile)
    assert found.tag == FUNCTION_TAG_DEFAULT


def test_every_violation_of_a_file_has_its_place() -> None:
    text = b"kind: jub\nmetadata: {name: 'a b'}\nspec: {replicas: -1, project: p}\nmore: 1"
    found = parse_function(text)
    assert isinstance(found, Refused)
    assert {(each.path, each.code) for each in found.violations} == {
        ("/kind", "invalid_value"),
        ("/metadata/name", "invalid_name"),
        ("/spec/replicas", "out_of_range"),
        ("/spec/project", "not_allowed"),
        ("/more", "unknown_key"),
    }


def test_a_file_with_objects_of_python_is_refused() -> None:
    found = parse_function(b"kind: job\nmetadata: !!python/object/apply:os.system [id]\nspec: {}")
    assert isinstance(found, Refused)


def test_no_literal_that_looks_like_a_credential_is_echoed() -> None:
    text = (
        b"kind: job\nmetadata: {name: a}\n"
        b"spec: {env: [{name: AWS_SECRET_ACCESS_KEY, value: CANARY, extra: CANARY}],\n"
        b"  volumes: [{name: v, mount: /v, v3io: {container: c, access_key: CANARY}}]}"
    )
    found = parse_function(text)
    assert isinstance(found, Refused)
    assert "CANARY" not in repr(found)


def test_a_function_is_the_level_between_the_defaults_and_the_run() -> None:
    function = from_catalogue("hub://train-model:1.2", MLRUN)
    assert isinstance(function, Function)
    raw = {
        "name": "a",
        "function": "hub://train-model:1.2",
        "env": [{"name": "MODE", "value": "x"}],
    }
    defaults = Defaults(service={"image": "other:1"}, allowed_priority_classes=("high",))
    found = resolve(raw, project="p", defaults=defaults, default_user="", function=function)
    assert isinstance(found, Resolved), found
    assert found.document.image == "registry.example.com/ml/train:1"
    assert found.origins["/image"] == Level.FUNCTION
    assert found.origins["/env/MODE"] == Level.RUN
    assert [each.level for each in found.overrode["/image"]] == ["service"]
    assert {each.path for each in found.warnings} == {"/function"}


def test_a_document_whose_function_is_not_at_hand_says_so() -> None:
    raw = {"name": "a", "kind": "job", "function": "hub://t"}
    found = resolve(raw, project="p", defaults=Defaults(), default_user="")
    assert isinstance(found, Refused)
    assert [(each.path, each.code) for each in found.violations] == [
        ("/image", "required"),
        ("/function", "not_checked"),
    ]


def test_a_missing_name_or_tag_is_refused_with_the_nearest() -> None:
    known = ["finetune:1.1", "finetune:1.2"]
    wanted = FunctionName(None, "finetuen", "latest")
    assert "did you mean finetune?" in str(no_such_function(wanted, known).violations[0].hint)
    wanted = FunctionName(None, "finetune", "9")
    assert "tags 1.1, 1.2" in str(no_such_function(wanted, known).violations[0].hint)


def test_a_source_that_is_not_set_up_is_refused_with_those_that_are() -> None:
    refused = no_such_source(FunctionName("taem", "a"), {"team", "hub"})
    (violation,) = refused.violations
    assert (violation.code, violation.allowed) == ("not_found", ["hub", "team"])
    assert violation.hint == "did you mean hub://team/a?"


def test_only_a_reference_that_can_be_looked_up_is_looked_up() -> None:
    assert reference_in({"function": "hub://team/a:1"}) == FunctionName("team", "a", "1")
    assert reference_in({"function": "a"}) is None
    assert reference_in([]) is None
