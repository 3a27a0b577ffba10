"""From the text after `--set key=` to a value: YAML's plain words, and JSON or YAML in brackets.

The rules are those of documents (`settings.yaml_scalars`): `3`, `true` and `null` are what they
look like, `30m` and `1:30` are text. `null` takes a setting out, and nothing at all is an empty
text. Pure.
"""

from __future__ import annotations

from runbus.cli.changes.assigning import Assignment
from runbus.cli.changes.paths import PathError, Step, split_assignment
from runbus.settings.model import Refused
from runbus.settings.reading import read_documents
from runbus.settings.yaml_scalars import NumberError, plain_value

_STRUCTURED = frozenset("[{\"'")


def assignment(flag: str, text: str) -> Assignment:
    """Return what `--set key=value` asks for.

    Raises:
        PathError: the key is no path, or the value cannot be read.

    """
    steps, value = _split(flag, text)
    if is_env_value(steps):  # environment variables are text, whatever they look like
        return Assignment(f"{flag} {text}", steps, None if value == "null" else value)
    try:
        return Assignment(f"{flag} {text}", steps, value_of(value))
    except PathError as error:
        message = f"{flag} {text}: {error}"
        raise PathError(message) from error


def text_assignment(flag: str, text: str) -> Assignment:
    """Return what `--set-string key=value` asks for: the text as it is.

    Raises:
        PathError: the key is no path.

    """
    steps, value = _split(flag, text)
    return Assignment(f"{flag} {text}", steps, value)


def value_of(text: str) -> object:
    """Return the value that a text stands for.

    Raises:
        PathError: it looks like JSON or YAML and is none, or is a number that cannot be kept.

    """
    text = text.strip()
    if not text:
        return ""
    if text[0] in _STRUCTURED:
        return _structured(text)
    try:
        return plain_value(text)
    except NumberError as error:
        raise PathError(str(error)) from error


def is_env_value(steps: tuple[Step, ...]) -> bool:
    """Say whether a path is that of an environment variable's value."""
    return len(steps) == 3 and (steps[0].text, steps[2].text) == ("env", "value")


def _structured(text: str) -> object:
    found = read_documents(text)
    if len(found) != 1 or isinstance(found[0], Refused):
        refused = found[0]
        why = refused.violations[0].hint if isinstance(refused, Refused) else None
        message = f"the value is neither JSON nor YAML: {why or 'it is several documents'}"
        raise PathError(message)
    return found[0].value


def _split(flag: str, text: str) -> tuple[tuple[Step, ...], str]:
    try:
        return split_assignment(text)
    except PathError as error:
        message = f"{flag} {text}: {error}"
        raise PathError(message) from error
