"""From flags for settings to changes of a document. Pure.

Texts stay texts: whether they are right is the validator's to say, for everything at once. Only
what cannot even be taken apart is refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runbus.cli.changes.assigning import Assignment, assigned
from runbus.cli.changes.paths import APPEND, PathError, Step
from runbus.cli.changes.values import assignment, text_assignment, value_of
from runbus.cli.setting_flags import SettingFlags

KIND_DEFAULT = "job"

# Flags whose text is the setting's value.
_PLAIN = (
    "project", "name", "kind", "user", "image", "workdir", "image_pull_policy",
    "image_pull_secret", "service_account", "priority_class", "preemption_mode", "ttl_after_finish",
)  # fmt: skip
_VOLUME_SOURCES = ("pvc", "config_map", "secret")
_WITHOUT_VALUE = {"empty_dir": "{}", "read_only": "true"}


def changes_of(
    flags: SettingFlags,
    command: Sequence[str] = (),
    variables: Mapping[str, str] = {},
) -> list[Assignment]:
    """Return the changes that flags ask for, in the order in which they are made.

    Args:
        flags: as given.
        command: what stood after `--`.
        variables: those of the dotenv files; flags for single ones win over them.

    Raises:
        PathError: one cannot be taken apart; it is named, with what it looks like.

    """
    return [
        *_plain(flags),
        *(_variable(f"--env-file: {name}", name, {"value": variables[name]}) for name in variables),
        *_environment(flags),
        *_pairs("--param", flags.param, "parameters", value_of),
        *_pairs("--label", flags.label, "labels"),
        *_pairs("--annotation", flags.annotation, "annotations"),
        *_pairs("--node-selector", flags.node_selector, "node_selector"),
        *_pairs("--threshold", flags.threshold, "state_thresholds"),
        *_resources(flags),
        *(_volume(text) for text in flags.volume),
        *(_toleration(text) for text in flags.toleration),
        *_retry(flags),
        *_command(command),
        *(assignment("--set", text) for text in flags.set),
        *(text_assignment("--set-string", text) for text in flags.set_string),
    ]


def document_of(changes: Iterable[Assignment]) -> dict[str, Any]:
    """Return the document of a run that is submitted without a file.

    Raises:
        AssignError: a change leads nowhere.

    """
    kind = Assignment("the kind", (Step("kind"),), KIND_DEFAULT)
    return assigned({}, [kind, *changes])


def _plain(flags: SettingFlags) -> Iterable[Assignment]:
    for key in _PLAIN:
        value = getattr(flags, key)
        if value is not None:
            yield Assignment(f"--{key.replace('_', '-')} {value}", (Step(key),), value)


def _environment(flags: SettingFlags) -> Iterable[Assignment]:
    for text in flags.env:
        name, value = _pair("--env", text, "NAME=VALUE")
        yield _variable(f"--env {name}", name, {"value": value})
    for flag, texts, source in (
        ("--env-secret", flags.env_secret, "secret"),
        ("--env-config-map", flags.env_config_map, "config_map"),
    ):
        for text in texts:
            shape = f"NAME={source.upper().replace('_', '')}:KEY"
            name, reference = _pair(flag, text, shape)
            held_by, found, key = reference.partition(":")
            if not (found and held_by and key):
                raise PathError(_unlike(flag, text, shape))
            entry = {source: {"name": held_by, "key": key}}
            yield _variable(f"{flag} {text}", name, entry)


def _variable(argument: str, name: str, entry: dict[str, Any]) -> Assignment:
    return Assignment(argument, (Step("env"), Step(name)), {"name": name, **entry})


def _pairs(flag: str, texts: Iterable[str], key: str, read: Any = str) -> Iterable[Assignment]:
    for text in texts:
        shape = "STATE=DURATION" if key == "state_thresholds" else "KEY=VALUE"
        name, value = _pair(flag, text, shape)
        yield Assignment(f"{flag} {text}", (Step(key), Step(name)), read(value))


def _resources(flags: SettingFlags) -> Iterable[Assignment]:
    for name, text in (("cpu", flags.cpu), ("memory", flags.memory)):
        if text is not None:
            request, found, limit = text.partition(":")
            if not request and not limit:
                raise PathError(_unlike(f"--{name}", text, "REQUEST, REQUEST:LIMIT or :LIMIT"))
            for block, value in (("requests", request), ("limits", limit if found else "")):
                if value:
                    steps = (Step("resources"), Step(block), Step(name))
                    yield Assignment(f"--{name} {text}", steps, value)
    if flags.gpu is not None:
        gpu_type, _, count = flags.gpu.rpartition("=")
        gpus = (Step("resources"), Step("gpus"))
        if gpu_type:
            yield Assignment(f"--gpu {flags.gpu}", (*gpus, Step("type")), gpu_type)
        yield Assignment(f"--gpu {flags.gpu}", (*gpus, Step("count")), _whole("--gpu", count))


def _volume(text: str) -> Assignment:
    """Take a volume apart: settings of one entry, each a path of its own."""
    parts: list[Assignment] = []
    for part in text.split(","):
        key, found, _ = part.partition("=")
        told = part if found else f"{part}={_WITHOUT_VALUE.get(key, '')}"
        if not key or (not found and key not in _WITHOUT_VALUE):
            shape = "name=data,pvc=nlp-data,mount=/data"
            raise PathError(_unlike("--volume", text, shape))
        parts.append(assignment("--volume", told))
    volume = assigned({}, parts)
    named = (volume[source] for source in _VOLUME_SOURCES if isinstance(volume.get(source), str))
    name = volume.get("name") or next(named, None)
    if not isinstance(name, str):
        message = f"--volume {text}: the volume has no name; add name=…"
        raise PathError(message)
    return Assignment(f"--volume {text}", (Step("volumes"), Step(name)), {"name": name, **volume})


def _toleration(text: str) -> Assignment:
    pair, _, effect = text.partition(":")
    key, found, value = pair.partition("=")
    if not key and not effect:
        raise PathError(_unlike("--toleration", text, "KEY[=VALUE][:EFFECT]"))
    entry = {"operator": "Equal" if found else "Exists"}
    entry |= {"key": key} if key else {}
    entry |= {"value": value} if found else {}
    entry |= {"effect": effect} if effect else {}
    steps = (Step("tolerations"), Step(APPEND, is_place=True))
    return Assignment(f"--toleration {text}", steps, entry)


def _retry(flags: SettingFlags) -> Iterable[Assignment]:
    if flags.retry is not None:
        limit = _whole("--retry", flags.retry)
        yield Assignment(f"--retry {flags.retry}", (Step("retry"), Step("limit")), limit)
    if flags.retry_on:
        told = f"--retry-on {' '.join(flags.retry_on)}"
        yield Assignment(told, (Step("retry"), Step("on")), list(flags.retry_on))
    if flags.retry_backoff is not None:
        told = f"--retry-backoff {flags.retry_backoff}"
        yield Assignment(told, (Step("retry"), Step("backoff")), flags.retry_backoff)


def _command(command: Sequence[str]) -> Iterable[Assignment]:
    """Replace the whole container command: arguments of another program would be of no use."""
    if command:
        told = f"-- {' '.join(command)}"
        yield Assignment(told, (Step("command"),), [command[0]])
        yield Assignment(told, (Step("args"),), list(command[1:]) or None)


def _pair(flag: str, text: str, shape: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not name or not found:
        raise PathError(_unlike(flag, text, shape))
    return name, value


def _whole(flag: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise PathError(_unlike(flag, text, "a whole number")) from error


def _unlike(flag: str, text: str, shape: str) -> str:
    return f"{flag} {text}: write it as {shape}"
