"""The function catalogue as the operator has set it up: the bus, folders, web addresses.

What cannot be reached is tried again later; what is not there, or cannot be used, is a refusal.
It must not know runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from runbus.contracts.locations import FunctionName, function_name
from runbus.runtime.config import ConfigError
from runbus.runtime.errors import RetryableError
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusError
from runbus.sdk.function_places import (
    FUNCTION_BYTES_MAX,
    NAMES_MAX,
    PlaceError,
    names_in_folder,
    read_from_folder,
    relative_places,
)
from runbus.sdk.function_store import all_functions, newest_function
from runbus.settings.function_files import (
    from_catalogue,
    no_such_function,
    no_such_source,
    not_usable,
    reference_text,
)
from runbus.settings.model import Function, Refused

LOOK_UP_TIMEOUT_S = 8.0  # shorter than the answer to a request may take
AGAIN_S = 5.0
REDIRECTS_MAX = 3
CATALOG = "catalog.json"

_WEB = ("http", "https")
_MOVED = frozenset({301, 302, 303, 307, 308})
_ABSENT = frozenset({404, 410})
_LATER = frozenset({408, 425, 429})


def read_sources(settings: Sequence[str]) -> dict[str, str]:
    """Return places by the names of their sources, from `name=place` settings.

    Raises:
        ConfigError: one of them cannot be a source.

    """
    sources: dict[str, str] = {}
    for each in settings:
        name, _, place = each.partition("=")
        scheme = urlsplit(place).scheme
        is_place = place.startswith("/") or (scheme in _WEB and urlsplit(place).hostname)
        if function_name(f"hub://{name}/a") is None or not is_place or name in sources:
            text = "write name=/folder or name=https://address, each name once"
            message = f"RUNBUS_FUNCTION_SOURCES: the entry for {name[:40]!r} cannot be used: {text}"
            raise ConfigError(message)
        sources[name] = place
    return sources


class Catalogue:
    """Looks functions up. Without a source, a reference means the bucket on the bus."""

    def __init__(self, bus: Bus, sources: Mapping[str, str]) -> None:
        self._bus = bus
        self._sources = sources

    async def find(self, wanted: FunctionName) -> Function | Refused:
        """Return the level that a function is, or why there is none.

        Raises:
            RetryableError: its source cannot be reached now.

        """
        if wanted.source is not None and wanted.source not in self._sources:
            return no_such_source(wanted, self._sources)
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                content = await self._read(wanted)
                if content is None:
                    return no_such_function(wanted, await self._names(wanted.source))
        except PlaceError as error:
            return not_usable(wanted, str(error))
        except (BusError, OSError, TimeoutError, aiohttp.ClientError) as error:
            where = f"source {wanted.source}" if wanted.source else "catalogue on the bus"
            text = f"the {where} cannot be reached: {type(error).__name__}"
            raise RetryableError(text, delay_s=AGAIN_S) from error
        return from_catalogue(reference_text(wanted), content)

    async def _read(self, wanted: FunctionName) -> bytes | None:
        place = self._sources.get(wanted.source) if wanted.source is not None else None
        if place is None:
            found = await newest_function(self._bus, wanted.name, wanted.tag)
            return found.content if found is not None else None
        if place.startswith("/"):
            return await asyncio.to_thread(read_from_folder, Path(place), wanted.name, wanted.tag)
        async with aiohttp.ClientSession() as session:
            for relative in relative_places(wanted.name, wanted.tag):
                content = await _fetch(session, f"{place.rstrip('/')}/{relative}")
                if content is not None:
                    return content
        return None

    async def _names(self, source: str | None) -> list[str]:
        """Return what a source offers, as far as it tells."""
        place = self._sources.get(source) if source is not None else None
        if place is None:
            return [f"{each.name}:{each.tag}" for each in await all_functions(self._bus)]
        if place.startswith("/"):
            return await asyncio.to_thread(names_in_folder, Path(place))
        async with aiohttp.ClientSession() as session:
            try:
                content = await _fetch(session, f"{place.rstrip('/')}/{CATALOG}")
            except PlaceError:
                return []
        return _names_in(content or b"{}")


def _names_in(catalog: bytes) -> list[str]:
    """Return the names and tags of MLRun's catalog: name, below it tags."""
    try:
        listed = msgspec.json.decode(catalog, type=dict[str, dict[str, msgspec.Raw]])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
    return [f"{name}:{tag}" for name, tags in listed.items() for tag in tags][:NAMES_MAX]


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes | None:
    """Return what stands at an address; None where there is nothing.

    Raises:
        PlaceError: it is too large, forbidden, or elsewhere under another scheme.
        aiohttp.ClientError: it cannot be reached.

    """
    scheme = urlsplit(url).scheme
    for _ in range(REDIRECTS_MAX + 1):
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status in _MOVED:
                url = urljoin(url, answer.headers.get("Location", ""))
                if urlsplit(url).scheme not in {scheme, "https"}:
                    text = "the source redirects to another scheme"
                    raise PlaceError(text)
                continue
            return await _content(answer)
    text = f"the source redirects more than {REDIRECTS_MAX} times"
    raise PlaceError(text)


async def _content(answer: aiohttp.ClientResponse) -> bytes | None:
    if answer.status in _ABSENT:
        return None
    if answer.status in _LATER or answer.status >= 500:
        answer.raise_for_status()
    if answer.status != 200:
        text = f"the source answers with status {answer.status}"
        raise PlaceError(text)
    content = bytearray()
    async for chunk in answer.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > FUNCTION_BYTES_MAX:
            text = f"it is larger than {FUNCTION_BYTES_MAX} bytes"
            raise PlaceError(text)
    return bytes(content)
