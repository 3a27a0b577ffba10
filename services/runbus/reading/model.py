"""What is read from a pod: the values that the rest of the package makes, and others use.

Must not know: how a reading is made (`pods`, `ends`), or which Kubernetes field says what.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from runbus.contracts.states import OutcomeClass, RunState


class Sticky(msgspec.Struct, frozen=True, gc=False):
    """The image state recorded before: which container waits for its image, and what was said.

    `container` may be empty (not recorded): then the first container that still waits is meant.
    `reason` and `message` are shown again while the kubelet says nothing about the image.
    """

    container: str = ""
    reason: str = ""
    message: str = ""


class EndsAs(msgspec.Struct, frozen=True, gc=False):
    """How a pod will count once it is gone, as far as can be told while it still shows a state."""

    state: RunState
    reason: str
    outcome_class: OutcomeClass
    message: str = ""


class Reading(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, array_like=True
):
    """One pod as a state of its run (docs/ARCHITECTURE.md, From a pod to a state).

    `reason` is a code (Kubernetes' own or one of `Reason`), empty where there is none; `message` is
    its full text. `container` is the one the reading is about, `image` what it was asked to run,
    `of_main` whether it is the main one.
    `own_timestamp` is the pod's own word on when this state was entered, whole seconds, None where
    a pod does not tell (image, held). `deleted_at` is when its deletion was asked for. `vanished`:
    the pod is gone, and nobody saw how it ended.
    """

    state: RunState
    reason: str = ""
    message: str = ""
    outcome_class: OutcomeClass | None = None
    container: str = ""
    image: str = ""
    of_main: bool = True
    exit_code: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    own_timestamp: datetime | None = None
    ended: bool = False
    pod_ended: bool = False
    never_heals: bool = False
    node_name: str = ""
    is_deleting: bool = False
    deleted_at: datetime | None = None
    ends_as: EndsAs | None = None
    vanished: bool = False

    @property
    def needs_cleanup(self) -> bool:
        """Whether the main container has ended and a sidecar keeps the pod, and its GPU, busy."""
        return self.ended and not self.pod_ended

    @property
    def sticky(self) -> Sticky | None:
        """What `read_pod` wants to know at the next look at the same pod."""
        if self.state is not RunState.IMAGE_PULL_BACKOFF:
            return None
        return Sticky(self.container, self.reason, self.message)
