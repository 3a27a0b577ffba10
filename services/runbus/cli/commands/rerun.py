"""`runbus rerun`."""

from __future__ import annotations

from runbus.cli.options import RunName
from runbus.cli.setting_flags import ContainerCommand, Flags, SettingFlags, Submission, SubmitFlags


def rerun(
    run: RunName,
    /,
    *command: ContainerCommand,
    submission: Submission = SubmitFlags(),  # noqa: B008 - frozen
    flags: Flags = SettingFlags(),  # noqa: B008 - frozen
) -> int:
    """Submit the document of a run again, as a new run, with changes if any are given.

    What the run was asked for counts, not the defaults that were added to it then. The changes
    are shown first. The new run says whose rerun it is in its annotation runbus.dev/rerun-of.
    """
    from runbus.cli.rerunning import rerun_run

    return rerun_run(run, flags, command, submission)
