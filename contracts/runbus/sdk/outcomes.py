"""How a run ended, as errors: what `wait` raises unless the run completed.

Each carries the final status, so that whoever catches one can say why. It must not know the bus.
"""

from __future__ import annotations

from collections.abc import Sequence

from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.violations import Violation
from runbus.sdk.functions.refusals import violation_text


class RunOutcomeError(Exception):
    """A run that has not completed.

    `ref` is its project and id, `status` how it stands; of a run that was refused at once, None.
    """

    def __init__(self, ref: str, status: RunStatus | None, message: str) -> None:
        super().__init__(message)
        self.ref = ref
        self.status = status


class RunFailedError(RunOutcomeError):
    """The run ended in error; `status` has the reason, the class and the exit code."""


class RunAbortedError(RunOutcomeError):
    """A threshold or a user ended the run; `status.abort` says who, and why."""


class RunRejectedError(RunOutcomeError):
    """The document was refused; `violations` has everything that is wrong with it."""

    def __init__(self, ref: str, status: RunStatus | None, violations: Sequence[Violation]) -> None:
        lines = "".join(f"\n  {violation_text(each)}" for each in violations)
        super().__init__(ref, status, f"{ref} was rejected:{lines or ' no reason was kept'}")
        self.violations = tuple(violations)


class RunTimeoutError(RunOutcomeError, TimeoutError):
    """The run was not over in time. It goes on; `status` is its newest."""


def outcome_error(
    ref: str, status: RunStatus, violations: Sequence[Violation] = ()
) -> RunOutcomeError | None:
    """Return the error for a final status; None where the run completed."""
    told = f"{ref}: {status.status_text or status.message or status.state.value}"
    match status.state:
        case RunState.COMPLETED:
            return None
        case RunState.ABORTED:
            return RunAbortedError(ref, status, told)
        case RunState.REJECTED:
            return RunRejectedError(ref, status, violations)
        case _:
            return RunFailedError(ref, status, told)


def timeout_error(ref: str, status: RunStatus, timeout_s: float) -> RunTimeoutError:
    """Return the error for a run that goes on after all the time there was."""
    told = f"{ref} is not over after {timeout_s:g} s: {status.status_text or status.state.value}"
    return RunTimeoutError(ref, status, told)
