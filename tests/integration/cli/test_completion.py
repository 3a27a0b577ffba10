"""The Tab key in a real shell: commands, options, states, and runs as the bus knows them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from asyncio import to_thread
from pathlib import Path

import pytest

from runbus.sdk.defaults import store_defaults
from runbus.sdk.function_store import store_function
from support.buses import TestBus
from support.commands import Command
from support.runs import a_status

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

TAB = """
source "$1"; shift
COMP_WORDS=(runbus "$@"); COMP_CWORD=$#; COMP_LINE="runbus $*"; COMP_POINT=${#COMP_LINE}
_runbus
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(script: Path, url: str, *words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("RUNBUS_")}
    path = f"{Path(sys.executable).parent}:{inherited.get('PATH', '')}"
    done = subprocess.run(
        ["bash", "-c", TAB, "tab", str(script), *words],
        env={**inherited, "PATH": path, "RUNBUS_NATS_URL": url, "RUNBUS_STATE_DIR": str(script)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


@pytest.fixture
async def script(command: Command, tmp_path: Path) -> Path:
    """Return the file of bash's script."""
    path = tmp_path / "runbus.bash"
    path.write_text((await command("completion", "bash")).out)
    return path


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "runbus").exists(), reason="runbus is not installed"
)
async def test_bash_completes_commands_states_and_runs(bus: TestBus, script: Path) -> None:
    await bus.accept(a_status())
    assert "deadline" in await to_thread(offered, script, bus.nats.url, "dea")
    assert "--project" in await to_thread(offered, script, bus.nats.url, "list", "--pro")
    states = await to_thread(offered, script, bus.nats.url, "list", "--state", "run")
    assert states == ["running"]
    # A busy machine may need longer than a shell waits for the bus.
    for _ in range(20):
        runs = await to_thread(offered, script, bus.nats.url, "get", "abc")
        if runs:
            break
    assert runs == ["abcdefghij23"]


async def test_a_bus_that_is_not_there_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    command = Command({"RUNBUS_STATE_DIR": str(tmp_path), "RUNBUS_NATS_URL": "nats://127.0.0.1:1"})
    done = await command("__complete", "get", "abc")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_every_shell_has_a_script_with_all_commands(shell: str, tmp_path: Path) -> None:
    done = await Command({"RUNBUS_STATE_DIR": str(tmp_path)})("completion", shell)
    assert done.code == 0
    for word in ("submit", "rerun", "deadletters", "doctor", "--threshold", "__complete"):
        assert word.lstrip("-") in done.out


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "runbus").exists(), reason="runbus is not installed"
)
async def test_bash_completes_revisions_of_the_defaults(bus: TestBus, script: Path) -> None:
    await store_defaults(bus.bus, b"{}", author="alice", after=0)
    words = ("defaults", "get", "--revision", "")
    # A busy machine may need longer than a shell waits for the bus.
    for _ in range(20):
        revisions = await to_thread(offered, script, bus.nats.url, *words)
        if revisions:
            break
    assert revisions == ["1"]


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "runbus").exists(), reason="runbus is not installed"
)
async def test_bash_completes_functions_of_the_catalogue(bus: TestBus, script: Path) -> None:
    await store_function(bus.bus, "hello", "latest", b"{}", author="ann", after=0)
    # A busy machine may need longer than a shell waits for the bus.
    for _ in range(20):
        functions = await to_thread(offered, script, bus.nats.url, "function", "history", "he")
        if functions:
            break
    assert functions == ["hello"]
