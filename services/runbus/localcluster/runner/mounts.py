"""Where a pod's mounts really are, and how text that names a mount path is rewritten. Pure.

A volume mounted at ``/data`` appears at ``<rootfs>/data``. In command, args, workingDir and env
values, ``/data`` is rewritten to that place where it stands as a path of its own: at the start
or after one of ``= : , ; space quotes ( [ { < > | & @`` (or ``://``), and followed by ``/``, the
end, or another of these. ``s3://bucket/data``, ``./data`` and ``/database`` stay as they are.
The longest mount path wins. Nothing is rewritten for a mount at ``/``.
"""

import posixpath
import re

import msgspec

_BEFORE = r"(?:^|(?<=[\s=:,;'\"(\[{<>|&@])|(?<=://))"
_AFTER = r"(?=$|[/\s=:,;'\")\]}<>|&@])"


class MountView(msgspec.Struct, frozen=True):
    """The mounts of one container below the pod's ``rootfs``."""

    rootfs: str
    paths: tuple[str, ...]

    def real(self, path: str) -> str:
        """The place of an absolute container path below rootfs."""
        return posixpath.join(self.rootfs, posixpath.normpath(path).lstrip("/"))

    def rewrite(self, text: str) -> str:
        """The text with every mount path replaced by its real place."""
        mounts = sorted((p for p in self.paths if p != "/"), key=len, reverse=True)
        if not mounts or not any(each in text for each in mounts):
            return text
        names = "|".join(re.escape(each) for each in mounts)
        pattern = f"{_BEFORE}(?:{names}){_AFTER}"
        return re.sub(pattern, lambda match: self.real(match.group(0)), text)

    def covers(self, path: str) -> bool:
        """Whether a path lies in a mount."""
        return any(path == each or path.startswith(f"{each}/") for each in self.paths)


def mount_view(rootfs: str, mount_paths: list[str]) -> MountView:
    """Build the view from mount paths as written in the pod (normalised here)."""
    paths = tuple(dict.fromkeys("/" + posixpath.normpath(p).strip("/") for p in mount_paths))
    return MountView(rootfs, paths)
