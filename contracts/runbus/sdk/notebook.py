"""Runs and functions as HTML for notebooks: everything escaped, styles inline, no scripts.

Pure but for `run_html_now`, which reads the clock. The picture is of one moment: showing the cell
again shows the next. Must not know the bus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import msgspec

from runbus.contracts.deadlines import clock_runs, clock_start, whole_limit_s
from runbus.contracts.states import RunState, Threshold
from runbus.contracts.status import Limit, RunStatus
from runbus.contracts.violations import is_credential_name

# How much of a limit is used up when its bar changes colour.
WORTH_A_LOOK = 0.6
NEARLY = 0.85
_GREEN, _AMBER, _RED, _BLUE, _GREY = "#1a7f37", "#9a6700", "#cf222e", "#0969da", "#59636e"
_COLOURS = {
    RunState.RUNNING: _BLUE,
    RunState.COMPLETED: _GREEN,
    RunState.ERROR: _RED,
    RunState.ABORTED: _RED,
    RunState.REJECTED: _RED,
    RunState.ABORTING: _AMBER,
    RunState.RETRYING: _AMBER,
    RunState.IMAGE_PULL_BACKOFF: _AMBER,
}
_BOX = (
    "font:13px system-ui,sans-serif;border:1px solid #d1d9e0;border-radius:6px;"
    "padding:10px 14px;max-width:640px;color:#1f2328;background:#fff"
)
_CHIP = "color:#fff;border-radius:10px;padding:1px 9px;font-weight:600"
_TRACK = "display:inline-block;width:160px;height:8px;border-radius:4px;background:#d1d9e0"
_CELL = "text-align:left;padding:2px 12px 2px 0;background:none;border:none;vertical-align:top"
_CODE = "margin:0;white-space:pre-wrap;background:none;font:12px ui-monospace,monospace"
_HIDDEN = "(not shown)"


def run_html_now(status: RunStatus) -> str:
    """Return a run as HTML, with bars as they are at this moment."""
    return run_html(status, datetime.now(UTC))


def run_html(status: RunStatus, now: datetime) -> str:
    """Return a run as HTML: its state as a chip, why, and a bar for each limit that counts."""
    colour = _COLOURS.get(status.state, _GREY)
    in_state = "" if status.state.is_final else f" for {_span(now - status.since)}"
    attempt = f" · attempt {status.attempt}" if status.attempt > 1 else ""
    head = (
        f'<div><span style="{_CHIP};background:{colour}">{escape(status.state.value)}</span> '
        f"<b>{escape(status.project)}/{escape(status.name or status.run_id)}</b> "
        f'<code style="background:none">{escape(status.run_id)}</code>'
        f'<span style="color:{_GREY}">{escape(in_state + attempt)}</span></div>'
    )
    why = status.status_text or ": ".join(filter(None, (status.reason, status.message)))
    says_more = why not in ("", status.state.value)
    told = f'<div style="margin-top:6px">{escape(why)}</div>' if says_more else ""
    return f'<div style="{_BOX}">{head}{told}{_bars(status, now)}</div>'


def function_html(document: Mapping[str, Any]) -> str:
    """Return a function as HTML: its name, and a row for each setting."""
    kind = str(document.get("kind") or "?")
    name = f"{document.get('project') or '?'}/{document.get('name') or '?'}"
    head = (
        f'<div><span style="{_CHIP};background:{_GREY}">{escape(kind)}</span> '
        f"<b>{escape(name)}</b></div>"
    )
    rows = "".join(
        _row(escape(key), f'<pre style="{_CODE}">{escape(_setting_text(key, value))}</pre>')
        for key, value in document.items()
        if key not in ("kind", "project", "name")
    )
    return f'<div style="{_BOX}">{head}{_table(rows)}</div>'


def _bars(status: RunStatus, now: datetime) -> str:
    if status.state.is_final or status.state is RunState.ABORTING:
        return ""
    counting = (
        (key, limit)
        for key, limit in _limits(status)
        if limit.limit_s is not None and clock_runs(status, key)
    )
    return _table("".join(_bar(status, key, limit, now) for key, limit in counting))


def _limits(status: RunStatus) -> Iterable[tuple[Threshold, Limit]]:
    for key, limit in status.thresholds.items():
        yield Threshold(key), limit


def _bar(status: RunStatus, key: Threshold, limit: Limit, now: datetime) -> str:
    whole_s = whole_limit_s(limit, status.attempt)
    at = limit.paused_at or now
    gone_s = max(0.0, (at - clock_start(status, key)).total_seconds())
    used = min(1.0, gone_s / whole_s) if whole_s > 0 else 1.0
    colour = _RED if used >= NEARLY else _AMBER if used >= WORTH_A_LOOK else _GREEN
    bar = (
        f'<span style="{_TRACK}"><span style="display:block;height:8px;border-radius:4px;'
        f'width:{used * 100:.0f}%;background:{colour}"></span></span>'
    )
    left = _span(timedelta(seconds=max(0.0, whole_s - gone_s)))
    told = "paused" if limit.paused_at is not None else f"{left} left"
    whole = _span(timedelta(seconds=whole_s))
    return _row(escape(key.value), bar, f"{used * 100:.0f}% of {whole}, {told}")


def _row(*cells: str) -> str:
    inner = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    return f'<tr style="background:none">{inner}</tr>'


def _table(rows: str) -> str:
    return f'<table style="margin-top:6px;border-collapse:collapse">{rows}</table>' if rows else ""


def _setting_text(key: str, value: object) -> str:
    """Return a setting for people; what sounds like a credential is not shown."""
    if isinstance(value, str | int | bool):
        return str(value)
    if key == "env" and isinstance(value, list | tuple):
        return "\n".join(_variable_text(each) for each in value)
    return msgspec.json.encode(value).decode()


def _variable_text(entry: Mapping[str, Any]) -> str:
    name = str(entry.get("name"))
    if "value" in entry:
        return f"{name}={_HIDDEN if is_credential_name(name) else entry['value']}"
    source = {key: each for key, each in entry.items() if key != "name"}
    return f"{name} from {msgspec.json.encode(source).decode()}"


def _span(span: timedelta) -> str:
    """Return a span of time in its two largest units: `2h5m`."""
    seconds = max(0, int(span.total_seconds()))
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts[:2]) or "0s"
