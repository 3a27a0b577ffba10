"""Wrong arguments, in the words of the user's own command line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from cyclopts import CycloptsError, UnknownCommandError, UnusedCliTokensError

from runbus.cli.commands.catalogue import COMMANDS
from runbus.cli.problems import CliError


def usage_problem(error: CycloptsError, given: Sequence[str]) -> CliError:
    """Return what to tell of arguments that cannot be parsed."""
    names = [name for entry in COMMANDS for name in (entry.name, *entry.aliases)]
    if given and given[0] in names and isinstance(error, UnknownCommandError):
        wrong = given[1] if len(given) > 1 else ""
        return CliError(
            f"`runbus {given[0]}` has no command {wrong!r}",
            way_out=f"`runbus {given[0]} --help` shows what it has",
        )
    if isinstance(error, UnknownCommandError) or (given and given[0] not in names):
        near = difflib.get_close_matches(given[0], names, n=1) if given else []
        hint = f"did you mean `runbus {near[0]}`? " if near else ""
        wrong = given[0] if given else ""
        return CliError(
            f"there is no command {wrong!r}", way_out=f"{hint}`runbus --help` shows all commands"
        )
    if isinstance(error, UnusedCliTokensError):
        text = "more arguments than it takes: " + " ".join(error.unused_tokens or ())
    else:
        text = " ".join(str(error).split())
    return CliError(text[:1].lower() + text[1:], way_out=f"`runbus {given[0]} --help` explains it")
