"""The connection to Kubernetes: raw requests and raw answers over kubernetes_asyncio's session.

kubernetes_asyncio finds the configuration, authenticates and holds the connections;
`kube_credentials` keeps tokens valid. Its models are not used: raw bytes cost 11 to 18 times less
CPU (ADR-0005). Answers that are no success become one of the errors below, chosen by status, with
the server's own text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from msgspec import Struct

from runbus.runtime.config import KubeConfig
from runbus.runtime.kube_credentials import Credentials, CredentialsError, credentials_of
from runbus.runtime.kube_library import kube_library
from runbus.runtime.kube_rights import Asked, asked, is_missing
from runbus.runtime.metrics import Metrics
from runbus.runtime.tracing import Span, Tracing

REQUEST_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
# A watch that says nothing for longer than this is dead: bookmarks come once a minute at least.
WATCH_SILENCE_S = 90.0
CONNECTIONS_MAX = 64
ERROR_BODY_BYTES_MAX = 4096
READ_BYTES = 2 * 1024 * 1024  # a watch event is one line, and may be long
JSON_TYPE = "application/json"


class KubeError(Exception):
    """An answer that is no success. `message` is the server's own."""

    def __init__(self, status: int, reason: str, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s


class KubeNotFoundError(KubeError):
    """404: there is no such object."""


class KubeConflictError(KubeError):
    """409: it already exists, or a precondition failed."""


class KubeRefusedError(KubeError):
    """400, 403, 422 and the like: asking again the same way does not help."""


class KubeForbiddenError(KubeRefusedError):
    """403 by the authorizer: this identity lacks the right."""


class KubeExpiredError(KubeError):
    """410: the resource version is too old; list again."""


class KubeUnavailableError(KubeError):
    """429, 5xx, 401, timeouts, broken connections: may pass; `retry_after_s` if the server says."""


class _Details(Struct):
    kind: str = ""
    name: str = ""
    retryAfterSeconds: float = 0.0  # noqa: N815 - Kubernetes' name


class _Status(Struct):
    reason: str | None = ""
    message: str | None = ""
    details: _Details | None = None


_STATUS = msgspec.json.Decoder(_Status)


class Kube:
    """One connection to an API server. Make it with `connect`.

    `configuration` and `connections` are kubernetes_asyncio's; `forbidden` is told of each request
    for which this identity lacks the right.
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
        forbidden: Callable[[Asked], None] = lambda _asked: None,
    ) -> None:
        self._configuration = configuration
        self._connections = connections
        self._monotonic = monotonic
        self._metrics = metrics or Metrics()
        self._tracing = tracing or Tracing()
        self._session: aiohttp.ClientSession = session or connections.pool_manager
        self._proxy = configuration.proxy or _proxy_for(self.url)
        self._credentials = credentials or Credentials(configuration)
        self._forbidden = forbidden

    @property
    def url(self) -> str:
        """The API server's address."""
        return str(self._configuration.host)

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

        Raises:
            KubeError: one of the classes above.

        """
        data = msgspec.json.encode(body) if body is not None else None
        with self._tracing.requesting(method, self.url, path) as span:
            try:
                return await self._request(method, path, query, data, timeout_s, span)
            except KubeError as error:
                span.failed(str(error.status or error.reason), error.message)
                raise

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        data: bytes | None,
        timeout_s: float,
        span: Span,
    ) -> bytes:
        started = self._monotonic()
        code = 0
        try:
            async with (
                asyncio.timeout(timeout_s),
                await self._open(method, path, query, data, started + timeout_s) as response,
            ):
                content = await response.read()
                code = response.status
                span.answered(code)
                if response.status >= 400:
                    raise self._error(asked(method, path), method, response, content)
                return content
        except TimeoutError as error:
            text = f"{method} {path}: no answer within {timeout_s:g} s"
            raise KubeUnavailableError(0, "Timeout", text) from error
        except CredentialsError as error:
            raise KubeUnavailableError(0, "Credentials", f"{method} {path}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            text = f"{method} {path}: {type(error).__name__}: {error}"
            raise KubeUnavailableError(0, "Unreachable", text) from error
        finally:
            self._metrics.kube_requests.labels(method, str(code)).inc()
            self._metrics.kube_request_s.labels(method).observe(self._monotonic() - started)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str | int]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch; gives its chunks as they arrive, to be cut into lines by the reader.

        Raises:
            KubeError: at the opening.
            KubeUnavailableError: when the connection breaks or falls silent.

        """
        try:
            timeout_s = CONNECT_TIMEOUT_S + REQUEST_TIMEOUT_S
            async with asyncio.timeout(timeout_s):
                send_by = self._monotonic() + timeout_s
                response = await self._open("GET", path, query, None, send_by)
            try:
                if response.status >= 400:
                    right = asked("GET", path, is_watch=True)
                    raise self._error(right, "GET", response, await response.read())
                yield _chunks(response)
            finally:
                response.close()
        except TimeoutError as error:
            raise KubeUnavailableError(0, "Timeout", f"watch {path}: silent") from error
        except CredentialsError as error:
            raise KubeUnavailableError(0, "Credentials", f"watch {path}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            text = f"watch {path}: {type(error).__name__}: {error}"
            raise KubeUnavailableError(0, "Unreachable", text) from error

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
        response = await self._send(method, url, data, send_by)
        if response.status != 401:
            return response
        try:
            if not await self._credentials.renew(generation):
                return response
        except BaseException:
            response.close()
            raise
        response.release()
        return await self._send(method, url, data, send_by)

    async def _send(
        self, method: str, url: str, data: bytes | None, send_by: float
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": JSON_TYPE, **await self._credentials.headers()}
        if data is not None:
            headers["Content-Type"] = JSON_TYPE
        if self._monotonic() >= send_by:
            raise TimeoutError
        # aiohttp's own limits are off: the caller's timeout is the limit.
        return await self._session.request(
            method,
            url,
            data=data,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S),
            proxy=self._proxy,
            server_hostname=self._configuration.tls_server_name,
        )

    def _error(
        self, right: Asked, method: str, response: aiohttp.ClientResponse, content: bytes
    ) -> KubeError:
        error = error_of(response.status, content, response.headers, method)
        if isinstance(error, KubeForbiddenError):
            self._forbidden(right)
        return error

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        await self._connections.close()


def _session_of(connections: Any) -> aiohttp.ClientSession:
    """Return a session on the library's own connections.

    The library's session trusts the environment: with each request it looks for a netrc and for
    proxies, each in a thread, a third of what a request costs.
    """
    return aiohttp.ClientSession(
        connector=connections.pool_manager.connector,
        connector_owner=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BYTES,
    )


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address, as kubectl would."""
    found = urlsplit(url)
    if not found.hostname or proxy_bypass(found.hostname):
        return None
    return getproxies().get(found.scheme)


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
    connections = library.RESTClientObject(configuration)
    session = _session_of(connections)
    return Kube(
        configuration,
        connections,
        metrics,
        credentials,
        session,
        tracing=tracing,
        forbidden=forbidden,
    )


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(WATCH_SILENCE_S):
            chunk = await response.content.readany()
        if not chunk:
            return
        yield chunk


def error_of(
    status: int, content: bytes, headers: Mapping[str, str], method: str = "GET"
) -> KubeError:
    """Return the error that an answer stands for, with the server's own reason and message."""
    try:
        found = _STATUS.decode(content)
    except msgspec.MsgspecError:
        text = content[:ERROR_BODY_BYTES_MAX].decode(errors="replace").strip()
        found = _Status(reason="", message=text)
    details = found.details or _Details()
    retry_after_s = _seconds(headers.get("Retry-After", "")) or details.retryAfterSeconds
    kind = _error_class(status)
    if status == 403 and is_missing(method, details.kind, details.name):
        kind = KubeForbiddenError
    return kind(status, found.reason or "", found.message or "", retry_after_s)


def _error_class(status: int) -> type[KubeError]:
    if status == 404:
        return KubeNotFoundError
    if status == 409:
        return KubeConflictError
    if status == 410:
        return KubeExpiredError
    # 401: credentials are being rotated; 408 and 429: too busy.
    if status in {401, 408, 429} or status >= 500:
        return KubeUnavailableError
    return KubeRefusedError


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0
