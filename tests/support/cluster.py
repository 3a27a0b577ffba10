"""Starts a local cluster as a real process, for tests and loads. Knows no pytest.

``async with LocalClusterProcess(folder) as cluster:`` gives a cluster that serves;
``cluster.request`` speaks to it as any HTTP client would.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

JsonObject = dict[str, Any]
READY_LIMIT_S = 20.0
STOP_LIMIT_S = 15.0
_LINE_LIMIT = 64 * 1024 * 1024


class ClusterNotReadyError(Exception):
    """The process ended or said nothing in time; holds what it wrote to stderr."""


class LocalClusterProcess:
    """One ``python -m runbus.localcluster``. Options are its command line: ``cpu="2"`` is
    ``--cpu 2``, ``missing_images=["*a*", "*b*"]`` repeats, ``scheduler=False`` is
    ``--no-scheduler``.
    """

    def __init__(self, folder: pathlib.Path | str, **options: Any) -> None:
        self.folder = pathlib.Path(folder)
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self.url = ""
        self.token = ""
        self.kubeconfig = pathlib.Path()

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def error_output(self) -> pathlib.Path:
        """The file that takes its stderr (JSON log lines)."""
        return self.folder.parent / f"{self.folder.name}.stderr"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def launch(self) -> None:
        """Start the process; does not wait for anything."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.error_output.open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "runbus.localcluster",
                "--dir",
                str(self.folder),
                *arguments_of(self._options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )

    async def start(self) -> None:
        """Start it and wait until it serves; raises ClusterNotReadyError."""
        await self.launch()
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            await self.kill()
            raise ClusterNotReadyError(self.error_output.read_text(errors="replace"))
        ready = json.loads(line)
        self.url, self.kubeconfig = ready["url"], pathlib.Path(ready["kubeconfig"])
        self.token = json.loads(self.kubeconfig.read_text())["users"][0]["user"]["token"]
        self._session = aiohttp.ClientSession(
            self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            connector=aiohttp.TCPConnector(limit=0),
            read_bufsize=_LINE_LIMIT,
        )

    async def stop(self) -> int:
        """SIGTERM; gives the exit code. Killed where it does not stop in time."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> int:
        """SIGKILL: what a crash would do."""
        return await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        if self._session is not None:
            await self._session.close()
            self._session = None
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                returncode = await process.wait()
        except TimeoutError:
            process.kill()
            returncode = await process.wait()
        self._process = None
        return returncode

    @property
    def session(self) -> aiohttp.ClientSession:
        """An HTTP session with the token; relative addresses."""
        assert self._session is not None, "the cluster is not running"
        return self._session

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        **query: str,
    ) -> tuple[int, Any]:
        """One request; gives the status code and the decoded body (text where it is no JSON)."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type} if data is not None else {}
        async with self.session.request(
            method, path, data=data, headers=headers, params=query
        ) as answer:
            text = await answer.text()
            if answer.content_type == "application/json":
                return answer.status, json.loads(text)
            return answer.status, text

    async def create(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """POST that must succeed."""
        code, answer = await self.request("POST", path, dict(body))
        assert code == 201, answer
        return dict(answer)

    async def get(self, path: str, **query: str) -> JsonObject:
        """GET that must succeed."""
        code, answer = await self.request("GET", path, **query)
        assert code == 200, answer
        return dict(answer)

    async def events(self, path: str, **query: str) -> AsyncGenerator[JsonObject]:
        """The watch events of a list path, until the stream ends."""
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.get(
            path, params={"watch": "true", **query}, timeout=timeout
        ) as answer:
            assert answer.status == 200, await answer.text()
            async for line in answer.content:
                yield json.loads(line)

    async def wait_for(
        self, path: str, condition: Callable[[JsonObject], bool], limit_s: float = 20.0
    ) -> JsonObject:
        """Watch the one object at a path until a condition holds; gives that version."""
        folder, _, name = path.rpartition("/")
        seen: JsonObject = {}
        try:
            async with asyncio.timeout(limit_s):
                selector = f"metadata.name={name}"
                async with contextlib.aclosing(
                    self.events(folder, fieldSelector=selector)
                ) as events:
                    async for event in events:
                        seen = event["object"]
                        if event["type"] in {"ADDED", "MODIFIED"} and condition(seen):
                            return seen
        except TimeoutError as error:
            raise AssertionError(f"not in {limit_s} s; last seen: {seen}") from error
        raise AssertionError(f"the watch ended; last seen: {seen}")

    async def wait_gone(self, path: str, limit_s: float = 20.0) -> None:
        """Wait until nothing is at a path."""

        async def gone() -> bool:
            return (await self.request("GET", path))[0] == 404

        await until(gone, limit_s)


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float = 10.0) -> None:
    """Ask again and again until a condition holds; TimeoutError where it never does."""
    async with asyncio.timeout(limit_s):
        while not await condition():
            await asyncio.sleep(0.02)


def arguments_of(options: Mapping[str, Any]) -> list[str]:
    """The command line that options stand for."""
    arguments: list[str] = []
    for key, value in options.items():
        name = f"--{key.replace('_', '-')}"
        if value is True:
            arguments.append(name)
        elif value is False:
            arguments.append(f"--no-{name[2:]}")
        elif isinstance(value, list | tuple):
            for each in value:
                arguments += [name, str(each)]
        else:
            arguments += [name, str(value)]
    return arguments
