"""Whole stacks and single buses for tests: the same pieces that `runbus up` is made of."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runbus.cli.stack.nats import NatsProcess
from runbus.cli.stack.owner import Owner
from runbus.cli.stack.stack import Stack

__all__ = ["Stack", "running_nats"]

READY_TIMEOUT_S = 30.0


@asynccontextmanager
async def running_nats(folder: Path) -> AsyncIterator[NatsProcess]:
    """Run a nats-server with JetStream, and nothing else, for the length of a block.

    It can be killed and started again inside the block; it keeps its port and its store.
    """
    owner = await Owner.start()
    nats = NatsProcess(
        folder / "bus", owner=owner, log=folder / "nats-server.log", token=secrets.token_hex(8)
    )
    try:
        await nats.start()
        await nats.wait_ready(READY_TIMEOUT_S)
        yield nats
    finally:
        await nats.stop(READY_TIMEOUT_S)
        await owner.finish()
