"""What `fn.apply(...)` takes for volumes, under MLRun's names, such as `mount_pvc`.

Each returns a `Mount`: the volumes of the document that it stands for. Two volumes of one name, or
two at one path, are refused instead of the later one silently replacing the earlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from runbus.contracts.violations import NOT_SHOWN, ViolationCode
from runbus.sdk.functions.refusals import refused

Items = Mapping[str, str] | Sequence[Mapping[str, str]]


class Mount(Struct, frozen=True):
    """Volumes to add to a function; give it to `apply`."""

    volumes: tuple[dict[str, Any], ...]


class VolumeMount(Struct, frozen=True):
    """Where one part of a v3io container is mounted."""

    path: str
    sub_path: str = ""


def mount_pvc(
    pvc_name: str,
    volume_name: str = "pipeline",
    volume_mount_path: str = "/mnt/pipeline",
    *,
    sub_path: str | None = None,
    read_only: bool | None = None,
) -> Mount:
    """Mount a PersistentVolumeClaim."""
    source = {"pvc": pvc_name, "sub_path": sub_path, "read_only": read_only}
    return _mount(volume_name, volume_mount_path, source)


def mount_configmap(
    configmap_name: str, mount_path: str, volume_name: str = "configmap", items: Items | None = None
) -> Mount:
    """Mount a ConfigMap; `items` are keys and files: `{key: path}`, or Kubernetes' list."""
    source = {"config_map": configmap_name, "items": _items(items)}
    return _mount(volume_name, mount_path, source)


def mount_secret(
    secret_name: str, mount_path: str, volume_name: str = "secret", items: Items | None = None
) -> Mount:
    """Mount a Secret; `items` as in `mount_configmap`."""
    return _mount(volume_name, mount_path, {"secret": secret_name, "items": _items(items)})


def mount_hostpath(host_path: str, mount_path: str, volume_name: str = "hostpath") -> Mount:
    """Mount a folder of the node, where the operator's caps allow it."""
    return _mount(volume_name, mount_path, {"host_path": host_path})


def mount_empty_dir(
    mount_path: str,
    volume_name: str = "scratch",
    *,
    medium: str | None = None,
    size: str | int | None = None,
) -> Mount:
    """Mount a fresh folder that lives as long as the pod; medium "Memory" keeps it in memory."""
    folder = {key: each for key, each in (("medium", medium), ("size", size)) if each is not None}
    return _mount(volume_name, mount_path, {"empty_dir": folder})


def mount_v3io(
    name: str = "v3io",
    remote: str = "",
    access_key: str = "",
    user: str = "",
    secret: str | None = None,
    volume_mounts: Sequence[VolumeMount] | None = None,
) -> Mount:
    """Mount paths of an Iguazio data container.

    Args:
        name: of the volume; a second path gets `<name>-1`.
        remote: `container/path`, or `~/path` for the home of the user.
        access_key: refused: everybody who reads the run's events would read it.
        user: whose home `~` is; default: the run's.
        secret: the Secret with the access key.
        volume_mounts: where; without `remote`, each `sub_path` begins with the container.
            Default: the user's home at /User.

    Raises:
        RefusedSettingError: no Secret, or a mount without any place in a container.

    """
    if access_key or not secret:
        hint = "put the key into a Secret, and give secret=NAME"
        given = NOT_SHOWN if access_key else None
        path = f"/volumes/{name}/v3io/secret"
        raise refused(path, hint, given=given, code=ViolationCode.REQUIRED)
    home = f"users/{user}" if user else "~"
    if not volume_mounts:
        if remote:
            hint = "say where: volume_mounts=[VolumeMount(path='/data', sub_path='')]"
            raise refused(f"/volumes/{name}/mount", hint, code=ViolationCode.REQUIRED)
        volume_mounts, remote = [VolumeMount("/User")], home
    base = home + remote[1:] if remote.startswith("~") else remote
    volumes: list[dict[str, Any]] = []
    for number, each in enumerate(volume_mounts):
        place = "/".join(filter(None, (base.strip("/"), each.sub_path.strip("/"))))
        entry_name = f"{name}-{number}" if number else name
        source = {"v3io": _v3io(entry_name, place, secret)}
        volumes += _mount(entry_name, each.path, source).volumes
    return Mount(tuple(volumes))


def _v3io(name: str, place: str, secret: str) -> dict[str, str]:
    container, _, path = place.partition("/")
    if not container:
        hint = "begin sub_path (or remote) with a container: projects/nlp, or ~ for the home"
        raise refused(f"/volumes/{name}/v3io/container", hint, code=ViolationCode.REQUIRED)
    if container == "~":
        return {"container": "users", "path": place, "secret": secret}
    return {"container": container, "secret": secret, **({"path": path} if path else {})}


def _mount(name: str, path: str, source: Mapping[str, Any]) -> Mount:
    kept = {key: each for key, each in source.items() if each is not None}
    return Mount(({"name": name, "mount": path, **kept},))


def _items(items: Items | None) -> dict[str, str] | None:
    if items is None or isinstance(items, Mapping):
        return dict(items) if items is not None else None
    return {each["key"]: each["path"] for each in items}
