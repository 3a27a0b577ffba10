"""The page on settings: fresh, complete, and every example on it is right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from runbus.cli.settings_page.__main__ import main
from runbus.cli.settings_page.describing import Described, described, taken_apart
from runbus.cli.settings_page.examples import DOCUMENTS, EXAMPLES, LEAST
from runbus.cli.settings_page.page import example_of, settings_page
from runbus.cli.settings_page.probing import shipped_defaults
from runbus.contracts.document import RunDocument
from runbus.contracts.states import ROLES_BY_KIND, Kind
from runbus.contracts.structure import check
from runbus.settings.defaults import Defaults
from runbus.settings.model import Resolved
from runbus.settings.resolve import resolve
from runbus.settings.shipped import SHIPPED

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"
KINDS = [each for each in Kind if each is not Kind.UNKNOWN]


def every_setting() -> list[Described]:
    """Return all settings, of the roles those of one; what is inside them is the run's own."""
    found = [each for top in described(RunDocument) for each in (top, *taken_apart(top))]
    shown = [each for each in found if each.keys[0] != "roles" or each.keys[1:2] == ("executor",)]
    return [each for each in shown if each.keys[0] != "roles" or len(each.keys) <= 3]


def yaml_blocks() -> list[Any]:
    """Return the documents that stand on the page."""
    blocks = re.findall(r"```yaml\n(.*?)```", settings_page(), re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


def test_the_committed_page_is_that_of_the_contracts() -> None:
    assert main(["--check"]) == 0
    assert PAGE.read_text(encoding="utf-8") == settings_page()


def test_every_setting_has_an_example_and_says_what_it_is() -> None:
    settings = every_setting()
    without = [each.path for each in settings if example_of(each.keys) is None]
    assert without == ["state_thresholds.executing"]  # another name of `running`
    assert [each.path for each in settings if not (each.description or each.inner)] == []
    assert len(settings) > 100


@pytest.mark.parametrize("key", EXAMPLES)
def test_every_example_is_right(key: str) -> None:
    assert check({key: EXAMPLES[key]}).violations == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_of_each_kind_is_accepted(kind: Kind) -> None:
    document = dict(DOCUMENTS[kind])
    found = resolve(document, project=None, defaults=Defaults(), default_user="")
    assert isinstance(found, Resolved), found
    assert (document["kind"], kind in LEAST) == (kind.value, True)


def test_every_block_on_the_page_is_right() -> None:
    blocks = yaml_blocks()
    assert {str(check(each).violations) for each in blocks} == {"()"}
    assert {each["kind"] for each in blocks if "kind" in each} == {each.value for each in KINDS}


def test_the_defaults_on_the_page_are_those_that_are_shipped() -> None:
    assert shipped_defaults(Kind.JOB)["/ttl_after_finish"] == SHIPPED["ttl_after_finish"]
    limits = SHIPPED["state_thresholds"]
    found = shipped_defaults(Kind.JOB)
    assert {key: found[f"/state_thresholds/{key}"] for key in limits} == limits


def test_the_roles_of_all_kinds_are_those_that_a_document_can_have() -> None:
    roles = {each.keys[1] for top in described(RunDocument) for each in taken_apart(top)
             if top.keys == ("roles",)}  # fmt: skip
    assert {role for known in ROLES_BY_KIND.values() for role in known} == roles
