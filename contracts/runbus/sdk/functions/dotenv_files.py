"""Files of environment variables (dotenv), read strictly: a line that is no setting is an error.

python-dotenv takes them apart; it is an extra of this package and imported only where a file is
read. Nothing is interpolated: `${VAR}` stays as it is, because a run's settings must not depend on
the machine that submits it. Source: the page on settings, section 3.
"""

from __future__ import annotations

import io
from pathlib import Path

FILE_BYTES_MAX = 512 * 1024  # a whole run document may have no more
_MARKS = "\"'"


class DotenvError(ValueError):
    """A dotenv file that cannot be read; the message names file and line, and the way out."""


def read_env_file(path: str | Path) -> dict[str, str]:
    """Return the variables of a dotenv file, in its order; of a repeated one, the last value.

    Raises:
        DotenvError: there is no such file, it is no text, or a line in it is no setting.

    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        message = f"{path}: {error.strerror or error}: give the path of a dotenv file"
        raise DotenvError(message) from error
    if len(content) > FILE_BYTES_MAX:
        message = f"{path}: more than {FILE_BYTES_MAX // 1024} KiB: is it the right file?"
        raise DotenvError(message)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"{path}, line {line}: no UTF-8: save the file as UTF-8 text"
        raise DotenvError(message) from error
    return parse_env_text(text, str(path))


def parse_env_text(text: str, name: str) -> dict[str, str]:
    """Return the variables of a dotenv text; `name` is the file's, for messages.

    Raises:
        DotenvError: a line is no setting, or python-dotenv is not installed.

    """
    try:
        from dotenv.parser import parse_stream
    except ImportError as error:
        message = (
            f"{name}: reading dotenv files needs python-dotenv, which is not installed:"
            " pip install 'runbus[dotenv]'"
        )
        raise DotenvError(message) from error
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text, newline=None)):
        if binding.error:
            place = binding.original.line + _blank_lines_before(binding.original.string)
            raise DotenvError(_unreadable(name, place, binding.original.string))
        if binding.key is None:
            continue
        if binding.value is None:
            place = binding.original.line + _blank_lines_before(binding.original.string)
            message = (
                f"{name}, line {place}: {binding.key} has no `=`:"
                f" write {binding.key}=value, or {binding.key}= for an empty text"
            )
            raise DotenvError(message)
        found.pop(binding.key, None)
        found[binding.key] = binding.value
    return found


def _blank_lines_before(string: str) -> int:
    """Return how many lines of a binding stand before its own: the parser counts from there."""
    return string[: len(string) - len(string.lstrip())].count("\n")


def _unreadable(name: str, line: int, string: str) -> str:
    """Return what to tell of a line that is no setting; its value may be a secret."""
    key, found, value = string.strip().partition("=")
    where = f"{name}, line {line}"
    key = key.strip().removeprefix("export ").strip()
    if found and value.strip()[:1] in _MARKS and value.strip():
        return (
            f"{where}: the quote that {key} begins with has no end, or something follows it:"
            " close it, or leave both quotes out"
        )
    if found:
        return f"{where}: {key!r} is no name of a variable: write NAME=value"
    return f"{where}: this is no setting: write NAME=value, or # before a comment"
