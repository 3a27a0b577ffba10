"""The generated files: fresh, valid, complete in themselves, and as strict as they should be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from runbus.contracts.export.__main__ import main
from runbus.contracts.export.files import expected_files
from runbus.contracts.export.published import BODIES, Body
from runbus.contracts.export.schemas import schema_of
from runbus.contracts.export.yaml_text import yaml_text

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
SMALL = {"project": "p", "name": "a", "kind": "job", "image": "busybox:1"}
all_bodies = pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)


def references(node: object) -> set[str]:
    """Return every `$ref` below a node."""
    if isinstance(node, dict):
        inner: set[str] = set().union(*(references(value) for value in node.values()), set())
        return inner | ({node["$ref"]} if isinstance(node.get("$ref"), str) else set())
    if isinstance(node, list):
        return set().union(*(references(item) for item in node), set())
    return set()


def document_schema() -> Draft202012Validator:
    """Return the schema of the run document as users write it."""
    (body,) = (body for body in BODIES if body.is_input)
    return Draft202012Validator(schema_of(body))


def test_the_committed_files_are_those_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--check"])
    assert (code, capsys.readouterr().err) == (0, "")


def test_the_check_names_every_stale_missing_and_surplus_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--to", str(tmp_path)])
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 2.0.0\n", encoding="utf-8")
    (tmp_path / "schemas/v1/run.held.v1.schema.json").unlink()
    (tmp_path / "schemas/v1/run.lost.v1.schema.json").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert main(["--check", "--to", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "stale: asyncapi.yaml",
        "missing: schemas/v1/run.held.v1.schema.json",
        "surplus: schemas/v1/run.lost.v1.schema.json",
        "write them anew: make contracts",
    ]


def test_what_was_written_is_fresh_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    foreign = tmp_path / "schemas" / "v1" / "theirs.schema.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("{}", encoding="utf-8")
    assert main(["--to", str(tmp_path)]) == 0
    assert foreign.exists()
    foreign.unlink()
    assert main(["--check", "--to", str(tmp_path)]) == 0


def test_a_folder_that_does_not_exist_cannot_be_checked(tmp_path: Path) -> None:
    assert main(["--check", "--to", str(tmp_path / "nowhere")]) == 2


def test_the_same_sources_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "runbus.contracts.export", "--to", str(tmp_path / seed)]
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, check=True, timeout=60)
    written = [
        {path.relative_to(tmp_path / seed): path.read_bytes() for path in _files(tmp_path / seed)}
        for seed in ("1", "2")
    ]
    assert written[0] == written[1]
    assert len(written[0]) == len(expected_files())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_every_file_ends_with_one_newline_and_has_no_spaces_before_it() -> None:
    for path, text in expected_files().items():
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert [line for line in text.splitlines() if line != line.rstrip()] == [], path


@all_bodies
def test_a_schema_is_valid_and_names_itself(body: Body) -> None:
    schema = schema_of(body)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"https://runbus.dev/schemas/v1/{body.name}.schema.json"
    assert schema["title"] == body.struct.__name__
    assert schema["description"]


@all_bodies
def test_a_schema_is_complete_in_itself(body: Body) -> None:
    schema = schema_of(body)
    defined = {f"#/$defs/{name}" for name in schema.get("$defs", {})}
    assert references(schema) <= defined
    assert defined <= references(schema)


@all_bodies
def test_no_schema_offers_the_word_that_readers_use_for_unknown_members(body: Body) -> None:
    enums = [
        choice["enum"]
        for definition in schema_of(body).get("$defs", {}).values()
        for choice in (definition, *definition.get("anyOf", ()))
        if "enum" in choice
    ]
    assert [members for members in enums if "unknown" in members] == []


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(SMALL, id="the least"),
        pytest.param({**SMALL, "resources": {"limits": {"cpu": 4}}}, id="a number as a quantity"),
        pytest.param({**SMALL, "command": ["python", "-m", "x"]}, id="a list as command"),
        pytest.param({**SMALL, "workdir": None}, id="null is not given"),
        pytest.param({**SMALL, "state_thresholds": {"running": "6h"}}, id="a threshold"),
    ],
)
def test_the_schema_of_the_document_takes_what_may_be_submitted(document: Any) -> None:
    assert list(document_schema().iter_errors(document)) == []


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="nothing"),
        pytest.param({**SMALL, "imgae": "x"}, id="an unknown key"),
        pytest.param({**SMALL, "resources": {"cpu": 1}}, id="an unknown key further down"),
        pytest.param({**SMALL, "project": None}, id="a required setting is null"),
        pytest.param({**SMALL, "kind": "unknown"}, id="the word for kinds of later releases"),
        pytest.param({**SMALL, "kind": "cronjob"}, id="a kind that does not exist"),
        pytest.param({**SMALL, "name": "n" * 27}, id="a name that is too long"),
        pytest.param({**SMALL, "project": "NLP"}, id="a project that is no DNS label"),
        pytest.param({**SMALL, "args": "one text"}, id="text for a list"),
        pytest.param({**SMALL, "state_thresholds": {"running": 6}}, id="a number as threshold"),
        pytest.param({**SMALL, "state_thresholds": {"running": None}}, id="null as threshold"),
        pytest.param({**SMALL, "env": [{"name": "A", "value": None}]}, id="null as env value"),
        pytest.param({**SMALL, "env": [{"name": "A", "value": 3}]}, id="a number as env value"),
    ],
)
def test_the_schema_of_the_document_refuses_what_the_settings_refuse(document: Any) -> None:
    assert not document_schema().is_valid(document)


_finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | _finite | st.text()
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), trees, max_size=5))
def test_yaml_is_read_as_it_was_meant(document: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text(document)) == document


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain-text_1.x/y", "key: plain-text_1.x/y"),
        ("two words", 'key: "two words"'),
        ("no", 'key: "no"'),
        ("True", 'key: "True"'),
        ("12", 'key: "12"'),
        ("", 'key: ""'),
        ("~", 'key: "~"'),
        (None, "key: null"),
        (True, "key: true"),
        (30.0, "key: 30.0"),
        ({}, "key: {}"),
        ([], "key: []"),
        ([1, {"a": 1, "b": [2]}], "key:\n  - 1\n  - a: 1\n    b:\n      - 2"),
        ([[1, 2], []], "key:\n  - - 1\n    - 2\n  - []"),
    ],
)
def test_yaml_quotes_only_what_could_be_taken_for_something_else(value: Any, line: str) -> None:
    assert yaml_text({"key": value}) == f"{line}\n"
