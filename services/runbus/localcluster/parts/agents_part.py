"""The agents' process: scheduler, runner and janitor, plain clients of the API. Wiring only."""

import asyncio
import sys
import time

from runbus.localcluster.api.faults import COMPONENT_AGENT
from runbus.localcluster.client import Address, ApiClient
from runbus.localcluster.janitor.collector import Collector
from runbus.localcluster.janitor.evictor import Evictor
from runbus.localcluster.janitor.janitor import Janitor
from runbus.localcluster.node_specs import NodeSpec
from runbus.localcluster.options import (
    Options,
    address_of,
    capacity_of,
    nodes_of,
    read_identity,
)
from runbus.localcluster.parts.life import Life
from runbus.localcluster.recorder import Recorder
from runbus.localcluster.runner.context import RunnerSettings
from runbus.localcluster.runner.host import NodeHost
from runbus.localcluster.runner.images import Backoff
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
    agents = [ApiClient(address, f"{COMPONENT_AGENT}{name}") for name in ("sched", "tidy")]
    async with agents[0] as first, agents[1] as second, asyncio.TaskGroup() as group:
        group.create_task(Janitor(second, time.time, options.node_grace_s).run())
        evictions = Recorder(second, "taint-eviction-controller", "", time.time)
        group.create_task(evictions.run())
        group.create_task(Evictor(second, evictions, time.time, options.orphan_grace_s).run())
        group.create_task(Collector(second).run())
        if options.scheduler:
            recorder = Recorder(first, SCHEDULER_NAME, options.node_name, time.time)
            group.create_task(recorder.run())
            group.create_task(PodScheduler(first, recorder, time.time).run())
        if options.runner:
            settings = [settings_of(options, each) for each in nodes_of(options)]
            group.create_task(NodeHost(address, settings, options.dir, time.time).run())


def settings_of(options: Options, node: NodeSpec) -> RunnerSettings:
    """What the runner of a node is told."""
    return RunnerSettings(
        node.name,
        str(options.dir),
        capacity_of(node),
        labels=node.labels,
        taints=node.taints,
        missing_images=options.missing_images,
        pull_backoff=Backoff(options.pull_backoff_initial_s, options.pull_backoff_max_s),
        restart_backoff=Backoff(options.restart_backoff_initial_s, options.restart_backoff_max_s),
        pull_time_s=options.pull_time_ms / 1000,
        config_retry_s=options.config_retry_s,
        heartbeat_s=options.heartbeat_s,
    )
