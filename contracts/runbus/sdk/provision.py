"""Make or upgrade the streams, buckets and consumers on a bus. Idempotent; never destroys.

What exists and differs is changed in place where the server allows it; where it does not, the
difference is reported with what it would take, and nothing is touched. A new bucket that the
server fills starts to fill 0.2 to 2 seconds after it is made: `provision` waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from runbus.contracts import subjects
from runbus.contracts.streams import (
    BUCKETS,
    CONSUMERS,
    EVENTS,
    MAX_MESSAGE_BYTES,
    STREAMS,
    BucketSpec,
    ConsumerSpec,
    Retention,
    StreamSpec,
)
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusRefusedError, BusUnreachableError, NotFoundError

SERVER_MINIMUM = (2, 12)
FILLING_WAIT_S = 10.0
FILLING_POLL_S = 0.05
_NANO = 1_000_000_000


class Provisioned(Struct, frozen=True):
    """What was done to one thing: `made`, `changed` or `unchanged`."""

    kind: str
    name: str
    outcome: str


class ProvisionError(Exception):
    """Something on the bus is in the way; the message says what, and the way out."""


async def provision(bus: Bus, *, replicas: int = 1) -> list[Provisioned]:
    """Make everything that runbus needs on a bus.

    Args:
        bus: a connection that may use JetStream's management API.
        replicas: of streams and buckets: 1, or 3 on a cluster.

    Raises:
        ProvisionError: the server is too old, lacks JetStream, or has something in the way.
        BusUnreachableError: the bus does not answer.

    """
    _check_server(bus)
    done: list[Provisioned] = []
    for stream in STREAMS:
        done.append(
            await _ensure_stream("stream", stream.name, stream_config(stream, replicas), bus)
        )
    for bucket in BUCKETS:
        config = bucket_config(bucket, replicas)
        done.append(await _ensure_stream("bucket", bucket.name, config, bus))
    for consumer in CONSUMERS:
        done.append(await _ensure_consumer(consumer, bus))
    await _wait_until_filling(bus)
    return done


def _check_server(bus: Bus) -> None:
    version = bus.native().connected_server_version
    if (version.major, version.minor) < SERVER_MINIMUM:
        text = (
            f"nats-server {version.major}.{version.minor} is too old: runbus needs"
            f" {SERVER_MINIMUM[0]}.{SERVER_MINIMUM[1]} or newer"
        )
        raise ProvisionError(text)


def stream_config(spec: StreamSpec, replicas: int) -> dict[str, Any]:
    """Return a stream's configuration as JetStream's API takes it."""
    return {
        "name": spec.name,
        "description": spec.description,
        "subjects": list(spec.subjects),
        "retention": "workqueue" if spec.retention is Retention.WORK_QUEUE else "limits",
        "storage": "file",
        "discard": "old",
        "max_age": int(spec.max_age_s * _NANO),
        "max_msg_size": MAX_MESSAGE_BYTES,
        "duplicate_window": int(spec.duplicate_window_s * _NANO),
        "num_replicas": replicas,
        "allow_direct": True,
    }


def bucket_config(spec: BucketSpec, replicas: int) -> dict[str, Any]:
    """Return the configuration of the stream behind a bucket."""
    config: dict[str, Any] = {
        "name": f"KV_{spec.name}",
        "description": spec.description,
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": spec.history,
        "max_msg_size": MAX_MESSAGE_BYTES,
        "num_replicas": replicas,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
    }
    if spec.sourced_to is not None:
        transform = {
            "src": subjects.events_of_project(),
            "dest": f"$KV.{spec.name}.{spec.sourced_to}",
        }
        config["sources"] = [{"name": EVENTS, "subject_transforms": [transform]}]
    else:
        config["subjects"] = [f"$KV.{spec.name}.>"]
    if spec.message_ttl:
        config["allow_msg_ttl"] = True
        config["subject_delete_marker_ttl"] = 5 * _NANO
    return config


async def _ensure_stream(kind: str, name: str, config: dict[str, Any], bus: Bus) -> Provisioned:
    stream = str(config["name"])
    try:
        found = (await bus.api(f"STREAM.INFO.{stream}"))["config"]
    except NotFoundError as error:
        if error.error_code == 10039:  # JetStream is not enabled for the account
            text = "the server has no JetStream: start it with -js, or enable it for the account"
            raise ProvisionError(text) from error
        return await _create_stream(kind, name, config, bus)
    except BusUnreachableError as error:
        text = f"JetStream does not answer ({error}): is the server started with -js?"
        raise ProvisionError(text) from error
    # A cluster's administrator may have chosen replicas, placement and sizes: those stay.
    wanted = {key: value for key, value in config.items() if key != "num_replicas"}
    differing = differences(wanted, found)
    if not differing:
        return Provisioned(kind, name, "unchanged")
    try:
        await bus.api(f"STREAM.UPDATE.{stream}", {**found, **wanted})
    except BusRefusedError as error:
        text = (
            f"{kind} {name} exists with other settings ({', '.join(differing)}) that the server"
            f" does not change in place: {error}. runbus never deletes it: move its messages"
            " away, remove it, and run init again"
        )
        raise ProvisionError(text) from error
    return Provisioned(kind, name, "changed")


async def _create_stream(kind: str, name: str, config: dict[str, Any], bus: Bus) -> Provisioned:
    try:
        await bus.api(f"STREAM.CREATE.{config['name']}", config)
    except BusRefusedError as error:
        text = f"{kind} {name} cannot be made: {error}"
        raise ProvisionError(text) from error
    return Provisioned(kind, name, "made")


def consumer_config(spec: ConsumerSpec) -> dict[str, Any]:
    """Return a consumer's configuration as JetStream's API takes it."""
    return {
        "durable_name": spec.name,
        "name": spec.name,
        "ack_policy": "explicit",
        "ack_wait": int(spec.ack_wait_s * _NANO),
        "max_ack_pending": spec.max_ack_pending,
        "max_deliver": -1,
        "filter_subject": spec.filter_subject,
        "deliver_policy": "all",
    }


async def _ensure_consumer(spec: ConsumerSpec, bus: Bus) -> Provisioned:
    config = consumer_config(spec)
    where = f"{spec.stream}.{spec.name}"
    try:
        found = (await bus.api(f"CONSUMER.INFO.{where}"))["config"]
    except NotFoundError:
        found = None
    if found is not None and not differences(config, found):
        return Provisioned("consumer", spec.name, "unchanged")
    try:
        await bus.api(
            f"CONSUMER.DURABLE.CREATE.{where}", {"stream_name": spec.stream, "config": config}
        )
    except BusRefusedError as error:
        text = f"consumer {spec.name} cannot be made or changed: {error}"
        raise ProvisionError(text) from error
    return Provisioned("consumer", spec.name, "made" if found is None else "changed")


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return the keys that differ; what the server leaves out is its zero value."""
    return [
        key
        for key, value in wanted.items()
        if _plain(found.get(key)) != _plain(value) and not (not value and not found.get(key))
    ]


def _plain(value: Any) -> Any:
    """Return a setting without what the server adds inside of it."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item not in (None, 0, "")}
    return value


async def _wait_until_filling(bus: Bus) -> None:
    """Wait until the server's own consumers behind the sourced buckets are at work."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + FILLING_WAIT_S
    for bucket in BUCKETS:
        while bucket.sourced_to is not None:
            info = await bus.api(f"STREAM.INFO.KV_{bucket.name}")
            source = (info.get("sources") or [{}])[0]
            if source.get("active", -1) >= 0 and source.get("lag", 0) == 0:
                break
            if loop.time() > give_up_at:
                text = (
                    f"bucket {bucket.name} does not fill: the server reports {source}. Is the"
                    f" stream {EVENTS} healthy?"
                )
                raise ProvisionError(text)
            await asyncio.sleep(FILLING_POLL_S)
