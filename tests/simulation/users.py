"""The users of a scenario: they submit, ask again until they are heard, abort, send nonsense."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from runbus.contracts import codec, subjects
from runbus.contracts.commands import AbortRun
from runbus.contracts.identity import run_id_from_key, run_id_from_sequence
from runbus.contracts.replies import SubmitReply
from runbus.contracts.streams import COMMANDS
from runbus.reading.history import Request, run_key
from runbus.sdk.bus import Bus
from runbus.sdk.client import Client
from runbus.sdk.errors import BusError
from runbus.sdk.submissions import submit_headers
from simulation.loop import VirtualLoop
from simulation.scenario import Abort, Scenario, Submit
from simulation.story import Story

AGAIN_S = 1.0
VERDICT_TIMEOUT_S = 4.0
PATIENCE_S = 90.0
NOBODYS_RUN = "zzzzzzzzzz22"


class Users:
    """Everybody outside, on one connection. `requests` are the verdicts that they were given."""

    def __init__(self, loop: VirtualLoop, bus: Bus, story: Story) -> None:
        self._loop = loop
        self._bus = bus
        self._client = Client(bus, "somebody")
        self._story = story
        self.requests: list[Request] = []
        self.runs: dict[int, tuple[str, str]] = {}
        self.rejections = 0
        self.letters = 0

    async def act(self, scenario: Scenario, began_s: float) -> None:
        """Do everything that a scenario says, at its time; returns when all is done.

        Whoever gets no answer for too long gives up: then somebody's run is nobody's.
        """
        try:
            async with asyncio.timeout_at(began_s + PATIENCE_S):
                await self._act(scenario, began_s)
        except TimeoutError:
            self._story.tell("", "user: gives up")

    async def _act(self, scenario: Scenario, began_s: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number, submit in enumerate(scenario.submits):
                tasks.create_task(self._submit(number, submit, began_s))
                for again_s in submit.repeats:
                    tasks.create_task(self._again(submit, began_s + again_s))
                if submit.changed_at_s is not None:
                    tasks.create_task(self._changed(submit, began_s + submit.changed_at_s))
            for abort in scenario.aborts:
                tasks.create_task(self._abort(abort, began_s + abort.at_s))
            for at_s in scenario.poison_at_s:
                tasks.create_task(self._poison(began_s + at_s))

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._loop.time()))

    async def _submit(self, number: int, submit: Submit, began_s: float) -> None:
        await self._until(began_s + submit.at_s)
        run_id = await self._send(submit, submit.document, number)
        self.runs[number] = (submit.project, run_id)
        self._story.tell(
            run_key(submit.project, run_id), f"user: submits {submit.document['name']}"
        )

    async def _again(self, submit: Submit, at_s: float) -> None:
        await self._until(at_s)
        await self._send(submit, submit.document, 0)

    async def _changed(self, submit: Submit, at_s: float) -> None:
        await self._until(at_s)
        self.rejections += 1
        await self._send(submit, {**submit.document, "image": "registry.example.com/y:2"}, 0)

    async def _send(self, submit: Submit, document: dict[str, Any], number: int) -> str:
        """Submit until it is stored or answered; return the run id."""
        if submit.by_request:
            return await self._request(submit, document)
        body = msgspec.json.encode(document)
        headers = submit_headers(submit.key, None, "somebody")
        # Without a key, a client that sends again after a timeout may make two runs: dedupe.
        headers["Nats-Msg-Id"] = f"submit-{number}-{submit.document['name']}-{self._loop.time()!r}"
        sequence = await self._insist(subjects.submit(submit.project), body, headers)
        if submit.key is not None:
            return run_id_from_key(submit.project, submit.key)
        created = await self._created()
        return run_id_from_sequence(created, sequence)

    async def _insist(self, subject: str, body: bytes, headers: dict[str, str]) -> int:
        while True:
            try:
                return await self._bus.publish(subject, body, headers, timeout_s=2.0)
            except BusError:
                await asyncio.sleep(AGAIN_S)

    async def _created(self) -> str:
        while True:
            try:
                return str((await self._bus.api(f"STREAM.INFO.{COMMANDS}"))["created"])
            except BusError:
                await asyncio.sleep(AGAIN_S)

    async def _request(self, submit: Submit, document: dict[str, Any]) -> str:
        while True:
            try:
                reply: SubmitReply = await self._client.submit(
                    document, key=submit.key, timeout_s=VERDICT_TIMEOUT_S
                )
            except BusError:
                await asyncio.sleep(AGAIN_S)
                continue
            request = Request(
                run=run_key(reply.project, reply.run_id), accepted=reply.accepted, key=submit.key
            )
            self.requests.append(request)
            return reply.run_id

    async def _abort(self, abort: Abort, at_s: float) -> None:
        await self._until(at_s)
        while abort.run not in self.runs:
            await asyncio.sleep(AGAIN_S)
        project, run_id = self.runs[abort.run]
        self._story.tell(run_key(project, run_id), "user: aborts it")
        subject = subjects.command(subjects.ABORT, project, run_id)
        headers = {"Nats-Msg-Id": f"abort-{abort.run}"}
        await self._insist(subject, codec.encode(AbortRun(by="somebody")), headers)

    async def _poison(self, at_s: float) -> None:
        """Send what nobody can handle: it belongs into the dead letters and blocks nothing."""
        await self._until(at_s)
        self._story.tell("", "user: sends what cannot be handled")
        unknown = subjects.command(subjects.ABORT, "nlp", NOBODYS_RUN)
        for number, (subject, body) in enumerate(
            ((unknown, b"{}"), (unknown, b"no JSON"), ("runbus.v1.submit.Not_A_Project", b"{}"))
        ):
            await self._insist(subject, body, {"Nats-Msg-Id": f"poison-{number}"})
            self.letters += 1
