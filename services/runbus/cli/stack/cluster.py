"""The local cluster of a stack."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from runbus.cli.stack.owner import Owner
from runbus.cli.stack.process import Process

POLL_S = 0.02
MODULE = "runbus.localcluster"


class _Serving(msgspec.Struct):
    url: str
    kubeconfig: str


class ClusterProcess(Process):
    """`python -m runbus.localcluster`. Started again it has its address and its objects."""

    def __init__(
        self, folder: Path, *, owner: Owner, log: Path, options: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.url = ""
        self.kubeconfig = str(folder / "kubeconfig")
        self._read_from = 0
        command = [sys.executable, "-m", MODULE, "--dir", str(folder), *options]
        super().__init__("localcluster", command, owner=owner, log=log)

    async def prepare(self) -> None:
        """Note where the output of the next start begins."""
        self._read_from = self.log.stat().st_size if self.log.exists() else 0

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it says that it serves.

        Raises:
            StackError: it ended, or was not ready in time.

        """
        try:
            async with asyncio.timeout(timeout_s):
                while self.is_running:
                    serving = self._serving()
                    if serving is not None:
                        self.url, self.kubeconfig = serving.url, serving.kubeconfig
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise self.failure(f"was not ready within {timeout_s:g} s") from error
        raise self.failure(f"ended with {self.exit_code}")

    def _serving(self) -> _Serving | None:
        try:
            with self.log.open("rb") as file:
                file.seek(self._read_from)
                lines = file.read().splitlines(keepends=True)
        except OSError:
            return None
        for line in lines:
            if line.startswith(b'{"url"') and line.endswith(b"\n"):
                return msgspec.json.decode(line, type=_Serving)
        return None
