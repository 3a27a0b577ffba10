"""Real images and containers without a daemon: buildah builds, runc runs. Needs root on Linux.

A container has what the chart's pods have: the image's user, a read-only root file system, a `/tmp`
of its own, no capabilities. It shares the machine's network. Knows no pytest.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

STORAGE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runbus/images"
BUILD_LIMIT_S = 600
LIMIT_S = 120
_KINDS = ("bounding", "effective", "permitted", "inheritable", "ambient")
# A build reaches packages as this machine does: its certificates, its way of asking.
_CERTIFICATES = "/etc/ssl/certs"
_PIP = ("index-url", "extra-index-url", "timeout")


class EngineError(Exception):
    """A command of buildah or runc failed; with what it said."""


class BuiltImage(Struct, frozen=True):
    """An image, and its root file system, mounted."""

    name: str
    root: str
    config: dict[str, Any]

    def bundle(
        self,
        folder: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        files: Mapping[str, Path],
    ) -> Path:
        """Write what runc runs: the entry point with arguments; `files` by where they go."""
        uid, _, gid = self.config["User"].partition(":")
        own = dict(each.split("=", 1) for each in self.config["Env"])
        process = {
            "user": {"uid": int(uid), "gid": int(gid)},
            "args": [*self.config["Entrypoint"], *arguments],
            "env": [f"{name}={value}" for name, value in (own | dict(environment)).items()],
            "cwd": self.config["WorkingDir"],
            "capabilities": {kind: [] for kind in _KINDS},
            "noNewPrivileges": True,
        }
        mounts: list[dict[str, Any]] = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            _tmpfs("/dev", "mode=755"),
            _tmpfs("/tmp", "mode=1777"),
            *(_read_only(target, source) for target, source in files.items()),
        ]
        kinds = ("pid", "mount", "ipc", "uts")
        bundle = {
            "ociVersion": "1.0.2",
            "process": process,
            "root": {"path": self.root, "readonly": True},
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in kinds]},
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(bundle))
        return folder


def command_line(name: str, bundle: Path) -> list[str]:
    """Return the command that runs a bundle to its end; SIGTERM reaches what runs in it."""
    return ["runc", "--root", str(STORAGE / "runc"), "run", "--bundle", str(bundle), name]


@contextmanager
def built(context: Path, dockerfile: Path, base: str) -> Iterator[BuiltImage]:
    """Build an image for the length of a block."""
    name = f"localhost/runbus-test:{os.getpid()}"
    pip = STORAGE / f"pip-{os.getpid()}.conf"
    pip.write_text(_pip_settings())
    volumes = {_CERTIFICATES: _CERTIFICATES, str(pip): "/etc/pip.conf"}
    _buildah(
        *("build", "--quiet", "--isolation", "chroot", "--format", "docker"),
        *("--build-arg", f"PYTHON_IMAGE={base}", "--tag", name, "--file", str(dockerfile)),
        *(f"--volume={here}:{there}:ro" for here, there in volumes.items() if Path(here).exists()),
        str(context),
        limit_s=BUILD_LIMIT_S,
    )
    pip.unlink()
    container = _buildah("from", name)
    try:
        told = json.loads(_buildah("inspect", "--type", "image", name))
        yield BuiltImage(name, _buildah("mount", container), told["Docker"]["config"])
    finally:
        _buildah("rm", container)
        _buildah("rmi", name)


def _pip_settings() -> str:
    told = {key: os.environ.get(f"PIP_{key.upper().replace('-', '_')}") for key in _PIP}
    lines = [f"{key} = {value}" for key, value in told.items() if value]
    bundle = Path(_CERTIFICATES) / "ca-certificates.crt"
    if bundle.exists():
        lines.append(f"cert = {bundle}")
    return "\n".join(["[global]", *lines, ""])


def _buildah(*arguments: str, limit_s: float = LIMIT_S) -> str:
    where = ("--root", str(STORAGE / "root"), "--runroot", str(STORAGE / "run"))
    done = subprocess.run(
        ["buildah", *where, "--storage-driver", "vfs", *arguments],
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    if done.returncode != 0:
        text = f"buildah {arguments[0]}: {done.stdout}{done.stderr}"
        raise EngineError(text)
    return done.stdout.strip()


def _tmpfs(path: str, *options: str) -> dict[str, Any]:
    found = ["nosuid", *options]
    return {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": found}


def _read_only(target: str, source: Path) -> dict[str, Any]:
    options = ["bind", "ro"]
    return {"destination": target, "type": "bind", "source": str(source), "options": options}
