"""What `runbus deadline` does: change a limit of a live run, and wait until that is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from runbus.cli.connection import connected
from runbus.cli.exits import Exit
from runbus.cli.listing import listed
from runbus.cli.options import Format
from runbus.cli.output import printing
from runbus.cli.output.times import moment_text, span, until
from runbus.cli.problems import CliError
from runbus.contracts import codec, envelope, subjects
from runbus.contracts.commands import ChangeDeadline, DeadlineAction
from runbus.contracts.deadlines import state_threshold, whole_limit_s
from runbus.contracts.replies import DeadLetter
from runbus.contracts.states import Threshold
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import DEADLETTERS
from runbus.contracts.transitions import Publisher
from runbus.sdk.changing import DeadlineRefusedError, checked, confirmed
from runbus.sdk.client import Client
from runbus.sdk.runs import EventRecord, RunRecord

ANSWER_TIMEOUT_S = 10.0
REFUSAL_POLL_S = 0.5


class Deadlining(Struct, frozen=True, kw_only=True):
    """The change, and how its outcome is shown. Without a threshold: the one that counts now."""

    change: ChangeDeadline
    threshold: Threshold | None = None
    is_waiting: bool = True
    timeout_s: float | None = None
    output: Format = "table"

    async def run(self, text: str, nats_url: str | None) -> Exit:
        """Change a limit of the run that a text means.

        Raises:
            CliError: it cannot be done, or nobody did it in time.

        """
        async with connected(nats_url) as client:
            record = await client.find(text)
            threshold = self.threshold or _meant(record, self.change.action)
            wanted = msgspec.structs.replace(self.change, threshold=threshold)
            try:
                command = checked(
                    record.status, wanted, identity=client.identity, now=datetime.now(UTC)
                )
                if not self.is_waiting:
                    await _send(client, record, command)
                    printing.say(f"{record.ref}: asked for; `runbus get` shows when it is done")
                    return Exit.DONE
                await self._change(client, record, command)
            except DeadlineRefusedError as error:
                raise CliError(
                    f"{record.ref}: the deadline stays as it is",
                    why=str(error),
                    way_out=f"`runbus get {record.ref}` shows its limits",
                    code=Exit.REFUSED,
                ) from error
            self._show(await client.get(record.status.project, record.status.run_id), threshold)
        return Exit.DONE

    async def _change(self, client: Client, record: RunRecord, command: ChangeDeadline) -> None:
        status = record.status
        timeout_s = self.timeout_s or ANSWER_TIMEOUT_S
        try:
            async with (
                asyncio.timeout(timeout_s),
                client.events(
                    status.project, status.run_id, from_sequence=record.sequence + 1
                ) as events,
            ):
                sequence = await _send(client, record, command)
                await _answer(client, events, sequence)
        except TimeoutError as error:
            raise CliError(
                f"{record.ref}: no state-watcher has changed the deadline within {timeout_s:g} s",
                why="the command is stored, and is carried out once one comes",
                way_out="`runbus doctor` says what is missing",
                code=Exit.UNREACHABLE if self.timeout_s is None else Exit.TIMEOUT,
            ) from error

    def _show(self, record: RunRecord, threshold: Threshold) -> None:
        if self.output in {"table", "wide"}:
            printing.out_line(changed_text(record.status, threshold, datetime.now(UTC)))
        else:
            printing.out(listed([record], self.output, with_headers=False))


def changed_text(status: RunStatus, threshold: Threshold, now: datetime) -> str:
    """Return what holds of a limit now, as a sentence."""
    limit = status.thresholds.get(threshold.value)
    text = f"{status.project}/{status.run_id} {status.name} {threshold.value}: "
    if limit is None or limit.limit_s is None:
        return text + "no limit"
    text += span(whole_limit_s(limit, status.attempt))
    if limit.paused_at is not None:
        return text + f", its clock stands since {moment_text(limit.paused_at)}"
    if status.deadline is not None and status.deadline_of == threshold.value:
        left = until(status.deadline, now)
        return text + f", until {moment_text(status.deadline)} ({left} left)"
    return text


def _meant(record: RunRecord, action: DeadlineAction) -> Threshold:
    """Return the threshold that is meant where none is named: the next to pass, or the state's.

    Where a clock is to go on, the one that stands.
    """
    status = record.status
    standing = [key for key, limit in status.thresholds.items() if limit.paused_at is not None]
    if action is DeadlineAction.RESUME and len(standing) == 1:
        return Threshold(standing[0])
    found = Threshold(status.deadline_of) if status.deadline_of else state_threshold(status.state)
    if found is None:
        raise CliError(
            f"{record.ref} is {status.state.value}, a state without a limit",
            way_out="" if status.state.is_final else "say which limit is meant: --state running",
            code=Exit.REFUSED if status.state.is_final else Exit.USAGE,
        )
    return found


async def _send(client: Client, record: RunRecord, command: ChangeDeadline) -> int:
    """Store the command; returns its sequence."""
    subject = subjects.command(subjects.DEADLINE, record.status.project, record.status.run_id)
    headers = {envelope.CONTENT_TYPE: envelope.JSON_TYPE}
    return await client.bus.publish(subject, codec.encode(command), headers)


async def _answer(client: Client, events: AsyncIterator[EventRecord], sequence: int) -> None:
    """Wait until a command is carried out, or is refused.

    Raises:
        DeadlineRefusedError: it was refused, or the run ended first.

    """
    async with asyncio.TaskGroup() as tasks:
        refusal = tasks.create_task(_refusal(client, sequence))
        answer = tasks.create_task(_confirmation(events, sequence))
        await asyncio.wait({refusal, answer}, return_when=asyncio.FIRST_COMPLETED)
        why = refusal.result() if refusal.done() else answer.result()
        refusal.cancel()
        answer.cancel()
    if why is not None:
        raise DeadlineRefusedError(why)


async def _confirmation(events: AsyncIterator[EventRecord], sequence: int) -> str | None:
    try:
        await confirmed(events, sequence)
    except DeadlineRefusedError as error:
        return str(error)
    return None


async def _refusal(client: Client, sequence: int) -> str:
    """Return the reason with which the state-watcher sets a command aside, once it does."""
    subject = subjects.dead_letter(Publisher.STATE_WATCHER.value)
    while True:
        found = await client.bus.last_message(DEADLETTERS, subject)
        letter = codec.decode(DeadLetter, found.data) if found is not None else None
        if letter is not None and letter.sequence == sequence:
            return letter.reason
        await asyncio.sleep(REFUSAL_POLL_S)
