"""What went wrong, for people: what, why, and what to do next. Never a traceback.

`problem_of` gives every error of the packages below a text and an exit code. Must not print.
"""

from __future__ import annotations

from runbus.cli.exits import Exit


class CliError(Exception):
    """Something to tell the user, and the exit code that goes with it.

    Args:
        what: one line, without a dot at its end.
        why: more lines, if they help.
        way_out: what to do next.
        code: the exit code.

    """

    def __init__(
        self, what: str, *, why: str = "", way_out: str = "", code: Exit = Exit.USAGE
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.way_out = way_out
        self.code = code


def problem_of(error: BaseException) -> CliError | None:
    """Return what to tell of an error; None for a mistake of our own."""
    if isinstance(error, CliError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = (problem_of(each) for each in error.exceptions)
        return next((each for each in found if each is not None), None)
    return _lookup_problem(error) or _bus_problem(error) or _file_problem(error)


def _lookup_problem(error: BaseException) -> CliError | None:
    from runbus.sdk.runs import AmbiguousRunError, RunNotFoundError

    match error:
        case AmbiguousRunError():
            lines = [
                f"  {each.ref}  {each.status.name}  {each.status.state.value}"
                for each in error.candidates
            ]
            why = "\n".join(["it could be, newest first:", *lines])
            return CliError(
                str(error),
                why=why,
                way_out="give project/run-id, or a longer start of the run id",
                code=Exit.NO_SUCH_RUN,
            )
        case RunNotFoundError():
            return CliError(
                str(error), way_out="`runbus list` shows all runs", code=Exit.NO_SUCH_RUN
            )
        case _:
            return None


def _bus_problem(error: BaseException) -> CliError | None:
    from runbus.sdk.client import NotProvisionedError
    from runbus.sdk.errors import BusError, BusTimeoutError, BusUnreachableError
    from runbus.sdk.provision import ProvisionError
    from runbus.sdk.submissions import UnusableDocumentError

    match error:
        case UnusableDocumentError():
            return CliError(str(error), code=Exit.REFUSED)
        case NotProvisionedError():
            return CliError(
                str(error), way_out="run `runbus init` against it once", code=Exit.UNREACHABLE
            )
        case ProvisionError():
            return CliError("the bus cannot be set up", why=str(error), code=Exit.UNREACHABLE)
        case BusTimeoutError():
            return CliError(
                "the bus did not answer in time",
                why=str(error),
                way_out="try again; what was asked for may have been done all the same",
                code=Exit.UNREACHABLE,
            )
        case BusUnreachableError() | BusError():
            return CliError("the bus cannot be used", why=str(error), code=Exit.UNREACHABLE)
        case _:
            return None


def _file_problem(error: BaseException) -> CliError | None:
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror or type(error).__name__}"
        return CliError(text, way_out="check the path and its permissions")
    return None
