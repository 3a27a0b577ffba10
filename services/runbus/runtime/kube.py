"""The connection to Kubernetes: raw requests and raw answers over kubernetes_asyncio's session.

kubernetes_asyncio finds the configuration, authenticates and holds the connections;
`kube_credentials` keeps tokens valid. Its models are not used: raw bytes cost 11 to 18 times less
CPU (ADR-0005). Answers that are no success become one of `kube_errors`, chosen by status, with
the server's own text.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec

from runbus.runtime.clock import Clock, SystemClock
from runbus.runtime.config import KubeConfig
from runbus.runtime.kube_clock import ServerClock
from runbus.runtime.kube_credentials import Credentials, CredentialsError, credentials_of
from runbus.runtime.kube_errors import (
    KubeError,
    KubeForbiddenError,
    KubeUnavailableError,
    error_of,
)
from runbus.runtime.kube_library import kube_library
from runbus.runtime.kube_reach import PATH as PROBE_PATH
from runbus.runtime.kube_reach import UNAUTHORIZED, Reach
from runbus.runtime.kube_rights import Asked, asked
from runbus.runtime.kube_sessions import close_both, proxy_for, session_of
from runbus.runtime.metrics import Metrics
from runbus.runtime.token_bucket import TokenBucket, burst_of
from runbus.runtime.tracing import Span, Tracing

REQUEST_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
# A watch that says nothing for longer than this may be dead: bookmarks come once a minute, but for
# old servers where nothing changes, and to open a watch anew costs little.
WATCH_SILENCE_S = 90.0
# Of a request's time, what may go by before the client's own rate lets it through.
PATIENCE_SHARE = 0.5
CONNECTIONS_MAX = 64
RETIRED_S = 600.0  # no watch lasts longer
JSON_TYPE = "application/json"


# kubernetes_asyncio's connections, and our session on them.
OpenAnew = Callable[[], tuple[Any, aiohttp.ClientSession]]


class Kube:
    """One connection to an API server. Make it with `connect`.

    `configuration` and `connections` are kubernetes_asyncio's; `open_anew` gives other connections
    once the certificates have changed; `forbidden` is told of each request for which this identity
    lacks the right.
    """

    def __init__(
        self,
        configuration: Any,
        connections: Any,
        metrics: Metrics | None = None,
        credentials: Credentials | None = None,
        session: aiohttp.ClientSession | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        tracing: Tracing | None = None,
        bucket: TokenBucket | None = None,
        clock: Clock | None = None,
        open_anew: OpenAnew | None = None,
        forbidden: Callable[[Asked], None] = lambda _asked: None,
    ) -> None:
        self._configuration = configuration
        self._connections = connections
        self._monotonic = monotonic
        self._metrics = metrics or Metrics()
        self._tracing = tracing or Tracing()
        self._bucket = bucket
        self._session: aiohttp.ClientSession = session or connections.pool_manager
        self._proxy = configuration.proxy or proxy_for(self.url)
        self._credentials = credentials or Credentials(configuration)
        self._certificates = self._credentials.certificates
        self._certificates_problem = ""
        self._open_anew = open_anew
        self._retired: deque[tuple[float, aiohttp.ClientSession, Any]] = deque()
        self._clock = clock or SystemClock()
        self._server_clock = ServerClock()
        self.reach = Reach(monotonic)
        self._forbidden = forbidden

    @property
    def url(self) -> str:
        """The API server's address."""
        return str(self._configuration.host)

    @property
    def clock_offset(self) -> timedelta:
        """The API server's clock less ours; none where they agree."""
        return self._server_clock.offset

    async def probe(self) -> None:
        """Ask for the server's version, which `reach` learns from."""
        with contextlib.suppress(KubeError):
            await self.request("GET", PROBE_PATH)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> bytes:
        """Carry out one request and return the answer's body.

        Nothing is sent once the time is over, not even by a process that stood still meanwhile.
        What it waits for the client's own rate is part of the time.

        Raises:
            KubeError: one of the classes above.

        """
        data = msgspec.json.encode(body) if body is not None else None
        send_by = self._monotonic() + timeout_s
        if self._bucket is not None:
            await self._take_turn(self._bucket, f"{method} {path}", timeout_s * PATIENCE_SHARE)
        with self._tracing.requesting(method, self.url, path) as span:
            try:
                return await self._request(method, path, query, data, send_by, span)
            except KubeError as error:
                span.failed(str(error.status or error.reason), error.message)
                raise

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        data: bytes | None,
        send_by: float,
        span: Span,
    ) -> bytes:
        started = self._monotonic()
        left_s = max(send_by - started, 0.0)
        code = 0
        try:
            with self._translated(f"{method} {path}", f"no answer within {left_s:g} s"):
                async with (
                    asyncio.timeout(left_s),
                    await self._open(method, path, query, data, send_by) as response,
                ):
                    content = await response.read()
                    code = response.status
                    span.answered(code)
                    if response.status >= 400:
                        raise self._error(asked(method, path), method, response, content)
                    return content
        finally:
            self._metrics.kube_requests.labels(method, str(code)).inc()
            self._metrics.kube_request_s.labels(method).observe(self._monotonic() - started)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str | int], silence_s: float = WATCH_SILENCE_S
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch; gives its chunks as they arrive, to be cut into lines by the reader.

        Raises:
            KubeError: at the opening.
            KubeUnavailableError: when the connection breaks, or is silent for `silence_s`.

        """
        timeout_s = CONNECT_TIMEOUT_S + REQUEST_TIMEOUT_S
        if self._bucket is not None:
            await self._take_turn(self._bucket, f"watch {path}", timeout_s * PATIENCE_SHARE)
        with self._translated(f"watch {path}", "silent"):
            async with asyncio.timeout(timeout_s):
                send_by = self._monotonic() + timeout_s
                response = await self._open("GET", path, query, None, send_by)
            try:
                if response.status >= 400:
                    right = asked("GET", path, is_watch=True)
                    raise self._error(right, "GET", response, await response.read())
                yield _chunks(response, silence_s)
            finally:
                response.close()

    @contextmanager
    def _translated(self, what: str, too_slow: str) -> Iterator[None]:
        """Turn what goes wrong below into an error of ours, and take note of it."""
        try:
            yield
        except TimeoutError as error:
            raise self._unavailable("Timeout", f"{what}: {too_slow}") from error
        except CredentialsError as error:
            raise self._unavailable("Credentials", f"{what}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            text = f"{what}: {type(error).__name__}: {error}"
            raise self._unavailable("Unreachable", text) from error

    def _unavailable(self, reason: str, text: str) -> KubeUnavailableError:
        self.reach.failed(text, is_refused=reason == "Credentials")
        return KubeUnavailableError(0, reason, text)

    async def _take_turn(self, bucket: TokenBucket, what: str, patience_s: float) -> None:
        """Wait until the client's own rate lets a request through.

        Once for each request: not for its second try with new credentials, nor for what a watch
        brings (ADR 28).
        """
        wait_s = bucket.take(self._monotonic(), patience_s)
        self._metrics.kube_rate_limiter_s.observe(min(wait_s, patience_s))
        if wait_s > patience_s:
            text = f"{what}: not sent, kube_qps and kube_burst let it through in {wait_s:.3g} s"
            raise KubeUnavailableError(0, "ClientRateLimit", text, retry_after_s=wait_s)
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        data: bytes | None,
        send_by: float,
    ) -> aiohttp.ClientResponse:
        """Send a request; again with new credentials if those it had are refused."""
        url = self.url.rstrip("/") + path
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        generation = self._credentials.generation
        try:
            response = await self._send(method, url, data, send_by)
        except aiohttp.ClientSSLError:  # another authority may have been named by now
            if not await self._credentials.renew(generation):
                raise
            response = await self._send(method, url, data, send_by)
        if response.status == UNAUTHORIZED:
            response = await self._open_again(response, generation, method, url, data, send_by)
        self.reach.answered(response.status)
        return response

    async def _open_again(
        self,
        response: aiohttp.ClientResponse,
        generation: int,
        method: str,
        url: str,
        data: bytes | None,
        send_by: float,
    ) -> aiohttp.ClientResponse:
        """Send a request that was refused with other credentials, if there are any."""
        try:
            is_renewed = await self._credentials.renew(generation)
        except BaseException:
            response.close()
            raise
        if is_renewed:
            response.release()
            response = await self._send(method, url, data, send_by)
        if response.status == UNAUTHORIZED:
            why = self._certificates_problem or "the API server refuses our credentials"
            self.reach.failed(f"{method} {urlsplit(url).path}: 401: {why}", is_refused=True)
        return response

    async def _send(
        self, method: str, url: str, data: bytes | None, send_by: float
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": JSON_TYPE, **await self._credentials.headers()}
        if data is not None:
            headers["Content-Type"] = JSON_TYPE
        if self._credentials.certificates != self._certificates:
            await self._reconnect()
        if self._monotonic() >= send_by:
            raise TimeoutError
        sent_at = self._clock.now()
        # aiohttp's own limits are off: the caller's timeout is the limit.
        response = await self._session.request(
            method,
            url,
            data=data,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S),
            proxy=self._proxy,
            server_hostname=self._configuration.tls_server_name,
        )
        self._server_clock.take(response.headers.get("Date", ""), sent_at, self._clock.now())
        return response

    async def _reconnect(self) -> None:
        """Open connections with the certificates that there are now.

        What is under way on those before, such as a watch, goes on there: they are closed once
        nothing can be, for whoever reads from them would not learn of it. Certificates that cannot
        be used, such as half-written ones, are tried once: until others are read all stays.
        """
        self._certificates = self._credentials.certificates
        if self._open_anew is None:
            return
        before = (self._monotonic(), self._session, self._connections)
        try:
            self._connections, self._session = self._open_anew()
        except (OSError, ValueError) as error:
            self._certificates_problem = f"certificates that cannot be used: {error}"
            return
        self._certificates_problem = ""
        self._retired.append(before)
        while self._retired[0][0] < self._monotonic() - RETIRED_S:
            await close_both(*self._retired.popleft()[1:])

    def _error(
        self, right: Asked, method: str, response: aiohttp.ClientResponse, content: bytes
    ) -> KubeError:
        error = error_of(response.status, content, response.headers, method)
        if isinstance(error, KubeForbiddenError):
            self._forbidden(right)
        return error

    async def close(self) -> None:
        """Close the connections."""
        for _, session, connections in self._retired:
            await close_both(session, connections)
        await close_both(self._session, self._connections)


async def connect(
    config: KubeConfig,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
    forbidden: Callable[[Asked], None] = lambda _asked: None,
) -> Kube:
    """Connect to the API server that the settings name: kubeconfig, context, or in-cluster.

    Raises:
        ConfigError: there is no usable configuration.

    """
    library = await asyncio.to_thread(kube_library)
    configuration = library.Configuration()
    credentials = await credentials_of(config, configuration, library)
    configuration.connection_pool_maxsize = CONNECTIONS_MAX

    def opened() -> tuple[Any, aiohttp.ClientSession]:
        connections = library.RESTClientObject(configuration)
        return connections, session_of(connections)

    connections, session = opened()
    return Kube(
        configuration,
        connections,
        metrics,
        credentials,
        session,
        tracing=tracing,
        open_anew=opened,
        bucket=_bucket_of(config),
        forbidden=forbidden,
    )


def _bucket_of(config: KubeConfig) -> TokenBucket | None:
    if config.kube_qps <= 0:
        return None
    burst = burst_of(config.kube_qps, config.kube_burst)
    return TokenBucket(config.kube_qps, burst, time.monotonic())


async def _chunks(response: aiohttp.ClientResponse, silence_s: float) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(silence_s):
            chunk = await response.content.readany()
        if not chunk:
            return
        yield chunk
