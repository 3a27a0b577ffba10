"""The local cluster's runner as the kubelet of a real control plane, as a process.

    python -m support.control_plane.kubelet URL TOKEN KEYS --dir DIR [options of the local cluster]

It registers its nodes and keeps them Ready, runs the pods that the scheduler puts there as
processes of this machine, confirms deletions, and serves logs to the API server over TLS. KEYS is
the folder of `keys.Keys`. It says `ready` once it runs; it ends with SIGTERM or with its stdin.
"""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Self

import msgspec

from runbus.localcluster.client import Address
from runbus.localcluster.options import nodes_of, parse_options
from runbus.localcluster.parts.agents_part import settings_of
from runbus.localcluster.parts.life import living
from runbus.localcluster.process_logs import configure_logs
from runbus.localcluster.runner.context import LogKeys
from runbus.localcluster.runner.host import NodeHost
from support.cluster import arguments_of
from support.control_plane.plane import ControlPlane

STOP_LIMIT_S = 15.0
# Options of a node that is quick where a kubelet takes its time.
QUICK_NODE: dict[str, Any] = {
    "cpu": "8",
    "memory": "16Gi",
    "pull_backoff_initial_s": 1,
    "config_retry_s": 1,
    "heartbeat_s": 2,
}
TESTS = pathlib.Path(__file__).resolve().parents[2]


class Kubelet:
    """`with Kubelet(plane, folder) as kubelet:` runs the pods of a control plane's nodes.

    Options are the local cluster's: `node_name="n1"`, `missing_images=["*gone*"]`.
    """

    def __init__(self, plane: ControlPlane, folder: pathlib.Path, **options: Any) -> None:
        self._plane = plane
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it runs."""
        token = self._plane.keys.tokens["kubelet"]
        command = [sys.executable, "-m", __spec__.name if __spec__ else __name__]
        command += [self._plane.url, token, str(self._plane.keys.folder)]
        command += ["--dir", str(self._folder), *arguments_of(self._options)]
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder.parent / f"{self._folder.name}.stderr").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=TESTS
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "see the kubelet's stderr"

    def kill(self) -> None:
        """SIGKILL: a node that dies."""
        self._end(kill=True)

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        process.wait(STOP_LIMIT_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


async def main(url: str, token: str, keys: pathlib.Path, arguments: Sequence[str]) -> None:
    """Run nodes until told to stop."""
    options = parse_options(arguments)
    configure_logs(options.log_level)
    options.dir.mkdir(parents=True, exist_ok=True)
    authority = str(keys / "ca.crt")
    logs = LogKeys(str(keys / "kubelet.crt"), str(keys / "kubelet.key"), authority)
    settings = [
        msgspec.structs.replace(settings_of(options, each), log_keys=logs)
        for each in nodes_of(options)
    ]
    address = Address(url, token, authority)
    async with living(supervised=True) as life, asyncio.TaskGroup() as group:
        host = group.create_task(NodeHost(address, settings, options.dir, time.time).run())
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await life.stop.wait()
        host.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4:]))
