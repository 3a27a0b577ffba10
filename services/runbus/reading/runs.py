"""From the readings of several pods to the state of their run.

Which roles count, and whose end ends the attempt, is data (`RunShape`), one for each kind of run.
Must not know: pods themselves, clocks (they are kept for each role and index), or thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from runbus.contracts.states import Role, RunState
from runbus.reading.model import Reading

# Worst first (states.md section 2). Held stands behind whatever can run into a limit of its own.
WORST_FIRST = (
    RunState.IMAGE_PULL_BACKOFF,
    RunState.PENDING_NOT_SCHEDULED,
    RunState.PENDING_SCHEDULED,
    RunState.HELD,
    RunState.RUNNING,
)
_RANK = {state: rank for rank, state in enumerate(WORST_FIRST)}


class RunShape(msgspec.Struct, frozen=True, gc=False):
    """What a kind of run is made of: the roles that count, and the one whose end is the run's."""

    counting: frozenset[Role]
    deciding: Role


JOB = RunShape(counting=frozenset({Role.MAIN}), deciding=Role.MAIN)


class RoleReading(msgspec.Struct, frozen=True, gc=False):
    """The reading of one pod, and what it is in its run."""

    role: Role
    index: int
    reading: Reading


class RunReading(msgspec.Struct, frozen=True, gc=False):
    """The state of a run, the pod that it is taken from, and how many pods of each role are where.

    `counts` is over all pods, those that do not count included: {"main": {"running": 1}}.
    """

    state: RunState
    shown: RoleReading
    counts: dict[str, dict[str, int]]


def read_run(shape: RunShape, pods: Sequence[RoleReading]) -> RunReading | None:
    """Read a run from its attempt's pods; None where no pod says anything about it.

    An end of the deciding role is the run's; otherwise the worst of those that count and live.
    The order of `pods` does not matter.
    """
    ended = [each for each in pods if each.role is shape.deciding and each.reading.ended]
    alive = [each for each in pods if each.role in shape.counting and each.reading.state in _RANK]
    candidates = ended or alive
    if not candidates:
        return None
    shown = min(candidates, key=_badness)
    return RunReading(shown.reading.state, shown, count_states(pods))


def count_states(pods: Sequence[RoleReading]) -> dict[str, dict[str, int]]:
    """Count the pods of each role by their state, in the order of the names."""
    counts: dict[str, dict[str, int]] = {}
    for each in sorted(pods, key=lambda pod: (pod.role.value, pod.reading.state.value)):
        of_role = counts.setdefault(each.role.value, {})
        state = each.reading.state.value
        of_role[state] = of_role.get(state, 0) + 1
    return counts


def _badness(pod: RoleReading) -> tuple[bool, int, bool, str, int]:
    """Order errors before completions, bad states before good, what never heals before the rest."""
    reading = pod.reading
    return (
        reading.state is not RunState.ERROR,
        _RANK.get(reading.state, len(_RANK)),
        not reading.never_heals,
        pod.role.value,
        pod.index,
    )
