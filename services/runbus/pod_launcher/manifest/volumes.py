"""Volumes of a pod and their mounts in the main container, from one list.

It must not know containers or kinds. That names and mounts are unique, and that each volume has
one source, has been checked by the settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runbus.contracts.document import EmptyDir, Volume
from runbus.pod_launcher.manifest.metadata import Manifest


def pod_volumes(volumes: Sequence[Volume]) -> list[Manifest]:
    """Return what stands in a pod's `volumes`."""
    return [{"name": each.name, **_source(each)} for each in volumes]


def volume_mounts(volumes: Sequence[Volume]) -> list[Manifest]:
    """Return what stands in a container's `volumeMounts`."""
    return [_mount(each) for each in volumes]


def _source(volume: Volume) -> Manifest:
    if volume.pvc is not None:
        return {"persistentVolumeClaim": {"claimName": volume.pvc}}
    if volume.config_map is not None:
        return {"configMap": {"name": volume.config_map, **_items(volume.items)}}
    if volume.secret is not None:
        return {"secret": {"secretName": volume.secret, **_items(volume.items)}}
    return {"emptyDir": _empty_dir(volume.empty_dir or EmptyDir())}


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
    if volume.read_only:
        mount["readOnly"] = True
    return mount
