"""The API server's answers that are no success, as errors: chosen by status, never by text."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from runbus.runtime.kube_rights import is_missing

ERROR_BODY_BYTES_MAX = 4096
# A server may ask for more patience than we have by ourselves, but not for a run to be forgotten.
RETRY_AFTER_MAX_S = 300.0


class KubeError(Exception):
    """An answer that is no success. `message` is the server's own."""

    def __init__(self, status: int, reason: str, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s

    def wait_s(self, own_s: float, most_s: float = RETRY_AFTER_MAX_S) -> float:
        """Return how long to wait: the server's Retry-After, within reason, or our own."""
        return max(own_s, min(self.retry_after_s, most_s))


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
