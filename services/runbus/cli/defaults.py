"""The operator's defaults from a file: for `lint` and `render`, and before they go to the bus."""

from __future__ import annotations

from pathlib import Path

from runbus.cli.exits import Exit
from runbus.cli.output.violations import violation_lines
from runbus.cli.problems import CliError
from runbus.settings.defaults import Defaults, parse_defaults
from runbus.settings.model import Refused


def read_defaults(path: Path | None) -> Defaults:
    """Return the defaults of a file, or those shipped where there is none.

    Raises:
        CliError: it cannot be read, or is refused; every violation is listed.

    """
    if path is None:
        return Defaults()
    return checked_defaults(path.read_bytes(), f"the defaults file {path}")


def checked_defaults(content: bytes, name: str) -> Defaults:
    """Return the defaults that a file says.

    Args:
        content: the file.
        name: what to call it.

    Raises:
        CliError: it is refused; every violation is listed.

    """
    parsed = parse_defaults(content)
    if isinstance(parsed, Refused):
        why = "\n".join(violation_lines(parsed.violations, indent=""))
        raise CliError(f"{name} cannot be used", why=why, code=Exit.REFUSED)
    return parsed
