"""Files of environment variables (dotenv), read strictly: a line that is no setting is an error.

python-dotenv takes them apart; it is an extra of this package and imported only where a file is
read. Nothing is interpolated: `${VAR}` stays as it is, because a run's settings must not depend on
the machine that submits it. Source: the page on settings, section 3.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from runbus.contracts.grammars import Grammar
from runbus.contracts.names import problem_of

FILE_BYTES_MAX = 512 * 1024  # a whole run document may have no more
_NO_SETTING = "this is no setting: write NAME=value, or # before a comment"
_NO_NAME = "what stands before the `=` is no name of a variable: write NAME=value"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")  # a line of a key in base64 is longer


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
        if binding.key is None and not binding.error:
            continue
        place = binding.original.line + _blank_lines_before(binding.original.string)
        problem = _problem(binding.key, binding.value, binding.original.string)
        if binding.error or problem:
            raise DotenvError(f"{name}, line {place}: {problem or _NO_SETTING}")
        assert binding.key is not None
        assert binding.value is not None
        found.pop(binding.key, None)
        found[binding.key] = binding.value
    return found


def _blank_lines_before(string: str) -> int:
    """Return how many lines of a binding stand before its own: the parser counts from there."""
    return string[: len(string) - len(string.lstrip())].count("\n")


def _problem(key: str | None, value: str | None, string: str) -> str:
    """Return what is wrong with a line, or nothing; whatever of it may be a secret is not told."""
    if key is None:
        return _problem_of_unreadable(string)
    if problem_of(Grammar.ENV_NAME, key) is not None:
        return _NO_NAME
    if value is not None:
        return ""
    if not _NAME.fullmatch(key):
        return "there is no `=`: write NAME=value, and put a value of several lines in quotes"
    return f"{key} has no `=`: write {key}=value, or {key}= for an empty text"


def _problem_of_unreadable(string: str) -> str:
    before, found, value = string.strip().partition("=")
    key = before.strip().removeprefix("export ").strip()
    if not found:
        return _NO_SETTING
    if problem_of(Grammar.ENV_NAME, key) is not None:
        return _NO_NAME
    if value.strip()[:1] in ("'", '"'):
        return (
            f"the quote that {key} begins with has no end, or something follows it:"
            " close it, or leave both quotes out"
        )
    return _NO_SETTING
