"""`runbus render`: the objects of every kind, without a bus or a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import yaml

from runbus.cli.defaults import read_defaults
from runbus.cli.exits import Exit
from runbus.cli.rendering import render_files
from support.documents import a_job

FUNCTION = {"nuclio": {"handler": "main:handler", "runtime": "python:3.11"}}
KINDS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("job", {}, ["Pod"]),
    ("mpijob", {"command": "train", "replicas": 2}, ["MPIJob"]),
    ("spark", {"command": "local:///a.py", "spark": {"version": "3.5.6"}}, ["SparkApplication"]),
    ("dask", {"min_replicas": 1, "max_replicas": 2}, ["DaskCluster", "DaskAutoscaler"]),
    (
        "dask",
        {"command": "python", "dask": {"mode": "job"}, "min_replicas": 1, "max_replicas": 2},
        ["DaskJob", "DaskAutoscaler"],
    ),
    ("nuclio", FUNCTION, ["NuclioProject", "NuclioFunction"]),
    ("serving", FUNCTION, ["NuclioProject", "NuclioFunction"]),
]


def _written(folder: Path, document: dict[str, Any]) -> str:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


def _render(path: str, output: Literal["yaml", "json"], defaults: Path | None = None) -> Exit:
    return render_files(
        [path], read_defaults(defaults), run_id="0f3a9c1d7b52", attempt=2, output=output
    )


@pytest.mark.parametrize(("kind", "settings", "kinds"), KINDS)
def test_every_kind_is_printed_as_yaml_and_as_json(
    kind: str,
    settings: dict[str, Any],
    kinds: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = _written(tmp_path, a_job(kind=kind, **settings))
    assert _render(path, "yaml") is Exit.DONE
    objects = list(yaml.safe_load_all(capsys.readouterr().out))
    assert _render(path, "json") is Exit.DONE
    whole = msgspec.json.decode(capsys.readouterr().out)
    assert [each["kind"] for each in objects] == kinds
    assert whole == {"apiVersion": "v1", "kind": "List", "items": objects}


def test_the_run_and_its_attempt_are_in_name_and_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _render(_written(tmp_path, a_job()), "yaml")
    metadata = yaml.safe_load(capsys.readouterr().out)["metadata"]
    assert metadata["name"] == "finetune-0f3a9c1d7b52-2"
    assert metadata["labels"]["runbus.dev/run-id"] == "0f3a9c1d7b52"


def test_the_operators_defaults_are_in_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    defaults = tmp_path / "defaults.yaml"
    toleration = {"key": "gpu", "operator": "Exists"}
    content = {"gpu_tolerations": [toleration], "namespaces": {"nlp": "team-nlp"}}
    defaults.write_text(yaml.safe_dump(content), encoding="utf-8")
    _render(_written(tmp_path, a_job(resources={"gpus": {"count": 1}})), "yaml", defaults)
    pod = yaml.safe_load(capsys.readouterr().out)
    assert pod["metadata"]["namespace"] == "team-nlp"
    assert pod["spec"]["tolerations"] == [toleration]


def test_a_refused_document_prints_no_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _render(_written(tmp_path, a_job(nmae="x")), "yaml") is Exit.REFUSED
    printed = capsys.readouterr()
    assert (printed.out, "/nmae" in printed.err) == ("", True)
