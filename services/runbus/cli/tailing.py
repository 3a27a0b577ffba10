"""What `runbus logs` does: the pod's own log while it exists, what was kept of it afterwards."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from runbus.cli.exits import Exit
from runbus.cli.output import printing
from runbus.cli.problems import CliError
from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.sdk.client import Client
from runbus.sdk.log_sources import LogUnavailableError
from runbus.sdk.logs import LogTail

MAIN = "main"
# Evidence follows the end of an attempt by a moment: its log has to be fetched first.
EVIDENCE_WAIT_S = 5.0
EVIDENCE_POLL_S = 0.25


class Tailing(Struct, frozen=True, kw_only=True):
    """Which part of a log is wanted, and from where."""

    kubeconfig: str | None = None
    tail: int | None = None
    attempt: int | None = None
    container: str = MAIN

    async def show(self, client: Client, text: str) -> Exit:
        """Print the log of one attempt (default: the current one), as far as it is there."""
        status = (await client.find(text)).status
        attempt = self.attempt or status.attempt
        self._check(status)
        if attempt == 0:
            printing.say(f"{text} has not started: {status.state.value}")
            return Exit.DONE
        if not await self._show_pod(status, attempt, follow=False):
            await self._show_kept(client, status, attempt, wait_s=0.0)
        return Exit.DONE

    async def follow(self, client: Client, text: str) -> Exit:
        """Print the log of each attempt (or of one) as it is written, until the run is over."""
        status = (await client.find(text)).status
        self._check(status)
        if status.attempt == 0 and not status.state.is_final:
            printing.say(f"waiting for {text} to start: {status.state.value}")
        shown: set[int] = set()
        async with client.events(status.project, status.run_id) as events:
            async for event in events:
                await self._follow_event(client, event.status, shown)
        if not shown:
            printing.say("nothing of it ever ran, so there is no log")
        return Exit.DONE

    async def _follow_event(self, client: Client, status: RunStatus, shown: set[int]) -> None:
        attempt = status.attempt
        if self.attempt not in (None, attempt) or attempt in shown:
            return
        if status.state is RunState.RUNNING or status.exit_code is not None:
            shown.add(attempt)
            if attempt > 1:
                printing.say(f"--- attempt {attempt}")
            if not await self._show_pod(status, attempt, follow=True):
                await self._show_kept(client, status, attempt, wait_s=EVIDENCE_WAIT_S)

    def _check(self, status: RunStatus) -> None:
        if self.attempt is not None and not 1 <= self.attempt <= max(1, status.attempt):
            raise CliError(
                f"{status.project}/{status.run_id} has no attempt {self.attempt}",
                way_out=f"it has had {status.attempt} so far",
                code=Exit.NO_SUCH_RUN,
            )

    async def _show_pod(self, status: RunStatus, attempt: int, *, follow: bool) -> bool:
        """Print the log of the attempt's pod; says whether there was one to print."""
        try:
            from runbus.cli import pod_logs
        except ImportError:  # installed without what talks to Kubernetes
            return False
        logs = pod_logs.PodLogs(self.kubeconfig, container=self.container, tail=self.tail)
        try:
            async for line in logs.lines(status, attempt, follow=follow):
                printing.out_line(line)
        except pod_logs.PodNotStartedError as error:
            printing.say(str(error))
        except pod_logs.PodLogsGoneError:
            return False
        except LogUnavailableError as error:
            printing.say(f"note: {error}")
            return False
        return True

    async def _show_kept(
        self, client: Client, status: RunStatus, attempt: int, *, wait_s: float
    ) -> None:
        """Print what the evidence has kept of an attempt's log."""
        tails = await _kept(client, status, attempt, wait_s)
        wanted = [tail for tail in tails if tail.container == self.container]
        if not wanted:
            others = sorted({tail.container for tail in tails})
            hint = f"; there is one of {', '.join(others)}" if others else ""
            printing.say(f"no log of {self.container} was kept of attempt {attempt}{hint}")
        for tail in wanted:
            if tail.text is None:
                why = tail.problem or "it could not be read"
                printing.say(f"no log of {tail.container}: {why}")
                continue
            if tail.is_truncated:
                printing.say("(its pod is gone: these are the last lines)")
            skipped = 0 if self.tail is None else max(0, len(tail.lines) - self.tail)
            for line in tail.lines[skipped:]:
                printing.out_line(line)


async def _kept(client: Client, status: RunStatus, attempt: int, wait_s: float) -> list[LogTail]:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + wait_s
    while True:
        tails = await client.logs(status.project, status.run_id, attempt=attempt)
        if tails or loop.time() >= give_up_at:
            return tails
        await asyncio.sleep(EVIDENCE_POLL_S)
