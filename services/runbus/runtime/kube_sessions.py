"""aiohttp sessions on kubernetes_asyncio's connections, and the proxy the environment names."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

READ_BYTES = 2 * 1024 * 1024  # a watch event is one line, and may be long


def session_of(connections: Any) -> aiohttp.ClientSession:
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


async def close_both(session: aiohttp.ClientSession, connections: Any) -> None:
    """Close a session and the connections that it stands on."""
    await session.close()
    await connections.close()


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address, as kubectl would."""
    found = urlsplit(url)
    if not found.hostname or proxy_bypass(found.hostname):
        return None
    return getproxies().get(found.scheme)
