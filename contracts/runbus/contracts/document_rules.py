"""Rules of single entries that their types cannot say: one source, values that belong together.

A rule sees the entry as it was given and as it was cleaned, where whatever was refused is left
out, so that nothing is told twice. It may put the cleaned entry into its one normal form.
It must not know levels or defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from runbus.contracts.document import (
    EnvFrom,
    EnvVariable,
    Resources,
    Retry,
    RunDocument,
    StateThresholds,
    V3io,
    Volume,
)
from runbus.contracts.document_findings import Findings
from runbus.contracts.document_kinds import NuclioHttp
from runbus.contracts.durations import parse_duration
from runbus.contracts.labels import MANAGED_BY, PREFIX, RERUN_OF_ANNOTATION
from runbus.contracts.locations import HOME
from runbus.contracts.names import is_extended_resource
from runbus.contracts.placement_rules import PLACEMENT_RULES
from runbus.contracts.quantities import parse_quantity
from runbus.contracts.violations import ViolationCode, pointer, shortened

Given = Mapping[Any, Any]
Rule = Callable[[Given, dict[str, Any], str, Findings], None]

HOME_CONTAINER = "users"
GPU_TYPE_DEFAULT = "nvidia.com/gpu"
ANNOTATIONS_BYTES_MAX = 256 * 1024  # of one object, keys and values together (Kubernetes)
ENV_SOURCES = ("value", "secret", "config_map", "field")
ENV_FROM_SOURCES = ("secret", "config_map")
VOLUME_SOURCES = ("pvc", "config_map", "secret", "empty_dir", "v3io", "host_path")


def rule_of(struct: type[Struct]) -> Rule | None:
    """Return the rule of an entry's type, if it has one."""
    return _RULES.get(struct)


def mount_place(path: str) -> str:
    """Return a mount path as it counts: `/data/` and `/data` are one place."""
    return path.rstrip("/") or "/"


def _env_variable(given: Given, _: dict[str, Any], path: str, findings: Findings) -> None:
    # `value: null` is refused as such, and nobody is told to give a source on top.
    sources = [key for key in ENV_SOURCES if given.get(key) is not None]
    if sources or "value" not in given:
        _one_source(sources, ENV_SOURCES, path, findings)


def _env_from(given: Given, _: dict[str, Any], path: str, findings: Findings) -> None:
    sources = [key for key in ENV_FROM_SOURCES if given.get(key) is not None]
    _one_source(sources, ENV_FROM_SOURCES, path, findings)


def _one_source(
    sources: list[str], possible: tuple[str, ...], path: str, findings: Findings
) -> None:
    if not sources:
        hint = f"give one of {', '.join(possible)}"
        findings.add(path, ViolationCode.NO_SOURCE, allowed=list(possible), hint=hint)
    elif len(sources) > 1:
        given, hint = " and ".join(sources), "keep one of them"
        code = ViolationCode.SEVERAL_SOURCES
        findings.add(path, code, given, allowed=list(possible), hint=hint)


