"""Log tails out of evidence: what is left of a run's output when its pods are gone.

Pure: evidence comes in, tails come out. Must not know the bus or Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from runbus.contracts.evidence import ContainerEvidence, PodEvidence, RunEvidence


class LogTail(Struct, frozen=True, kw_only=True):
    """The end of one container's log in one attempt.

    `text` is None where nothing could be read; `problem` then says why.
    """

    attempt: int
    pod: str
    container: str
    text: str | None = None
    is_truncated: bool = False
    problem: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of the text, without their ends."""
        return self.text.splitlines() if self.text is not None else []


def log_tails(evidence: Iterable[RunEvidence], attempt: int | None = None) -> list[LogTail]:
    """Return the best tail of each container, in order of attempt and as the pods were seen.

    An attempt can leave several evidences: one of its abort and one of its end. The later is the
    better, unless it could not read the log.

    Args:
        evidence: of one run, oldest first.
        attempt: only of this one.

    """
    found: dict[tuple[int, str, str], LogTail] = {}
    for each in evidence:
        if attempt is not None and each.attempt != attempt:
            continue
        for tail in _tails(each):
            key = (tail.attempt, tail.pod, tail.container)
            known = found.get(key)
            if known is None or known.text is None or tail.text:
                found[key] = tail
    return sorted(found.values(), key=lambda tail: tail.attempt)


def _tails(evidence: RunEvidence) -> Iterable[LogTail]:
    for pod in evidence.pods:
        for container in pod.containers:
            yield _tail(evidence, pod, container)


def _tail(evidence: RunEvidence, pod: PodEvidence, container: ContainerEvidence) -> LogTail:
    return LogTail(
        attempt=evidence.attempt,
        pod=pod.name,
        container=container.name,
        text=container.log_tail,
        is_truncated=container.log_truncated,
        problem=container.log_problem,
    )
