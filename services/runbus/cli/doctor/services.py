"""Whether somebody does the work of each service: who pulls, who holds leases, who answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from runbus.cli.doctor.findings import Finding, Section, ok, problem, some, warning
from runbus.cli.output.times import span
from runbus.contracts import subjects
from runbus.contracts.leases import ALL_SHARDS, read_shard_lease, replica_of, scheduler_key
from runbus.contracts.moments import Moment
from runbus.contracts.streams import CONSUMERS, LEASES_BUCKET, ConsumerSpec
from runbus.contracts.transitions import Publisher
from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.deliveries import until_caught_up
from runbus.sdk.errors import BusTimeoutError, BusUnreachableError, NotFoundError
from runbus.sdk.follow import follow

ANSWER_TIMEOUT_S = 3.0
# A service that pulls asks again within a second once its request has run out.
SECOND_LOOK_S = 1.5
SILENT_WARNING_S = 60.0
PENDING_WARNING = 1000
HELD_BY_LEASE = (Publisher.SCHEDULER, Publisher.STATE_WATCHER)
# A project that no run has: linting under it asks nothing of anybody else.
PROJECT = "runbus-doctor"

_KEYS = f"$KV.{LEASES_BUCKET}."
_GONE_OPERATIONS = frozenset({"DEL", "PURGE"})


async def check_services(bus: Bus) -> list[Finding]:
    """Return what there is to say of each of the five services."""
    holders = await settled_holders(bus)
    infos = await _consumers(bus)
    idle = [name for name, info in infos.items() if info is not None and is_idle(info)]
    if idle:
        await asyncio.sleep(SECOND_LOOK_S)
        infos |= await _consumers(bus, idle)
    found: list[Finding] = []
    for publisher in Publisher:
        own = [spec for spec in CONSUMERS if spec.service is publisher]
        states = [(spec, infos.get(spec.name)) for spec in own]
        findings = [
            finding
            for spec, info in states
            if info is not None
            for finding in judged(spec, info, datetime.now(UTC))
        ]
        if publisher in HELD_BY_LEASE:
            findings += leases(publisher, holders)
        if publisher is Publisher.SPEC_VALIDATOR:
            findings += await _answers(bus)
        found += findings or [
            ok(Section.SERVICES, f"{publisher.value}: {_at_work(states, holders)}")
        ]
    return found


def is_idle(info: Mapping[str, Any]) -> bool:
    """Say whether nobody asks a consumer for messages, and nobody has any in hand."""
    return not info.get("num_waiting") and not info.get("num_ack_pending")


def judged(spec: ConsumerSpec, info: Mapping[str, Any], now: datetime) -> list[Finding]:
    """Return what is wrong with how a consumer is served.

    Args:
        spec: the consumer.
        info: what the server says of it.
        now: for how long nothing was answered.

    """
    service, pending = spec.service.value, int(info.get("num_pending", 0))
    in_hand = int(info.get("num_ack_pending", 0))
    if is_idle(info):
        text = f"{service}: nobody takes messages from consumer {spec.name}; {pending} wait"
        return [problem(Section.SERVICES, text, f"start one: `runbus services run {service}`")]
    since_s = _silent_s(info, now)
    way_out = f"look at the log of {service}, and at its /readyz"
    if in_hand and since_s is not None and since_s > SILENT_WARNING_S:
        text = (
            f"{service}: {in_hand} messages of consumer {spec.name} are in hand, and none was"
            f" answered for {span(since_s)}"
        )
        return [warning(Section.SERVICES, text, way_out)]
    if pending > PENDING_WARNING:
        text = f"{service}: {pending} messages wait in consumer {spec.name}"
        return [warning(Section.SERVICES, text, f"start more of them: {service} can have replicas")]
    return []


async def settled_holders(bus: Bus) -> dict[str, StoredMessage]:
    """Return the leases that are held; while shards change hands, as they are a moment later."""
    holders = await lease_holders(bus)
    if owners_of_shards(holders) and unowned(holders):
        await asyncio.sleep(SECOND_LOOK_S)
        holders = await lease_holders(bus)
    return holders


async def lease_holders(bus: Bus) -> dict[str, StoredMessage]:
    """Return the leases that are held, by key. One that is not renewed goes by itself."""
    newest: dict[str, StoredMessage] = {}
    try:
        await bus.api(f"STREAM.INFO.KV_{LEASES_BUCKET}")
    except NotFoundError:
        return {}  # told with the streams
    async with follow(bus, f"KV_{LEASES_BUCKET}", [f"{_KEYS}>"]) as follower:
        async for message in until_caught_up(follower):
            newest[message.subject.removeprefix(_KEYS)] = message
    return {key: message for key, message in newest.items() if _is_held(message)}


def _is_held(message: StoredMessage) -> bool:
    gone = message.headers.get("KV-Operation") in _GONE_OPERATIONS
    return bool(message.data) and not gone and "Nats-Marker-Reason" not in message.headers


def owners_of_shards(holders: Mapping[str, StoredMessage]) -> dict[str, tuple[str, ...]]:
    """Return the shards of each replica of the state-watcher."""
    found: dict[str, tuple[str, ...]] = {}
    for key, message in holders.items():
        replica, lease = replica_of(key), read_shard_lease(message.data)
        if replica is not None and lease is not None:
            found[replica] = lease.shards
    return found


def unowned(holders: Mapping[str, StoredMessage]) -> list[str]:
    """Return the shards that nobody holds."""
    owned = {shard for shards in owners_of_shards(holders).values() for shard in shards}
    return [shard for shard in ALL_SHARDS if shard not in owned]


def leases(publisher: Publisher, holders: Mapping[str, StoredMessage]) -> list[Finding]:
    """Return what is wrong with the leases of a service."""
    service = publisher.value
    way_out = f"start one: `runbus services run {service}`"
    if publisher is Publisher.SCHEDULER:
        if scheduler_key() in holders:
            return []
        text = f"{service}: nobody holds its lease, so nobody does its work"
        return [problem(Section.SERVICES, text, way_out)]
    missing = unowned(holders)
    if not missing:
        return []
    if len(missing) == len(ALL_SHARDS):
        text = f"{service}: nobody holds a lease on any shard, so nobody does its work"
        return [problem(Section.SERVICES, text, way_out)]
    text = f"{service}: shards that nobody owns: {some(missing)}; nobody looks after their runs"
    return [problem(Section.SERVICES, text, f"look at /readyz of each {service}, or {way_out}")]


async def _answers(bus: Bus) -> list[Finding]:
    """Ask spec-validator for a verdict; which one does not matter."""
    service = Publisher.SPEC_VALIDATOR.value
    try:
        subject = subjects.api(subjects.API_LINT, PROJECT)
        await bus.request(subject, b"{}", timeout_s=ANSWER_TIMEOUT_S)
    except BusTimeoutError:
        text = f"{service}: no answer to a request within {ANSWER_TIMEOUT_S:g} s"
        return [problem(Section.SERVICES, text, f"look at the log of {service}")]
    except BusUnreachableError:
        text = f"{service}: nobody answers requests, so nobody can submit with a verdict"
        return [problem(Section.SERVICES, text, f"start one: `runbus services run {service}`")]
    return []


async def _consumers(bus: Bus, names: Sequence[str] = ()) -> dict[str, dict[str, Any] | None]:
    found: dict[str, dict[str, Any] | None] = {}
    for spec in CONSUMERS:
        if names and spec.name not in names:
            continue
        try:
            found[spec.name] = await bus.api(f"CONSUMER.INFO.{spec.stream}.{spec.name}")
        except NotFoundError:
            found[spec.name] = None  # told with the streams
    return found


def _at_work(
    states: Sequence[tuple[ConsumerSpec, Mapping[str, Any] | None]],
    holders: Mapping[str, StoredMessage],
) -> str:
    parts: list[str] = []
    infos = [info for _, info in states if info is not None]
    if infos:
        waiting = sum(int(info.get("num_pending", 0)) for info in infos)
        in_hand = sum(int(info.get("num_ack_pending", 0)) for info in infos)
        last = ", ".join(
            f"{spec.name} at {info.get('ack_floor', {}).get('stream_seq', 0)}"
            for spec, info in states
            if info is not None
        )
        parts.append(f"takes messages; {waiting} wait, {in_hand} in hand; answered up to {last}")
    publisher = states[0][0].service if states else Publisher.SCHEDULER
    if publisher is Publisher.SCHEDULER and scheduler_key() in holders:
        owner = holders[scheduler_key()].data.decode(errors="replace")
        parts.append(f"lease held by {owner}")
    if publisher is Publisher.STATE_WATCHER:
        owners = owners_of_shards(holders).items()
        parts.append(", ".join(f"{name} owns {len(shards)} shards" for name, shards in owners))
    return "; ".join(parts) or "at work"


def _silent_s(info: Mapping[str, Any], now: datetime) -> float | None:
    """Return for how long no message was answered; None where that is not known."""
    moments = [
        _moment(info.get(place, {}).get("last_active")) for place in ("ack_floor", "delivered")
    ]
    known = [each for each in moments if each is not None]
    return (now - max(known)).total_seconds() if known else None


def _moment(text: object) -> datetime | None:
    try:
        return msgspec.convert(text, Moment)
    except msgspec.ValidationError:
        return None
