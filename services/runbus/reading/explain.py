"""A reading in words: short text for people, as it stands in `status_text` and in tables.

Texts of kubelets, schedulers and container runtimes are only ever shortened for reading here;
nothing is decided by them. Must not know: clocks, limits, or who asked for an abort.
"""

from __future__ import annotations

import re

from runbus.contracts.states import Reason, RunState
from runbus.reading.model import Reading

MAX_TEXT_CHARS = 300

# What stands in front of the cause in a failed pull, each layer adding its own: kubelet, CRI,
# containerd, CRI-O or Docker, the HTTP client.
_PULL_WRAPPERS = tuple(
    re.compile(pattern)
    for pattern in (
        r'Back-off pulling image "[^"]*"(:\s*|\s*$)',
        r"(ErrImagePull|ImagePullBackOff|RegistryUnavailable|SignatureValidationFailed):\s*",
        r"(Failed to pull|Error: )[^:]*:\s*",
        r"rpc error: code = \w+ desc = ",
        r"Error response from daemon:\s*",
        r'failed to (pull and unpack|pull|resolve|inspect) (image|reference)( "[^"]*")?:\s*',
        r"failed to (do request|authorize|copy|fetch \w+|fetch anonymous token):\s*",
        r"httpReadSeeker: failed open:\s*",
        r"(initializing source|pinging container registry|reading manifest) [^\s]+( in \S+)?:\s*",
        r"unexpected status( code)? (from \w+ request to )?\S*:\s*",
        r'(Head|Get|HEAD|GET|Post) "[^"]*":\s*',
        r"dial tcp( [^\s:]+(:\d+)?)?:\s*",
        r"[\w.\-@]+[/:][\w.\-/:@]+:\s+",
    )
)
_MAX_LAYERS = 20
_PULL_CAUSES = {
    "InvalidImageName": "this is not a valid image name",
    "ErrImageNeverPull": "the node does not have it, and the pull policy is Never",
    "RegistryUnavailable": "the registry is not available",
    "ImageInspectError": "the node cannot read the image that it has",
    "SignatureValidationFailed": "its signature is not valid",
}
_ENDS = {
    "EvictionByEvictionAPI": "evicted, mostly because its node is drained",
    "PreemptionByScheduler": "preempted by a pod of higher priority",
    "DeletionByTaintManager": "deleted because its node does not answer or must be left",
    "DeletionByPodGC": "deleted because its node is gone",
    "TerminationByKubelet": "ended by its node",
    "NodeLost": "its node does not answer",
    "Evicted": "evicted by its node",
    "Preempting": "preempted by its node for a critical pod",
}

_SAID_BY_MESSAGE = {Reason.ERROR.value, "OOMKilled", Reason.SPOT_RECLAIMED.value}


def describe(reading: Reading, *, image: str = "") -> str:
    """Say in a few words what a pod does or how it ended, e.g. `cannot pull x:1: not found`.

    `image` overrules the image that the reading knows. At most MAX_TEXT_CHARS characters.
    """
    match reading.state:
        case RunState.PENDING_NOT_SCHEDULED:
            text = _not_scheduled(reading)
        case RunState.IMAGE_PULL_BACKOFF:
            text = _image(reading, image or reading.image)
        case RunState.PENDING_SCHEDULED:
            text = _scheduled(reading)
        case RunState.RUNNING:
            text = f"{reading.reason}: {reading.message}" if reading.reason else "running"
        case RunState.COMPLETED:
            text = "completed"
        case RunState.ERROR:
            text = _end(reading.reason, reading.message)
        case _:
            text = reading.message or reading.state.value
    return _cut(text)


def describe_ending(reading: Reading) -> str | None:
    """Say how a pod that still shows a state will count; None where nothing is known."""
    if reading.ends_as is None:
        return None
    ending = reading.ends_as
    text = f"ends as {ending.state.value}, class {ending.outcome_class.value}"
    return _cut(f"{text}: {_end(ending.reason, ending.message)} ({ending.reason})")


def shorten_pull_error(message: str) -> str:
    """Cut a failed pull's message down to its cause: the last part that says something.

    Empty where the message names none (`Back-off pulling image "x"`).
    """
    text = message.strip()
    for _ in range(_MAX_LAYERS):
        shorter = _unwrapped(text)
        if shorter == text:
            break
        text = shorter
    parts = text.split(": server message:")[0].split(": ")
    return ": ".join(
        each for place, each in enumerate(parts) if place == 0 or each != parts[place - 1]
    )


def _unwrapped(text: str) -> str:
    for wrapper in _PULL_WRAPPERS:
        found = wrapper.match(text)
        if found:
            return text[found.end() :].strip()
    return text


def _not_scheduled(reading: Reading) -> str:
    # The scheduler adds what preemption would not have brought: twice the same for a reader.
    message = reading.message.split(" preemption: ")[0].strip()
    if reading.reason == "Unschedulable":
        return f"no node fits: {message}" if message else "no node fits"
    return message or reading.reason or "not scheduled"


def _image(reading: Reading, image: str) -> str:
    cause = _PULL_CAUSES.get(reading.reason, "")
    if reading.reason not in {"InvalidImageName", "ErrImageNeverPull"}:
        cause = shorten_pull_error(reading.message) or cause
    whose = "" if reading.of_main else f" (container {reading.container})"
    return f"cannot pull {image or 'the image'}{whose}: {cause or 'the pull fails'}"


def _scheduled(reading: Reading) -> str:
    where = f" on node {reading.node_name}" if reading.node_name else ""
    match reading.reason:
        case "":
            return f"bound{where}, whose kubelet has not reported on it yet"
        case "ContainerCreating":
            return reading.message or f"its containers are being made{where}"
        case "PodInitializing":
            return reading.message or f"its init containers run{where}"
        case reason:
            return ": ".join(each for each in (reason, reading.message) if each)


def _end(reason: str, message: str) -> str:
    told = _ENDS.get(reason)
    text = message.strip()
    if told is not None:
        return f"{told}: {text}" if text else told
    if reason in _SAID_BY_MESSAGE or reason.startswith("Pod"):
        return text or reason
    return f"{text} ({reason})" if text else reason


def _cut(text: str) -> str:
    one_line = " ".join(text.split())
    if len(one_line) <= MAX_TEXT_CHARS:
        return one_line
    return one_line[: MAX_TEXT_CHARS - 1].rstrip() + "…"
