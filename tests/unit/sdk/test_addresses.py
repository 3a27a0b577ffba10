"""Where the client finds a bus, and what it says where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from runbus.sdk.addresses import (
    CONTEXT_FILE,
    DEFAULT_NATS_URL,
    Context,
    StackGoneError,
    choose_target,
    state_dir,
)


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, "~/.local/state/runbus"),
        ("linux", {"XDG_STATE_HOME": "/x"}, "/x/runbus"),
        ("darwin", {}, "~/Library/Application Support/runbus"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/runbus"),
        ("win32", {}, "~/AppData/Local/runbus"),
        ("linux", {"RUNBUS_STATE_DIR": "/own"}, "/own"),
    ],
)
def test_the_state_of_a_user_is_where_each_platform_keeps_it(
    platform: str, environment: dict[str, str], folder: str
) -> None:
    assert state_dir(environment, platform) == Path(folder).expanduser()


def test_the_argument_goes_before_the_environment_before_the_default(tmp_path: Path) -> None:
    state = {"RUNBUS_STATE_DIR": str(tmp_path)}
    environment = {**state, "RUNBUS_NATS_URL": "nats://b"}
    assert choose_target("nats://a", environment).nats_url == "nats://a"
    assert choose_target(None, environment).nats_url == "nats://b"
    assert choose_target(None, state).nats_url == DEFAULT_NATS_URL


def test_an_up_that_is_gone_is_told_with_the_way_out(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    context = Context(nats_url="nats://t@h", kubeconfig="", dir="", pid=process.pid)
    (tmp_path / CONTEXT_FILE).write_bytes(msgspec.json.encode(context))
    with pytest.raises(StackGoneError, match="start it again") as found:
        choose_target(None, {"RUNBUS_STATE_DIR": str(tmp_path)})
    assert found.value.pid == process.pid
