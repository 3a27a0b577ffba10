"""Which files below `deploy/` are generated, and their text. Pure."""

from __future__ import annotations

from runbus.contracts.identities import identities
from runbus_deploy.accounts import accounts_conf

ACCOUNTS = "nats/accounts.conf"


def expected_files() -> dict[str, str]:
    """Return the text of every generated file by its path below `deploy/`."""
    return {ACCOUNTS: accounts_conf(identities())}
