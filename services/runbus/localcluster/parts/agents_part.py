"""The agents' process: scheduler, runner and janitor, plain clients of the API. Wiring only."""

import asyncio
import sys
import time

from runbus.localcluster.api.faults import COMPONENT_AGENT
from runbus.localcluster.client import Address, ApiClient
from runbus.localcluster.janitor.janitor import Janitor
from runbus.localcluster.options import Options, address_of, host_capacity, read_identity
from runbus.localcluster.parts.life import Life
from runbus.localcluster.recorder import Recorder
from runbus.localcluster.runner.context import RunnerContext, RunnerSettings
from runbus.localcluster.runner.images import Backoff
from runbus.localcluster.runner.processes import Processes
from runbus.localcluster.runner.runner import Runner
from runbus.localcluster.scheduler.scheduler import NAME as SCHEDULER_NAME
from runbus.localcluster.scheduler.scheduler import PodScheduler


async def run_agents(options: Options, life: Life) -> None:
    """Run the agents until life ends, and their containers with them."""
    async with asyncio.TaskGroup() as group:
        agents = group.create_task(_run(options, life))
        await life.stop.wait()
        agents.cancel()


async def _run(options: Options, life: Life) -> None:
    ready = await life.told()
    identity = read_identity(options.dir)
    if ready is None and not identity.port:
        sys.exit(f"there is no API server in {options.dir}: start one with --part api")
    url = ready.url if ready is not None else address_of(options.host, identity.port)
    await _run_components(options, Address(url, identity.token))


async def _run_components(options: Options, address: Address) -> None:
    agents = [ApiClient(address, f"{COMPONENT_AGENT}{name}") for name in ("sched", "run", "tidy")]
    async with (
        agents[0] as first,
        agents[1] as second,
        agents[2] as third,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(Janitor(third, time.time, options.node_grace_s).run())
        if options.scheduler:
            recorder = Recorder(first, SCHEDULER_NAME, options.node_name, time.time)
            group.create_task(recorder.run())
            group.create_task(PodScheduler(first, recorder, time.time).run())
        if options.runner:
            recorder = Recorder(second, "kubelet", options.node_name, time.time)
            group.create_task(recorder.run())
            group.create_task(_new_runner(options, address, second, recorder).run())


def _new_runner(
    options: Options, address: Address, client: ApiClient, recorder: Recorder
) -> Runner:
    settings = RunnerSettings(
        options.node_name,
        str(options.dir),
        host_capacity(options),
        missing_images=options.missing_images,
        pull_backoff=Backoff(options.pull_backoff_initial_s, options.pull_backoff_max_s),
        restart_backoff=Backoff(options.restart_backoff_initial_s, options.restart_backoff_max_s),
        pull_time_s=options.pull_time_ms / 1000,
        config_retry_s=options.config_retry_s,
        heartbeat_s=options.heartbeat_s,
    )
    processes = Processes(options.dir / "groups")
    context = RunnerContext(settings, client, recorder, processes, time.time)
    return Runner(context, client, recorder, address.token)
