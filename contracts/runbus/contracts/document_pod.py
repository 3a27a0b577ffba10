"""The parts of a run document that a pod is made of: environment, resources, volumes, identity.

What belongs together in an entry, and which of two sources counts, is checked elsewhere. It must
not know the document around them. Source: the page on settings, section 1.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from runbus.contracts.grammars import (
    AbsolutePath,
    ConfigKey,
    EnvName,
    FieldPath,
    GpuType,
    Medium,
    MountPath,
    ObjectName,
    Quantity,
    RelativePath,
    ResourceName,
    Text,
    V3ioPath,
    VolumeName,
    from_0_to,
)

GPUS_MAX = 1024
ID_MAX = 2**31 - 1  # of users and groups, as Kubernetes has it


class KeyReference(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key of a Secret or ConfigMap."""

    name: Annotated[ObjectName, Meta(description="the Secret's or ConfigMap's name")]
    key: Annotated[ConfigKey, Meta(description="the key in it")]


class EnvVariable(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One environment variable; exactly one source besides the name."""

    name: Annotated[EnvName, Meta(description="the variable's name")]
    value: Annotated[
        str | None,
        Meta(description="the value itself; numbers and booleans in quotes", extra={"null": False}),
    ] = None
    secret: Annotated[KeyReference | None, Meta(description="a key of a Secret")] = None
    config_map: Annotated[KeyReference | None, Meta(description="a key of a ConfigMap")] = None
    field: Annotated[FieldPath | None, Meta(description="a field of the pod")] = None


class EnvFrom(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All keys of a Secret or ConfigMap as variables; exactly one of the two."""

    secret: Annotated[ObjectName | None, Meta(description="the Secret's name")] = None
    config_map: Annotated[ObjectName | None, Meta(description="the ConfigMap's name")] = None


class Gpus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """GPUs of the main container, requested and limited alike."""

    type: Annotated[GpuType | None, Meta(description="default nvidia.com/gpu")] = None
    count: Annotated[
        int | None, from_0_to(GPUS_MAX), Meta(description="0 removes an inherited GPU")
    ] = None


class Resources(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the main container asks for and may use; `{}` opts out of defaults."""

    requests: Annotated[
        dict[ResourceName, Quantity] | None, Meta(description="kept free for it, by resource")
    ] = None
    limits: Annotated[
        dict[ResourceName, Quantity] | None, Meta(description="the most it may use, by resource")
    ] = None
    gpus: Annotated[Gpus | None, Meta(description="GPUs")] = None


class EmptyDir(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A folder that lives as long as the pod."""

    medium: Annotated[Medium | None, Meta(description="Memory, or left out: the node's disk")] = (
        None
    )
    size: Annotated[Quantity | None, Meta(description="the most it may hold")] = None


class V3io(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path in an Iguazio data container, mounted by the flexVolume driver v3io/fuse."""

    container: Annotated[
        Text | None, Meta(description="the data container; with a `path` of `~`: users")
    ] = None
    path: Annotated[
        V3ioPath | None, Meta(description="the folder in it; `~` is the home of the run's user")
    ] = None
    secret: Annotated[
        ObjectName | None, Meta(description="the Secret with the access key; required")
    ] = None


class Volume(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One volume and where it is mounted; exactly one source."""

    name: Annotated[VolumeName, Meta(description="unique in the run")]
    mount: Annotated[MountPath, Meta(description="where the main container sees it")]
    pvc: Annotated[ObjectName | None, Meta(description="a PersistentVolumeClaim's name")] = None
    config_map: Annotated[ObjectName | None, Meta(description="a ConfigMap's name")] = None
    secret: Annotated[ObjectName | None, Meta(description="a Secret's name")] = None
    empty_dir: Annotated[EmptyDir | None, Meta(description="a fresh folder")] = None
    v3io: Annotated[V3io | None, Meta(description="a path in an Iguazio data container")] = None
    host_path: Annotated[
        AbsolutePath | None, Meta(description="a folder of the node, where the caps allow it")
    ] = None
    sub_path: Annotated[RelativePath | None, Meta(description="mount only this part")] = None
    read_only: Annotated[bool | None, Meta(description="default false")] = None
    items: Annotated[
        dict[ConfigKey, RelativePath] | None,
        Meta(description="only these keys of a ConfigMap or Secret, each as a file"),
    ] = None


class SecurityContext(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As whom the pod runs."""

    run_as_user: Annotated[int | None, from_0_to(ID_MAX), Meta(description="user id")] = None
    run_as_group: Annotated[int | None, from_0_to(ID_MAX), Meta(description="group id")] = None
    fs_group: Annotated[
        int | None, from_0_to(ID_MAX), Meta(description="group id that owns the volumes")
    ] = None
