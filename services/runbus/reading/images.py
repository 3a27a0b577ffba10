"""Waiting for an image: which reasons mean it, which never heal, and why the state is sticky.

While an image cannot be pulled the kubelet shows ErrImagePull, ImagePullBackOff and, between two
tries, ContainerCreating (PodInitializing with init containers). Judged by the moment, a run would
leave and enter the state for ever and its clock would never run out: so once entered it is left
only when that container runs, has ended, or waits for something else. Must not know: clocks.
"""

from __future__ import annotations

import re

from runbus.contracts.states import RunState
from runbus.reading.containers import Container, Containers
from runbus.reading.model import Reading, Sticky

NEVER_HEALS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
# SignatureValidationFailed alternates with ImagePullBackOff just like ErrImagePull; left out, it
# would look like the way out of the state and start its clock again at every try.
IMAGE_REASONS = NEVER_HEALS | {
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
}
_BETWEEN_TRIES = frozenset({"ContainerCreating", "PodInitializing", ""})
# What a kubelet says between two tries where it does not repeat the cause.
_BARE_BACK_OFF = re.compile(r'Back-off pulling image "[^"]*"\s*')


def read_image_wait(containers: Containers, before: Sticky | None) -> Reading | None:
    """Read whether a scheduled pod waits for an image; None where it does not."""
    waiting = [
        each
        for each in (*containers.before, containers.main)
        if each.waiting_reason in IMAGE_REASONS
    ]
    held_by = _still_sticky(containers, before)
    hopeless = next((each for each in waiting if each.waiting_reason in NEVER_HEALS), None)
    container = hopeless or held_by or (waiting[0] if waiting else None)
    if container is None:
        return None
    recorded = before if before is not None and container is held_by else Sticky()
    if container.waiting_reason in IMAGE_REASONS:
        reason = container.waiting_reason
        message = _telling(container.waiting_message, recorded.message)
    else:
        reason, message = recorded.reason or "ImagePullBackOff", recorded.message
    return Reading(
        state=RunState.IMAGE_PULL_BACKOFF,
        reason=reason,
        message=message,
        container=container.name,
        image=container.spec.image,
        of_main=container is containers.main,
        never_heals=reason in NEVER_HEALS,
    )


def _still_sticky(containers: Containers, before: Sticky | None) -> Container | None:
    """Find the container that was recorded, unless it has left the state (states.md section 2)."""
    if before is None:
        return None
    container = (
        containers.named(before.container)
        if before.container
        else next((each for each in (*containers.before, containers.main) if each.waits), None)
    )
    if container is None or not container.waits:
        return None
    holds = container.waiting_reason in IMAGE_REASONS | _BETWEEN_TRIES
    return container if holds else None


def _telling(now: str, recorded: str) -> str:
    """Keep the message with the cause: a bare `Back-off pulling image "x"` names none."""
    names_cause = now.strip() and not _BARE_BACK_OFF.fullmatch(now)
    return now if names_cause or not recorded else recorded
