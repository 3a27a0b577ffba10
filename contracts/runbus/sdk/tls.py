"""TLS to the bus: whom to trust, what to show, and not a word in clear where TLS was asked for.

The client library speaks TLS only where the server asks for it: on its own it would send a password
in clear to whoever answers at a `tls://` address without offering TLS. Files are read anew for each
connection, so that a certificate that is renewed counts from the next one on.
"""

from __future__ import annotations

import ssl
from typing import Any

import nats.errors
from msgspec import Struct
from nats.aio.client import Srv
from nats.aio.transport import TcpTransport

from runbus.sdk.quick_client import QuickClient

SCHEME = "tls"


class Tls(Struct, frozen=True, kw_only=True):
    """Paths. `ca_file` empty: the system's authorities; `cert_file` empty: nothing to show."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            OSError: one cannot be read, or is not what it should be (ssl.SSLError).

        """
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


class NoTlsError(nats.errors.Error):
    """The server offers no TLS, and the address or the settings ask for it."""

    def __str__(self) -> str:
        return "the server offers no TLS, which was asked for: nothing was sent"


class NoCertificateError(nats.errors.Error):
    """The server wants to see a certificate, and there is none to show."""

    def __str__(self) -> str:
        return (
            "the server asks for a certificate of ours: name one, RUNBUS_NATS_CERT_FILE and"
            " RUNBUS_NATS_KEY_FILE"
        )


class _Transport(TcpTransport):
    """The library's, that can be left after a handshake that failed, and says that it is TLS."""

    def __bool__(self) -> bool:
        """Say that it is one to connect with: the library makes another where there is none."""
        return True

    async def connect_tls(self, *arguments: Any, **options: Any) -> None:
        """Begin TLS on the connection."""
        try:
            await super().connect_tls(*arguments, **options)
        except BaseException:
            # The library would wait for the end of a stream that nobody ends any more.
            if self._io_writer is not None:
                self._io_writer.transport.abort()
            self._io_writer = None
            raise
        assert self._io_writer is not None
        # As asyncio does where it begins TLS itself; else it warns of each connection's end.
        protocol: Any = self._io_writer.transport.get_protocol()
        protocol._over_ssl = True


class TlsClient(QuickClient):
    """The client that `connecting.connect` makes."""

    def __init__(self, tls: Tls | None = None) -> None:
        super().__init__()
        self._tls = tls

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """What the next connection trusts and shows; the library asks for it each time."""
        return (self._tls or Tls()).context()

    async def _connect_to_server(self, s: Srv) -> None:
        if s.uri.scheme in {SCHEME, "nats"}:
            self._transport = _Transport()  # type: ignore[no-untyped-call]  # the library's
        await super()._connect_to_server(s)

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and self._wants_tls():
            if not info.get("tls_required") and not info.get("tls_available"):
                raise NoTlsError
            info["tls_required"] = True
        if initial_connection and info.get("tls_verify") and not (self._tls or Tls()).cert_file:
            raise NoCertificateError
        await super()._process_info(info, initial_connection)

    def _wants_tls(self) -> bool:
        server = self._current_server
        return self._tls is not None or (server is not None and server.uri.scheme == SCHEME)


def told(error: BaseException) -> str:
    """Return what went wrong, with the way out where a certificate is not trusted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the server's certificate is not trusted ({error.verify_message}): name its"
            " authority, RUNBUS_NATS_CA_FILE"
        )
    return str(error) or type(error).__name__
