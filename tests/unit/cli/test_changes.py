"""`--set` and the flags for settings: how they are read, and what they do to a document."""

from __future__ import annotations

from typing import Any

import pytest

from runbus.cli.changes.assigning import AssignError, assigned
from runbus.cli.changes.flagged import changes_of, document_of
from runbus.cli.changes.paths import PathError, Step, path_text, read_path, split_assignment
from runbus.cli.changes.values import assignment, text_assignment, value_of
from runbus.cli.setting_flags import SettingFlags


def set_in(document: dict[str, Any], *texts: str) -> dict[str, Any]:
    """Return a document after `--set` with each of the texts."""
    return assigned(document, [assignment("--set", text) for text in texts])


def flagged(*command: str, **flags: Any) -> dict[str, Any]:
    """Return what flags make of an empty document."""
    return assigned({}, changes_of(SettingFlags(**flags), command))


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("image", (Step("image"),)),
        ("state_thresholds.running", (Step("state_thresholds"), Step("running"))),
        ("args[0]", (Step("args"), Step("0", is_place=True))),
        ("args[+]", (Step("args"), Step("+", is_place=True))),
        ("env[A].value", (Step("env"), Step("A", is_place=True), Step("value"))),
        (r"labels.a\.b/c", (Step("labels"), Step("a.b/c"))),
        ('labels."a.b/c"', (Step("labels"), Step("a.b/c"))),
        ("labels['a=b']", (Step("labels"), Step("a=b"))),
        ("a[0][1]", (Step("a"), Step("0", is_place=True), Step("1", is_place=True))),
    ],
)
def test_a_path_is_taken_apart_into_its_steps(text: str, steps: tuple[Step, ...]) -> None:
    assert read_path(text) == steps
    assert read_path(path_text(steps)) == steps


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image", "there is no `=`"),
        ("=x", "a key is missing at character 1"),
        ("a..b=1", "a key is missing at character 3"),
        ("a.=1", "a key is missing"),
        ("args[0=x", "the `[` at character 5 has no `]`"),
        ("args[]=x", "nothing stands in `[]`"),
        ('a["b=x', "has no end"),
        ('a["b"=x', "a `]` is missing"),
        ("args[0]x=1", "there is no `=`"),
        (".".join(["a"] * 40) + "=1", "deeper than"),
    ],
)
def test_a_text_that_is_no_path_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(PathError) as caught:
        split_assignment(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ("", ""),
        ("30m", "30m"),
        ("1:30", "1:30"),
        ("on", "on"),
        ("a: b", "a: b"),
        ("#x", "#x"),
        ("-1", -1),
        ('"3"', "3"),
        ("'3'", "3"),
        ("[a, 1]", ["a", 1]),
        ("{a: 1}", {"a": 1}),
        ('{"a": [true]}', {"a": [True]}),
        ("registry.example.com:5000/x:3", "registry.example.com:5000/x:3"),
    ],
)
def test_values_are_read_as_in_documents(text: str, value: object) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize("text", ["[a", "{a: 1", '"x', ".inf", "9" * 30])
def test_a_value_that_cannot_be_read_is_refused_and_its_argument_named(text: str) -> None:
    with pytest.raises(PathError, match="--set a="):
        assignment("--set", f"a={text}")


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("image=y", {"image": "y"}),
        ("args[0]=y", {"args": ["y", "b"]}),
        ("args.1=y", {"args": ["a", "y"]}),
        ("args[2]=y", {"args": ["a", "b", "y"]}),
        ("args[+]=y", {"args": ["a", "b", "y"]}),
        ("args[0]=null", {"args": ["b"]}),
        ("args=null", {"args": None}),
        ("labels.a=null", {"labels": {}}),
        ("labels[b]=2", {"labels": {"a": "1", "b": 2}}),
        ("env[A].value=5", {"env": [{"name": "A", "value": "5"}]}),
        ("env[B].value=5", {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "5"}]}),
        ("env[A]=null", {"env": []}),
        ("env[none]=null", {}),
        ("volumes[d].pvc=x", {"volumes": [{"name": "d", "pvc": "x"}]}),
        ("resources.requests.cpu=2", {"resources": {"requests": {"cpu": 2}}}),
        ("tolerations[+].key=k", {"tolerations": [{"key": "k"}]}),
        ("nothing.at.all=null", {}),
    ],
)
def test_set_changes_what_its_path_names_and_nothing_else(
    text: str, changed: dict[str, Any]
) -> None:
    document = {
        "image": "x",
        "args": ["a", "b"],
        "labels": {"a": "1"},
        "env": [{"name": "A", "value": "1"}],
    }
    expected = {key: value for key, value in {**document, **changed}.items() if value is not None}
    assert set_in(document, text) == expected
    assert document["args"] == ["a", "b"]
    assert document["env"] == [{"name": "A", "value": "1"}]


