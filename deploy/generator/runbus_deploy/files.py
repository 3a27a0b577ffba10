"""Which files below `deploy/` are generated, and their text. Pure."""

from __future__ import annotations

from runbus.contracts.identities import identities
from runbus_deploy.accounts import accounts_conf
from runbus_deploy.chart_data import bus_json, rights_json
from runbus_deploy.values_schema import values_schema

CHART = "helm/runbus"


def expected_files() -> dict[str, str]:
    """Return the text of every generated file by its path below `deploy/`."""
    return {
        "nats/accounts.conf": accounts_conf(identities()),
        f"{CHART}/files/bus.json": bus_json(),
        f"{CHART}/files/rights.json": rights_json(),
        f"{CHART}/values.schema.json": values_schema(),
    }
