"""The settings of a document, each with its level and what it overrode: as a table and as data.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from runbus.cli.changes.assigning import NAMED_LISTS
from runbus.cli.changes.paths import Step, path_text
from runbus.cli.output.tables import table
from runbus.contracts.replies import Explained

HEADERS = ("SETTING", "VALUE", "LEVEL", "OVERRODE")
VALUE_CHARS_MAX = 60
UNKNOWN_LEVEL = "-"


def explained_table(
    settings: Sequence[Explained], *, is_wide: bool, with_headers: bool, width: int | None
) -> str:
    """Return settings as a table; wide ones are never cut."""
    rows = [
        (
            setting_name(each.path),
            _shown(each.value, is_wide=is_wide) if each.value is not None else "(cancelled)",
            each.level or UNKNOWN_LEVEL,
            ", ".join(
                f"{_shown(lower.value, is_wide=is_wide)} ({lower.level})" for lower in each.overrode
            )
            or "-",
        )
        for each in settings
    ]
    return table(HEADERS, rows, with_headers=with_headers, width=None if is_wide else width)


def explained_data(settings: Sequence[Explained]) -> list[dict[str, Any]]:
    """Return settings as data: path, value, level, and what was overridden."""
    return [
        {
            "setting": setting_name(each.path),
            "path": each.path,
            "value": each.value,
            "level": each.level or None,
            "overrode": [{"level": lower.level, "value": lower.value} for lower in each.overrode],
        }
        for each in settings
    ]


def setting_name(path: str) -> str:
    """Return a JSON pointer as people write it after `--set`."""
    tokens = [each.replace("~1", "/").replace("~0", "~") for each in path.split("/")[1:]]
    return path_text(
        tuple(
            Step(token, is_place=place == 1 and tokens[0] in NAMED_LISTS)
            for place, token in enumerate(tokens)
        )
    )


def is_below(path: str, wanted: Sequence[str]) -> bool:
    """Say whether a setting stands at, above or below the keys that somebody asks for."""
    tokens = [each.replace("~1", "/").replace("~0", "~") for each in path.split("/")[1:]]
    shared = min(len(tokens), len(wanted))
    return tokens[:shared] == list(wanted[:shared])


def _shown(value: Any, *, is_wide: bool) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if text == "":
        return '""'
    if is_wide or len(text) <= VALUE_CHARS_MAX:
        return text
    return text[: VALUE_CHARS_MAX - 1] + "…"
