"""The folded status of a run: everything a reader, or a new owner of its timers, needs to know.

Every event carries the whole status, so that one message is enough: a subscriber never has to
fold a history, and a watcher replica that takes a shard over finds clocks, limits and policy in
the `live` bucket. Documents and evidence are messages of their own and never stand in here.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from runbus.contracts.moments import Moment
from runbus.contracts.states import Kind, OutcomeClass, Role, RunState, Threshold


class ScaleUp(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a limit was extended by because nodes were being added; once in an attempt."""

    attempt: Annotated[int, Meta(ge=1, description="the attempt in which it counts")]
    extended_s: Annotated[float, Meta(description="seconds added to the limit")] = 0.0


class Limit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One threshold in force: how long the run may stay in a state."""

    limit_s: Annotated[float | None, Meta(description="seconds; null is no limit")] = None
    extended_s: Annotated[float, Meta(description="seconds added to the limit since")] = 0.0
    paused_at: Annotated[Moment | None, Meta(description="set while the clock stands")] = None
    scale_up: Annotated[
        ScaleUp | None, Meta(description="added besides while an autoscaler adds nodes")
    ] = None


class RetryPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a failed attempt is followed by another one."""

    limit: Annotated[int, Meta(ge=0, description="retries after the first attempt")] = 0
    backoff_s: Annotated[float, Meta(description="before the second attempt; doubles")] = 30.0
    backoff_max_s: Annotated[float, Meta(description="the longest backoff")] = 600.0
    on: Annotated[
        tuple[str, ...], Meta(description="classes, states or reasons that are retried")
    ] = ("infrastructure",)


class PodRef(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pod of the current attempt, as last seen."""

    name: str
    uid: Annotated[str | None, Meta(description="null until the API server has told it")] = None
    role: Role = Role.MAIN
    index: int = 0
    node: Annotated[str | None, Meta(description="noted when bound: it may be gone later")] = None
    spot: Annotated[
        bool | None, Meta(description="whether that is a spot node; null where it is not known")
    ] = None


class AbortCause(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a run is being aborted, and by whom."""

    by: Annotated[str, Meta(description="`threshold`, or the user's name")]
    by_user: Annotated[bool, Meta(description="a user's abort is never withdrawn")] = False
    reason: str = ""
    message: str = ""
    state: Annotated[RunState | None, Meta(description="the state that was judged")] = None
    threshold: Annotated[Threshold | None, Meta(description="whose limit was passed")] = None
    since: Annotated[Moment | None, Meta(description="when that limit's clock started")] = None
    limit_s: float | None = None
    overdue_ms: Annotated[int | None, Meta(description="deadline to decision")] = None
    requested_at: Moment | None = None


class RunStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole state of a run after one event."""

    run_id: str
    project: str
    name: str = ""
    kind: Kind = Kind.JOB
    user: str = ""
    shard: Annotated[str, Meta(description="00 to 3f")] = "00"
    namespace: Annotated[str, Meta(description="where its objects are")] = ""
    state: RunState
    attempt: Annotated[int, Meta(ge=0, description="0 until the first admission")] = 0
    since: Annotated[Moment, Meta(description="entry into the state, in this attempt")]
    accepted_at: Moment | None = None
    admitted_at: Annotated[Moment | None, Meta(description="of this attempt")] = None
    reason: Annotated[str, Meta(description="a stable code")] = ""
    message: Annotated[str, Meta(description="the text that belongs to the code")] = ""
    status_text: Annotated[str, Meta(description="one sentence for people")] = ""
    outcome_class: OutcomeClass | None = None
    exit_code: int | None = None
    container: Annotated[str | None, Meta(description="the container the reason is about")] = None
    roles: Annotated[dict[str, dict[str, int]], Meta(description="pods per role and state")] = {}
    pods: tuple[PodRef, ...] = ()
    spot_labels: Annotated[
        dict[str, str],
        Meta(description="a node with any of these is a spot node; from the first admission on"),
    ] = {}
    thresholds: Annotated[dict[str, Limit], Meta(description="by threshold key")] = {}
    deadline: Annotated[Moment | None, Meta(description="the next limit to pass")] = None
    deadline_of: Annotated[str | None, Meta(description="whose threshold that is")] = None
    retry: RetryPolicy = RetryPolicy()
    not_before: Annotated[Moment | None, Meta(description="retrying: the next attempt")] = None
    ttl_after_finish_s: Annotated[float | None, Meta(description="finished objects stay")] = 3600.0
    priority_class: str | None = None
    priority_rank: Annotated[
        int | None, Meta(description="place of its class among those allowed; 0 is the highest")
    ] = None
    abort: AbortCause | None = None
