"""The blocking facade: in plain code, and where a loop is running already, as in a notebook."""

from __future__ import annotations

import asyncio
import threading

import pytest

from runbus.contracts.states import RunState
from runbus.sdk import (
    Function,
    Run,
    RunAbortedError,
    RunFailedError,
    RunTimeoutError,
    Session,
    new_function,
)

pytestmark = pytest.mark.system

WAIT_S = 40.0


def shell(script: str) -> Function:
    """Return a function that runs a script of the shell."""
    return new_function("shell", "nlp", image="x:1", command=["sh", "-c", script])


def test_a_plain_script_runs_waits_and_reads_the_output(blocking: Session) -> None:
    run = shell("echo hello").run(session=blocking)
    assert run.wait(WAIT_S).state is RunState.COMPLETED
    assert list(run.logs()) == ["hello"]
    assert list(run.logs(follow=True)) == ["hello"]
    assert [event.event_type for event in run.events()][-1] == "completed"


def test_the_state_of_a_handle_is_that_of_now(blocking: Session) -> None:
    run = shell("sleep 1000").run(session=blocking)
    for event in run.events():
        if event.status.state is RunState.RUNNING:
            break
    assert run.state is RunState.RUNNING
    assert "running" in run._repr_html_()
    run.abort("enough")
    with pytest.raises(RunAbortedError, match="enough"):
        run.wait(WAIT_S)
    assert run.status.state is RunState.ABORTED


def test_what_a_run_is_given_is_for_that_run_only(blocking: Session) -> None:
    fn = shell("echo $RUNBUS_PARAMETERS $A")
    run = fn.run(params={"n": 1}, env={"A": 2}, name="other", session=blocking)
    run.wait(WAIT_S)
    assert run.name == "other"
    assert list(run.logs(follow=True)) == ['{"n":1} 2']
    assert fn.to_dict() == shell("echo $RUNBUS_PARAMETERS $A").to_dict()


async def test_it_works_while_a_loop_is_running_as_in_a_notebook(blocking: Session) -> None:
    assert asyncio.get_running_loop().is_running()
    run = shell("exit 7").run(session=blocking)  # a cell of a notebook: no await
    with pytest.raises(RunFailedError) as found:
        run.wait(WAIT_S)
    assert found.value.status is not None
    assert found.value.status.exit_code == 7
    again = run.rerun(command=["true"])
    assert again.wait(WAIT_S).state is RunState.COMPLETED


def test_several_threads_may_use_one_session(blocking: Session) -> None:
    ended: list[RunState] = []

    def work() -> None:
        ended.append(shell("exit 0").run(session=blocking).wait(WAIT_S).state)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert ended == [RunState.COMPLETED] * 3


def test_a_wait_that_takes_too_long_leaves_the_run_alone(blocking: Session) -> None:
    run = shell("sleep 1000").run(session=blocking)
    with pytest.raises(RunTimeoutError):
        run.wait(0.1)
    assert not run.state.is_final
    run.abort()


def test_functions_list_priority_classes_and_find_their_runs(blocking: Session) -> None:
    fn = shell("exit 0")
    assert fn.list_valid_priority_class_names(session=blocking) == ["high", "low"]
    run = fn.run(session=blocking)
    assert isinstance(blocking.get(run.id), Run)
    assert run.id in {each.id for each in blocking.list_runs("nlp")}


def test_a_session_can_be_a_block_and_names_its_own_bus(
    blocking: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = blocking._session._url
    assert url is not None
    monkeypatch.setenv("RUNBUS_NATS_URL", url)
    with Session() as session:
        assert shell("exit 0").run(session=session).wait(WAIT_S).state is RunState.COMPLETED
