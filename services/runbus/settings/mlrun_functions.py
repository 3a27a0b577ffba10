"""MLRun's function.yaml as settings of ours, as far as it maps; what does not is named.

Keys that are the same here and there are left alone. The result is raw and unchecked. Source: the
page on settings, section 9, and MLRun's documented function object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbus.contracts.document import RunDocument
from runbus.contracts.document_findings import did_you_mean
from runbus.contracts.violations import Violation, ViolationCode, pointer

SPEC = "/spec"
KNOWN = frozenset(RunDocument.__struct_fields__)

_KINDS = {"": "job", "local": "job", "handler": "job", "remote": "nuclio"}
_RENAMED = {"priority_class_name": "priority_class", "service_account_name": "service_account"}
_SECTIONS = {
    "mpi_args": ("mpi", "args"),
    "clean_pod_policy": ("mpi", "clean_pod_policy"),
    "nthreads": ("dask", "nthreads"),
    "function_handler": ("nuclio", "handler"),
}
_INTO_OTHERS = frozenset({"volume_mounts", "disable_auto_mount", "default_handler", "entry_points"})
_FUNCTION_KINDS = frozenset({"nuclio", "serving"})
_REASONS = {
    "build": "runbus builds no images: build one and name it as image",
    "default_handler": "runbus starts a command, not a Python function: name it in args",
    "description": "for people only",
    "source": "runbus loads no code: put it into the image",
}


def kind_of(given: object) -> object:
    """Return our name of a kind that MLRun calls otherwise."""
    return _KINDS.get(given, given) if isinstance(given, str) else given


class Mapped:
    """The settings that a `spec` becomes, and what of it does not map."""

    def __init__(self, spec: Mapping[str, Any], kind: object) -> None:
        self.settings: dict[str, Any] = {}
        self.warnings: list[Violation] = []
        self._spec = spec
        self._kind = kind
        for key, value in spec.items():
            if value is not None and value not in ("", []) and key not in _INTO_OTHERS:
                self._take(key, value)
        self._take_handler()
        if spec.get("disable_auto_mount") is True:
            self.settings["auto_mount"] = False

    def _take(self, key: str, value: Any) -> None:
        ours = _RENAMED.get(key, key)
        if key in _SECTIONS:
            section, name = _SECTIONS[key]
            self.settings[section] = {**self.settings.get(section, {}), name: value}
        elif key == "env" and isinstance(value, list):
            self.settings["env"] = [_env(each) for each in value]
        elif key == "resources" and isinstance(value, dict):
            self._take_resources(value)
        elif key == "volumes" and isinstance(value, list):
            self._take_volumes(value)
        elif (
            ours in KNOWN and isinstance(value, dict) and isinstance(self.settings.get(ours), dict)
        ):
            self.settings[ours] = {**self.settings[ours], **value}
        elif ours in KNOWN:
            self.settings[ours] = value
        else:
            self._leave_out(key)

    def _leave_out(self, key: object, path: str = "") -> None:
        hint = _REASONS.get(str(key)) or did_you_mean(str(key), KNOWN) or "no such setting here"
        place = path or pointer(SPEC, key)
        self.warnings.append(Violation(place, ViolationCode.NOT_MAPPED.value, hint=hint))

    def _take_handler(self) -> None:
        """Take a function's handler, or the parameters that a job's has."""
        handler = self._spec.get("default_handler")
        if not isinstance(handler, str) or not handler:
            return
        section = self.settings.get("nuclio", {})
        if self._kind in _FUNCTION_KINDS and isinstance(section, dict):
            self.settings["nuclio"] = {"handler": handler, **section}
            return
        self._leave_out("default_handler")
        parameters = _parameters_of(self._spec.get("entry_points"), handler)
        if parameters and "parameters" not in self.settings:
            self.settings["parameters"] = parameters

    def _take_resources(self, given: Mapping[str, Any]) -> None:
        """Take requests and limits; a GPU among the limits becomes `gpus`."""
        blocks = {key: block for key, block in given.items() if block not in ({}, None)}
        if given and not blocks:
            return
        for key in ("requests", "limits"):
            block = blocks.get(key)
            if not isinstance(block, dict):
                continue
            gpus = [name for name in block if isinstance(name, str) and name.endswith("/gpu")]
            if gpus:
                count = block[gpus[0]]
                whole = int(count) if isinstance(count, str) and count.isdecimal() else count
                blocks["gpus"] = {"type": gpus[0], "count": whole}
            blocks[key] = {name: _quantity(v) for name, v in block.items() if name not in gpus}
        self.settings["resources"] = {key: block for key, block in blocks.items() if block != {}}

    def _take_volumes(self, volumes: list[Any]) -> None:
        """Put Kubernetes' volumes together with their mounts; ours stand as they are."""
        mounts = self._spec.get("volume_mounts")
        listed = mounts if isinstance(mounts, list) else []
        taken = []
        for position, each in enumerate(volumes):
            own = [m for m in listed if isinstance(each, dict) and _name(m) == _name(each)]
            if isinstance(each, dict) and "mount" not in each and own:
                source = _volume_source(each)
                if source is None:
                    self._leave_out("volumes", f"{SPEC}/volumes/{position}")
                else:
                    taken.append({"name": each.get("name"), **source, **_mount(own[0])})
            else:
                taken.append(each)
        if taken:
            self.settings["volumes"] = taken


