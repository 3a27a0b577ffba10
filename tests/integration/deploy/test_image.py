"""The image, built by following its Dockerfile without an engine, and run as its own user."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbus.cli.stack.probe import get
from runbus.contracts.transitions import Publisher
from support.images import Builder, Instruction, ignored, instructions, is_sent
from support.ports import free_port
from support.stack import running_nats

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
STEPS = instructions(DOCKERFILE.read_text(encoding="utf-8"))
READY_S = 30.0

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]  # it installs everything anew


@pytest.fixture(scope="module")
def image() -> Iterator[Builder]:
    folder = Path(tempfile.mkdtemp(prefix="runbus-image-"))
    folder.chmod(0o755)
    try:
        builder = Builder(ROOT, folder, os.path.realpath(sys.executable))
        builder.follow(STEPS)
        yield builder
    finally:
        shutil.rmtree(folder)


def test_the_image_runs_as_a_user_with_no_rights_and_a_number_for_kubernetes_to_check(
    image: Builder,
) -> None:
    assert image.image.user == "65532:65532"
    assert image.image.ports == ["8080"]


def test_without_a_command_it_shows_its_help(image: Builder) -> None:
    done = image.run([])
    assert done.returncode == 0, done.stderr
    assert "services" in done.stdout


@pytest.mark.parametrize("service", [each.value for each in Publisher])
def test_the_command_picks_the_service(image: Builder, service: str) -> None:
    done = image.run(["services", "run", service], RUNBUS_DRAIN_S="soon")
    assert done.returncode == 2
    assert f"{service}: settings that cannot be used" in done.stderr


async def test_a_service_of_the_image_works_and_ends_on_sigterm(
    image: Builder, tmp_path: Path
) -> None:
    async with running_nats(tmp_path) as nats:
        init = await asyncio.to_thread(image.run, ["init"], RUNBUS_NATS_URL=nats.url)
        assert init.returncode == 0, init.stderr
        free = free_port()
        environment = image.environment() | {
            "RUNBUS_NATS_URL": nats.url,
            "RUNBUS_HEALTH_PORT": str(free),
        }
        process = await asyncio.create_subprocess_exec(
            *image.command_line(["services", "run", "scheduler"]),
            env=environment,
            cwd="/",
            stderr=asyncio.subprocess.DEVNULL,
            **image.identity(),
        )
        try:
            async with asyncio.timeout(READY_S):
                while (await get(f"http://127.0.0.1:{free}/readyz"))[0] != 200:
                    await asyncio.sleep(0.1)
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def test_neither_a_package_installer_nor_tests_nor_sources_are_in_the_image(image: Builder) -> None:
    installed = {path.name for path in image.at("/opt/runbus").rglob("site-packages/*")}
    assert not {"pip", "hatchling", "pytest", "nats_server"} & installed
    assert [path.name for path in image.at("/opt").iterdir()] == ["runbus"]
    assert not image.at("/src").exists()


def test_what_is_installed_is_locked_with_hashes() -> None:
    installs = [step.text for step in STEPS if step.word == "RUN"]
    for install in " ".join(installs).split("&&"):
        if " install " in install and "--no-index" not in install:
            assert "--require-hashes" in install
            assert "--only-binary :all:" in install
    for name in ("build", "services"):
        locked = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
        assert "--hash=sha256:" in locked


def test_the_build_gets_what_it_copies_and_nothing_else() -> None:
    rules = ignored(ROOT)
    assert is_sent("services/runbus/runtime/health.py", rules)
    assert is_sent("contracts/runbus/contracts/py.typed", rules)
    for path in (
        ".git/config",
        ".venv/bin/python",
        "tests/conftest.py",
        "contracts/golden/released.sha256",
        "services/runbus/runtime/__pycache__/health.cpython-313.pyc",
        "requirements/dev.txt",
        "deploy/nats/accounts.conf",
    ):
        assert not is_sent(path, rules)


def test_each_instruction_is_read_with_its_continued_lines() -> None:
    text = "# a\nFROM x AS y\nRUN a \\\n && b\nENV A=1 \\\n    B=2\n"
    assert instructions(text) == [
        Instruction("FROM", "x AS y"),
        Instruction("RUN", "a   && b"),
        Instruction("ENV", "A=1      B=2"),
    ]
