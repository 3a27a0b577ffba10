"""Runs of all fates, submitted while something goes wrong, and what has to become of each."""

from __future__ import annotations

import asyncio
import random

from runbus.contracts import subjects
from runbus.contracts.replies import SubmitReply
from runbus.reading.history import Request, run_key
from runbus.sdk.errors import BusError
from support.chaos import END_TIMEOUT_S, Chaos
from support.fates import FATES, Fate
from support.system import PROJECT, a_job

AGAIN_S = 0.2


class Load:
    """The runs that are submitted, and what has to become of each."""

    def __init__(self, chaos: Chaos, mark: str, rng: random.Random) -> None:
        self._chaos = chaos
        self._mark = mark
        self._rng = rng
        self._fates: dict[str, Fate] = {}

    async def wrong_ends(self) -> dict[str, tuple[str, str]]:
        """Wait for the end of all; return name and end of those that came to a wrong one."""
        ended = {run_id: (await self._chaos.over(run_id)).state for run_id in self._fates}
        return {
            run_id: (fate.name, ended[run_id].value)
            for run_id, fate in self._fates.items()
            if ended[run_id] not in fate.ends
        }

    async def run(self, *, rounds: int, pause_s: float = 0.0) -> None:
        """Submit every fate some times, with all that users do meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(rounds):
                for fate in self._rng.sample(FATES, len(FATES)):
                    tasks.create_task(self._live(fate, f"{fate.name}-{self._mark}{number}"))
                    await asyncio.sleep(self._rng.uniform(0, pause_s))
                await self._ask_again(number)
                await self._send_poison(number)

    async def _live(self, fate: Fate, name: str) -> None:
        run_id = await self._chaos.submit(name, **fate.settings)
        self._fates[run_id] = fate
        if fate.is_user_aborted:
            await asyncio.sleep(self._rng.uniform(0, 5))
            await self._abort(run_id)
        if fate.is_evicted:
            await self._evict(run_id)

    async def _abort(self, run_id: str) -> None:
        while True:
            try:
                await self._chaos.system.client.abort(PROJECT, run_id, by="ada")
            except BusError:
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def _evict(self, run_id: str) -> None:
        """Evict the first pod that runs; it may have ended by itself before."""
        while True:
            lives = [life for life in self._chaos.lives(run_id) if life.started_at is not None]
            if lives:
                break
            await asyncio.sleep(0.05)
        name = lives[0].name
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        path = f"{self._chaos.pods}/{name}/eviction"
        try:
            await self._chaos.system.kube("POST", path, body)
        except OSError:
            return  # the API server has just been killed: this one stays

    async def _ask_again(self, number: int) -> None:
        """Submit an earlier document again, another one with its key, and one that is no good."""
        chaos, name = self._chaos, f"{FATES[0].name}-{self._mark}{number}"
        first = await chaos.submit(name, **FATES[0].settings)
        assert first == await chaos.submit(name, **FATES[0].settings)
        for document, key in (
            (a_job(name, image="other:1"), f"key-of-{name}"),
            (a_job("Bad_Name"), f"bad-{self._mark}{number}"),
        ):
            reply = await self._verdict(document, key)
            run = run_key(PROJECT, reply.run_id)
            chaos.requests.append(Request(run=run, accepted=reply.accepted, key=key))
            assert not reply.accepted
            assert reply.run_id != first

    async def _verdict(self, document: dict[str, object], key: str) -> SubmitReply:
        async with asyncio.timeout(END_TIMEOUT_S):
            while True:
                try:
                    return await self._chaos.system.client.submit(document, key=key)
                except BusError:
                    await asyncio.sleep(AGAIN_S)

    async def _send_poison(self, number: int) -> None:
        subject = subjects.command(
            subjects.CLEANUP, PROJECT, f"{self._mark}{number:0{12 - len(self._mark)}}"
        )
        while True:
            try:
                await self._chaos.system.client.bus.publish(subject, b"\xff no JSON")
            except BusError:
                await asyncio.sleep(AGAIN_S)
            else:
                return
