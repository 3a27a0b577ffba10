"""Whether the bus is one that runbus can use: version, JetStream, sizes, clocks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from runbus.cli.doctor.findings import Finding, Section, ok, problem, warning
from runbus.contracts.moments import Moment
from runbus.contracts.streams import COMMANDS, MAX_MESSAGE_BYTES
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusRefusedError, BusUnreachableError, NotFoundError
from runbus.sdk.provision import SERVER_MINIMUM

SKEW_WARNING_S = 1.0
SKEW_PROBLEM_S = 10.0
STORAGE_WARNING = 0.85


async def check_bus(bus: Bus) -> list[Finding]:
    """Return what there is to say of the server, and of this client's view of it."""
    version = bus.native().connected_server_version
    shown = f"{version.major}.{version.minor}.{version.patch}"
    began = asyncio.get_running_loop().time()
    await bus.ping()
    away_ms = (asyncio.get_running_loop().time() - began) * 1000
    found = [ok(Section.BUS, f"nats-server {shown} at {bus.url}, {away_ms:.1f} ms away")]
    if (version.major, version.minor) < SERVER_MINIMUM:
        wanted = ".".join(str(part) for part in SERVER_MINIMUM)
        text = f"nats-server {shown} is too old: runbus needs {wanted} or newer"
        found = [problem(Section.BUS, text, "upgrade the server")]
    found += _sizes(bus)
    return [*found, *await _jetstream(bus), *await _clocks(bus)]


def _sizes(bus: Bus) -> list[Finding]:
    most = bus.native().max_payload
    if most >= MAX_MESSAGE_BYTES:
        return []
    text = f"messages may have {most} bytes, and runbus needs {MAX_MESSAGE_BYTES}"
    return [problem(Section.BUS, text, f"set max_payload: {MAX_MESSAGE_BYTES} on the server")]


async def _jetstream(bus: Bus) -> list[Finding]:
    try:
        info = await bus.api("INFO")
    except (NotFoundError, BusRefusedError, BusUnreachableError) as error:
        way_out = "start the server with -js, or enable JetStream for the account"
        return [problem(Section.BUS, f"JetStream does not answer: {error}", way_out)]
    used, most = int(info.get("storage", 0)), int(info.get("limits", {}).get("max_storage", -1))
    if most > 0 and used > most * STORAGE_WARNING:
        text = f"JetStream's storage is {used * 100 // most} % full"
        return [warning(Section.BUS, text, "give the account more, or shorten the retention")]
    return [ok(Section.BUS, f"JetStream, {_megabytes(used)} MB stored")]


async def _clocks(bus: Bus) -> list[Finding]:
    """Compare the server's clock with ours, as exactly as the way there and back allows."""
    before = datetime.now(UTC)
    try:
        info = await bus.api(f"STREAM.INFO.{COMMANDS}")
    except NotFoundError:
        return []  # told with the streams
    after = datetime.now(UTC)
    told = _moment(info.get("ts"))
    if told is None:
        return []
    skew_s = max((told - after).total_seconds(), (before - told).total_seconds(), 0.0)
    if skew_s < SKEW_WARNING_S:
        return [ok(Section.BUS, "the clocks of the server and of this machine agree")]
    direction = "ahead of" if told > after else "behind"
    text = f"the server's clock is {skew_s:.1f} s {direction} this machine's"
    way_out = "let both follow a time server: deadlines are told by clocks"
    return [(problem if skew_s >= SKEW_PROBLEM_S else warning)(Section.BUS, text, way_out)]


def _moment(text: Any) -> datetime | None:
    try:
        return msgspec.convert(text, Moment)
    except msgspec.ValidationError:
        return None


def _megabytes(size: int) -> int:
    return size // 1_000_000
