"""The example of the Python client, run as its page says: against a `runbus up`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.ups import Up

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 100

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc"),
]


def example(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the example to its end; a warning of Python counts as an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / "python_client.py"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


async def test_the_example_finds_the_bus_and_runs_to_its_end(tmp_path: Path) -> None:
    up = await asyncio.to_thread(Up, tmp_path)
    try:
        inherited = {key: each for key, each in os.environ.items() if not key.startswith("RUNBUS_")}
        done = await asyncio.to_thread(example, {**inherited, **up.environment})
    finally:
        up.stop()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    first, better, slow = done.stdout.splitlines()
    assert '"epochs": 3' in first
    assert '"epochs": 10' in better
    assert "aborted after 2s in running" in slow
