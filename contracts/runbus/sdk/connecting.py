"""Connect to a NATS server with the settings that a control plane needs.

They follow from measured pitfalls of the client library: pings every few seconds (by default a
client would sit on a hung server for minutes), and reconnecting for ever instead of 60 times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import nats.errors
from nats.aio.client import Client

from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusUnreachableError
from runbus.sdk.tls import Tls, TlsClient, told

CONNECT_TIMEOUT_S = 5.0
PING_INTERVAL_S = 5
RECONNECT_WAIT_S = 0.25
# Commands that are minutes old must not leave a buffer after a reconnect; 8 MiB is a burst.
PENDING_BYTES_MAX = 8 * 1024 * 1024
# The server says it in words only; the client library passes them on, in lower case.
REFUSED = "permissions violation for "

Notice = Callable[[str, str], None]


def ignore(_kind: str, _text: str) -> None:
    """Take a notice and do nothing."""


async def connect(
    url: str,
    *,
    name: str,
    notice: Notice = ignore,
    attempts_max: int = 1,
    tls: Tls | None = None,
    **credentials: Any,
) -> Bus:
    """Connect to a server, trying a number of times 0.25 s apart.

    Args:
        url: `nats://[token@]host:port`, several separated by commas; with `tls://` or `tls`
            nothing is sent in clear.
        name: shown in the server's monitoring.
        notice: told of errors, of what the server refuses, and of lost and regained connections:
            (kind, text), such as ("refused", 'publish to "a.b"').
        attempts_max: first connection only; afterwards it reconnects for ever.
        tls: an authority of one's own, a certificate to show.
        credentials: `user`, `password`, `token`, `user_credentials`, `nkeys_seed`, `inbox_prefix`.

    Raises:
        BusUnreachableError: every attempt failed.

    """
    credentials = {**_secret_of(url), **credentials}
    for attempt in range(1, attempts_max + 1):
        client = TlsClient(tls)
        bus = Bus(client)
        failures: list[Exception] = []
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await client.connect(
                    servers=url.split(","),
                    name=name,
                    max_reconnect_attempts=1,  # for the first connection; see below
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # takes floats
                    ping_interval=PING_INTERVAL_S,
                    max_outstanding_pings=2,
                    connect_timeout=2,
                    pending_size=PENDING_BYTES_MAX,
                    **_callbacks(bus, notice, name, failures),
                    **credentials,
                )
        except (nats.errors.Error, OSError, TimeoutError) as error:
            await _discard(client)
            if attempt == attempts_max:
                cause = _cause(error, failures)
                text = f"cannot reach NATS at {_without_secret(url)}: {told(cause)}"
                raise BusUnreachableError(text) from cause
            await asyncio.sleep(RECONNECT_WAIT_S)
            continue
        client.options["max_reconnect_attempts"] = -1
        await bus.open()
        return bus
    message = "attempts_max must be at least 1"
    raise ValueError(message)


def _callbacks(bus: Bus, notice: Notice, name: str, failures: list[Exception]) -> dict[str, Any]:
    async def on_error(error: Exception) -> None:
        failures[:] = [error]
        _, is_refused, what = str(error).partition(REFUSED)
        if is_refused:
            notice("refused", what)
        else:
            notice("error", f"{type(error).__name__}: {told(error)}")

    async def on_disconnect() -> None:
        bus.on_disconnected()
        notice("disconnected", name)

    async def on_reconnect() -> None:
        bus.generation += 1
        notice("reconnected", name)

    async def on_close() -> None:
        bus.closed.set()

    return {
        "error_cb": on_error,
        "disconnected_cb": on_disconnect,
        "reconnected_cb": on_reconnect,
        "closed_cb": on_close,
    }


def _secret_of(url: str) -> dict[str, str]:
    """Return the token, or user and password, of the first address.

    The servers of a cluster tell of one another without any secret: without this the client would
    try to reconnect to them as nobody.
    """
    first = urlsplit(url.split(",", 1)[0])
    if first.username is None:
        return {}
    user = unquote(first.username)
    if first.password is None:
        return {"token": user}
    return {"user": user, "password": unquote(first.password)}


def _without_secret(url: str) -> str:
    """Return addresses without the tokens and passwords that stand in them."""
    servers = (each.partition("://") for each in url.split(","))
    return ",".join(f"{scheme}{mark}{rest.rpartition('@')[2]}" for scheme, mark, rest in servers)


def _cause(error: Exception, failures: list[Exception]) -> Exception:
    """Return why no server could be used, where the library says only that none could."""
    return failures[-1] if isinstance(error, nats.errors.NoServersError) and failures else error


async def _discard(client: Client) -> None:
    try:
        async with asyncio.timeout(1.0):
            await client.close()
    except (nats.errors.Error, OSError, TimeoutError):
        pass
