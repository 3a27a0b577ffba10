"""A text in the user's own editor, again until it is right; what was written is never lost."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from runbus.cli.exits import Exit
from runbus.cli.output.printing import say
from runbus.cli.problems import CliError

FALLBACK_EDITOR = "vi"

Check = Callable[[bytes], Sequence[str]]


class Editing(Struct, frozen=True, kw_only=True):
    """One file that is being edited. `ask` says whether to go on after a refusal."""

    path: Path
    open_editor: Callable[[Path], None]
    ask: Callable[[], bool]

    def changed(self, before: bytes, check: Check) -> bytes | None:
        """Return the text once it is right; None where nothing was changed.

        Raises:
            CliError: it is not, and the user gives up; the file stays.

        """
        self.path.write_bytes(before)
        while True:
            self.open_editor(self.path)
            after = self.path.read_bytes()
            if after == before:
                return None
            problems = check(after)
            if not problems:
                return after
            say("this is refused:")
            for line in problems:
                say(f"  {line}")
            if not self.ask():
                raise CliError(
                    "nothing is stored",
                    why=f"what you wrote is in {self.path}",
                    way_out=f"mend it, then: runbus defaults set -f {self.path}",
                    code=Exit.REFUSED,
                )


def begin(suffix: str) -> Editing:
    """Return the editing of a new file of this user's, in the user's editor."""
    descriptor, name = tempfile.mkstemp(prefix="runbus-", suffix=suffix)
    os.close(descriptor)
    return Editing(path=Path(name), open_editor=_open, ask=_ask)


def editor_of(environment: Mapping[str, str]) -> list[str]:
    """Return the command of the user's editor: $VISUAL, else $EDITOR, else vi."""
    chosen = environment.get("VISUAL") or environment.get("EDITOR") or FALLBACK_EDITOR
    return shlex.split(chosen)


def _open(path: Path) -> None:
    command = editor_of(os.environ)
    try:
        done = subprocess.run([*command, str(path)], check=False)  # noqa: S603 - the user's choice
    except OSError as error:
        way_out = "set VISUAL or EDITOR to an editor that is there"
        text = f"the editor {command[0]!r} cannot be started"
        raise CliError(text, why=str(error.strerror), way_out=way_out) from error
    if done.returncode:
        text = f"the editor ended with exit code {done.returncode}: nothing is stored"
        raise CliError(text, why=f"what you wrote is in {path}")


def _ask() -> bool:
    """Ask whether to edit again; nobody is asked where nobody can answer."""
    if not sys.stdin.isatty():
        return False
    say("edit again? [Y/n]")
    return not sys.stdin.readline().strip().lower().startswith("n")
