"""One of the five services as a process of a stack."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from runbus.cli.stack.owner import Owner
from runbus.cli.stack.probe import get
from runbus.cli.stack.process import Process
from runbus.contracts.transitions import Publisher

SERVICES: tuple[str, ...] = tuple(each.value for each in Publisher)
POLL_S = 0.05
OK = 200


class ServiceProcess(Process):
    """`python -m runbus.<service>`, ready when its /readyz says so."""

    def __init__(
        self,
        service: str,
        folder: Path,
        *,
        owner: Owner,
        log: Path,
        environment: Mapping[str, str],
        instance: str = "",
    ) -> None:
        name = f"{service}-{instance}" if instance else service
        self._health_file = folder / f"{name}.health"
        settings = {
            **environment,
            "RUNBUS_HEALTH_PORT": "0",
            "RUNBUS_HEALTH_FILE": str(self._health_file),
            "RUNBUS_INSTANCE": instance,
        }
        command = [sys.executable, "-m", f"runbus.{service.replace('-', '_')}"]
        super().__init__(name, command, owner=owner, log=log, environment=settings)

    @property
    def health_url(self) -> str:
        """Where /livez and /readyz are; empty until it listens."""
        try:
            return self._health_file.read_text().strip()
        except OSError:
            return ""

    async def prepare(self) -> None:
        """Forget the address of the last start."""
        self._health_file.parent.mkdir(parents=True, exist_ok=True)
        self._health_file.unlink(missing_ok=True)

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until /readyz answers 200.

        Raises:
            StackError: it ended, or was not ready in time; with what it lacked.

        """
        lacked = "it does not listen yet"
        try:
            async with asyncio.timeout(timeout_s):
                while self.is_running:
                    url = self.health_url
                    if url:
                        status, lacked = await get(f"{url}/readyz")
                        if status == OK:
                            return
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise self.failure(f"was not ready within {timeout_s:g} s ({lacked})") from error
        raise self.failure(f"ended with {self.exit_code}")
