"""The values that the page on deploying shows are taken by the chart."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from chart.objects import rendered
from runbus_deploy.rendered import DEPLOY

PAGE = (DEPLOY.parent / "docs/deploying.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("values", BLOCKS)
def test_the_values_of_the_page_render(values: dict[str, Any]) -> None:
    kinds = {each["kind"] for each in rendered(values)}
    assert {"Deployment", "NetworkPolicy", "PodDisruptionBudget"} <= kinds


def test_the_page_shows_four_ways() -> None:
    assert len(BLOCKS) == 4
