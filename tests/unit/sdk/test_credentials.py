"""Who a program is on the bus, from its environment."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from runbus.sdk.credentials import CredentialsError, credentials, credentials_from


def test_without_anything_the_address_says_it_all() -> None:
    assert credentials_from({}) == {}


def test_a_user_has_a_password_from_a_file_and_replies_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    environment = {"RUNBUS_NATS_USER": "operator", "RUNBUS_NATS_PASSWORD_FILE": str(path)}

    assert credentials_from(environment) == {
        "user": "operator",
        "password": "secret",
        "inbox_prefix": "_INBOX_operator",
    }


@pytest.mark.skipif(find_spec("nkeys") is not None, reason="nkeys is installed here")
def test_a_credentials_file_without_what_signs_is_refused_with_the_way_out() -> None:
    with pytest.raises(CredentialsError, match="need the package nkeys: install it"):
        credentials(credentials_file="/x.creds")


@pytest.mark.parametrize(
    "given",
    [
        "RUNBUS_NATS_USER",
        "RUNBUS_NATS_PASSWORD_FILE",
        "RUNBUS_NATS_CERT_FILE",
        "RUNBUS_NATS_KEY_FILE",
    ],
)
def test_one_without_the_other_is_refused_and_both_are_named(given: str) -> None:
    with pytest.raises(CredentialsError, match=f"{given} is set, and RUNBUS_NATS_"):
        credentials_from({given: "x"})


def test_a_password_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "password"
    with pytest.raises(CredentialsError, match=r"RUNBUS_NATS_PASSWORD_FILE: .*password"):
        credentials(user="a", password_file=str(path))

    path.write_text("\n")
    with pytest.raises(CredentialsError, match="is empty"):
        credentials(user="a", password_file=str(path))


def test_a_file_of_certificates_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    with pytest.raises(CredentialsError, match=r"RUNBUS_NATS_CA_FILE: .*ca\.crt: .*No such file"):
        credentials(ca_file=str(path))

    path.write_text("no certificate")
    with pytest.raises(CredentialsError, match=r"RUNBUS_NATS_CA_FILE: .*ca\.crt: "):
        credentials(ca_file=str(path))
    with pytest.raises(CredentialsError, match=r"RUNBUS_NATS_CERT_FILE: .*ca\.crt, .*ca\.crt: "):
        credentials(cert_file=str(path), key_file=str(path))
