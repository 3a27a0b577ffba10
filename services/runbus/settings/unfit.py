"""What a kind cannot have, by theme: sections, roles, programs, thresholds, queues, scaling.

Each rule names what of the settings in force would come to nothing in the objects of their kind,
and why; whether it is refused or left out is not decided here (`fitting`). Sources: the page on
settings, sections 1, 2, 4 and 10, the page on states, section 4, and the operators' definitions.
It must not know who asked for what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from runbus.contracts.document import QueueSystem
from runbus.contracts.labels import KUEUE_QUEUE
from runbus.contracts.states import Kind, Role
from runbus.contracts.violations import pointer
from runbus.settings.kinds import (
    HTTP_TRIGGER,
    SECTIONS,
    is_dask_job,
    roles_of,
    rules_of,
    stays,
)

Settings = Mapping[str, Any]

RANGE = ("min_replicas", "max_replicas")
_OF_CONTAINER = ("command", "args", "workdir")


class Unfit(Struct, frozen=True):
    """A setting that a kind cannot have: its pointer, and why."""

    path: str
    hint: str


Rule = Callable[[Settings, Kind], Iterator[Unfit]]


def fixing(settings: Settings) -> tuple[str, ...]:
    """Return the keys that fix the number of replicas: itself, or a range of one number."""
    if "replicas" in settings:
        return ("replicas",)
    least, most = (settings.get(key) for key in RANGE)
    return RANGE if least is not None and least == most else ()


def _sections(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    own = rules_of(kind).section
    for section in SECTIONS:
        if section in settings and section != own:
            yield Unfit(f"/{section}", f"it is not for kind {kind.value}: take it out")


def _roles(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    roles = roles_of(kind, settings)
    for role in settings.get("roles") or ():
        if Role(role) not in roles:
            has = f"it has {', '.join(each.value for each in roles)}" if roles else "it has none"
            if role == Role.RUNNER.value and kind is Kind.DASK:
                has = "only mode job has a runner"
            yield Unfit(f"/roles/{role}", f"kind {kind.value} has no such role: {has}")
    if rules_of(kind).is_all_by_role and "resources" in settings:
        places = " and ".join(f"roles.{each.value}.resources" for each in roles)
        yield Unfit("/resources", f"kind {kind.value} takes them by role: {places}")


def _program(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    """Yield what a program of the user's would be: functions and dask clusters run their own."""
    if rules_of(kind).is_function:
        for key in _OF_CONTAINER:
            if key in settings:
                yield Unfit(f"/{key}", f"kind {kind.value} runs nuclio.handler: take it out")
    elif kind is Kind.DASK and not is_dask_job(kind, settings):
        for key in ("command", "args"):
            if key in settings:
                hint = "a dask cluster runs no program: take it out, or give `dask: {mode: job}`"
                yield Unfit(f"/{key}", hint)


def _pods(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    """Yield what the operator has no field for, and labels that are its own."""
    rules, name = rules_of(kind), kind.value
    if rules.is_function and "termination_grace_period" in settings:
        hint = f"a {name} function has no field for it: take it out"
        yield Unfit("/termination_grace_period", hint)
    labels = settings.get("labels") or {}
    for key in rules.own_labels:
        if key in labels:
            hint = "runbus sets it itself on functions: choose another key"
            yield Unfit(pointer("/labels", key), hint)


def _queue(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    """Yield a queue outside that knows no such kind, and a label that would name another queue."""
    queue = settings.get("queue") or {}
    if queue.get("system") != QueueSystem.KUEUE.value:
        return
    if rules_of(kind).is_kueues:
        if KUEUE_QUEUE in (settings.get("labels") or {}):
            hint = "queue.name sets it: take the label out"
            yield Unfit(pointer("/labels", KUEUE_QUEUE), hint)
        return
    hint = f"Kueue admits no {kind.value}: take it out, and runbus admits the run"
    yield Unfit("/queue/system", hint)


def _thresholds(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    if not stays(kind, settings):
        return
    what = "a dask cluster" if kind is Kind.DASK else f"a {kind.value} function"
    hint = (
        f"{what} stays until it is aborted or replaced, so that no threshold applies: take it out"
    )
    for key in settings.get("state_thresholds") or ():
        yield Unfit(f"/state_thresholds/{key}", hint)


def _idle_time(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    if is_dask_job(kind, settings) and "idle_timeout" in settings["dask"]:
        hint = "the cluster of a dask job ends with its program: take it out"
        yield Unfit("/dask/idle_timeout", hint)


def _triggers(settings: Settings, _: Kind) -> Iterator[Unfit]:
    """Yield paths of an ingress that there is not, and a name that the HTTP trigger has."""
    nuclio = settings.get("nuclio") or {}
    http, stream = nuclio.get("http") or {}, nuclio.get("v3io_stream") or {}
    if "paths" in http and "host" not in http:
        hint = "without a host there is no ingress: give nuclio.http.host too, or take it out"
        yield Unfit("/nuclio/http/paths", hint)
    if stream.get("name") == HTTP_TRIGGER:
        hint = "the HTTP trigger is called so: choose another name"
        yield Unfit("/nuclio/v3io_stream/name", hint)


def _scaling(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    rules, name = rules_of(kind), kind.value
    if rules.replicas_least is None and "replicas" in settings:
        yield Unfit("/replicas", f"kind {name} is one pod: take it out")
    for key in RANGE:
        if key in settings and not rules.can_scale:
            way = "take it out" if rules.replicas_least is None else "give replicas"
            yield Unfit(f"/{key}", f"kind {name} cannot scale by itself: {way}")
    if "target_cpu" not in settings:
        return
    if not rules.is_function:
        yield Unfit("/target_cpu", f"kind {name} does not scale by CPU: take it out")
    elif not _has_cpu_request(settings):
        hint = "it is a percentage of the CPU request: give resources.requests.cpu"
        yield Unfit("/target_cpu", hint)
    elif fixing(settings):
        hint = "the number of replicas is fixed: give a range, or take it out"
        yield Unfit("/target_cpu", hint)


def _has_cpu_request(settings: Settings) -> bool:
    """Say whether CPU is asked for; a limit alone is a request too, for Kubernetes."""
    resources = settings.get("resources") or {}
    return any("cpu" in (resources.get(block) or {}) for block in ("requests", "limits"))


def _stream(settings: Settings, kind: Kind) -> Iterator[Unfit]:
    """Refuse scaling of what reads a stream: its shards are shared out among fixed replicas."""
    stream = (settings.get("nuclio") or {}).get("v3io_stream")
    if not stream or not rules_of(kind).is_function:
        return
    shards = stream.get("shards")
    way = "give shards, or replicas" if shards is None else f"shards fixes the replicas, {shards}"
    least, most = (settings.get(key) for key in RANGE)
    for key in RANGE:
        if key in settings and (least != most or (shards is not None and shards != most)):
            yield Unfit(f"/{key}", f"a function that reads a stream cannot scale by itself: {way}")
    if "target_cpu" in settings:
        yield Unfit("/target_cpu", f"a function that reads a stream cannot scale by itself: {way}")
    if shards is not None and settings.get("replicas") not in (None, shards):
        yield Unfit(
            "/replicas", f"v3io_stream.shards fixes the replicas: {shards}, or leave it out"
        )


RULES: tuple[Rule, ...] = (
    _sections,
    _roles,
    _program,
    _pods,
    _queue,
    _thresholds,
    _idle_time,
    _triggers,
    _stream,
    _scaling,
)
