"""A thin client of any Kubernetes API server: requests, and list + watch that survives anything.

Used by scheduler, runner and janitor. Needs an address and a bearer token; knows no kubeconfig
and nothing of the local API server.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import aiohttp
import msgspec
import structlog

from runbus.localcluster.rules.shapes import Meta

JsonObject = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
_REQUEST_LIMIT_S = 30.0
_SILENCE_LIMIT_S = 120.0  # bookmarks come more often than that, also from a real API server
_WATCH_S = 300
_PAGE = 500
_GONE = 410
_FIRST_DELAY_S, _LAST_DELAY_S = 0.05, 5.0
_MAX_LINE_BYTES = 64 * 1024 * 1024
_log = structlog.get_logger("client")


class Address(msgspec.Struct, frozen=True):
    """Where an API server is and how to get in; ``authority`` is the CA file of an https one."""

    url: str
    token: str
    authority: str = ""


class RequestRefused(Exception):  # noqa: N818 - a refusal is an answer, not a fault of ours
    """The API server answered with a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code == 429 or self.code >= 500


class ServerUnreachableError(Exception):
    """No answer: the connection failed or a time limit passed."""


class ApiClient:
    """Requests to one API server. ``agent`` names the component in the User-Agent header."""

    def __init__(self, address: Address, agent: str) -> None:
        self._address = address
        self._agent = agent
        self.is_cut_off = False
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {
            "Authorization": f"Bearer {self._address.token}",
            "User-Agent": self._agent,
            "Accept": "application/json",
        }
        self._session = aiohttp.ClientSession(
            self._address.url,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=_REQUEST_LIMIT_S),
            connector=aiohttp.TCPConnector(limit=64, ssl=_trust(self._address)),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        return self._session

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """GET; raises RequestRefused or ServerUnreachableError."""
        return await self.send("GET", path, query=query)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and give the body of the answer."""
        self._check_connected()
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content_type} if data is not None else None
        try:
            async with self._open.request(
                method, path, data=data, headers=headers, params=query
            ) as answer:
                raw = await answer.read()
                if answer.status >= 400:
                    raise _refused(answer.status, raw)
                return raw
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServerUnreachableError(f"{method} {path}: {error!r}") from error

    def _check_connected(self) -> None:
        """``is_cut_off`` is how a simulated node loses its network."""
        if self.is_cut_off:
            raise ServerUnreachableError("the network of this node is cut off")

    async def lines(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """The lines of a watch stream, until it ends; raises like ``send``."""
        self._check_connected()
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_REQUEST_LIMIT_S, sock_read=_SILENCE_LIMIT_S
        )
        try:
            async with self._open.get(path, params=query, timeout=timeout) as answer:
                if answer.status >= 400:
                    raise _refused(answer.status, await answer.read())
                rest = b""
                async for chunk in answer.content.iter_any():
                    *whole, rest = (rest + chunk).split(b"\n")
                    if len(rest) > _MAX_LINE_BYTES:
                        raise ServerUnreachableError(f"{path}: a watch event larger than the limit")
                    for line in whole:
                        self._check_connected()
                        if line:
                            yield line
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServerUnreachableError(f"GET {path}: {error!r}") from error


def _trust(address: Address) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=address.authority) if address.authority else True


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    code: int = 0


def _refused(code: int, raw: bytes) -> RequestRefused:
    try:
        status = msgspec.json.decode(raw, type=_Status)
    except msgspec.DecodeError:
        status = _Status(message=raw[:200].decode(errors="replace"))
    return RequestRefused(code, status.reason, status.message)


class Watched(Protocol):
    """Any object with metadata."""

    @property
    def metadata(self) -> Meta:
        """Its metadata."""
        ...


T = TypeVar("T", bound=Watched)


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _RawList(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _BookmarkObject(msgspec.Struct):
    metadata: Meta


class Reflector(Generic[T]):
    """Keeps a copy of the objects behind a list path, and tells of every change.

    ``changed`` gets an object that is new or another version, ``removed`` its last known version.
    Both must be quick and must not raise. Decisions belong to objects, not to events: after a
    lost watch the same calls bring the copy up to date.
    """

    def __init__(
        self,
        client: ApiClient,
        path: str,
        shape: type[T],
        changed: Callable[[T], None],
        removed: Callable[[T], None],
        query: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._path = path
        self._query = dict(query or {})
        self._decode = msgspec.json.Decoder(shape).decode
        self._changed = changed
        self._removed = removed
        self._objects: dict[tuple[str, str], T] = {}
        self._version = ""
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """List and watch for ever; ends by cancellation only."""
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                if not self._version:
                    await self._list()
                    self.synced.set()
                await self._watch()
                delay_s = _FIRST_DELAY_S
            except RequestRefused as refusal:
                if refusal.code == _GONE:
                    self._version = ""
            except ServerUnreachableError:
                delay_s = min(delay_s * 2, _LAST_DELAY_S)
            except (msgspec.DecodeError, ValueError) as error:
                # an object we cannot read: begin anew, slowly, rather than end the component
                _log.error("cannot read the answer", path=self._path, why=str(error))
                self._version, delay_s = "", _LAST_DELAY_S
            await asyncio.sleep(delay_s)

    async def _list(self) -> None:
        found: dict[tuple[str, str], T] = {}
        token = ""
        while True:
            query = {**self._query, "limit": str(_PAGE)}
            if token:
                query["continue"] = token
            page = msgspec.json.decode(await self._client.get(self._path, query), type=_RawList)
            for raw in page.items or []:
                each = self._decode(raw)
                found[_key(each)] = each
            token = page.metadata.continue_
            if not token:
                break
        gone = [each for key, each in self._objects.items() if key not in found]
        before, self._objects = self._objects, found
        for each in gone:
            self._removed(each)
        for key, each in found.items():
            known = before.get(key)
            if known is not None and known.metadata.uid != each.metadata.uid:
                self._removed(known)
            if known is None or known.metadata.resource_version != each.metadata.resource_version:
                self._changed(each)
        self._version = page.metadata.resource_version

    async def _watch(self) -> None:
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_S),
            "resourceVersion": self._version,
        }
        async with contextlib.aclosing(self._client.lines(self._path, query)) as lines:
            async for line in lines:
                self._take(msgspec.json.decode(line, type=_Line))

    def _take(self, line: _Line) -> None:
        match line.type:
            case "ERROR":
                raise _refused(_error_code(line.object), bytes(line.object))
            case "BOOKMARK":
                mark = msgspec.json.decode(line.object, type=_BookmarkObject)
                self._version = mark.metadata.resource_version or self._version
            case "DELETED":
                each = self._decode(line.object)
                self._version = each.metadata.resource_version or self._version
                self._objects.pop(_key(each), None)
                self._removed(each)
            case _:
                each = self._decode(line.object)
                self._version = each.metadata.resource_version or self._version
                known = self._objects.get(_key(each))
                self._objects[_key(each)] = each
                if known is not None and known.metadata.uid != each.metadata.uid:
                    self._removed(known)
                self._changed(each)


def _error_code(raw: msgspec.Raw) -> int:
    return msgspec.json.decode(raw, type=_Status).code or _GONE


def _key(each: Watched) -> tuple[str, str]:
    return each.metadata.namespace, each.metadata.name
