"""The pieces of a stack that need no stack: configuration, the guardian's book, the folder."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runbus.cli.kubeconfig import simple_cluster
from runbus.cli.stack import guardian
from runbus.cli.stack.folder import locked
from runbus.cli.stack.nats import configuration
from runbus.cli.stack.process import StackError, first_stack_error


def test_the_bus_listens_on_loopback_only_and_asks_for_its_token(tmp_path: Path) -> None:
    text = configuration(tmp_path / 'with "quotes"', port=-1, token="secret")
    assert 'listen: "127.0.0.1:-1"' in text
    assert 'authorization { token: "secret" }' in text
    assert '\\"quotes\\"/store' in text


def test_the_bus_writes_through_to_the_disk_only_where_that_is_asked_for(tmp_path: Path) -> None:
    usual = configuration(tmp_path, port=-1, token="secret")
    careful = configuration(tmp_path, port=-1, token="secret", sync_always=True)

    assert "sync_interval" not in usual
    assert '/store", sync_interval: always }' in careful


def a_sleeper() -> subprocess.Popen[bytes]:
    """Return a process that leads its own group and would sleep for a minute."""
    script = "import time; print(1, flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.read(1)
    return process


def test_when_the_starter_is_gone_the_guardian_ends_groups_and_removes_folders(
    tmp_path: Path,
) -> None:
    owned, ended = a_sleeper(), a_sleeper()
    folder = tmp_path / "stack"
    folder.mkdir()
    try:
        guardian.main([f"+ {owned.pid}", f"+ {ended.pid}", f"folder {folder}", f"- {ended.pid}"])
        assert owned.wait(10) == -signal.SIGTERM
        assert ended.poll() is None
        assert not folder.exists()
    finally:
        for process in (owned, ended):
            process.kill()
            process.communicate()


def test_after_an_end_in_order_the_guardian_does_nothing(tmp_path: Path) -> None:
    owned = a_sleeper()
    try:
        guardian.main([f"+ {owned.pid}", f"folder {tmp_path}", "done"])
        assert owned.poll() is None
        assert tmp_path.exists()
    finally:
        owned.kill()
        owned.communicate()


def test_a_folder_belongs_to_one_stack_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StackError, match="in use by another"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_the_first_failure_is_found_in_nested_groups() -> None:
    error = StackError("x")
    nested = ExceptionGroup("a", [ValueError(), ExceptionGroup("b", [error])])
    assert first_stack_error(nested) is error
    assert first_stack_error(ExceptionGroup("a", [ValueError()])) is None


KUBECONFIG = """
current-context: here
contexts: [{{name: here, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {cluster}}}]
users: [{{name: u, user: {user}}}]
"""


@pytest.mark.parametrize(
    ("cluster", "user", "expected"),
    [
        ("{server: 'http://127.0.0.1:8/'}", "{token: abc}", ("http://127.0.0.1:8", "abc")),
        ("{server: 'https://k:6443'}", "{}", ("https://k:6443", "")),
        ("{server: 'http://k'}", "{exec: {command: aws}}", None),
        ("{server: 'https://k'}", "{client-certificate-data: eA==}", None),
        ("{server: 'https://k', insecure-skip-tls-verify: true}", "{token: a}", None),
        ("{server: 'https://k', certificate-authority-data: '!'}", "{token: a}", None),
        ("{}", "{token: a}", None),
    ],
)
def test_only_a_token_over_http_or_verified_tls_is_simple(
    cluster: str, user: str, expected: tuple[str, str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG.format(cluster=cluster, user=user))
    found = simple_cluster(path)
    assert (None if found is None else (found.url, found.token)) == expected


def test_a_kubeconfig_that_is_none_is_not_simple(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_bytes(base64.b64decode("AAAA"))
    assert simple_cluster(path) is None
    path.write_text("just: text")
    assert simple_cluster(path) is None
