"""Every setting of each service is a value of the chart, or set by the chart."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from runbus.contracts.transitions import Publisher
from runbus_deploy.values_schema import BY_THE_CHART, CONFIGS, settings_of

TEMPLATES = Path(__file__).resolve().parents[3] / "deploy/helm/runbus/templates"


@pytest.mark.parametrize("publisher", list(Publisher))
def test_each_setting_is_a_value_or_the_charts_own(publisher: Publisher) -> None:
    fields = {each.name for each in msgspec.structs.fields(CONFIGS[publisher])}
    assert set(settings_of(publisher)) == fields - BY_THE_CHART


def test_what_the_chart_sets_by_itself_stands_in_its_templates() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.iterdir()))
    for name in BY_THE_CHART:
        assert f"RUNBUS_{name.upper()}\n" in text


def test_a_setting_brings_its_limits_and_its_description_along() -> None:
    retention = settings_of(Publisher.SCHEDULER)["retention_days"]
    assert retention["minimum"] == 7
    assert "idempotency key" in retention["description"]
