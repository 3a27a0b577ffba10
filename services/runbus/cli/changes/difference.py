"""What changes between two documents, as a unified difference of their YAML. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

_RED, _GREEN, _CYAN, _DIM = 31, 32, 36, 2
CONTEXT_LINES = 2


def difference(
    before: str, after: str, *, names: tuple[str, str], is_coloured: bool = False
) -> list[str]:
    """Return the lines of a unified difference; none where nothing changes.

    Args:
        before: the text there was.
        after: the text there will be.
        names: what to call them.
        is_coloured: whether lines have the codes of a terminal.

    """
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), *names, lineterm="", n=CONTEXT_LINES
    )
    return list(_coloured(lines) if is_coloured else lines)


def _coloured(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        code = _code(line)
        yield f"\x1b[{code}m{line}\x1b[0m" if code else line


def _code(line: str) -> int | None:
    if line.startswith(("---", "+++")):
        return _DIM
    return {"-": _RED, "+": _GREEN, "@": _CYAN}.get(line[:1])
