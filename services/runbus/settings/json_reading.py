"""JSON to raw values, strictly: what a careless reader would drop or bend is refused with its line.

Python's own reader keeps the last of two equal keys and takes NaN, infinities and half surrogate
pairs, none of which JSON has or the bus can carry on. It must not know what a document means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn

import msgspec

from runbus.contracts.violations import Violation, ViolationCode, pointer, shortened
from runbus.settings.model import Read, Refused

DEPTH_MAX = 64
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
INTEGER_CHARACTERS_MAX = len(str(INTEGER_MIN))

DUPLICATES_MAX = 100

Pairs = list[tuple[str, object]]


class _NoJsonNumberError(ValueError):
    """A number that JSON does not have, or that not every reader can hold."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class _DuplicateKeysError(ValueError):
    """Some mapping has a key twice; where is found out afterwards."""


# Finds where a document ends, and looks at nothing else.
_MEASURE = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = re.compile(r"[ \t\r\n]*")


def read_json_stream(text: str, first_line: int = 1) -> list[Read | Refused]:
    """Return a verdict for each of the documents that follow one another, such as JSON lines.

    After a syntax error there are no more. `first_line` is the text's place in its file, from 1.
    """
    verdicts: list[Read | Refused] = []
    start, line = _skip_space(text, 0), first_line
    line += text.count("\n", 0, start)
    while start < len(text):
        try:
            _, end = _MEASURE.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            end = len(text)
        verdicts.append(read_json_text(text[start:end], line))
        following = _skip_space(text, end)
        line += text.count("\n", start, following)
        start = following
    return verdicts


def _skip_space(text: str, start: int) -> int:
    found = _SPACE.match(text, start)
    return found.end() if found is not None else start


def read_json_text(text: str, first_line: int = 1) -> Read | Refused:
    """Return the value of one JSON document, or why it is none; `first_line` is its place."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_mapping,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except json.JSONDecodeError as error:
        return refused(
            ViolationCode.INVALID_SYNTAX,
            f"{place(first_line + error.lineno - 1, error.colno)}: {_problem(error)}",
            line=first_line,
        )
    except _DuplicateKeysError:
        return Refused(tuple(islice(_duplicates(text, first_line), DUPLICATES_MAX)), first_line)
    except _NoJsonNumberError as error:
        where = _line_of(text, error.text, first_line)
        hint = f"{where}{error.hint}"
        return refused(ViolationCode.INVALID_VALUE, hint, error.text, line=first_line)
    except RecursionError:
        return too_deep(first_line)
    if _is_deep(text, value):
        return too_deep(first_line)
    if "\\u" in text and not _is_unicode(value):
        hint = "a \\u escape is half of a surrogate pair: write both halves, or the character"
        return refused(ViolationCode.INVALID_SYNTAX, hint, line=first_line)
    return Read(value, first_line)


def refused(code: ViolationCode, hint: str, given: object = None, line: int = 1) -> Refused:
    """Return the refusal of a whole document for one thing."""
    return Refused((Violation(path="/", code=code, given=shortened(given), hint=hint),), line)


def too_deep(line: int = 1) -> Refused:
    """Return the refusal of a document that is nested too deeply."""
    hint = f"mappings and lists may stand in each other {DEPTH_MAX} levels deep"
    return refused(ViolationCode.TOO_LARGE, hint, line=line)


def place(line: int, column: int) -> str:
    """Return a place for people; both count from 1."""
    return f"line {line}, column {column}"


def _mapping(pairs: Pairs) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise _DuplicateKeysError
    return mapping


def _no_constant(text: str) -> NoReturn:
    raise _NoJsonNumberError(text, f"{text} is no JSON: leave it out, or write it as text")


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise _NoJsonNumberError(text, "the number is too large: write it as text")
    return number


def _whole(text: str) -> int:
    number = int(text) if len(text) <= INTEGER_CHARACTERS_MAX else INTEGER_MAX + 1
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        hint = "a whole number beyond 64 bits is not held by every reader: write it as text"
        raise _NoJsonNumberError(text, hint)
    return number


def _problem(error: json.JSONDecodeError) -> str:
    message = f"{error.msg[:1].lower()}{error.msg[1:]}"
    return "something follows the end of the document" if message == "extra data" else message


def _line_of(text: str, found: str, first_line: int) -> str:
    """Return the line of a number that was refused; empty where the text has it twice."""
    if text.count(found) != 1:
        return ""
    return f"line {first_line + text.count(chr(10), 0, text.index(found))}: "


def _is_deep(text: str, value: object) -> bool:
    return text.count("{") + text.count("[") > DEPTH_MAX and depth_exceeds(value, DEPTH_MAX)


def depth_exceeds(value: object, most: int) -> bool:
    """Say whether mappings and lists stand in each other deeper than `most`."""
    level: list[object] = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: object) -> list[object]:
    """Return what stands in a mapping or list, empty containers too: they count as a level."""
    if isinstance(value, dict):
        return [each for each in value.values() if isinstance(each, dict | list)]
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict | list)]
    return []


def _is_unicode(value: object) -> bool:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)


def _duplicates(text: str, first_line: int) -> Iterator[Violation]:
    """Yield every key that stands twice in its mapping. The text is known to be JSON so far.

    Python's reader tells of a mapping without saying where it stands; hence a second look, taken
    only where something is wrong.
    """
    path: list[object] = []
    keys: list[dict[str, int] | None] = []
    text_before, line, end = "", first_line, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", end, token.start())
        end = token.start()
        match token[0]:
            case "{" | "[" as opening:
                keys.append({} if opening == "{" else None)
                path.append("" if opening == "{" else 0)
            case "}" | "]":
                keys.pop()
                path.pop()
            case ":":
                path[-1] = key = json.loads(text_before)
                seen = keys[-1] if keys[-1] is not None else {}
                if key in seen:
                    yield duplicate_key(_pointer(path), key, seen[key], line)
                seen.setdefault(key, line)
            case ",":
                index = path[-1] if path else None
                if isinstance(index, int):
                    path[-1] = index + 1
            case string:
                text_before = string


def duplicate_key(path: str, key: str, first_line: int, line: int) -> Violation:
    """Return the finding of a key that stands twice in its mapping."""
    hint = f"line {line}: the key stands in line {first_line} already: keep one of the two"
    return Violation(path=path, code=ViolationCode.DUPLICATE_KEY, given=shortened(key), hint=hint)


def _pointer(path: list[object]) -> str:
    pointed = "/"
    for token in path:
        pointed = pointer(pointed, token)
    return pointed
