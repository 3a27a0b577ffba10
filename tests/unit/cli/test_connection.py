"""Which bus and which cluster a command talks to."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runbus.cli.connection import (
    Context,
    choose_kubeconfig,
    choose_target,
    forget_context,
    read_context,
    without_secrets,
    write_context,
)
from runbus.cli.exits import Exit
from runbus.cli.problems import CliError
from runbus.sdk.addresses import CONTEXT_FILE, DEFAULT_NATS_URL


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"RUNBUS_STATE_DIR": str(tmp_path / "state")}


def a_context(pid: int) -> Context:
    return Context(nats_url="nats://t@127.0.0.1:7", kubeconfig="/k", dir="/d", pid=pid)


@pytest.fixture
def dead_pid() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_argument_goes_before_the_environment_before_up_before_the_default(
    environment: dict[str, str],
) -> None:
    assert choose_target(None, environment).nats_url == DEFAULT_NATS_URL
    write_context(a_context(os.getpid()), environment)
    assert choose_target(None, environment).nats_url == "nats://t@127.0.0.1:7"
    environment["RUNBUS_NATS_URL"] = "nats://environment:1"
    assert choose_target(None, environment).nats_url == "nats://environment:1"
    assert choose_target("nats://argument:2", environment).nats_url == "nats://argument:2"


def test_an_up_that_was_killed_is_told_with_the_way_out(
    environment: dict[str, str], dead_pid: int
) -> None:
    write_context(a_context(dead_pid), environment)
    with pytest.raises(CliError) as raised:
        choose_target(None, environment)
    assert raised.value.code is Exit.UNREACHABLE
    assert "runbus up" in raised.value.way_out


def test_the_kubeconfig_of_a_dead_up_is_not_used(
    environment: dict[str, str], dead_pid: int
) -> None:
    write_context(a_context(dead_pid), environment)
    assert choose_kubeconfig(None, environment) is None
    write_context(a_context(os.getpid()), environment)
    assert choose_kubeconfig(None, environment) == "/k"
    assert choose_kubeconfig("/mine", environment) == "/mine"


def test_only_the_user_can_read_the_file_because_a_token_stands_in_it(
    environment: dict[str, str],
) -> None:
    path = write_context(a_context(1), environment)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_up_forgets_only_its_own_file(environment: dict[str, str]) -> None:
    write_context(a_context(2), environment)
    forget_context(1, environment)
    assert read_context(environment) == a_context(2)
    forget_context(2, environment)
    assert read_context(environment) is None


def test_an_up_that_ends_hands_back_to_the_one_before_it_if_that_lives(
    environment: dict[str, str], dead_pid: int
) -> None:
    living = a_context(os.getpid())
    write_context(a_context(2), environment)
    forget_context(2, environment, living)
    assert read_context(environment) == living
    write_context(a_context(2), environment)
    forget_context(2, environment, a_context(dead_pid))
    assert read_context(environment) is None


def test_a_file_that_cannot_be_read_is_no_context(environment: dict[str, str]) -> None:
    folder = Path(environment["RUNBUS_STATE_DIR"])
    folder.mkdir()
    (folder / CONTEXT_FILE).write_text("{")
    assert read_context(environment) is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://token@host:1", "nats://host:1"),
        ("nats://user:password@host:1,nats://t@other:2", "nats://host:1,nats://other:2"),
        ("nats://host:1", "nats://host:1"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
