"""YAML to raw values: JSON's values and nothing else, every finding with its line.

Built on the events of the parser instead of its object construction, so that tags cannot make
objects, keys are seen before a mapping forgets which came twice, and aliases are counted before
they multiply. Merge keys (`<<`) work as everywhere. It must not know what a document means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from msgspec import Struct

from runbus.contracts.document import DOCUMENT_BYTES_MAX
from runbus.contracts.violations import Violation, ViolationCode, pointer, shortened
from runbus.settings.json_reading import DEPTH_MAX, duplicate_key, place, refused, too_deep
from runbus.settings.model import Read, Refused
from runbus.settings.yaml_scalars import NumberError, plain_value

# The parser in C where PyYAML was built with it; both give the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_CONTAINER_TAGS = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_MERGE = "<<"
VIOLATIONS_MAX = 100


class _TooDeepError(Exception):
    """Nested deeper than DEPTH_MAX."""


class _TooLargeError(Exception):
    """More violations, or more text behind aliases, than a document may have."""


class _Node(Struct):
    """A value and how much text it stands for with its aliases written out."""

    value: object
    size: int
    line: int
    is_merge_key: bool = False


def read_yaml_text(text: str, first_line: int = 1) -> list[Read | Refused]:
    """Return a verdict for each document of a text; after a syntax error there is none.

    `first_line` is the text's place in its file, from 1.
    """
    verdicts: list[Read | Refused] = []
    try:
        events = iter(yaml.parse(text, Loader=_LOADER))
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                mark = event.end_mark if event.explicit else event.start_mark
                verdicts.append(_document(events, first_line, first_line + _line_of(mark)))
    except yaml.YAMLError as error:
        hint = _problem(error, text, first_line)
        verdicts.append(refused(ViolationCode.INVALID_SYNTAX, hint, line=first_line))
    except UnicodeEncodeError as error:
        line = first_line + text.count("\n", 0, error.start)
        hint = f"line {line}: half of a surrogate pair: write the character itself"
        verdicts.append(refused(ViolationCode.INVALID_SYNTAX, hint, line=first_line))
    return verdicts


def _line_of(mark: Any) -> int:
    """Return the line of a place that the parser gives, from 0."""
    return int(mark.line)


def _document(events: Iterator[Any], first_line: int, line: int) -> Read | Refused:
    """Return the verdict on one document; its events are used up in any case."""
    composer = _Composer(events, first_line)
    try:
        node = composer.node(next(events), "/", 0)
    except _TooDeepError:
        _skip(events)
        return too_deep(line)
    except _TooLargeError:
        _skip(events)
        return Refused(tuple(composer.violations) or (_bomb(),), line)
    if composer.violations:
        return Refused(tuple(composer.violations), line)
    if node.value is None:
        return refused(ViolationCode.EMPTY, "the document is empty", line=line)
    return Read(node.value, line)


def _skip(events: Iterator[Any]) -> None:
    for event in events:
        if isinstance(event, yaml.DocumentEndEvent):
            return


def _bomb() -> Violation:
    hint = f"with its aliases written out it is longer than {DOCUMENT_BYTES_MAX // 1024} KiB"
    return Violation(path="/", code=ViolationCode.TOO_LARGE, hint=hint)


class _Composer:
    """Builds the value of one document from its events, and notes every violation on the way."""

    def __init__(self, events: Iterator[Any], first_line: int) -> None:
        self.violations: list[Violation] = []
        self._events = events
        self._first_line = first_line
        self._anchors: dict[str, _Node | None] = {}
        self._size = 0

    def node(self, event: Any, path: str, depth: int) -> _Node:
        """Return the node that an event begins."""
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, path)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None  # until it is complete: it cannot stand inside itself
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, path)
        elif depth >= DEPTH_MAX:
            raise _TooDeepError
        else:
            if event.tag is not None and event.tag not in _CONTAINER_TAGS:
                self._refuse_tag(event, path)
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            build = self._mapping if is_mapping else self._sequence
            node = build(self._line(event), path, depth + 1)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _line(self, event: Any) -> int:
        return self._first_line + _line_of(event.start_mark)

    def _add(self, path: str, code: ViolationCode, hint: str, given: object = None) -> None:
        self._append(Violation(path=path, code=code, given=shortened(given), hint=hint))

    def _append(self, violation: Violation) -> None:
        self.violations.append(violation)
        if len(self.violations) >= VIOLATIONS_MAX:
            raise _TooLargeError

    def _counted(self, value: object, size: int, line: int) -> _Node:
        """Return a node of its own size; what stands inside was counted before."""
        self._size += size
        if self._size > DOCUMENT_BYTES_MAX:
            raise _TooLargeError
        return _Node(value, size, line)

    def _aliased(self, event: Any, path: str) -> _Node:
        line, name = self._line(event), str(event.anchor)
        known = self._anchors.get(name)
        if known is not None:
            return self._counted(known.value, known.size, line)
        is_inside = name in self._anchors
        problem = "stands inside what it names" if is_inside else "names nothing that comes before"
        self._add(
            path, ViolationCode.INVALID_SYNTAX, f"line {line}: the alias {problem}", f"*{name}"
        )
        return self._counted(None, 1, line)

    def _scalar(self, event: Any, path: str) -> _Node:
        text, line = str(event.value), self._line(event)
        is_plain = event.tag is None and event.implicit[0]
        value: object = text
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._refuse_tag(event, path)
        elif is_plain:
            try:
                value = plain_value(text)
            except NumberError as error:
                self._add(path, ViolationCode.INVALID_VALUE, f"line {line}: {error}", text)
        node = self._counted(value, len(text) + 1, line)
        node.is_merge_key = is_plain and text == _MERGE
        return node

    def _refuse_tag(self, event: Any, path: str) -> None:
        shown = str(event.tag).replace("tag:yaml.org,2002:", "!!", 1)
        hint = f"line {self._line(event)}: tags are not read: take it away"
        self._add(path, ViolationCode.INVALID_SYNTAX, hint, shown)

    def _sequence(self, line: int, path: str, depth: int) -> _Node:
        items: list[object] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            node = self.node(event, pointer(path, len(items)), depth)
            items.append(node.value)
            size += node.size
        self._counted(items, 1, line)
        return _Node(items, size, line)

    def _mapping(self, line: int, path: str, depth: int) -> _Node:
        mapping: dict[str, object] = {}
        lines: dict[str, int] = {}
        merged: list[_Node] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self.node(event, path, depth)
            inner = path if key.is_merge_key else pointer(path, _key_text(key.value))
            value = self.node(next(self._events), inner, depth)
            size += key.size + value.size
            if key.is_merge_key:
                merged.append(value)
            elif self._is_new_key(key, inner, lines):
                mapping[str(key.value)] = value.value
        self._counted(mapping, 1, line)
        for each in merged:
            self._merge(each, mapping, path)
        return _Node(mapping, size, line)

    def _is_new_key(self, key: _Node, path: str, lines: dict[str, int]) -> bool:
        name = key.value
        if not isinstance(name, str):
            hint = f"line {key.line}: a key is a text: put it in quotes"
            self._add(path, ViolationCode.WRONG_TYPE, hint, name)
            return False
        if name in lines:
            self._append(duplicate_key(path, name, lines[name], key.line))
            return False
        lines[name] = key.line
        return True

    def _merge(self, source: _Node, mapping: dict[str, object], path: str) -> None:
        """Add the keys that a merge key brings; the mapping's own stand."""
        sources = source.value if isinstance(source.value, list) else [source.value]
        for each in sources:
            if isinstance(each, dict):
                for key, value in each.items():
                    mapping.setdefault(key, value)
            else:
                hint = f"line {source.line}: << takes mappings: give an alias of one, or a list"
                self._add(path, ViolationCode.WRONG_TYPE, hint, each)


def _key_text(key: object) -> str:
    """Return a key for a path; what is no text is named like JSON names it."""
    if isinstance(key, str):
        return key
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return "?" if isinstance(key, dict | list) else str(key)


def _problem(error: yaml.YAMLError, text: str, first_line: int) -> str:
    """Return place and description of a syntax error."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        problem = str(error.problem or "it cannot be read")
        context = f" ({error.context})" if error.context else ""
        is_tab = "\t" in text and "token" in problem
        tab = ": YAML is indented with spaces, not with tabs" if is_tab else ""
        return f"{place(first_line + line, column + 1)}: {problem}{context}{tab}"
    position = min(int(getattr(error, "position", 0)), len(text))
    line = first_line + text.count("\n", 0, position)
    column = position - text.rfind("\n", 0, position)
    reason = str(getattr(error, "reason", "it cannot be read"))
    return f"{place(line, column)}: {reason}"
