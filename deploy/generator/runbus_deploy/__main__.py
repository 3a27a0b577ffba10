"""`python -m runbus_deploy`: write the generated files below `deploy/`, or check them.

With `--tenant PROJECT`, once or more, it prints the accounts of the bus with those projects' users.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from runbus.contracts.identities import identities, tenant_identity
from runbus_deploy.accounts import accounts_conf
from runbus_deploy.files import expected_files

# `deploy/` of a checkout: this file is deploy/generator/runbus_deploy/__main__.py.
FOLDER = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, check or print; return 0 when done or fresh, 1 when not fresh."""
    options = _parser().parse_args(arguments)
    if options.tenant:
        users = [*identities(), *(tenant_identity(project) for project in options.tenant)]
        sys.stdout.write(accounts_conf(users))
        return 0
    stale = [path for path, text in expected_files().items() if _read(FOLDER / path) != text]
    if options.check:
        told = "".join(f"stale or missing: deploy/{path}\n" for path in stale)
        sys.stderr.write(f"{told}write them anew: make contracts\n" if stale else "")
        return 1 if stale else 0
    for path, text in expected_files().items():
        target = FOLDER / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    sys.stderr.write(f"{len(expected_files())} files in {FOLDER}, {len(stale)} changed\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runbus_deploy",
        description="Write what the deployment derives from the code: accounts, rights, settings.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not fresh")
    parser.add_argument(
        "--tenant", action="append", metavar="PROJECT", help="print accounts with its user"
    )
    return parser


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