def _volume(given: Given, cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    sources = [key for key in VOLUME_SOURCES if given.get(key) is not None]
    if not sources and "empty_dir" in given:
        hint = "write `empty_dir: {}` for a fresh folder: null means not given"
        findings.add(path, ViolationCode.NO_SOURCE, allowed=list(VOLUME_SOURCES), hint=hint)
    else:
        _one_source(sources, VOLUME_SOURCES, path, findings)
    if "mount" in cleaned:
        cleaned["mount"] = mount_place(cleaned["mount"])
    if "items" in cleaned:
        _items(sources, cleaned["items"], f"{path}/items", findings)


def _v3io(given: Given, cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    is_home = str(given.get("path") or "").split("/")[0] == HOME
    container = cleaned.get("container")
    if is_home and container not in (None, HOME_CONTAINER):
        hint = "~ is a home in the container users: take the container out, or write another path"
        findings.add(f"{path}/container", ViolationCode.CONFLICT, container, hint=hint)
    elif not is_home and given.get("container") is None:
        hint = "say which data container, like `container: projects`"
        if "path" in given and given["path"] is None:
            hint += """; for a home quote the path: '~' alone is nothing in YAML"""
        findings.add(f"{path}/container", ViolationCode.REQUIRED, hint=hint)
    elif container is not None and "/" in container:
        hint = "the container alone stands here, and the path in it in `path`"
        findings.add(f"{path}/container", ViolationCode.INVALID_NAME, container, hint=hint)
    if given.get("secret") is None:
        hint = "name the Secret that holds the access key, of type v3io/fuse"
        findings.add(f"{path}/secret", ViolationCode.REQUIRED, hint=hint)


def _items(sources: list[str], items: dict[str, str], path: str, findings: Findings) -> None:
    if sources and not {"config_map", "secret"} & set(sources):
        hint = "items belong to a config_map or a secret: take them out"
        findings.add(path, ViolationCode.CONFLICT, hint=hint)
    keys: dict[str, str] = {}
    for key, file in items.items():
        if file in keys:
            hint = f"{keys[file]} is written there already: choose another file"
            findings.add(pointer(path, key), ViolationCode.DUPLICATE, file, hint=hint)
        keys.setdefault(file, key)


def _resources(_: Given, cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    requests, limits = cleaned.get("requests", {}), cleaned.get("limits", {})
    for block, quantities in (("requests", requests), ("limits", limits)):
        for name, text in quantities.items():
            if is_extended_resource(name) and parse_quantity(text) % 1:
                hint = f"{name} is counted in whole units"
                place = pointer(f"{path}/{block}", name)
                findings.add(place, ViolationCode.INVALID_QUANTITY, text, hint=hint)
    for name, request in requests.items():
        if name in limits:
            _request_fits(name, request, limits[name], path, findings)
    _gpus_agree(cleaned, path, findings)


def _request_fits(name: str, request: str, limit: str, path: str, findings: Findings) -> None:
    asked, most = parse_quantity(request), parse_quantity(limit)
    place = pointer(f"{path}/requests", name)
    if asked > most:
        code, allowed = ViolationCode.REQUEST_ABOVE_LIMIT, f"at most the limit, {limit}"
        hint = f"ask for less, or raise {pointer(f'{path}/limits', name)}"
        findings.add(place, code, request, allowed=allowed, hint=hint)
    elif asked != most and is_extended_resource(name):
        hint = f"{name} is never shared: give the limit alone, or {limit} in both"
        findings.add(place, ViolationCode.CONFLICT, request, allowed=limit, hint=hint)


def _gpus_agree(cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    """Refuse two counts of one GPU in one document."""
    gpus = cleaned.get("gpus", {})
    count = gpus.get("count")
    if count is None:
        return
    name = gpus.get("type", GPU_TYPE_DEFAULT)
    for block in ("requests", "limits"):
        other = cleaned.get(block, {}).get(name)
        if other is not None and parse_quantity(other) != count:
            hint = f"gpus.count says {count}: keep one of the two"
            place = pointer(f"{path}/{block}", name)
            findings.add(place, ViolationCode.CONFLICT, other, hint=hint)


def _retry(_: Given, cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    if _is_longer(cleaned, "backoff", "backoff_max"):
        hint = f"it doubles up to backoff_max, {cleaned['backoff_max']}: it cannot start above"
        findings.add(f"{path}/backoff", ViolationCode.CONFLICT, cleaned["backoff"], hint=hint)
    if "on" in cleaned:
        cleaned["on"] = ["running" if each == "executing" else each for each in cleaned["on"]]


def _is_longer(cleaned: dict[str, Any], first: str, second: str) -> bool:
    """Say whether both durations are there, and the first is the longer one."""
    one, other = (parse_duration(cleaned.get(key, "1s")) for key in (first, second))
    is_both = first in cleaned and second in cleaned
    return is_both and one is not None and other is not None and one > other


def _http(_: Given, cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    timeouts = [cleaned.get(key) for key in ("worker_timeout", "gateway_timeout")]
    if all(timeouts) and not _is_longer(cleaned, "gateway_timeout", "worker_timeout"):
        hint = f"a request may wait worker_timeout, {timeouts[0]}, for a worker: give it longer"
        place = f"{path}/gateway_timeout"
        findings.add(place, ViolationCode.CONFLICT, timeouts[1], hint=hint)


def _state_thresholds(given: Given, cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    if given.get("executing") is not None and given.get("running") is not None:
        hint = "executing and running are the same threshold: keep one"
        place = f"{path}/executing"
        findings.add(place, ViolationCode.CONFLICT, given["executing"], hint=hint)
    if "executing" in cleaned:
        cleaned.setdefault("running", cleaned.pop("executing"))


def _run_document(given: Given, cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    _replicas(given, cleaned, path, findings)
    _volumes_differ(given.get("volumes"), f"{path}/volumes", findings)
    for key in ("labels", "annotations"):
        _none_reserved(cleaned.get(key, {}), f"{path}/{key}", findings)
    _annotations_fit(cleaned.get("annotations", {}), f"{path}/annotations", findings)


def _replicas(given: Given, cleaned: dict[str, Any], path: str, findings: Findings) -> None:
    """Refuse a number beside a range, and a range that is none."""
    is_range = given.get("min_replicas") is not None or given.get("max_replicas") is not None
    if given.get("replicas") is not None and is_range:
        hint = "a number or a range, not both: keep replicas, or min_replicas and max_replicas"
        findings.add(f"{path}/replicas", ViolationCode.CONFLICT, given["replicas"], hint=hint)
    least, most = cleaned.get("min_replicas"), cleaned.get("max_replicas")
    if least is not None and most is not None and least > most:
        allowed, hint = f"at most max_replicas, {most}", "raise max_replicas, or lower this"
        place = f"{path}/min_replicas"
        findings.add(place, ViolationCode.CONFLICT, least, allowed=allowed, hint=hint)


def _volumes_differ(given: object, path: str, findings: Findings) -> None:
    """Refuse two volumes of one name, and two mounts at one place, in one list."""
    names: set[str] = set()
    mounts: dict[str, object] = {}
    for position, volume in enumerate(given if isinstance(given, list | tuple) else ()):
        if not isinstance(volume, dict):
            continue
        name, mount = volume.get("name"), volume.get("mount")
        if isinstance(name, str) and name in names:
            hint = "give each volume a name of its own"
            findings.add(f"{path}/{position}/name", ViolationCode.DUPLICATE, name, hint=hint)
        elif isinstance(mount, str) and mount_place(mount) in mounts:
            hint = f"volume {mounts[mount_place(mount)]} is mounted there: choose another path"
            findings.add(f"{path}/{position}/mount", ViolationCode.DUPLICATE, mount, hint=hint)
        if isinstance(name, str):
            names.add(name)
        if isinstance(mount, str):
            mounts.setdefault(mount_place(mount), shortened(name))


def _none_reserved(given: dict[str, str], path: str, findings: Findings) -> None:
    for key in given:
        if path.endswith("/annotations") and key == RERUN_OF_ANNOTATION:
            continue
        if key.startswith(PREFIX) or key == MANAGED_BY:
            hint = "runbus sets it itself: choose another key"
            findings.add(pointer(path, key), ViolationCode.RESERVED, key, hint=hint)


def _annotations_fit(given: dict[str, str], path: str, findings: Findings) -> None:
    size = sum(len(key.encode()) + len(value.encode()) for key, value in given.items())
    if size > ANNOTATIONS_BYTES_MAX:
        allowed = f"at most {ANNOTATIONS_BYTES_MAX} bytes together"
        hint = f"they have {size}"
        findings.add(path, ViolationCode.TOO_LARGE, allowed=allowed, hint=hint)


_RULES: dict[type[Struct], Rule] = {
    EnvVariable: _env_variable,
    EnvFrom: _env_from,
    Volume: _volume,
    V3io: _v3io,
    NuclioHttp: _http,
    Resources: _resources,
    Retry: _retry,
    StateThresholds: _state_thresholds,
    RunDocument: _run_document,
    **PLACEMENT_RULES,
}
