"""How settings are named and shown when they are explained, and how differences look."""

from __future__ import annotations

import pytest

from runbus.cli.changes.difference import difference
from runbus.cli.output.explained import explained_table, is_below, setting_name
from runbus.contracts.events import Overridden
from runbus.contracts.replies import Explained


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/image", "image"),
        ("/state_thresholds/running", "state_thresholds.running"),
        ("/env/HOME", "env[HOME]"),
        ("/labels/a.b~1c", 'labels["a.b/c"]'),
        ("/resources/requests/cpu", "resources.requests.cpu"),
    ],
)
def test_a_setting_is_named_as_set_takes_it(path: str, name: str) -> None:
    assert setting_name(path) == name


@pytest.mark.parametrize(
    ("path", "wanted", "found"),
    [
        ("/state_thresholds/running", [], True),
        ("/state_thresholds/running", ["state_thresholds"], True),
        ("/state_thresholds/running", ["state_thresholds", "running"], True),
        ("/state_thresholds/running", ["state_thresholds", "held"], False),
        ("/env/A", ["env", "A", "value"], True),
        ("/image", ["image_pull_policy"], False),
    ],
)
def test_a_path_asks_for_everything_below_it(path: str, wanted: list[str], found: bool) -> None:
    assert is_below(path, wanted) is found


def test_the_table_shows_what_was_overridden_and_what_was_cancelled() -> None:
    settings = [
        Explained(
            path="/state_thresholds/running",
            value="2h",
            level="run",
            overrode=(
                Overridden(level="shipped", value="24h"),
                Overridden(level="service", value="6h"),
            ),
        ),
        Explained(
            path="/node_selector/zone",
            value=None,
            level="run",
            overrode=(Overridden(level="service", value="a"),),
        ),
        Explained(path="/args", value=["x" * 100], level=""),
    ]
    text = explained_table(settings, is_wide=False, with_headers=False, width=None)
    first, second, third = (line.split("   ") for line in text.splitlines())
    assert [cell.strip() for cell in first if cell] == [
        "state_thresholds.running", "2h", "run", "24h (shipped), 6h (service)"
    ]  # fmt: skip
    assert "(cancelled)" in [cell.strip() for cell in second]
    assert [cell.strip() for cell in third if cell][2:] == ["-", "-"]
    assert "…" in text


def test_a_difference_shows_only_what_changes_and_colours_it_for_a_terminal() -> None:
    names = ("nlp/abc", "the new run")
    plain = difference("a: 1\nb: 2\n", "a: 1\nb: 3\n", names=names)
    assert plain == ["--- nlp/abc", "+++ the new run", "@@ -1,2 +1,2 @@", " a: 1", "-b: 2", "+b: 3"]
    assert difference("a: 1\n", "a: 1\n", names=names) == []
    coloured = difference("b: 2\n", "b: 3\n", names=names, is_coloured=True)
    assert coloured[-2:] == ["\x1b[31m-b: 2\x1b[0m", "\x1b[32m+b: 3\x1b[0m"]
