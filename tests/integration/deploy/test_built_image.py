"""The image, built for real and run by a container runtime as the chart's pods run it.

Needs buildah, runc, root, and a base image (`make image-base`); without them it is skipped.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from runbus.cli.stack.cluster import ClusterProcess
from runbus.cli.stack.owner import Owner
from runbus.contracts.identities import INIT
from runbus.contracts.states import RunState
from runbus.contracts.transitions import Publisher
from support.containers import BuiltImage, command_line
from support.identities import running_guarded
from support.service_containers import LIMIT_S, ServiceContainers, readable
from support.system import CLUSTER_OPTIONS

PASSWORD, KUBECONFIG = "/tmp/password", "/tmp/kubeconfig"

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


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


async def test_the_image_says_who_it_runs_as_and_what_kubernetes_needs(
    built_image: BuiltImage,
) -> None:
    assert built_image.config["User"] == "65532:65532"
    assert built_image.config["Entrypoint"] == ["runbus"]
    assert list(built_image.config["ExposedPorts"]) == ["8080/tcp"]
    assert built_image.config["StopSignal"] == "SIGTERM"
    assert built_image.config["Healthcheck"]["Test"][0] == "CMD"


async def test_it_holds_no_installer_no_sources_and_nothing_that_its_user_may_write(
    built_image: BuiltImage,
) -> None:
    root = Path(built_image.root)
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
    built_image: BuiltImage, service: str, tmp_path: Path
) -> None:
    code, told = await run(built_image, tmp_path, "services", "run", service)
    assert (code, f"{service}: settings that cannot be used" in told) == (2, True), told


async def test_the_five_services_as_containers_carry_a_run_to_its_end_and_leave_on_sigterm(
    built_image: BuiltImage, tmp_path: Path
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
        kubeconfig = readable(Path(cluster.kubeconfig), tmp_path / "kubeconfig")
        containers = ServiceContainers(built_image, tmp_path, nats)
        assert await containers.run(INIT, "init") == 0, containers.log(INIT)
        services = [
            await stack.enter_async_context(
                containers.service(each, {KUBECONFIG: kubeconfig}, RUNBUS_KUBECONFIG=KUBECONFIG)
            )
            for each in Publisher
        ]
        assert (await containers.complete_a_run()).state is RunState.COMPLETED
        for process in services:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            assert [await process.wait() for process in services] == [0] * len(services)
