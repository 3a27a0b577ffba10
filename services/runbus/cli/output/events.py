"""One line per event: for people without a terminal that can move, and for logs. Pure."""

from __future__ import annotations

from runbus.cli.output.colours import coloured
from runbus.cli.output.runs import why_text
from runbus.cli.output.times import until
from runbus.contracts.states import EventType
from runbus.sdk.runs import EventRecord

_STATE_WIDTH = 21
_NAME_WIDTH = 18
# Events that change no state are told by their own name.
_NAMED_BY_EVENT = frozenset({EventType.LAUNCHED.value, EventType.DEADLINE_CHANGED.value})


def event_line(event: EventRecord, *, with_run: bool = True, is_coloured: bool = False) -> str:
    """Return an event as a line: time, run, state, why, and the limit that counts from now."""
    status = event.status
    moment = event.envelope.time or event.stored_at or status.since
    state = status.state.value
    if event.event_type in _NAMED_BY_EVENT:
        state = event.event_type
    padded = f"{state:<{_STATE_WIDTH}}"
    parts = [
        moment.strftime("%H:%M:%S.%f")[:-3],
        f"{status.name or '-':<{_NAME_WIDTH}} {event.ref}" if with_run else "",
        coloured(padded, status.state) if is_coloured else padded,
        _told(event),
    ]
    return "  ".join(part for part in parts if part).rstrip()


def _told(event: EventRecord) -> str:
    status = event.status
    text = why_text(status)
    told = "" if text == "-" else text
    if status.attempt > 1:
        told = f"attempt {status.attempt}{': ' if told else ''}{told}"
    if status.deadline is not None and not status.state.is_final:
        moment = event.envelope.time or event.stored_at or status.since
        left = until(status.deadline, moment)
        told += f" [{left if left == 'due' else left + ' left'}: {status.deadline_of}]"
    return told.strip()
