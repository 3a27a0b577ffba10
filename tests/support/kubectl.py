"""Runs kubectl against a cluster, for tests."""

import asyncio
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from msgspec import Struct

LIMIT_S = 90.0
needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not on the PATH"
)


class Ran(Struct, frozen=True):
    """How a call ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it wrote, decoded."""
        return msgspec.json.decode(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The words of each line it wrote."""
        return [line.split() for line in self.out.splitlines()]


class Kubectl:
    """kubectl with the kubeconfig of one cluster, and a home of its own."""

    def __init__(self, kubeconfig: pathlib.Path, home: pathlib.Path) -> None:
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "KUBECONFIG": str(kubeconfig),
            "HOME": str(home),
        }

    async def run(
        self, *arguments: str, given: object = None, more: Mapping[str, str] | None = None
    ) -> Ran:
        """Run it to its end. ``given`` goes to its stdin as JSON."""
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self._environment, **(more or {})},
        )
        raw = msgspec.json.encode(given) if given is not None else None
        try:
            async with asyncio.timeout(LIMIT_S):
                out, err = await process.communicate(raw)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def ok(self, *arguments: str, given: object = None) -> Ran:
        """Run it; it must succeed."""
        ran = await self.run(*arguments, given=given)
        assert ran.code == 0, f"kubectl {' '.join(arguments)}: {ran.err or ran.out}"
        return ran

    async def lines_of(self, count: int, *arguments: str) -> list[str]:
        """The first lines of a call that would go on; it is ended then."""
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
        )
        assert process.stdout is not None
        lines: list[str] = []
        try:
            async with asyncio.timeout(LIMIT_S):
                while len(lines) < count:
                    line = await process.stdout.readline()
                    if not line:
                        break
                    lines.append(line.decode().rstrip("\n"))
        finally:
            process.kill()
            await process.wait()
        return lines
