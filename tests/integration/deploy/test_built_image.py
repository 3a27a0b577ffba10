"""The image, built for real and run by a container runtime as the chart's pods run it.

Needs buildah, runc, root, and a base image (`make image-base`); without them it is skipped.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from runbus.cli.stack.cluster import ClusterProcess
from runbus.cli.stack.owner import Owner
from runbus.cli.stack.probe import get
from runbus.contracts.identities import INIT, OPERATOR
from runbus.contracts.states import RunState
from runbus.contracts.transitions import Publisher
from runbus.sdk.client import connect
from runbus.sdk.credentials import credentials
from support.containers import BuiltImage, built, command_line
from support.identities import GuardedNats, running_guarded
from support.ports import free_port
from support.system import CLUSTER_OPTIONS, PROJECT, a_job

ROOT = Path(__file__).resolve().parents[3]
BASE = ROOT / "tests/support/image_base.sh"
LIMIT_S = 90.0
PASSWORD, KUBECONFIG = "/tmp/password", "/tmp/kubeconfig"

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def image() -> Iterator[BuiltImage]:
    found = subprocess.run([BASE, "--where"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(found.stderr.strip())
    with built(ROOT, ROOT / "deploy/docker/Dockerfile", found.stdout.strip()) as image:
        yield image


class Containers:
    """Containers of one image, on a bus with identities and a local cluster."""

    def __init__(self, image: BuiltImage, folder: Path, nats: GuardedNats, cluster: str) -> None:
        self._image = image
        self._folder = folder
        self._nats = nats
        self._kubeconfig = readable(Path(cluster), folder / "kubeconfig")

    @asynccontextmanager
    async def started(
        self, name: str, *arguments: str, **settings: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a container for the length of a block, as an identity of the bus."""
        password = readable(self._nats.password_file(name), self._folder / f"{name}.password")
        environment = {
            "RUNBUS_NATS_URL": self._nats.url,
            "RUNBUS_NATS_USER": name,
            "RUNBUS_NATS_PASSWORD_FILE": PASSWORD,
            "RUNBUS_KUBECONFIG": KUBECONFIG,
            **settings,
        }
        files = {PASSWORD: password, KUBECONFIG: self._kubeconfig}
        bundle = self._image.bundle(self._folder / name, arguments, environment, files)
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


def readable(source: Path, copy: Path) -> Path:
    copy.write_bytes(source.read_bytes())
    copy.chmod(0o444)  # another user's, in the container
    return copy


async def run(image: BuiltImage, folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the image to its end; return exit code and everything that it said."""
    bundle = image.bundle(folder / "bundle", arguments, {"RUNBUS_DRAIN_S": "soon"}, {})
    process = await asyncio.create_subprocess_exec(
        *command_line(f"runbus-test-{folder.name}", bundle),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LIMIT_S):
        told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


async def test_the_image_says_who_it_runs_as_and_what_kubernetes_needs(image: BuiltImage) -> None:
    assert image.config["User"] == "65532:65532"
    assert image.config["Entrypoint"] == ["runbus"]
    assert list(image.config["ExposedPorts"]) == ["8080/tcp"]
    assert image.config["StopSignal"] == "SIGTERM"
    assert image.config["Healthcheck"]["Test"][0] == "CMD"


async def test_it_holds_no_installer_no_sources_and_nothing_that_its_user_may_write(
    image: BuiltImage,
) -> None:
    root = Path(image.root)
    installed = {path.name for path in (root / "opt/runbus").rglob("site-packages/*")}
    assert "msgspec" in installed
    assert not {"pip", "hatchling", "pytest", "nats_server"} & installed
    assert not (root / "src").exists()
    assert not (root / "opt/build").exists()
    assert {path.stat().st_uid for path in (root / "opt").rglob("*") if not path.is_symlink()} == {
        0
    }


@pytest.mark.parametrize("service", [each.value for each in Publisher])
async def test_the_command_picks_the_service(
    image: BuiltImage, service: str, tmp_path: Path
) -> None:
    code, told = await run(image, tmp_path, "services", "run", service)
    assert (code, f"{service}: settings that cannot be used" in told) == (2, True), told


async def test_the_five_services_as_containers_carry_a_run_to_its_end_and_leave_on_sigterm(
    image: BuiltImage, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(running_guarded(tmp_path, is_provisioned=False))
        owner = await Owner.start()
        stack.push_async_callback(owner.finish)
        cluster = ClusterProcess(
            tmp_path / "cluster", owner=owner, log=tmp_path / "c.log", options=CLUSTER_OPTIONS
        )
        stack.push_async_callback(cluster.stop, LIMIT_S)
        await cluster.start()
        await cluster.wait_ready(LIMIT_S)
        containers = Containers(image, tmp_path, nats, cluster.kubeconfig)
        async with containers.started(INIT, "init") as process, asyncio.timeout(LIMIT_S):
            assert await process.wait() == 0, (tmp_path / "init.log").read_text()
        services = {}
        for publisher in Publisher:
            name, port = publisher.value, free_port()
            settings = {"RUNBUS_HEALTH_HOST": "127.0.0.1", "RUNBUS_HEALTH_PORT": str(port)}
            started = containers.started(name, "services", "run", name, **settings)
            services[port] = await stack.enter_async_context(started)
        async with asyncio.timeout(LIMIT_S):
            for port in services:
                while (await get(f"http://127.0.0.1:{port}/readyz"))[0] != 200:
                    await asyncio.sleep(0.1)
        known = credentials(user=OPERATOR, password_file=str(nats.password_file(OPERATOR)))
        async with connect(nats.url, name=OPERATOR, **known) as client:
            reply = await client.submit(a_job("in-a-container"))
            final = await client.wait(PROJECT, reply.run_id, timeout_s=LIMIT_S)
        assert final.state is RunState.COMPLETED
        for process in services.values():
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            assert [await process.wait() for process in services.values()] == [0] * len(services)
