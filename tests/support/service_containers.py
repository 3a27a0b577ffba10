"""The services as containers of the image, each as its own identity on the bus."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from runbus.cli.stack.ports import free_ports
from runbus.cli.stack.probe import get
from runbus.contracts.identities import OPERATOR
from runbus.contracts.status import RunStatus
from runbus.contracts.transitions import Publisher
from runbus.sdk.client import connect
from runbus.sdk.credentials import credentials
from support.containers import BuiltImage, command_line
from support.identities import GuardedNats
from support.system import PROJECT, a_job

LIMIT_S = 90.0
PASSWORD = "/tmp/password"


class ServiceContainers:
    """Containers of one image on a bus with identities; a folder for their bundles and logs."""

    def __init__(self, image: BuiltImage, folder: Path, nats: GuardedNats) -> None:
        self._image = image
        self._folder = folder
        self._nats = nats

    def log(self, name: str) -> str:
        """Return what a container has said."""
        return (self._folder / f"{name}.log").read_text()

    @asynccontextmanager
    async def started(
        self, name: str, *arguments: str, files: Mapping[str, Path], **settings: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a container for the length of a block, as an identity of the bus."""
        password = readable(self._nats.password_file(name), self._folder / f"{name}.password")
        environment = {
            "RUNBUS_NATS_URL": self._nats.url,
            "RUNBUS_NATS_USER": name,
            "RUNBUS_NATS_PASSWORD_FILE": PASSWORD,
            **settings,
        }
        mounted = {PASSWORD: password, **files}
        bundle = self._image.bundle(
            self._folder / f"{name}.bundle", arguments, environment, mounted
        )
        with (self._folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command_line(f"runbus-test-{self._folder.name}-{name}", bundle),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(LIMIT_S):
                await process.wait()

    async def run(self, name: str, *arguments: str) -> int:
        """Run a container to its end; return its exit code."""
        async with self.started(name, *arguments, files={}) as process, asyncio.timeout(LIMIT_S):
            return await process.wait()

    @asynccontextmanager
    async def service(
        self, publisher: Publisher, files: Mapping[str, Path], **settings: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a service for the length of a block; it is ready when the block begins."""
        name, (port,) = publisher.value, free_ports(1)
        health = {"RUNBUS_HEALTH_HOST": "127.0.0.1", "RUNBUS_HEALTH_PORT": str(port)}
        command = ("services", "run", name)
        async with self.started(name, *command, files=files, **health, **settings) as process:
            async with asyncio.timeout(LIMIT_S):
                while (await get(f"http://127.0.0.1:{port}/readyz"))[0] != 200:
                    assert process.returncode is None, self.log(name)
                    await asyncio.sleep(0.1)
            yield process

    async def complete_a_run(self) -> RunStatus:
        """Submit a job as the operator, and return its final status."""
        password_file = str(self._nats.password_file(OPERATOR))
        known = credentials(user=OPERATOR, password_file=password_file)
        async with connect(self._nats.url, name=OPERATOR, **known) as client:
            reply = await client.submit(a_job("in-a-container"))
            return await client.wait(PROJECT, reply.run_id, timeout_s=LIMIT_S)


def readable(source: Path, copy: Path) -> Path:
    """Copy a file so that the container's user can read it; returns the copy."""
    copy.write_bytes(source.read_bytes())
    copy.chmod(0o444)
    return copy
