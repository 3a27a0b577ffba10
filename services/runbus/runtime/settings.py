"""Read the operator's defaults file at start. What is wrong in it stops the process, named."""

from __future__ import annotations

from pathlib import Path

from runbus.runtime.config import ConfigError
from runbus.settings.defaults import Defaults, parse_defaults
from runbus.settings.model import Refused


def read_defaults(path: str) -> Defaults:
    """Return the defaults of a file.

    Raises:
        ConfigError: the file cannot be read, or it is refused; every violation is listed.

    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"defaults file {path}: {error}"
        raise ConfigError(message) from error
    parsed = parse_defaults(text)
    if isinstance(parsed, Refused):
        listed = "\n".join(f"  {each.path}: {each.hint or each.code}" for each in parsed.violations)
        message = f"defaults file {path} is refused:\n{listed}"
        raise ConfigError(message)
    return parsed
