"""Volumes of a pod and their mounts in the main container, from one list.

It must not know containers or kinds. That names and mounts are unique, and that each volume has
one source, has been checked by the settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runbus.contracts.document import EmptyDir, V3io, Volume
from runbus.contracts.document_rules import HOME_CONTAINER
from runbus.contracts.locations import HOME
from runbus.pod_launcher.manifest.metadata import Manifest

V3IO_DRIVER = "v3io/fuse"


def pod_volumes(volumes: Sequence[Volume], user: str | None) -> list[Manifest]:
    """Return what stands in a pod's `volumes`; `user` is whose home `~` is."""
    return [{"name": each.name, **_source(each, user)} for each in volumes]


def volume_mounts(volumes: Sequence[Volume]) -> list[Manifest]:
    """Return what stands in a container's `volumeMounts`."""
    return [_mount(each) for each in volumes]


def _source(volume: Volume, user: str | None) -> Manifest:
    if volume.pvc is not None:
        return {"persistentVolumeClaim": {"claimName": volume.pvc, **_read_only(volume)}}
    if volume.config_map is not None:
        return {"configMap": {"name": volume.config_map, **_items(volume.items)}}
    if volume.secret is not None:
        return {"secret": {"secretName": volume.secret, **_items(volume.items)}}
    if volume.v3io is not None:
        return {"flexVolume": {**_v3io(volume.v3io, user), **_read_only(volume)}}
    if volume.host_path is not None:
        return {"hostPath": {"path": volume.host_path}}
    return {"emptyDir": _empty_dir(volume.empty_dir or EmptyDir())}


def _v3io(source: V3io, user: str | None) -> Manifest:
    """Return a flexVolume: the driver reads the access key from the Secret, never from here."""
    container, path = source.container, source.path
    if path is not None and path.split("/", 1)[0] == HOME:
        # Without a user it stays as it is and is not found: all homes would be mounted instead.
        container, path = HOME_CONTAINER, f"{user or HOME}{path.removeprefix(HOME)}"
    options = {"container": container, "subPath": path}
    return {
        "driver": V3IO_DRIVER,
        "options": {key: value for key, value in options.items() if value},
        "secretRef": {"name": source.secret},
    }


def _items(items: Mapping[str, str] | None) -> Manifest:
    if not items:
        return {}
    return {"items": [{"key": key, "path": path} for key, path in items.items()]}


def _empty_dir(source: EmptyDir) -> Manifest:
    fields: Manifest = {}
    if source.medium:
        fields["medium"] = source.medium
    if source.size is not None:
        fields["sizeLimit"] = str(source.size)
    return fields


def _mount(volume: Volume) -> Manifest:
    mount: Manifest = {"name": volume.name, "mountPath": volume.mount}
    if volume.sub_path is not None:
        mount["subPath"] = volume.sub_path
    mount.update(_read_only(volume))
    return mount


def _read_only(volume: Volume) -> Manifest:
    return {"readOnly": True} if volume.read_only else {}
