"""The page itself: one table of all settings, then each that has parts, then whole documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from runbus.cli.output.printing import yaml_text
from runbus.cli.settings_page.describing import Described, described, taken_apart
from runbus.cli.settings_page.examples import DOCUMENTS, EXAMPLES, LEAST
from runbus.cli.settings_page.probing import (
    EVERY_KIND,
    kinds_of,
    kinds_of_role,
    shipped_defaults,
)
from runbus.contracts.document import Roles, RunDocument

GENERATED = "<!-- generated from the contracts: change those, then run `make contracts` -->"
_INTRODUCTION = """# What a run can ask for

Every setting of a run document: its type, what is allowed, what it is where nobody gives it, and
the kinds that can have it. The document is the same in a file (YAML or JSON), on the bus, in the
[Python client](migrating-from-mlrun.md) and behind the command line's flags
(`--set resources.gpus.count=2`). An unknown key is refused, and the nearest known key named.

A value comes from the highest level that gives it: the run itself, then its function, its project,
the operator's service level, and below all of them what is shipped with runbus (the defaults on
this page). `runbus explain RUN` shows each value in force, the level it came from, and what it
overrode; `runbus lint -f FILE` says what is wrong with a document before it is sent.

What is asked for is never dropped without a word: what a kind has no use for is refused, with the
way out. A default of the operator's that a kind has no use for is left out.

Operators may cap what a run can ask for: thresholds, replicas, kinds, priority classes, service
accounts, folders of nodes. What is **asked for** past a cap is refused, and the cap is named. What
**nobody asked for** is brought down to it instead: a default that comes with runbus (24 hours of
`running` under a cap of 12 hours become 12), or a limit that is missing (`total` under a cap of
a week becomes a week). `runbus explain` then shows the level of the cap.

Durations add up number and unit: `30s`, `1h30m`, `1d 12h`, `1.5h`, or ISO 8601 (`PT5M`); a single
M or D is refused, because nobody knows what it means. Quantities are Kubernetes': `500m`, `4`,
`1Gi`, `1.5G`. `null` means "not given", except for a variable's value and a threshold.
"""
_HEADINGS = ("Setting", "Type", "Allowed", "Default", "Example", "What it is")
_SHOWN_ROLE = "executor"  # all have the same settings
_ALL_KINDS = tuple(LEAST)


def settings_page() -> str:
    """Return the text of docs/settings.md."""
    settings = list(described(RunDocument))
    sections = [
        GENERATED,
        _INTRODUCTION,
        "## All settings\n",
        _table(("Setting", "Kinds", *_HEADINGS[1:]), map(_overview_row, settings)),
    ]
    for each in settings:
        if _has_section(each):
            sections += _section(each, list(taken_apart(each)))
    return "\n".join([*sections, *_documents()])


def _section(setting: Described, below: Sequence[Described]) -> Iterator[str]:
    key = _key(setting)
    yield f"## {key}\n"
    yield f"{_sentence(setting.description)} {_kinds_sentence(key)}".strip() + "\n"
    if key == "roles":
        yield _table(("Role", "Kinds"), map(_role_row, described(Roles)))
        yield "Each has these settings; they are merged over the run's own, as one more level.\n"
        below = [each for each in below if each.keys[1] == _SHOWN_ROLE and len(each.keys) == 3]
    yield f"```yaml\n{yaml_text({key: EXAMPLES[key]})}```\n"
    if below:
        yield _table(_HEADINGS, map(_row, below))


def _documents() -> Iterator[str]:
    yield "## Whole documents\n"
    yield "One for each kind, as `runbus submit -f` takes it.\n"
    for kind, document in DOCUMENTS.items():
        yield f"### {kind.value}\n"
        yield f"```yaml\n{yaml_text(document)}```\n"


def _overview_row(setting: Described) -> tuple[str, ...]:
    key = _key(setting)
    name, *rest = _row(setting)
    return (f"[{name}](#{key})" if _has_section(setting) else name, _kinds_text(key), *rest)


def _row(setting: Described) -> tuple[str, ...]:
    required = " (required)" if setting.is_required else ""
    return (
        f"`{setting.path.replace('[]', '')}`",
        setting.type_words,
        setting.allowed,
        _default_text(setting),
        _example_text(setting),
        _cell(setting.description) + required,
    )


def _default_text(setting: Described) -> str:
    """Return the shipped default, by kinds where they differ."""
    path = "".join(f"/{key}" for key in setting.keys)
    by_kind = {kind: shipped_defaults(kind).get(path) for kind in _ALL_KINDS}
    given = {kind: value for kind, value in by_kind.items() if value is not None}
    if not given:
        return ""
    texts: dict[str, list[str]] = {}
    for kind, value in given.items():
        texts.setdefault(_code(value), []).append(kind.value)
    if len(texts) == 1 and len(given) == len(_ALL_KINDS):
        return next(iter(texts))
    return "; ".join(f"{', '.join(kinds)}: {text}" for text, kinds in texts.items())


def _example_text(setting: Described) -> str:
    found = example_of(setting.keys)
    is_long = isinstance(found, dict | list) and setting.inner is not None
    return "" if found is None or is_long else _code(found)


def example_of(keys: Sequence[str], within: Any = EXAMPLES) -> Any:
    """Return the example of a setting: of a list, that of the first entry which has it."""
    if not keys:
        return within
    key = keys[0].removesuffix("[]")
    if not isinstance(within, Mapping) or key not in within:
        return None
    value = within[key]
    if keys[0].endswith("[]") and len(keys) > 1:
        found = (example_of(keys[1:], entry) for entry in value)
        return next((each for each in found if each is not None), None)
    return example_of(keys[1:], value)


def _role_row(role: Described) -> tuple[str, ...]:
    name = role.keys[-1]
    return f"`{name}`", ", ".join(kinds_of_role(name))


def _kinds_text(key: str) -> str:
    kinds = kinds_of(key)
    return "all" if kinds == EVERY_KIND else ", ".join(kinds)


def _kinds_sentence(key: str) -> str:
    return "" if kinds_of(key) == EVERY_KIND else f"Kinds: {_kinds_text(key)}."


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _code(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"`{_cell(text)}`" if text else '`""`'


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _has_section(setting: Described) -> bool:
    return isinstance(EXAMPLES[_key(setting)], dict | list)


def _key(setting: Described) -> str:
    return setting.keys[-1].removesuffix("[]")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
