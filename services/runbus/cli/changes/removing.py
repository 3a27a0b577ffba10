"""Taking a key out of a text in YAML or JSON: the rest stays as it was written. Pure.

What the text says afterwards is found from its values; the text itself is cut only where it then
says the same, and is written anew where it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from runbus.cli.changes.assigning import Assignment, assigned
from runbus.cli.changes.paths import Step, path_text
from runbus.settings.model import Read
from runbus.settings.reading import read_documents

Entry = tuple[yaml.Node, yaml.Node]


class Removed(Struct, frozen=True):
    """A text without a key. `is_anew`: it had to be written anew, so that comments are lost."""

    text: str
    is_anew: bool


def without(text: str, value: Mapping[str, Any], steps: tuple[Step, ...]) -> Removed | None:
    """Return a text without what stands at a path; None where nothing stands there.

    A mapping that is empty then goes as well, for it would say something: `resources: {}` takes
    what is inherited away. A list stays, empty.

    Args:
        text: YAML or JSON.
        value: what it says.
        steps: the path.

    Raises:
        AssignError: the path leads nowhere in such a value.

    """
    changed = assigned(value, [Assignment(path_text(steps), steps, None)])
    if changed == value:
        return None
    left = _pruned(changed, steps[:-1])
    cut = _cut(text, [step.text for step in steps]) if left else None
    if cut is not None and _says(cut, left):
        return Removed(cut, is_anew=False)
    if text.lstrip().startswith("{"):
        return Removed(msgspec.json.format(msgspec.json.encode(left)).decode() + "\n", is_anew=True)
    return Removed(yaml.safe_dump(left, sort_keys=False, allow_unicode=True), is_anew=True)


def _pruned(value: Any, steps: Sequence[Step]) -> Any:
    """Return a value without the mappings on a path that have nothing in them any more."""
    if not steps or not isinstance(value, Mapping):
        return value
    key = steps[0].text
    inner = _pruned(value.get(key), steps[1:])
    if inner == {}:
        return {other: each for other, each in value.items() if other != key}
    return {**value, key: inner} if key in value else value


def _says(text: str, value: object) -> bool:
    match read_documents(text):
        case [Read(value=found)]:
            return found == value
        case _:
            return False


def _cut(text: str, keys: Sequence[str]) -> str | None:
    """Cut the entry at a path of keys out of a text; None where there are no such marks."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    found: tuple[yaml.MappingNode, int] | None = None
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            return None
        places = [place for place, (each, _) in enumerate(node.value) if each.value == key]
        if not places:
            return None
        # The only entry of its mapping goes with the mapping.
        if found is None or len(node.value) > 1:
            found = node, places[0]
        node = node.value[places[0]][1]
    return _without_entry(text, *found) if found is not None else None


def _without_entry(text: str, mapping: yaml.MappingNode, place: int) -> str:
    entries: list[Entry] = mapping.value
    key, value = entries[place]
    if mapping.flow_style:
        start, end = key.start_mark.index, value.end_mark.index
        if place + 1 < len(entries):
            end = entries[place + 1][0].start_mark.index
        elif place:
            start = entries[place - 1][1].end_mark.index
    else:
        start = text.rfind("\n", 0, key.start_mark.index) + 1
        end = text.find("\n", _last_character(value)) + 1 or len(text)
    return text[:start] + text[end:]


def _last_character(node: yaml.Node) -> int:
    """Return where a value ends; the mark of a block stands behind the comments that follow."""
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    if is_block and node.value:
        last = node.value[-1]
        return _last_character(last[1] if isinstance(last, tuple) else last)
    return max(node.start_mark.index, node.end_mark.index - 1)