def _name(of: object) -> object:
    return of.get("name") if isinstance(of, dict) else None


def _quantity(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


def _env(entry: Any) -> Any:
    """Return one variable of Kubernetes' shape in ours."""
    source = entry.get("valueFrom") if isinstance(entry, dict) else None
    if not isinstance(source, dict):
        return entry
    kept = {key: value for key, value in entry.items() if key not in ("valueFrom", "value")}
    for theirs, ours in (("secretKeyRef", "secret"), ("configMapKeyRef", "config_map")):
        if isinstance(source.get(theirs), dict):
            reference = source[theirs]
            return {**kept, ours: {key: reference.get(key) for key in ("name", "key")}}
    if isinstance(source.get("fieldRef"), dict):
        return {**kept, "field": source["fieldRef"].get("fieldPath")}
    return entry


def _volume_source(volume: Mapping[str, Any]) -> dict[str, Any] | None:
    for theirs, ours, name in (
        ("persistentVolumeClaim", "pvc", "claimName"),
        ("secret", "secret", "secretName"),
        ("configMap", "config_map", "name"),
        ("hostPath", "host_path", "path"),
    ):
        if isinstance(volume.get(theirs), dict):
            return {ours: volume[theirs].get(name)}
    empty = volume.get("emptyDir")
    if isinstance(empty, dict):
        keys = {"medium": "medium", "sizeLimit": "size"}
        return {"empty_dir": {ours: empty[key] for key, ours in keys.items() if empty.get(key)}}
    return None


def _mount(given: Mapping[str, Any]) -> dict[str, Any]:
    keys = {"mountPath": "mount", "subPath": "sub_path", "readOnly": "read_only"}
    return {ours: given[key] for key, ours in keys.items() if given.get(key)}


def _parameters_of(entry_points: object, handler: str) -> dict[str, Any]:
    """Return the defaults of an entry point's parameters: 0, false and empty lists among them."""
    entry = entry_points.get(handler) if isinstance(entry_points, dict) else None
    listed = entry.get("parameters") if isinstance(entry, dict) else None
    return {
        each["name"]: each["default"]
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict) and isinstance(each.get("name"), str) and _has_default(each)
    }


def _has_default(parameter: Mapping[str, Any]) -> bool:
    """Say whether a parameter has a default; MLRun writes an empty text where there is none.

    Only of a text is that taken for the default itself.
    """
    default = parameter.get("default")
    return default is not None and (default != "" or parameter.get("type") == "str")
