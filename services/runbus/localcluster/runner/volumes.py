"""A pod's volumes as folders and files below ``DIR/pods/<uid>``, and its root folder.

``volumes/<name>`` holds the content, ``rootfs/<mount path>`` is a link to it. Claims live in
``DIR/claims/<namespace>/<claim>`` and outlive pods. Blocking file work: called in a thread.
"""

import pathlib
import shutil
from collections.abc import Mapping

from runbus.localcluster.rules.shapes import Container, KeyToPath, Pod, Volume
from runbus.localcluster.runner.mounts import MountView, mount_view

_DEFAULT_MODE = 0o644
_MAX_FILE_NAME = 255


class MountProblem(Exception):  # noqa: N818 - a state of the pod, told as event FailedMount
    """A volume cannot be set up yet; the message is a kubelet's."""


Content = Mapping[str, bytes]


class PodFolder:
    """The folder of one pod."""

    def __init__(self, base: pathlib.Path, pod: Pod) -> None:
        self._base = base
        self._pod = pod
        self.path = base / "pods" / pod.metadata.uid
        self.rootfs = self.path / "rootfs"

    def prepare(self, content: Mapping[str, Content]) -> None:
        """Make every volume; ``content`` has the files of those that hold data, by name."""
        self.rootfs.mkdir(parents=True, exist_ok=True)
        volumes = self.path / "volumes"
        volumes.mkdir(exist_ok=True)
        for volume in self._pod.spec.volumes or ():
            place = volumes / volume.name
            if place.is_symlink() or place.exists():
                continue
            if volume.name in content:
                _write_files(place, volume, content[volume.name])
            elif volume.empty_dir is not None:
                place.mkdir()
            elif volume.persistent_volume_claim is not None:
                claims = self._base / "claims" / self._pod.metadata.namespace
                claim = claims / volume.persistent_volume_claim.claim_name
                claim.mkdir(parents=True, exist_ok=True)
                place.symlink_to(claim)
            elif volume.host_path is not None:
                place.symlink_to(volume.host_path.path)
            else:
                raise MountProblem(
                    f'MountVolume.SetUp failed for volume "{volume.name}" : the local cluster has '
                    "emptyDir, configMap, secret, persistentVolumeClaim and hostPath volumes"
                )

    def mount(self, container: Container) -> MountView:
        """Link a container's mounts into rootfs; gives the view for rewriting paths."""
        mounts = sorted(container.volume_mounts or (), key=lambda each: len(each.mount_path))
        view = mount_view(str(self.rootfs), [each.mount_path for each in mounts])
        for each in mounts:
            source = self.path / "volumes" / each.name
            if each.sub_path:
                source = source / each.sub_path
                if not source.exists():
                    source.mkdir(parents=True)
            place = pathlib.Path(view.real(each.mount_path))
            if place == self.rootfs:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_symlink():
                place.unlink()
            if not place.exists():
                place.symlink_to(source)
        return view

    def working_folder(self, view: MountView, wanted: str) -> str:
        """Where a container starts: see the charter of the package."""
        if not wanted:
            return str(self.rootfs)
        if not view.covers(wanted) and pathlib.Path(wanted).is_dir():
            return wanted
        inside = pathlib.Path(view.real(wanted))
        inside.mkdir(parents=True, exist_ok=True)
        return str(inside)

    @property
    def logs(self) -> pathlib.Path:
        """Where the pod's logs are, named as on a real node."""
        meta = self._pod.metadata
        name = f"{meta.namespace}_{meta.name}_{meta.uid}"
        return self._base / "logs" / (name if len(name) < _MAX_FILE_NAME else meta.uid)

    def remove(self) -> None:
        """Delete the pod's folder and logs; claims and host paths stay."""
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self.logs, ignore_errors=True)


def _write_files(place: pathlib.Path, volume: Volume, data: Content) -> None:
    source = volume.config_map or volume.secret
    default = source.default_mode if source else None
    items = source.items if source else None
    chosen = items or [KeyToPath(key=key, path=key) for key in data]
    fresh = place.with_name(f".{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for item in chosen:
        if item.key not in data:
            continue  # checked before, or optional
        file = fresh / item.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data[item.key])
        file.chmod(item.mode if item.mode is not None else default or _DEFAULT_MODE)
    fresh.rename(place)
