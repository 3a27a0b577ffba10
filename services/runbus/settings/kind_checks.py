"""What a kind needs, and which of its values go together once all levels are merged.

Source: the page on settings, sections 1 and 4. What a kind cannot have at all has been left out or
refused before (`fitting`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runbus.contracts.document_kinds import SparkType
from runbus.contracts.durations import parse_duration
from runbus.contracts.quantities import parse_quantity
from runbus.contracts.states import Kind
from runbus.contracts.violations import Violation, ViolationCode
from runbus.settings.in_force import InForce
from runbus.settings.kinds import is_dask_job, rules_of
from runbus.settings.placing import is_gpu

Settings = Mapping[str, Any]

_COMPILED = (SparkType.SCALA.value, SparkType.JAVA.value)
_WORKERS = ("/nuclio/http/workers", "/nuclio/v3io_stream/max_workers")
_GATEWAY = "/nuclio/http/gateway_timeout"


def kind_violations(merged: InForce) -> Iterator[Violation]:
    """Yield what is missing for the kind, and what cannot stand beside each other."""
    yield from _missing(merged.settings, merged.kind)
    yield from _replicas(merged)
    yield from _timeouts(merged)


def workers_beside_gpus(merged: InForce) -> list[Violation]:
    """Warn of a function with GPUs whose workers would share them, or leave some alone."""
    gpus = _gpus(merged.settings.get("resources") or {})
    if not gpus or merged.kind is None or not rules_of(merged.kind).is_function:
        return []
    nuclio = merged.settings.get("nuclio") or {}
    counts = (
        (nuclio.get("http") or {}).get("workers"),
        (nuclio.get("v3io_stream") or {}).get("max_workers"),
    )
    return [
        Violation(
            path,
            ViolationCode.CONFLICT.value,
            count,
            hint=f"each worker uses a GPU of its own: {count} workers do not go with {gpus} GPUs",
        )
        for path, count in zip(_WORKERS, counts, strict=True)
        if count is not None and count != gpus
    ]


def unnamed_program(merged: InForce) -> list[Violation]:
    """Warn of a dask job that names no program: the image's own would have to be one.

    The scheduler and the workers run Dask's programs in the same image.
    """
    settings, kind = merged.settings, merged.kind
    if kind is None or not is_dask_job(kind, settings):
        return []
    if settings.get("command") or settings.get("args"):
        return []
    hint = "the runner starts whatever the image starts by itself: give the program"
    return [Violation("/command", ViolationCode.NOT_CHECKED.value, hint=hint)]


def _gpus(resources: Settings) -> int:
    """Return how many GPUs are asked for, by whichever way."""
    count = (resources.get("gpus") or {}).get("count")
    if count is not None:
        return int(count)
    limits = resources.get("limits") or {}
    return sum(int(parse_quantity(limits[name])) for name in limits if is_gpu(name))


def _missing(settings: Settings, kind: Kind | None) -> Iterator[Violation]:
    match kind:
        case Kind.MPIJOB:
            if not settings.get("command") and not settings.get("args"):
                yield _required("/command", "the program that mpirun starts: `command: python`")
        case Kind.SPARK:
            spark = settings.get("spark") or {}
            if not settings.get("command"):
                yield _required("/command", "the program: `command: local:///opt/app/main.py`")
            if not spark.get("version"):
                yield _required("/spark/version", "like `spark: {version: 3.5.6}`")
            if spark.get("type") in _COMPILED and not spark.get("main_class"):
                yield _required("/spark/main_class", f"{spark['type']} programs need it")
        case Kind.NUCLIO | Kind.SERVING:
            nuclio = settings.get("nuclio") or {}
            for key, example in (("handler", "main:handler"), ("runtime", "python:3.11")):
                if not nuclio.get(key):
                    yield _required(f"/nuclio/{key}", f'like `nuclio: {{{key}: "{example}"}}`')
        case _:
            return


def _required(path: str, example: str) -> Violation:
    return Violation(path, ViolationCode.REQUIRED.value, hint=f"give it, {example}")


def _replicas(merged: InForce) -> Iterator[Violation]:
    """Yield a range that is none, and a number that is too small for the kind."""
    settings, kind = merged.settings, merged.kind
    count = settings.get("replicas")
    least, most = settings.get("min_replicas"), settings.get("max_replicas")
    fewest = rules_of(kind).replicas_least if kind is not None else None
    if count is not None and fewest is not None and count < fewest:
        hint = f"a {merged.kind} without any could do nothing"
        yield _refusal(merged, "/replicas", count, f"at least {fewest}", hint)
    if least is not None and most is not None and least > most:
        yield _no_range(merged, least, most)
    if least is not None and most is None and kind is not None:
        hint = "a range has an end: give max_replicas too, or replicas instead"
        yield Violation("/max_replicas", ViolationCode.REQUIRED.value, hint=hint)


def _no_range(merged: InForce, least: int, most: int) -> Violation:
    """Refuse the end that somebody asked for; the other is named with its level."""
    if merged.is_asked("/max_replicas") and not merged.is_asked("/min_replicas"):
        hint = f"min_replicas, {least}, comes from {merged.level('/min_replicas')}: set it too"
        return _refusal(merged, "/max_replicas", most, f"at least min_replicas, {least}", hint)
    hint = f"max_replicas, {most}, comes from {merged.level('/max_replicas')}: set it too"
    return _refusal(merged, "/min_replicas", least, f"at most max_replicas, {most}", hint)


def _timeouts(merged: InForce) -> Iterator[Violation]:
    http = (merged.settings.get("nuclio") or {}).get("http") or {}
    gateway, worker = http.get("gateway_timeout"), http.get("worker_timeout")
    if gateway is None or worker is None:
        return
    longest, waited = parse_duration(gateway), parse_duration(worker)
    if longest is not None and waited is not None and longest <= waited:
        hint = f"a request may wait worker_timeout, {worker}, for a worker: give it longer"
        yield _refusal(merged, _GATEWAY, gateway, f"longer than worker_timeout, {worker}", hint)


def _refusal(merged: InForce, path: str, given: object, allowed: str, hint: str) -> Violation:
    return merged.refusal(path, ViolationCode.CONFLICT, given, allowed=allowed, hint=hint)
