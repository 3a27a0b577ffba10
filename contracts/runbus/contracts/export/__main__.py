"""`python -m runbus.contracts.export`: write the contracts' files, or check that they are fresh."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from runbus.contracts.export.files import differences, expected_files, is_generated

# `contracts/` of a checkout: this file is contracts/runbus/contracts/export/__main__.py.
CHECKOUT = Path(__file__).resolve().parents[3]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; return 0 when done or fresh, 1 when not fresh, 2 for a wrong folder."""
    options = _parser().parse_args(arguments)
    folder: Path = options.to or CHECKOUT
    if options.to is None and not (CHECKOUT / "golden").is_dir():
        sys.stderr.write("this runbus is no checkout: name a folder with --to DIR\n")
        return 2
    if options.check and not folder.is_dir():
        sys.stderr.write(f"there is no folder {folder}\n")
        return 2
    expected = expected_files()
    problems = differences(expected, _read(folder))
    if options.check:
        return _report(problems)
    _write(folder, expected)
    if options.to is None:  # what lies in a folder of somebody else's is not ours to remove
        for path in sorted(_read(folder).keys() - expected.keys()):
            (folder / path).unlink()
    sys.stderr.write(f"{len(expected)} files in {folder}, {len(problems)} changed\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runbus.contracts.export",
        description="Write the JSON Schemas and the AsyncAPI document of the contracts.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not fresh")
    parser.add_argument("--to", type=Path, metavar="DIR", help="default: contracts/ of a checkout")
    return parser


def _report(problems: list[str]) -> int:
    if not problems:
        return 0
    lines = "".join(f"{line}\n" for line in problems)
    sys.stderr.write(f"{lines}write them anew: make contracts\n")
    return 1


def _read(folder: Path) -> dict[str, str]:
    """Return the generated files that are there, by path below the folder."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.glob("schemas/**/*")))
    paths = ["asyncapi.yaml", *names]
    return {
        path: (folder / path).read_text(encoding="utf-8", errors="replace")
        for path in paths
        if is_generated(path) and (folder / path).is_file()
    }


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
