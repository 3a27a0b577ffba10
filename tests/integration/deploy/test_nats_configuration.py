"""The server's configuration as it lies in the folder: the server itself reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from runbus.cli.stack.nats import find_binary
from runbus.contracts.identities import identities, tenant_identity
from runbus_deploy.accounts import accounts_conf, password_variable

FOLDER = Path(__file__).resolve().parents[3] / "deploy/nats"


def checked(folder: Path, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "NATS_STORE": str(folder / "store"), **passwords}
    return subprocess.run(
        [find_binary(), "-t", "-c", str(folder / "nats-server.conf")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_the_server_takes_the_configuration_with_all_passwords() -> None:
    passwords = {password_variable(each.name): "p0" for each in identities()}
    done = checked(FOLDER, passwords)
    assert done.returncode == 0, done.stderr


def test_a_password_that_was_not_given_is_named_by_the_server() -> None:
    done = checked(FOLDER, {})
    assert done.returncode != 0
    assert "RUNBUS_PASSWORD_SPEC_VALIDATOR" in done.stderr


def test_the_server_takes_accounts_with_tenants(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "nats-server.conf", tmp_path)
    everybody = [*identities(), tenant_identity("nlp"), tenant_identity("my-project")]
    (tmp_path / "accounts.conf").write_text(accounts_conf(everybody))
    done = checked(tmp_path, {password_variable(each.name): "p0" for each in everybody})
    assert done.returncode == 0, done.stderr
