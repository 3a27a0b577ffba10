"""What stands in for kubernetes_asyncio's connection below `runtime.kube.Kube`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace, TracebackType
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from runbus.runtime.kube import Kube
from simulation.cluster.server import Answer, SimCluster

HOST = "http://simulated"


class _Response:
    """An answer, with as much of aiohttp's interface as `Kube` uses."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers
        self.content = self

    async def __aenter__(self) -> _Response:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def read(self) -> bytes:
        """Return the whole body."""
        return self._answer.body

    async def readany(self) -> bytes:
        """Return the next chunk of a watch."""
        assert self._answer.watch is not None
        return await self._answer.watch.read()

    def close(self) -> None:
        """End a watch."""
        if self._answer.watch is not None:
            self._answer.watch.close()


class Session:
    """The connections of one process. `cut` is what its death does to them."""

    def __init__(self, cluster: SimCluster, client: str) -> None:
        self._cluster = cluster
        self._client = client
        self.is_cut = False
        self.on_send: Callable[[], None] = lambda: None
        self._watches: list[Answer] = []

    async def request(
        self, method: str, url: str, *, data: bytes | None = None, **_: object
    ) -> _Response:
        """Carry out a request."""
        if self.is_cut:
            raise aiohttp.ClientConnectionError("cut off")
        self.on_send()
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        answer = await self._cluster.send(self._client, method, parts.path, query, data)
        if answer.watch is not None:
            self._watches.append(answer)
        return _Response(answer)

    def monotonic(self) -> float:
        """Return the time of the simulated world, in seconds."""
        return self._cluster.loop.time()

    async def close(self) -> None:
        """Close the connections; those of a simulation end with `cut`."""

    def cut(self) -> None:
        """End all connections for good."""
        self.is_cut = True
        for answer in self._watches:
            if answer.watch is not None:
                answer.watch.cut()

    @property
    def pool_manager(self) -> Session:
        """The connections by kubernetes_asyncio's name for them."""
        return self


async def _no_settings() -> dict[str, dict[str, str]]:
    return {}


CONFIGURATION = SimpleNamespace(
    host=HOST, proxy=None, tls_server_name=None, auth_settings=_no_settings
)


def kube_of(session: Session, kind: type[Kube] = Kube) -> Kube:
    """Return the services' own connection on top of a session."""
    return kind(CONFIGURATION, session, monotonic=session.monotonic)
