"""Whether what `runbus init` makes is there, and as this release wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbus.cli.doctor.findings import Finding, Section, ok, problem, warning
from runbus.contracts.streams import BUCKETS, CONSUMERS, STREAMS
from runbus.sdk.bus import Bus
from runbus.sdk.errors import NotFoundError
from runbus.sdk.provision import bucket_config, consumer_config, differences, stream_config

WAY_OUT = "run `runbus init`"
# An administrator's to choose.
_FREE = frozenset({"num_replicas"})
_LAG_WARNING = 1000
_NANO = 1_000_000_000


async def check_provisioned(bus: Bus) -> list[Finding]:
    """Return what is missing or differs among streams, buckets and consumers."""
    found: list[Finding] = []
    for spec in STREAMS:
        found += await _stream(bus, f"stream {spec.name}", stream_config(spec, 1))
    for bucket in BUCKETS:
        found += await _stream(bus, f"bucket {bucket.name}", bucket_config(bucket, 1))
    for consumer in CONSUMERS:
        where = f"{consumer.stream}.{consumer.name}"
        wanted = consumer_config(consumer)
        found += await _compared(bus, f"consumer {consumer.name}", f"CONSUMER.INFO.{where}", wanted)
    if found:
        return found
    text = f"{len(STREAMS)} streams, {len(BUCKETS)} buckets, {len(CONSUMERS)} consumers, as wanted"
    return [ok(Section.STREAMS, text)]


async def _stream(bus: Bus, what: str, wanted: dict[str, Any]) -> list[Finding]:
    verb = f"STREAM.INFO.{wanted['name']}"
    found = await _compared(bus, what, verb, wanted)
    if found:
        return found
    info = await bus.api(verb)
    return [*_health(what, info), *_sources(what, info)]


async def _compared(bus: Bus, what: str, verb: str, wanted: Mapping[str, Any]) -> list[Finding]:
    try:
        config = (await bus.api(verb))["config"]
    except NotFoundError:
        return [problem(Section.STREAMS, f"{what} is missing", WAY_OUT)]
    differing = differences({k: v for k, v in wanted.items() if k not in _FREE}, config)
    if not differing:
        return []
    told = "; ".join(
        f"{key} is {_shown(config, key)}, not {_shown(wanted, key)}" for key in differing
    )
    return [problem(Section.STREAMS, f"{what} differs: {told}", WAY_OUT)]


def _health(what: str, info: Mapping[str, Any]) -> list[Finding]:
    cluster = info.get("cluster") or {}
    if cluster.get("name") and not cluster.get("leader"):
        way_out = "look at the servers of the NATS cluster"
        return [problem(Section.STREAMS, f"{what} has no leader", way_out)]
    down = [each.get("name", "?") for each in cluster.get("replicas") or () if each.get("offline")]
    if down:
        text = f"{what} has replicas that are down: {', '.join(down)}"
        return [warning(Section.STREAMS, text, "look at the servers of the NATS cluster")]
    return []


def _sources(what: str, info: Mapping[str, Any]) -> list[Finding]:
    """Judge a bucket that the server fills: whether it is filled, and how far it is behind."""
    for source in info.get("sources") or ():
        lag = int(source.get("lag", 0))
        if int(source.get("active", -1)) < 0:
            text = f"{what} is not being filled from {source.get('name')}"
            return [problem(Section.STREAMS, text, "restart the NATS server that leads it")]
        if lag > _LAG_WARNING:
            return [warning(Section.STREAMS, f"{what} is {lag} events behind")]
    return []


def _shown(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    if isinstance(value, int) and value and key in {"max_age", "ack_wait", "duplicate_window"}:
        return f"{value / _NANO:g}s"
    return "not set" if value is None else str(value)
