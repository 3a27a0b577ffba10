"""The fields of the smaller kinds that are checked or read here, as typed Structs.

As in ``shapes``: they check types on the way in; ``null`` is as good as absent.
"""

from typing import Any

from runbus.localcluster.rules.shapes import Meta, Quantities, Shape


class ConfigMap(Shape, frozen=True):
    """Text, and binary data in base64."""

    metadata: Meta = Meta()
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


class Secret(Shape, frozen=True):
    """Data in base64; ``stringData`` is text that the server encodes."""

    metadata: Meta = Meta()
    data: dict[str, str] | None = None
    string_data: dict[str, str] | None = None
    type: str | None = None


class QuotaSpec(Shape, frozen=True):
    """The limits of a quota."""

    hard: Quantities | None = None


class ResourceQuota(Shape, frozen=True):
    """What a namespace may use."""

    metadata: Meta = Meta()
    spec: QuotaSpec | None = None


class PriorityClass(Shape, frozen=True):
    """A name for a priority."""

    metadata: Meta = Meta()
    value: int = 0
    global_default: bool | None = None
    preemption_policy: str | None = None


class InvolvedObject(Shape, frozen=True):
    """What a Kubernetes event is about."""

    namespace: str | None = None
    name: str | None = None


class Event(Shape, frozen=True):
    """One Kubernetes event."""

    metadata: Meta = Meta()
    involved_object: InvolvedObject | None = None
    reason: str | None = None
    message: str | None = None
    type: str | None = None
    count: int | None = None
    source: dict[str, str] | None = None


class NamespaceSpec(Shape, frozen=True):
    """What still holds a namespace that is being deleted."""

    finalizers: list[str] | None = None


class Namespace(Shape, frozen=True):
    """One namespace."""

    metadata: Meta = Meta()
    spec: NamespaceSpec | None = None
    status: dict[str, Any] | None = None


class Plain(Shape, frozen=True):
    """Kinds of which little is read."""

    metadata: Meta = Meta()
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
