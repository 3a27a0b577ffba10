"""Trains the small model of train.py as runs, from Python: submit, wait, read, change, run again.

Start `runbus up` in another terminal; then

    python examples/python_client.py

It needs runbus alone: no cluster of your own, no image registry. The same lines work in a notebook,
where a function and a run also show themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from runbus.sdk import Function, Run, RunAbortedError, RunFailedError, new_function

HERE = Path(__file__).resolve().parent
WAIT_S = 120.0


def main() -> int:
    """Train twice, let one run be aborted by its limit, and say how each ended."""
    train = training()
    first = train.run(params={"epochs": 3, "learning_rate": 0.5})
    told(first)

    better = first.rerun(parameters={"epochs": 10})  # the same again, with a change
    told(better)

    # A run that would take too long: its limit ends it, and the error says why.
    slow = train.run(
        name="slow",
        params={"epochs": 1000, "pause": 1},
        state_thresholds={"running": "2s"},
    )
    told(slow)
    return 0


def training() -> Function:
    """Return the function: what is run, and what it needs."""
    fn = new_function("train", "demo", image="python:3.12", command=sys.executable)
    fn.spec.args = [str(HERE / "train.py"), "--data", str(HERE / "data" / "machines.csv")]
    fn.with_requests(cpu="100m", mem="64Mi").with_labels({"example": "python-client"})
    fn.set_envs({"PYTHONUNBUFFERED": 1, "SEED": 7})
    fn.set_state_thresholds({"image_pull_backoff": "1m", "running": "5m"})
    fn.with_retry(1, on=["infrastructure"])
    return fn


def told(run: Run) -> None:
    """Wait for a run and print how it ended, with the last line of its output."""
    try:
        status = run.wait(timeout=WAIT_S)
    except (RunAbortedError, RunFailedError) as error:
        print(f"{run.name} {run.id}: {error}")
        return
    lines = list(run.logs(follow=True))
    print(f"{run.name} {run.id}: {status.state.value}: {lines[-1] if lines else 'no output'}")


if __name__ == "__main__":
    sys.exit(main())
