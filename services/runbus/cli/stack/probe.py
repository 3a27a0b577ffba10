"""One small HTTP request, without a library: health endpoints are asked often and from anywhere."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 64 * 1024
UNREACHABLE = 0


async def get(url: str) -> tuple[int, str]:
    """Return status and body of a GET; status 0, with the reason, where nobody answers."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _get(parts.hostname or "", parts.port or 80, parts.path)
    except (OSError, TimeoutError, ValueError) as error:
        return UNREACHABLE, f"{type(error).__name__}: {error}"


async def _get(host: str, port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        await writer.drain()
        answer = (await reader.read(ANSWER_BYTES_MAX)).decode(errors="replace")
    finally:
        writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(maxsplit=2)[1]), body.strip()
