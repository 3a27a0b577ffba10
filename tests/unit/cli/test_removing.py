"""A key taken out of a text: what else it says, and how it is written, stays."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.cli.changes.paths import read_path
from runbus.cli.changes.removing import Removed, without
from runbus.settings.model import Read
from runbus.settings.reading import read_documents

TEXT = """\
# ours
defaults:
  ttl_after_finish: 2h  # long
  # why there are two
  env:
    - {name: A, value: "1"}
    - {name: B, value: "2"}
  node_selector: {pool: cpu, zone: a}
# limits
limits: {concurrent_runs: 5}
projects:
  nlp:
    caps:
      replicas: 8
"""


def said(text: str) -> Any:
    (read,) = read_documents(text)
    assert isinstance(read, Read)
    return read.value


def removed(path: str, text: str = TEXT) -> Removed:
    found = without(text, said(text), read_path(path))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("defaults.ttl_after_finish", "  ttl_after_finish: 2h  # long\n"),
        (
            "defaults.env",
            '  env:\n    - {name: A, value: "1"}\n    - {name: B, value: "2"}\n',
        ),
        ("defaults.node_selector.pool", "pool: cpu, "),
        ("defaults.node_selector.zone", ", zone: a"),
        ("defaults.node_selector", "  node_selector: {pool: cpu, zone: a}\n"),
        ("limits.concurrent_runs", "limits: {concurrent_runs: 5}\n"),
        ("projects.nlp.caps.replicas", "projects:\n  nlp:\n    caps:\n      replicas: 8\n"),
    ],
)
def test_a_key_is_cut_out_with_what_is_empty_then_and_all_else_stays(path: str, gone: str) -> None:
    assert removed(path) == Removed(TEXT.replace(gone, ""), is_anew=False)


def test_what_cannot_be_cut_out_is_written_anew() -> None:
    found = removed("defaults.env[A]")
    assert found.is_anew
    assert said(found.text)["defaults"]["env"] == [{"name": "B", "value": "2"}]
    assert said(found.text)["limits"] == {"concurrent_runs": 5}


def test_a_list_that_is_empty_then_stays() -> None:
    found = removed("caps.host_paths[0]", "caps: {host_paths: [/mnt]}\n")
    assert said(found.text) == {"caps": {"host_paths": []}}


def test_json_stays_json() -> None:
    assert removed("limits", '{"limits": {}, "caps": {"replicas": 8}}').text == (
        '{"caps": {"replicas": 8}}'
    )


def test_the_last_key_leaves_an_empty_mapping() -> None:
    assert said(removed("limits", "limits: {concurrent_runs: 5}  # five\n").text) == {}


@pytest.mark.parametrize("path", ["caps", "limits.gpus", "projects.vision.caps", "defaults.env[C]"])
def test_what_is_not_there_cannot_be_taken_out(path: str) -> None:
    assert without(TEXT, said(TEXT), read_path(path)) is None
