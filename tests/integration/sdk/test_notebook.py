"""The notebook, carried out while a loop runs, and what a real browser makes of it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import pytest_asyncio

from support.system import System

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "examples" / "notebook_picture.py"
PNG = b"\x89PNG\r\n\x1a\n"
TIMEOUT_S = 100

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebook_picture", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(system: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page that the notebook comes to, carried out as a process of its own."""
    target = tmp_path_factory.mktemp("notebook") / "page.html"
    environment = {**os.environ, "RUNBUS_NATS_URL": system.stack.nats_url}
    return await asyncio.to_thread(carried_out, target, environment)


def carried_out(target: Path, environment: dict[str, str]) -> str:
    """Carry the notebook out and return its page; a warning of Python counts as an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, target],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return target.read_text(encoding="utf-8")


async def test_the_cells_show_a_function_and_a_run_up_to_its_abort(page: str) -> None:
    assert page.count(">running</span>") == 2
    assert re.search(r"[67]\d% of 20s, \ds left", page)
    assert "aborted after 20s in running" in page
    assert "a space in it: write 256M" in page


async def test_a_browser_draws_the_page(script: ModuleType, page: str, tmp_path: Path) -> None:
    if script.find_browser() is None:
        pytest.skip(f"no browser is here: none of {', '.join(script.BROWSERS)}")
    await asyncio.to_thread(_drawn, script, page, tmp_path)


def _drawn(script: ModuleType, page: str, folder: Path) -> None:
    target, source = folder / "page.png", folder / "page.html"
    script.picture(page, target)
    assert target.read_bytes().startswith(PNG)
    assert target.stat().st_size > 20_000  # an empty page of this size has 5,000
    source.write_text(page, encoding="utf-8")
    dom = script.browse("--dump-dom", str(source))
    assert "aborted</span>" in dom
    assert "<script" not in dom
