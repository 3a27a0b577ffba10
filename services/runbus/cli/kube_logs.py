"""Logs of pods that still exist, from the Kubernetes API.

Imported by `logs` only. A broken connection is taken up again where it broke, by the timestamps
that the API puts before each line. Must not know runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp

from runbus.cli import kube_access

CONNECT_TIMEOUT_S = 5.0
SHORT_READ_TIMEOUT_S = 15.0
RECONNECT_WAIT_S = 0.5
RECONNECTS_MAX = 20
LINE_BYTES_MAX = 1024 * 1024
NOT_FOUND = 404
NOT_STARTED = 400


class KubeLogError(Exception):
    """The log cannot be had from Kubernetes; the message says why."""


class PodGoneError(KubeLogError):
    """There is no such pod any longer, or no such container in it."""


class NotStartedError(KubeLogError):
    """The container has not started yet."""


class _Place:
    """How far a log has been read: the last stamp, and how many lines had that very stamp.

    Lines that a program writes at once share a stamp, so the stamp alone would lose some of them.
    """

    def __init__(self) -> None:
        self.stamp = ""
        self._lines = 0
        self._to_skip = 0
        self._resumed_at = ""

    def begin(self) -> None:
        """A connection begins: what it repeats has been read before."""
        self._resumed_at = self.stamp
        self._to_skip = self._lines

    def is_new(self, stamp: str) -> bool:
        """Take a line into account; says whether it has not been read before."""
        if stamp < self._resumed_at:
            return False
        if stamp == self._resumed_at and self._to_skip > 0:
            self._to_skip -= 1
            return False
        self._lines = self._lines + 1 if stamp == self.stamp else 1
        self.stamp = stamp
        return True


class KubeLogs:
    """One API server, for logs. Make it with `connect`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self._session = session
        self._url = url
        self._headers = headers

    async def lines(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail: int | None
    ) -> AsyncIterator[str]:
        """Yield the lines of a container's log, without their ends.

        Args:
            namespace: of the pod.
            pod: its name.
            container: its name.
            follow: go on until the container has ended.
            tail: begin with the last so many lines; None: with the first.

        Raises:
            PodGoneError, NotStartedError: as they say.
            KubeLogError: the API cannot be reached, or refuses.

        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        query: dict[str, str] = {"container": container, "timestamps": "true"}
        if follow:
            query["follow"] = "true"
        if tail is not None:
            query["tailLines"] = str(tail)
        place = _Place()
        for _ in range(RECONNECTS_MAX):
            place.begin()
            try:
                async for stamp, text in self._stamped(path, query, follow=follow):
                    if place.is_new(stamp):
                        yield text
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if not follow or not place.stamp:
                    text = f"the log cannot be read: {type(error).__name__}: {error}"
                    raise KubeLogError(text) from error
                query.pop("tailLines", None)
                query["sinceTime"] = place.stamp
                await asyncio.sleep(RECONNECT_WAIT_S)
            else:
                return
        message = f"the connection broke {RECONNECTS_MAX} times"
        raise KubeLogError(message)

    async def _stamped(
        self, path: str, query: dict[str, str], *, follow: bool
    ) -> AsyncIterator[tuple[str, str]]:
        timeout = aiohttp.ClientTimeout(
            connect=CONNECT_TIMEOUT_S,
            sock_connect=CONNECT_TIMEOUT_S,
            sock_read=None if follow else SHORT_READ_TIMEOUT_S,
            total=None,
        )
        url = f"{self._url}{path}?{urlencode(query)}"
        async with self._session.get(url, headers=self._headers, timeout=timeout) as response:
            if response.status >= NOT_STARTED:
                raise _refusal(response.status, await response.read())
            async for line in _lines(response.content):
                stamp, _, text = line.partition(" ")
                yield stamp, text


@asynccontextmanager
async def connect(path: str | None) -> AsyncIterator[KubeLogs]:
    """Connect to the API server of a kubeconfig for the length of a block.

    Args:
        path: of the kubeconfig; None: KUBECONFIG, ~/.kube/config, or the cluster we run in.

    Raises:
        KubeLogError: there is no usable configuration.

    """
    try:
        async with kube_access.connect(path) as access:
            yield KubeLogs(access.session, access.url, access.headers)
    except kube_access.KubeConfigError as error:
        raise KubeLogError(str(error)) from error


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[str]:
    """Cut a body into lines; one that is too long is cut, too."""
    rest = b""
    while chunk := await content.readany():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
        if len(rest) > LINE_BYTES_MAX:
            yield rest.decode(errors="replace")
            rest = b""
    if rest:
        yield rest.decode(errors="replace")


def _refusal(status: int, body: bytes) -> KubeLogError:
    message = kube_access.message_of(body)
    if status == NOT_FOUND:
        return PodGoneError(message)
    if status == NOT_STARTED:
        return NotStartedError(message)
    return KubeLogError(f"Kubernetes answered {status}: {message}")
