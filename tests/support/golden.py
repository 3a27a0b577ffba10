"""The worked examples of the shared test data: what a user asked for, and the objects expected.

Compared by meaning: what is expected must be there with that value, more may be there, but not in
what decides where and what runs.
"""

from __future__ import annotations

from typing import Any

import yaml
from msgspec import Struct

from support.documents import data_folder, read_yaml

# What stands in these must be equal, and they stand nowhere where none is expected.
EXACT = frozenset(
    {"nodeSelector", "tolerations", "affinity", "priorityClassName", "volumes", "volumeMounts"}
    | {"resources", "command", "args", "replicas"}
)
ORDERED = frozenset({"args", "command"})


class Example(Struct, frozen=True):
    """One worked example."""

    run: Any
    context: Any
    expected: list[Any]


def example(name: str) -> Example:
    """Return a worked example by its folder's name; skips the test where there is no data."""
    folder = data_folder("golden") / name
    text = (folder / "expected.yaml").read_text(encoding="utf-8")
    run, context = (read_yaml(folder / f"{part}.yaml") for part in ("run", "context"))
    return Example(run, context, list(yaml.safe_load_all(text)))


def all_differences(expected: list[Any], actual: list[Any]) -> list[str]:
    """Return where objects, found by kind and name, do not say what is expected of them."""
    wanted, found = _by_identity(expected), _by_identity(actual)
    if wanted.keys() != found.keys():
        return [f"objects: {sorted(found)}, not {sorted(wanted)}"]
    return [
        difference
        for identity, each in wanted.items()
        for difference in differences(each, found[identity], path="/".join(identity))
    ]


def differences(expected: Any, actual: Any, key: str = "", path: str = "$") -> list[str]:
    """Return where an object does not say what is expected of it."""
    if key in EXACT:
        same = expected == actual if key in ORDERED else _sorted(expected) == _sorted(actual)
        return [] if same else [f"{path}: {actual!r}, not {expected!r}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _mapping_differences(expected, actual, path)
    if key == "env":
        own = [each for each in actual if not each["name"].startswith("RUNBUS_")]
        right = own == expected and actual[len(actual) - len(own) :] == own
        return [] if right else [f"{path}: {actual!r}, not {expected!r}"]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(_named_order(expected), _named_order(actual), strict=True))
        return [
            found
            for position, (one, other) in pairs
            for found in differences(one, other, "", f"{path}[{position}]")
        ]
    return [] if expected == actual else [f"{path}: {actual!r}, not {expected!r}"]


def _mapping_differences(expected: Any, actual: Any, path: str) -> list[str]:
    found = [f"{path}.{name}: missing" for name in expected if name not in actual]
    more = {name: value for name, value in actual.items() if name not in expected}
    found += [f"{path}.{name}: {value!r}" for name, value in more.items() if _decides(name, value)]
    for name in expected.keys() & actual.keys():
        found += differences(expected[name], actual[name], name, f"{path}.{name}")
    return found


def _decides(name: str, value: Any) -> bool:
    """Say whether a field decides where or what runs, or one in it does."""
    if name in EXACT:
        return True
    if isinstance(value, dict):
        return any(_decides(str(key), inner) for key, inner in value.items())
    return isinstance(value, list) and any(_decides("", inner) for inner in value)


def _by_identity(objects: list[Any]) -> dict[tuple[str, str, str], Any]:
    return {
        (each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]): each
        for each in objects
    }


def _named_order(entries: list[Any]) -> list[Any]:
    """Return entries by name where each has one: the order of a list counts for args and env."""
    if all(isinstance(each, dict) and "name" in each for each in entries):
        return sorted(entries, key=lambda each: str(each["name"]))
    return entries


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return sorted((_sorted(each) for each in value), key=repr)
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in sorted(value.items())}
    return value
