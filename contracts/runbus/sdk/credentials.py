"""Who a program is on the bus, and whom it trusts there: passwords, keys and certificates in files.

A password stands in a file, because arguments and variables of a process are read by others. It
must not connect anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runbus.contracts.identities import inbox_prefix
from runbus.sdk.tls import Tls

USER_VARIABLE = "RUNBUS_NATS_USER"
PASSWORD_FILE_VARIABLE = "RUNBUS_NATS_PASSWORD_FILE"  # noqa: S105 - a variable's name
CREDENTIALS_VARIABLE = "RUNBUS_NATS_CREDENTIALS"
CA_VARIABLE = "RUNBUS_NATS_CA_FILE"
CERT_VARIABLE = "RUNBUS_NATS_CERT_FILE"
KEY_VARIABLE = "RUNBUS_NATS_KEY_FILE"


class CredentialsError(Exception):
    """What was given cannot be used; the text names it, and never a secret."""


def credentials(
    *,
    user: str = "",
    password_file: str = "",
    credentials_file: str = "",
    ca_file: str = "",
    cert_file: str = "",
    key_file: str = "",
) -> dict[str, Any]:
    """Return what `connecting.connect` takes; empty where the address says it all.

    Args:
        user: name on the bus; its replies go to subjects that it alone may listen on.
        password_file: path; a line end at its end is left out.
        credentials_file: path of a NATS credentials file.
        ca_file: path of the authorities that may have signed the server's certificate.
        cert_file: path of a certificate to show, where the server asks for one.
        key_file: path of its key.

    Raises:
        CredentialsError: a file cannot be read, one of two is missing, or there is nothing to sign
            with.

    """
    found: dict[str, Any] = {}
    if credentials_file and find_spec("nkeys") is None:
        text = f"{CREDENTIALS_VARIABLE}: credentials files need the package nkeys: install it"
        raise CredentialsError(text)
    if credentials_file:
        found["user_credentials"] = credentials_file
    _both((USER_VARIABLE, user), (PASSWORD_FILE_VARIABLE, password_file))
    _both((CERT_VARIABLE, cert_file), (KEY_VARIABLE, key_file))
    if user:
        found |= {"user": user, "password": _password(password_file)}
        found["inbox_prefix"] = inbox_prefix(user)
    if ca_file or cert_file:
        found["tls"] = _tls(Tls(ca_file=ca_file, cert_file=cert_file, key_file=key_file))
    return found


def credentials_from(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what a process was given in its environment; see `credentials`."""
    return credentials(
        user=environment.get(USER_VARIABLE, ""),
        password_file=environment.get(PASSWORD_FILE_VARIABLE, ""),
        credentials_file=environment.get(CREDENTIALS_VARIABLE, ""),
        ca_file=environment.get(CA_VARIABLE, ""),
        cert_file=environment.get(CERT_VARIABLE, ""),
        key_file=environment.get(KEY_VARIABLE, ""),
    )


def _both(first: tuple[str, str], second: tuple[str, str]) -> None:
    if bool(first[1]) != bool(second[1]):
        (given, _), (missing, _) = (first, second)[:: 1 if first[1] else -1]
        text = f"{given} is set, and {missing} is not: give both"
        raise CredentialsError(text)


def _tls(tls: Tls) -> Tls:
    """Return it once its files have been read; each is tried by itself, to be named."""
    authority = Tls(ca_file=tls.ca_file)
    for variable, tried, path in (
        (CA_VARIABLE, authority, tls.ca_file),
        (CERT_VARIABLE, tls, f"{tls.cert_file}, {tls.key_file}"),
    ):
        try:
            tried.context()
        except OSError as error:  # ssl.SSLError is one
            text = f"{variable}: {path}: {error}"
            raise CredentialsError(text) from error
    return tls


def _password(path: str) -> str:
    try:
        password = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        text = f"{PASSWORD_FILE_VARIABLE}: {path}: {error}"
        raise CredentialsError(text) from error
    if not password:
        text = f"{PASSWORD_FILE_VARIABLE}: {path} is empty"
        raise CredentialsError(text)
    return password
