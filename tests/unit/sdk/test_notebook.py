"""Runs and functions as HTML: escaped, with bars, without scripts and secrets."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from runbus.contracts.states import FINAL_STATES, RunState
from runbus.sdk import new_function
from runbus.sdk.notebook import function_html, run_html
from support.runs import a_status, at, limits, replace

EVIL = '<script>alert("x")</script>&'


class Elements(HTMLParser):
    """The tags of a text, and what is open at its end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("state", [each for each in RunState if each is not RunState.UNKNOWN])
def test_every_state_is_a_chip_in_well_formed_html_without_scripts(state: RunState) -> None:
    status = a_status(state, thresholds=limits(running=60, total=600), status_text=EVIL)
    found = Elements(run_html(status, at(30)))
    assert found.open == []
    assert "script" not in found.tags
    assert found.attributes == {"style"}
    assert f">{state.value}</span>" in run_html(status, at(30))


def test_what_users_write_is_escaped_everywhere() -> None:
    status = a_status(RunState.RUNNING, name=EVIL, project=EVIL, status_text=EVIL)
    document = new_function("a", "b", image="x:1", args=[EVIL]).set_env("A", EVIL).to_dict()
    for text in (run_html(status, at(1)), function_html(document)):
        assert "<script" not in text
        assert Elements(text).open == []


@pytest.mark.parametrize(
    ("seconds", "told", "colour"),
    [(30, "50% of 1m, 30s left", "#1a7f37"), (40, "67% of 1m, 20s left", "#9a6700"),
     (57, "95% of 1m, 3s left", "#cf222e"), (90, "100% of 1m, 0s left", "#cf222e")],
)  # fmt: skip
def test_a_bar_says_how_close_a_limit_is(seconds: float, told: str, colour: str) -> None:
    status = a_status(RunState.RUNNING, thresholds=limits(running=60, pending_scheduled=10))
    text = run_html(status, at(seconds))
    assert told in text
    assert f"background:{colour}" in text
    assert "pending_scheduled" not in text


def test_a_pause_and_an_extension_count() -> None:
    status = a_status(RunState.RUNNING, thresholds=limits(running=60))
    limit = replace(status.thresholds["running"], extended_s=60.0, paused_at=at(30))
    text = run_html(replace(status, thresholds={"running": limit}), at(1000))
    assert "25% of 2m, paused" in text


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_run_that_is_over_has_no_bars(state: RunState) -> None:
    assert "<table" not in run_html(a_status(state, thresholds=limits(total=60)), at(30))


def test_a_function_shows_its_settings_and_no_credential() -> None:
    fn = new_function("a", "b", image="x:1").set_envs({"API_TOKEN": "s3cr3t", "N": 3})
    fn.set_env_from_secret("KEY", "nlp")
    text = fn._repr_html_()
    assert "s3cr3t" not in text
    assert "API_TOKEN=(not shown)" in text
    assert "N=3" in text
    assert "KEY from" in text
