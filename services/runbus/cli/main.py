"""The entry point of `runbus`: picks the command, and turns whatever happens into an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runbus.cli.commands.catalogue import help_text
from runbus.cli.exits import Exit

if TYPE_CHECKING:
    from cyclopts.help.protocols import HelpFormatter

DEBUG_FLAG = "--debug"
_HELP_FLAGS = frozenset({"--help", "-h"})
_HELP = ({"--help"}, {"-h"}, {"help"}, set[str]())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: without the program's name; default: those of the process.

    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG_FLAG in given or bool(os.environ.get("RUNBUS_DEBUG"))
    given = [each for each in given if each != DEBUG_FLAG]
    if set(given) in _HELP:
        return _show(help_text())
    if given == ["--version"]:
        from importlib.metadata import version

        return _show(f"runbus {version('runbus')}\n")
    return _guarded(given, debug=debug)


def _show(text: str) -> int:
    sys.stdout.write(text)
    return Exit.DONE


def _guarded(given: list[str], *, debug: bool) -> int:
    try:
        return _run(given)
    except KeyboardInterrupt:
        return Exit.DETACHED
    except BrokenPipeError:  # `runbus list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:
        if debug:
            raise
        return _tell(error)


def _run(given: list[str]) -> int:
    if _HELP_FLAGS.intersection(given):
        gc.disable()  # a sixth of the time; what prints its help and ends has nothing to collect
    from cyclopts import CycloptsError

    from runbus.cli.application import application

    app = application(_formatter(given))
    try:
        code = app(given, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        from runbus.cli.usage import usage_problem

        raise usage_problem(error, given) from error
    return int(code or Exit.DONE)


def _formatter(given: list[str]) -> HelpFormatter | None:
    """Return how help is printed, imported only when it is asked for."""
    if not _HELP_FLAGS.intersection(given):
        return None
    from runbus.cli.helping import TwoColumns

    return TwoColumns()


def _tell(error: Exception) -> int:
    from runbus.cli.output.printing import say
    from runbus.cli.problems import problem_of

    problem = problem_of(error)
    if problem is None:
        say(f"error: something unforeseen: {type(error).__name__}: {error}")
        say(f"  {DEBUG_FLAG} shows where; please report it with that")
        return Exit.RUN_ERROR
    if problem.what:
        say(f"error: {problem.what}")
    for line in problem.why.splitlines():
        say(f"  {line}")
    if problem.way_out:
        say(f"  -> {problem.way_out}")
    return problem.code


if __name__ == "__main__":
    sys.exit(main())
