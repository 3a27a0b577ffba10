"""What the documentation shows works: each block of Python is carried out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import runbus.sdk
from runbus.sdk import Function
from support.observing import PAGE

ROOT = Path(__file__).resolve().parents[2]
MIGRATION = ROOT / "docs" / "migrating-from-mlrun.md"


def blocks_of(path: Path) -> list[str]:
    """Return the blocks of Python on a page."""
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def test_every_block_of_the_migration_page_runs_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, Any] = {}
    blocks = blocks_of(MIGRATION)
    for block in blocks:
        exec(compile(block, str(MIGRATION), "exec"), names)
    assert len(blocks) >= 4
    assert "a space in it: write 32Gi" in capsys.readouterr().out
    for each in (names["fn"], names["etl"], names["ranker"]):
        assert isinstance(each, Function)
        assert each.check() == ()


def test_the_python_of_the_readme_builds_a_right_document() -> None:
    (block,) = blocks_of(ROOT / "README.md")
    names: dict[str, Any] = {}
    exec(compile(block.partition("run = fn.run")[0], "README.md", "exec"), names)
    assert names["fn"].check() == ()


def test_every_call_that_the_page_says_is_the_same_is_there() -> None:
    page = MIGRATION.read_text(encoding="utf-8")
    same = page[page.index("## The same") : page.index("## Better")]
    names = {name for cell in re.findall(r"^\| (.*?) \|", same, re.MULTILINE)
             for name in re.findall(r"`(?:apply\()?([a-z][a-z_0-9]+)", cell)}  # fmt: skip
    names -= {"spec", "job", "kind"}
    missing = [
        name for name in names if not hasattr(Function, name) and name not in runbus.sdk.__all__
    ]
    assert missing == []
    assert len(names) > 30


def test_every_link_of_the_pages_for_users_leads_somewhere() -> None:
    broken = []
    for page in (MIGRATION, ROOT / "docs" / "settings.md", ROOT / "docs" / "deploying.md", PAGE,
                 ROOT / "README.md", ROOT / "examples" / "README.md"):  # fmt: skip
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []
