"""Where the demo's files are: `examples/` of a checkout."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from runbus.cli.demo.fates import FATES
from runbus.cli.problems import CliError

CONFIG_MAP = "train"
PROJECT = "demo"


class DemoFiles(Struct, frozen=True, kw_only=True):
    """What the demo needs. `code` is what the runs find in their ConfigMap, by file name."""

    documents: dict[str, str]
    code: dict[str, str]


def find_files(folder: Path | None) -> DemoFiles:
    """Read the demo's files.

    Args:
        folder: `examples`; default: below the current folder, or in the checkout we run from.

    Raises:
        CliError: they are not there.

    """
    candidates = [folder] if folder is not None else [Path("examples"), *_beside_the_package()]
    for candidate in candidates:
        if (candidate / "demo").is_dir():
            return _read(candidate)
    looked = ", ".join(str(each) for each in candidates)
    raise CliError(
        f"the demo's files are not there: looked for {looked}",
        way_out="run it in a checkout of runbus, or give --examples FOLDER",
    )


def _read(folder: Path) -> DemoFiles:
    code = (folder / "train.py", folder / "data" / "machines.csv")
    return DemoFiles(
        documents={fate.document: (folder / "demo" / fate.document).read_text() for fate in FATES},
        code={path.name: path.read_text() for path in code},
    )


def _beside_the_package() -> list[Path]:
    """Return `<checkout>/examples`, above services/runbus/cli/demo."""
    return [parent / "examples" for parent in Path(__file__).resolve().parents[4:5]]
