"""The defaults file that `lint` and `render` may be given: the operator's, as the services use."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

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
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CliError(f"{path}: not a text file", why=str(error)) from error
    parsed = parse_defaults(text)
    match parsed:
        case Defaults():
            return parsed
        case Refused():
            listed = "\n".join(violation_lines(parsed.violations, indent=""))
            raise CliError(
                f"the defaults file {path} cannot be used", why=listed, code=Exit.REFUSED
            )
        case _:
            assert_never(parsed)
