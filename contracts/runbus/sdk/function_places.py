"""Where a function stands in a catalogue that is a folder or a web address.

The same layout for both: `<name>/<tag>/function.yaml`, MLRun's `<name>/<tag>/src/function.yaml`,
and `<name>/function.yaml` for the tag `latest`; MLRun writes `_` for `-` in the folder's name. It
must not know what a function is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runbus.contracts.grammars import FUNCTION_TAG_DEFAULT

FUNCTION_BYTES_MAX = 512 * 1024
NAMES_MAX = 1000
FILE = "function.yaml"


class PlaceError(Exception):
    """A function that stands there and cannot be taken: too large, or outside of its folder."""


def relative_places(name: str, tag: str) -> Iterator[str]:
    """Yield where a function may stand below its source, the likeliest first."""
    for folder in dict.fromkeys((name, name.replace("-", "_"))):
        yield f"{folder}/{tag}/{FILE}"
        yield f"{folder}/{tag}/src/{FILE}"
        if tag == FUNCTION_TAG_DEFAULT:
            yield f"{folder}/{FILE}"


def read_from_folder(root: Path, name: str, tag: str) -> bytes | None:
    """Return a function's file; None where there is none.

    Raises:
        PlaceError: it is too large, or a link leads out of the folder.
        OSError: the folder cannot be read.

    """
    inside = root.resolve(strict=True)
    for place in relative_places(name, tag):
        path = (inside / place).resolve()
        if not path.is_file():
            continue
        if not path.is_relative_to(inside):
            text = f"{place} is a link that leads out of the source"
            raise PlaceError(text)
        with path.open("rb") as file:
            content = file.read(FUNCTION_BYTES_MAX + 1)
        if len(content) > FUNCTION_BYTES_MAX:
            text = f"{place} is larger than {FUNCTION_BYTES_MAX} bytes"
            raise PlaceError(text)
        return content
    return None


def names_in_folder(root: Path) -> list[str]:
    """Return `name:tag` of what a folder offers, sorted, at most `NAMES_MAX`."""
    found: set[str] = set()
    for folder in sorted(root.iterdir())[:NAMES_MAX]:
        if (folder / FILE).is_file():
            found.add(f"{folder.name}:{FUNCTION_TAG_DEFAULT}")
        if folder.is_dir():
            tags = (each.parent for each in folder.glob(f"*/{FILE}"))
            found.update(f"{folder.name}:{tag.name}" for tag in tags)
            tags = (each.parent.parent for each in folder.glob(f"*/src/{FILE}"))
            found.update(f"{folder.name}:{tag.name}" for tag in tags)
    return sorted(found)[:NAMES_MAX]
