"""`python -m runbus.cli.settings_page`: write docs/settings.md, or check that it is fresh."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from runbus.cli.settings_page.page import settings_page

# This file is services/runbus/cli/settings_page/__main__.py of a checkout.
PAGE = Path(__file__).resolve().parents[4] / "docs" / "settings.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; return 0 when done or fresh, 1 when not fresh, 2 outside of a checkout."""
    parser = argparse.ArgumentParser(
        prog="python -m runbus.cli.settings_page", description="Write docs/settings.md."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not fresh")
    options = parser.parse_args(arguments)
    if not PAGE.parent.is_dir():
        sys.stderr.write("this runbus is no checkout: there is no docs/ to write to\n")
        return 2
    text = settings_page()
    if options.check:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write("stale: docs/settings.md\nwrite it anew: make contracts\n")
        return 1
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    sys.stderr.write(f"{PAGE}: {len(text.splitlines())} lines\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
