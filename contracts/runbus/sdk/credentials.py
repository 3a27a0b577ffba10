"""Who a program is on the bus: a user with its password in a file, or a credentials file.

A password stands in a file, because arguments and variables of a process are read by others. It
must not connect anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runbus.contracts.identities import inbox_prefix

USER_VARIABLE = "RUNBUS_NATS_USER"
PASSWORD_FILE_VARIABLE = "RUNBUS_NATS_PASSWORD_FILE"  # noqa: S105 - a variable's name
CREDENTIALS_VARIABLE = "RUNBUS_NATS_CREDENTIALS"


class CredentialsError(Exception):
    """What was given cannot be used; the text names it, and never a secret."""


def credentials(
    *, user: str = "", password_file: str = "", credentials_file: str = ""
) -> dict[str, Any]:
    """Return what `connecting.connect` takes; empty where the address says it all.

    Args:
        user: name on the bus; its replies go to subjects that it alone may listen on.
        password_file: path; a line end at its end is left out.
        credentials_file: path of a NATS credentials file.

    Raises:
        CredentialsError: the password cannot be read, one of the two is missing, or there is
            nothing to sign with.

    """
    found: dict[str, Any] = {}
    if credentials_file and find_spec("nkeys") is None:
        text = f"{CREDENTIALS_VARIABLE}: credentials files need the package nkeys: install it"
        raise CredentialsError(text)
    if credentials_file:
        found["user_credentials"] = credentials_file
    if bool(user) != bool(password_file):
        given, missing = (USER_VARIABLE, PASSWORD_FILE_VARIABLE)[:: 1 if user else -1]
        text = f"{given} is set, and {missing} is not: give both"
        raise CredentialsError(text)
    if user:
        found |= {"user": user, "password": _password(password_file)}
        found["inbox_prefix"] = inbox_prefix(user)
    return found


def credentials_from(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what a process was given in its environment; see `credentials`."""
    return credentials(
        user=environment.get(USER_VARIABLE, ""),
        password_file=environment.get(PASSWORD_FILE_VARIABLE, ""),
        credentials_file=environment.get(CREDENTIALS_VARIABLE, ""),
    )


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
