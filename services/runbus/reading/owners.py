"""Whose an object is: run, project and attempt, from its labels."""

from __future__ import annotations

from runbus.contracts import labels, subjects
from runbus.reading.objects import Pod


def attempt_of(pod: Pod) -> int:
    """Return the attempt a pod belongs to; 0 where its label does not say."""
    text = pod.metadata.labels.get(labels.ATTEMPT, "")
    return int(text) if text.isdigit() else 0


def run_of(pod: Pod) -> tuple[str, str] | None:
    """Return project and run id of a pod; None where it does not carry our labels."""
    found = pod.metadata.labels
    project, run_id = found.get(labels.PROJECT, ""), found.get(labels.RUN_ID, "")
    if labels.ATTEMPT not in found:
        return None
    if not (subjects.is_run_id(run_id) and subjects.is_project(project)):
        return None
    return project, run_id
