"""What follows an attempt: retries by policy, backoff, and ends that no policy may retry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbus.contracts.states import FINAL_STATES, OutcomeClass, Reason, RunState
from runbus.contracts.status import RetryPolicy
from runbus.contracts.transitions import AfterAttempt, AttemptOutcome, after_attempt

T0 = datetime(2026, 11, 1, 10, tzinfo=UTC)


def an_end(
    state: RunState = RunState.RUNNING,
    reason: str = "Error",
    outcome_class: OutcomeClass = OutcomeClass.USER,
    *,
    succeeded: bool = False,
    aborted: bool = False,
    retryable: bool = True,
) -> AttemptOutcome:
    """Return how an attempt ended at T0."""
    return AttemptOutcome(
        state=state,
        reason=reason,
        outcome_class=outcome_class,
        ended_at=T0,
        succeeded=succeeded,
        aborted=aborted,
        retryable=retryable,
    )


def a_policy(*on: str, limit: int = 1) -> RetryPolicy:
    """Return a policy with 10 s of backoff, at most 60 s."""
    return RetryPolicy(limit=limit, backoff_s=10.0, backoff_max_s=60.0, on=on)


EVICTED = an_end(reason="Evicted", outcome_class=OutcomeClass.INFRASTRUCTURE)
RECLAIMED = AttemptOutcome(
    state=RunState.RUNNING,
    reason=Reason.SPOT_RECLAIMED.value,
    kube_reason="Evicted",
    outcome_class=OutcomeClass.INFRASTRUCTURE,
    ended_at=T0,
)
STUCK_IMAGE = an_end(RunState.IMAGE_PULL_BACKOFF, Reason.THRESHOLD_EXCEEDED.value, aborted=True)
EVERYTHING = tuple(
    [member.value for member in (*RunState, *OutcomeClass, *Reason)] + ["Evicted", "OOMKilled"]
)


@pytest.mark.parametrize(
    ("policy", "attempt", "outcome", "state"),
    [
        pytest.param(a_policy(), 1, an_end(succeeded=True), "completed", id="success is the end"),
        pytest.param(
            a_policy("user"), 1, an_end(succeeded=True), "completed", id="success is never retried"
        ),
        pytest.param(a_policy("user"), 1, an_end(), "retrying", id="retried by class"),
        pytest.param(a_policy("infrastructure"), 1, EVICTED, "retrying", id="the default class"),
        pytest.param(a_policy("infrastructure"), 1, an_end(), "error", id="another class"),
        pytest.param(a_policy("SpotReclaimed"), 1, RECLAIMED, "retrying", id="a spot node's end"),
        pytest.param(
            a_policy("Evicted"), 1, RECLAIMED, "retrying", id="by Kubernetes' word for it"
        ),
        pytest.param(a_policy("Preempting"), 1, RECLAIMED, "error", id="another word"),
        pytest.param(a_policy("running"), 1, an_end(), "retrying", id="retried by state"),
        pytest.param(a_policy("held"), 1, an_end(), "error", id="another state"),
        pytest.param(
            a_policy("OOMKilled"), 1, an_end(reason="OOMKilled"), "retrying", id="retried by reason"
        ),
        pytest.param(a_policy("OOMKilled"), 1, an_end(), "error", id="another reason"),
        pytest.param(a_policy(), 1, EVICTED, "error", id="a policy that names nothing"),
        pytest.param(a_policy("user", limit=0), 1, an_end(), "error", id="no retry asked for"),
        pytest.param(a_policy("user", limit=2), 2, an_end(), "retrying", id="the last retry"),
        pytest.param(a_policy("user", limit=2), 3, an_end(), "error", id="retries used up"),
        pytest.param(
            a_policy("image_pull_backoff"), 1, STUCK_IMAGE, "retrying", id="an abort, retried"
        ),
        pytest.param(
            a_policy("infrastructure"), 1, STUCK_IMAGE, "aborted", id="an abort, not retried"
        ),
        pytest.param(
            a_policy("infrastructure"),
            1,
            an_end(outcome_class=OutcomeClass.INFRASTRUCTURE, retryable=False),
            "error",
            id="a pod that may still run is not retried",
        ),
        pytest.param(
            a_policy(*EVERYTHING),
            1,
            an_end(reason=Reason.INTERNAL_ERROR.value),
            "error",
            id="our own mistake is not repeated",
        ),
        pytest.param(
            a_policy(*EVERYTHING),
            1,
            an_end(reason=Reason.IMAGE_NEVER_PULLABLE.value, aborted=True),
            "aborted",
            id="an image that can never be pulled",
        ),
    ],
)
def test_a_policy_decides_whether_another_attempt_follows(
    policy: RetryPolicy, attempt: int, outcome: AttemptOutcome, state: str
) -> None:
    after = after_attempt(policy, attempt, outcome)
    assert after.state.value == state
    assert (after.not_before is not None) == (state == "retrying")


@pytest.mark.parametrize(
    ("attempt", "wait_s"), [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (1000, 60)]
)
def test_the_backoff_doubles_with_each_retry_up_to_its_maximum(attempt: int, wait_s: float) -> None:
    after = after_attempt(a_policy("user", limit=1000), attempt, an_end())
    assert after == AfterAttempt(RunState.RETRYING, T0 + timedelta(seconds=wait_s))


a_state = st.sampled_from([state for state in RunState if state is not RunState.UNKNOWN])
outcomes = st.builds(
    AttemptOutcome,
    state=a_state,
    reason=st.sampled_from(EVERYTHING),
    outcome_class=st.sampled_from(OutcomeClass),
    ended_at=st.just(T0),
    succeeded=st.booleans(),
    aborted=st.booleans(),
    retryable=st.booleans(),
)
policies = st.builds(
    RetryPolicy,
    limit=st.integers(0, 100),
    backoff_s=st.floats(0, 1e6),
    backoff_max_s=st.floats(0, 3e8),
    on=st.lists(st.sampled_from(EVERYTHING), max_size=6).map(tuple),
)
attempts = st.integers(1, 10_000)


@given(policies, attempts, outcomes)
def test_there_are_never_more_retries_than_the_limit(
    policy: RetryPolicy, attempt: int, outcome: AttemptOutcome
) -> None:
    after = after_attempt(policy, attempt, outcome)
    assert after.state in FINAL_STATES or attempt <= policy.limit


@given(policies, attempts, outcomes)
def test_the_wait_is_never_negative_nor_longer_than_the_longest_backoff(
    policy: RetryPolicy, attempt: int, outcome: AttemptOutcome
) -> None:
    after = after_attempt(policy, attempt, outcome)
    if after.not_before is None:
        assert after.state in FINAL_STATES
    else:
        wait_s = (after.not_before - T0).total_seconds()
        assert 0 <= wait_s <= policy.backoff_max_s + 1e-6


@given(policies, attempts, outcomes)
def test_a_users_abort_is_never_followed_by_another_attempt(
    policy: RetryPolicy, attempt: int, outcome: AttemptOutcome
) -> None:
    ended = AttemptOutcome(
        state=outcome.state,
        reason=Reason.ABORTED_BY_USER.value,
        outcome_class=outcome.outcome_class,
        ended_at=T0,
        aborted=True,
    )
    assert after_attempt(policy, attempt, ended) == AfterAttempt(RunState.ABORTED)


@given(policies, attempts, outcomes)
def test_an_attempt_is_followed_by_exactly_the_states_of_its_end(
    policy: RetryPolicy, attempt: int, outcome: AttemptOutcome
) -> None:
    state = after_attempt(policy, attempt, outcome).state
    if outcome.succeeded:
        assert state is RunState.COMPLETED
    elif outcome.aborted:
        assert state in {RunState.RETRYING, RunState.ABORTED}
    else:
        assert state in {RunState.RETRYING, RunState.ERROR}
