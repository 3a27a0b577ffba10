"""Alert rules, dashboard and the page about them: right by themselves, and about the same things.

That the metrics which they name exist is asked of running services: integration/system.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from support.observing import (
    ALERTS,
    PAGE,
    alerts,
    described,
    expressions_of_panels,
    names_in,
    names_of,
    panels,
    promtool,
)

# Metrics that no panel shows, each with its reason.
NOT_SHOWN = {
    "process_max_fds": "a limit of the machine's",
    "process_open_fds": "a service has some tens, whatever it does",
    "process_start_time_seconds": "the platform shows restarts",
    "process_virtual_memory_bytes": "says nothing beside the resident memory",
}


@pytest.fixture(scope="module")
def tool() -> str:
    found = promtool()
    if found is None:
        pytest.skip("no promtool (of Debian's package prometheus): run `make promtool`")
    return found


def run(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [tool, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules_and_they_raise_what_they_should(tool: str) -> None:
    run(tool, "check", "rules", str(ALERTS))
    run(tool, "test", "rules", str(ALERTS.with_name("alerts_test.yaml")))


def test_prometheus_understands_every_expression_of_the_dashboard(
    tool: str, tmp_path: Path
) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(expressions_of_panels())
    ]
    path = tmp_path / "panels.yaml"
    path.write_bytes(msgspec.yaml.encode({"groups": [{"name": "panels", "rules": rules}]}))

    run(tool, "check", "rules", str(path))


def test_every_alert_is_tested_and_has_its_place_on_the_page() -> None:
    tests = ALERTS.with_name("alerts_test.yaml").read_text(encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    raised = set(re.findall(r"alertname: (\w+)\n +exp_alerts", tests))

    for rule in alerts():
        name = rule["alert"]
        assert name in raised, name
        assert f"\n### {name}\n" in page, name
        assert rule["annotations"]["runbook"] == f"docs/observing.md#{name.lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(re.findall(r"^### (Runbus\w+)$", page, re.MULTILINE)) == {
        rule["alert"] for rule in alerts()
    }


def test_rules_and_panels_name_only_metrics_that_are_described() -> None:
    known = {name for metric in described() for name in names_of(metric)}

    for text in [*(rule["expr"] for rule in alerts()), *expressions_of_panels()]:
        assert names_in(text) <= known, text


def test_every_metric_is_on_the_dashboard_or_has_a_reason_not_to_be() -> None:
    shown = {name for text in expressions_of_panels() for name in names_in(text)}
    missing = {metric for metric in described() if not names_of(metric) & shown}

    assert missing == set(NOT_SHOWN)


def test_no_two_panels_share_an_id_or_a_place() -> None:
    found = panels()

    assert len({panel["id"] for panel in found}) == len(found)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found]
    assert len(set(places)) == len(places)
