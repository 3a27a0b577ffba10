"""The fields of Kubernetes' objects that runbus looks at, decoded straight from JSON into Structs.

A Struct here names only what is read; msgspec skips the rest without building it, which is what
makes a watch cheap. Kubernetes treats `null` as "absent" and some servers send it for empty lists:
an object that does not fit is decoded once more with its nulls left out, and only then refused.
All times are aware datetimes, whole seconds but for `eventTime` and series (microseconds).
Must not know: how the bytes were fetched, what a state is, or what any field means for a run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Decoded = TypeVar("Decoded")


class UnreadableObjectError(ValueError):
    """What the server (or a file) sent is not the object that was asked for; names the place."""


# gc=False: these are trees of decoded data. They cannot be changed, so they cannot form a cycle.
class ObjectMeta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Who an object is. `deletion_timestamp` is when it may be gone: the request plus its grace."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: Moment | None = None
    deletion_timestamp: Moment | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}  # msgspec gives each Struct its own


class ContainerSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A container as asked for; an init container with restartPolicy Always is a native sidecar."""

    name: str = ""
    image: str = ""
    restart_policy: str = ""


class SchedulingGate(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One hold on scheduling, named after whoever will lift it."""

    name: str = ""


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a pod asks for, as far as its state depends on it."""

    node_name: str = ""
    containers: tuple[ContainerSpec, ...] = ()
    init_containers: tuple[ContainerSpec, ...] = ()
    restart_policy: str = "Always"
    scheduling_gates: tuple[SchedulingGate, ...] = ()
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None


class Condition(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One condition of a pod or a node. `status` is "True", "False" or "Unknown"."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: Moment | None = None


class Waiting(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A container that has not started, or not again."""

    reason: str = ""
    message: str = ""


class Running(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A container that runs."""

    started_at: Moment | None = None


class Terminated(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A container that has ended; one that could not be started has `started_at` in 1970."""

    exit_code: int = 0
    signal: int | None = None
    reason: str = ""
    message: str = ""
    started_at: Moment | None = None
    finished_at: Moment | None = None


class ContainerState(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """At most one of the three is set; none means waiting, without a reason."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What the kubelet says of one container; `last_state` is how its previous try ended."""

    name: str = ""
    image: str = ""
    restart_count: int = 0
    ready: bool = False
    started: bool | None = None
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What scheduler and kubelet say of a pod. `phase` is empty until the first of them did."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One pod, as the API server shows it. Items of a list carry no kind of their own."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ListMeta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where a list stands: the version to watch from, and the token of the next page, if any."""

    resource_version: str = ""
    next_page: str = msgspec.field(default="", name="continue")


class PodList(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One page of pods."""

    metadata: ListMeta = ListMeta()
    items: tuple[Pod, ...] = ()


class WatchEvent(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and its object undecoded.

    `object` is a Pod (or whatever is watched), for a BOOKMARK one with a resourceVersion only
    (`decode_bookmark`), for an ERROR a Status (`decode_status`).
    """

    type: str = ""
    object: msgspec.Raw = msgspec.Raw()


class StatusCause(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One of several causes of a refusal, with the field it is about."""

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a refusal is about, and when to come back."""

    name: str = ""
    kind: str = ""
    uid: str = ""
    retry_after_seconds: int | None = None
    causes: tuple[StatusCause, ...] = ()


class Status(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The API server's answer where it is no object, mostly a refusal; `code` as in HTTP."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: StatusDetails = StatusDetails()


class Taint(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What keeps pods off a node."""

    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What an administrator or controller set on a node."""

    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class NodeStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a node's kubelet says of itself; condition Ready turns Unknown when it falls silent."""

    conditions: tuple[Condition, ...] = ()


class Node(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One node."""

    metadata: ObjectMeta = ObjectMeta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def is_ready(self) -> bool:
        """Whether the node's kubelet answers: condition Ready is True (not False, not Unknown)."""
        return any(
            each.type == "Ready" and each.status == "True" for each in self.status.conditions
        )


class NodeList(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One page of nodes."""

    metadata: ListMeta = ListMeta()
    items: tuple[Node, ...] = ()


class InvolvedObject(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a Kubernetes event is about."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class EventSeries(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How often a repeated Kubernetes event was seen, and when last (new-style events)."""

    count: int = 0
    last_observed_time: Moment | None = None


class EventSource(msgspec.Struct, frozen=True, gc=False):
    """Who wrote a Kubernetes event, in the older style."""

    component: str = ""


class KubeEvent(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A Kubernetes event: a remark of the scheduler, a kubelet or an operator on an object."""

    metadata: ObjectMeta = ObjectMeta()
    type: str = ""
    reason: str = ""
    message: str = ""
    count: int = 0
    first_timestamp: Moment | None = None
    last_timestamp: Moment | None = None
    event_time: Moment | None = None
    involved_object: InvolvedObject = InvolvedObject()
    series: EventSeries | None = None
    source: EventSource | None = None
    reporting_component: str = ""

    @property
    def author(self) -> str:
        """Which program wrote it, whichever of Kubernetes' two styles of events it has."""
        return self.reporting_component or (self.source.component if self.source else "")

    @property
    def last_seen_at(self) -> Moment | None:
        """When it was last seen, whichever of Kubernetes' two styles of events it has."""
        seen_in_series = self.series.last_observed_time if self.series else None
        return (
            seen_in_series
            or self.last_timestamp
            or self.event_time
            or self.first_timestamp
            or self.metadata.creation_timestamp
        )


class KubeEventList(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One page of Kubernetes events."""

    metadata: ListMeta = ListMeta()
    items: tuple[KubeEvent, ...] = ()


class _Bookmark(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    metadata: ListMeta = ListMeta()


_POD = msgspec.json.Decoder(Pod)
_POD_LIST = msgspec.json.Decoder(PodList)
_WATCH_EVENT = msgspec.json.Decoder(WatchEvent)
_BOOKMARK = msgspec.json.Decoder(_Bookmark)
_STATUS = msgspec.json.Decoder(Status)
_NODE = msgspec.json.Decoder(Node)
_NODE_LIST = msgspec.json.Decoder(NodeList)
_KUBE_EVENT = msgspec.json.Decoder(KubeEvent)
_KUBE_EVENT_LIST = msgspec.json.Decoder(KubeEventList)

JsonBytes = bytes | bytearray | memoryview | msgspec.Raw


def decode_pod(body: JsonBytes) -> Pod:
    """Decode one pod. Raises UnreadableObjectError, as do all functions below."""
    return _decode(_POD, body)


def decode_pod_list(body: JsonBytes) -> PodList:
    """Decode one page of pods."""
    return _decode(_POD_LIST, body)


def decode_watch_event(line: JsonBytes) -> WatchEvent:
    """Decode one line of a watch; its object stays as it is, to be decoded by what `type` says."""
    return _decode(_WATCH_EVENT, line)


def decode_bookmark(body: JsonBytes) -> str:
    """Decode a bookmark's object to the resourceVersion to watch on from."""
    return _decode(_BOOKMARK, body).metadata.resource_version


def decode_status(body: JsonBytes) -> Status:
    """Decode an answer that is a Status: of a refused request, or a watch's ERROR."""
    return _decode(_STATUS, body)


def decode_node(body: JsonBytes) -> Node:
    """Decode one node."""
    return _decode(_NODE, body)


def decode_node_list(body: JsonBytes) -> NodeList:
    """Decode one page of nodes."""
    return _decode(_NODE_LIST, body)


def decode_kube_event(body: JsonBytes) -> KubeEvent:
    """Decode one Kubernetes event."""
    return _decode(_KUBE_EVENT, body)


def decode_kube_event_list(body: JsonBytes) -> KubeEventList:
    """Decode one page of Kubernetes events."""
    return _decode(_KUBE_EVENT_LIST, body)


def pod_from_document(document: object) -> Pod:
    """Turn a document parsed from YAML or JSON into a pod. Raises UnreadableObjectError."""
    try:
        return msgspec.convert(document, Pod)
    except msgspec.ValidationError:
        return _fit(document, Pod)


def _decode(decoder: msgspec.json.Decoder[Decoded], body: JsonBytes) -> Decoded:
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError:
            document = msgspec.json.decode(body)  # slower, for the few servers that send nulls
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableObjectError(f"not JSON: {error}") from error
    return _fit(document, decoder.type)


def _fit(document: object, wanted: type[Decoded]) -> Decoded:
    try:
        return msgspec.convert(_without_nulls(document), wanted)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UnreadableObjectError(str(error)) from error


def _without_nulls(value: Any) -> Any:
    """Leave out what is null, at every depth: Kubernetes takes both as the same."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value if each is not None]
    return value
