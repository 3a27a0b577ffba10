"""What is to be started for a container, and how much memory it may have."""

import pathlib
import shutil
import sys
from collections.abc import Mapping

from runbus.localcluster.rules.quantities import parse_quantity
from runbus.localcluster.rules.shapes import Container
from runbus.localcluster.runner.processes import StartError


def resolve_program(arguments: list[str], environment: Mapping[str, str], folder: str) -> list[str]:
    """Find the program on the container's PATH; gives the vector to start.

    Raises StartError in runc's words where it is not there.
    """
    if not arguments:
        raise StartError("exec: no command specified: unknown")
    program = arguments[0]
    if any("\0" in each for each in (*arguments, *environment.values())):
        raise StartError(f'exec: "{program}": invalid argument: unknown')
    if "/" in program:
        found = str(pathlib.Path(folder) / program)
        if not pathlib.Path(found).exists():
            raise StartError(
                f'exec: "{program}": stat {program}: no such file or directory: unknown'
            )
    else:
        found = shutil.which(program, path=environment.get("PATH", "")) or ""
        if not found and program in {"python", "python3"}:
            found = sys.executable
        if not found:
            raise StartError(f'exec: "{program}": executable file not found in $PATH: unknown')
    return [found, *arguments[1:]]


def memory_limit(container: Container) -> int:
    """The bytes a container may use; 0 where there is no limit."""
    limits = container.resources.limits if container.resources else None
    text = (limits or {}).get("memory")
    return 0 if text is None else int(parse_quantity(str(text)))