@pytest.mark.parametrize(
    ("text", "told", "way_out"),
    [
        ("args[5]=x", "--set args[5]=x: args has 1 element", "the next one is args[1]"),
        ("args[1]=null", "args has 1 element", "args[+]"),
        ("args[x]=y", "its elements have no names", "args[0]"),
        ("image.tag=3", "image is text", "set image as a whole"),
        ("labels[0]=x", "labels is a mapping, not a list", "its keys: a"),
        ("env[A]=5", "env[A] is an entry with a name, not a number", "env[A].value"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_with_the_way_out(
    text: str, told: str, way_out: str
) -> None:
    document = {
        "image": "x",
        "args": ["a"],
        "labels": {"a": "1"},
        "env": [{"name": "A", "value": "1"}],
    }
    with pytest.raises(AssignError) as caught:
        set_in(document, text)
    assert told in str(caught.value)
    assert way_out in caught.value.way_out


def test_set_string_keeps_the_text_as_it_is() -> None:
    changes = [text_assignment("--set-string", "labels.version=1.10")]
    assert assigned({}, changes) == {"labels": {"version": "1.10"}}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"project": "nlp", "name": "x"}, {"project": "nlp", "name": "x"}),
        ({"env": ("A=1=2",)}, {"env": [{"name": "A", "value": "1=2"}]}),
        ({"env_secret": ("T=s:k",)}, {"env": [{"name": "T", "secret": {"name": "s", "key": "k"}}]}),
        (
            {"env_config_map": ("T=m:k",)},
            {"env": [{"name": "T", "config_map": {"name": "m", "key": "k"}}]},
        ),
        ({"param": ("n=3", "l=[1]")}, {"parameters": {"n": 3, "l": [1]}}),
        ({"label": ("a.b/c=3",)}, {"labels": {"a.b/c": "3"}}),
        ({"node_selector": ("zone=",)}, {"node_selector": {"zone": ""}}),
        ({"threshold": ("running=-1",)}, {"state_thresholds": {"running": "-1"}}),
        ({"cpu": "500m"}, {"resources": {"requests": {"cpu": "500m"}}}),
        (
            {"memory": "1Gi:2Gi"},
            {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}},
        ),
        ({"cpu": ":2"}, {"resources": {"limits": {"cpu": "2"}}}),
        ({"gpu": "2"}, {"resources": {"gpus": {"count": 2}}}),
        ({"gpu": "amd.com/gpu=1"}, {"resources": {"gpus": {"type": "amd.com/gpu", "count": 1}}}),
        (
            {"volume": ("pvc=data,mount=/data,read_only",)},
            {"volumes": [{"name": "data", "pvc": "data", "mount": "/data", "read_only": True}]},
        ),
        (
            {"volume": ("name=tmp,empty_dir.medium=Memory,mount=/s",)},
            {"volumes": [{"name": "tmp", "empty_dir": {"medium": "Memory"}, "mount": "/s"}]},
        ),
        (
            {"toleration": ("gpu:NoSchedule", "a=b", ":NoExecute")},
            {
                "tolerations": [
                    {"operator": "Exists", "key": "gpu", "effect": "NoSchedule"},
                    {"operator": "Equal", "key": "a", "value": "b"},
                    {"operator": "Exists", "effect": "NoExecute"},
                ]
            },
        ),
        (
            {"retry": "2", "retry_on": ("user",), "retry_backoff": "5s"},
            {"retry": {"limit": 2, "on": ["user"], "backoff": "5s"}},
        ),
        ({"image": "x", "set": ("image=y",)}, {"image": "y"}),
    ],
)
def test_a_flag_is_its_setting_of_the_document(
    flags: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert flagged(**flags) == expected


def test_a_command_replaces_the_one_of_the_document_with_its_arguments() -> None:
    changes = changes_of(SettingFlags(), ("python", "-m", "x"))
    assert assigned({"command": "sh", "args": ["a", "b", "c"]}, changes) == {
        "command": ["python"],
        "args": ["-m", "x"],
    }
    assert assigned({"args": ["a"]}, changes_of(SettingFlags(), ("env",))) == {"command": ["env"]}


def test_a_run_without_a_file_is_a_job_unless_told_otherwise() -> None:
    assert document_of(changes_of(SettingFlags(project="p")))["kind"] == "job"
    assert document_of(changes_of(SettingFlags(kind="dask")))["kind"] == "dask"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"env": ("A",)}, "--env A: write it as NAME=VALUE"),
        ({"env_secret": ("T=s",)}, "--env-secret T=s: write it as NAME=SECRET:KEY"),
        ({"threshold": ("running",)}, "--threshold running: write it as STATE=DURATION"),
        ({"label": ("=x",)}, "write it as KEY=VALUE"),
        ({"gpu": "many"}, "--gpu many: write it as a whole number"),
        ({"retry": "often"}, "--retry often: write it as a whole number"),
        ({"cpu": ""}, "write it as REQUEST"),
        ({"volume": ("mount=/x,empty_dir",)}, "the volume has no name"),
        ({"volume": ("data",)}, "write it as name=data"),
        ({"toleration": ("",)}, "write it as KEY"),
        ({"set": ("image",)}, "--set image: there is no `=`"),
    ],
)
def test_a_flag_that_cannot_be_taken_apart_says_what_it_looks_like(
    flags: dict[str, Any], told: str
) -> None:
    with pytest.raises(PathError) as caught:
        flagged(**flags)
    assert told in str(caught.value)
