"""What a type checker knows of the public client: checked by mypy, strictly, with the rest.

Nothing of it is run but the import: each line is what a user may write, and what it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, assert_type

import runbus.sdk
from runbus.contracts.replies import LintReply
from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.violations import Violation
from runbus.sdk import (
    AsyncRun,
    AsyncSession,
    Function,
    Mount,
    Run,
    RunRejectedError,
    RunTimeoutError,
    Session,
    default_session,
    import_function,
    mount_pvc,
    new_function,
)
from runbus.sdk.functions.roles import RoleScope
from runbus.sdk.runs import EventRecord


def functions() -> None:
    fn = new_function("train", "nlp", kind="spark", image="x:1", args=["-n", 3])
    assert_type(fn, Function)
    assert_type(import_function("hub://a"), Function)
    assert_type(fn.set_env("A", 1).with_retry(2).apply(mount_pvc("c")), Function)
    assert_type(fn.with_executor_limits(gpus=1), Function)
    assert_type(fn.role("executor").with_requests(cpu=1), RoleScope)
    assert_type(mount_pvc("c"), Mount)
    assert_type(fn.spec.replicas, int | None)
    assert_type(fn.spec.image, str | None)
    assert_type(fn.metadata.labels, Mapping[str, str] | None)
    assert_type(fn.to_dict(), dict[str, Any])
    fn.spec.replicas = 3
    fn.spec.replicas = "3"  # type: ignore[assignment]  # told before anything runs
    fn.set_envs(["A"])  # type: ignore[arg-type]  # likewise


def blocking(fn: Function) -> None:
    run = fn.run(params={"n": 1})
    assert_type(run, Run)
    assert_type(default_session(), Session)
    assert_type(run.id, str)
    assert_type(run.state, RunState)
    assert_type(run.wait(timeout=3), RunStatus)
    assert_type(run.events(), Iterator[EventRecord])
    assert_type(run.logs(follow=True), Iterator[str])
    assert_type(run.rerun(image="x:2"), Run)
    assert_type(Session().lint(fn), LintReply)


async def awaited(session: AsyncSession, fn: Function) -> None:
    run = await session.run(fn)
    assert_type(run, AsyncRun)
    assert_type(await run.wait(3), RunStatus)
    assert_type(run.events(), AsyncIterator[EventRecord])
    assert_type(await run.rerun(), AsyncRun)
    assert_type(await session.list_runs(), list[AsyncRun])


def errors(rejected: RunRejectedError, late: RunTimeoutError) -> None:
    assert_type(rejected.violations, tuple[Violation, ...])
    assert_type(late.status, RunStatus | None)


def test_every_public_name_can_be_imported() -> None:
    assert {name for name in runbus.sdk.__all__ if getattr(runbus.sdk, name) is None} == set()
    assert set(runbus.sdk.__all__) <= set(dir(runbus.sdk))
