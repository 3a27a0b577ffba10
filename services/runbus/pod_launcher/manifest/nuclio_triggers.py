"""What calls a Nuclio function: HTTP, always, and a v3io stream where one is given.

A function without an HTTP trigger of its own would get none, since only the dashboard adds one,
and without it Nuclio cannot probe the function. It must not know the function around them.
"""

from __future__ import annotations

import math

from runbus.contracts.document_kinds import Nuclio, NuclioHttp, NuclioStream, SeekTo
from runbus.contracts.durations import parse_duration
from runbus.contracts.locations import V3IO
from runbus.pod_launcher.manifest.metadata import Manifest
from runbus.settings.kinds import HTTP_TRIGGER

WORKER_TIMEOUT_DEFAULT_MS = 10_000
_STREAM_NAME_DEFAULT = "stream"
_GROUP_DEFAULT = "serving"
_WEBAPI = "http://v3io-webapi:8081"
# Read by Nuclio: it takes the access key from the function's variable V3IO_ACCESS_KEY.
_GENERATED = "$generate"
_PROXY_TIMEOUT = "nginx.ingress.kubernetes.io/proxy-{}-timeout"
_READING = {
    "readBatchSize": 256,
    "workerAllocationMode": "pool",
    "sessionTimeout": "10s",
    "heartbeatInterval": "3s",
    "sequenceNumberCommitInterval": "1s",
    "pollingIntervalMs": 500,
}


def triggers(nuclio: Nuclio) -> Manifest:
    """Return a function's triggers by name."""
    found: Manifest = {HTTP_TRIGGER: _http(nuclio.http or NuclioHttp())}
    stream = nuclio.v3io_stream
    if stream is not None:
        name = stream.name or _STREAM_NAME_DEFAULT
        found[name] = _stream(stream, name)
    return found


def _http(http: NuclioHttp) -> Manifest:
    """Return the HTTP trigger: how long a request waits, and where it comes in from outside."""
    waits_s = parse_duration(http.worker_timeout) if http.worker_timeout is not None else None
    waits_ms = math.ceil(waits_s * 1000) if waits_s is not None else WORKER_TIMEOUT_DEFAULT_MS
    trigger: Manifest = {
        "class": "",
        "kind": HTTP_TRIGGER,
        "name": HTTP_TRIGGER,
        "numWorkers": http.workers or 1,
        "workerAvailabilityTimeoutMilliseconds": waits_ms,
        "attributes": _ingresses(http),
    }
    gateway_s = parse_duration(http.gateway_timeout) if http.gateway_timeout is not None else None
    if gateway_s is not None:
        whole_s = str(math.ceil(gateway_s))
        steps = ("connect", "read", "send")
        trigger["annotations"] = {_PROXY_TIMEOUT.format(each): whole_s for each in steps}
    return trigger


def _ingresses(http: NuclioHttp) -> Manifest:
    if http.host is None:
        return {}
    return {"ingresses": {"0": {"host": http.host, "paths": list(http.paths or ("/",))}}}


def _stream(stream: NuclioStream, name: str) -> Manifest:
    """Return the trigger from a stream; `v3io:///container/path` says which."""
    container, _, path = stream.path.removeprefix(V3IO).partition("/")
    return {
        "class": "",
        "kind": "v3ioStream",
        "name": name,
        "url": _WEBAPI,
        "password": _GENERATED,
        "numWorkers": stream.max_workers or 1,
        "workerTerminationTimeout": "10s",
        "explicitAckMode": "disable",
        "attributes": {
            "containerName": container,
            "streamPath": path.strip("/"),
            "consumerGroup": stream.group or _GROUP_DEFAULT,
            "seekTo": (stream.seek_to or SeekTo.LATEST).value,
            **_READING,
        },
    }
