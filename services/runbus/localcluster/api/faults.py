"""Fault switches for tests: what they match and what they do. The charter has their wire format."""

import fnmatch
from typing import Any, Literal

import msgspec

from runbus.localcluster.rules.errors import ApiError, bad_request

JsonObject = dict[str, Any]
COMPONENT_AGENT = "runbus-localcluster-"
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_MOST = 100


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One armed fault, as it is posted; ``until_s`` is set by the server."""

    method: str = "*"
    path: str = "*"
    watch: bool | None = None
    count: int | None = None
    for_s: float | None = None
    status: int | None = None
    retry_after_s: int | None = None
    message: str = "a fault armed by a test"
    hang_s: float = 0.0
    drop: Literal["before", "after"] | None = None
    components: bool = False

    def matches(self, method: str, path: str, watch: bool, agent: str) -> bool:
        """Say whether a request is hit by it."""
        if agent.startswith(COMPONENT_AGENT) and not self.components:
            return False
        if self.watch is not None and self.watch is not watch:
            return False
        return fnmatch.fnmatchcase(method, self.method) and fnmatch.fnmatchcase(path, self.path)

    @property
    def refusal(self) -> ApiError | None:
        """The answer it gives instead of the real one, if any."""
        if self.status is None:
            return None
        reason = _REASONS.get(self.status, "")
        details: JsonObject | None = None
        if self.retry_after_s is not None:
            details = {"retryAfterSeconds": self.retry_after_s}
        return ApiError(self.status, reason, self.message, details, self.retry_after_s)


class Faults:
    """Those that are armed. Time comes in: seconds of any steady clock."""

    def __init__(self) -> None:
        self._armed: list[tuple[Fault, float | None]] = []

    def arm(self, raw: bytes, now_s: float) -> Fault:
        """Add one from its JSON; 400 where it is none or there are too many."""
        try:
            fault = msgspec.json.decode(raw, type=Fault)
        except msgspec.DecodeError as error:
            raise bad_request(f"not a fault: {error}") from error
        if fault.status is None and not fault.hang_s and fault.drop is None:
            raise bad_request("not a fault: it needs status, hang_s or drop")
        if fault.status is not None and fault.status not in _REASONS:
            known = ", ".join(str(each) for each in _REASONS)
            raise bad_request(f"not a fault: status {fault.status} (one of {known})")
        if len(self._armed) >= _MOST:
            raise bad_request(f"no more than {_MOST} faults at a time: DELETE them first")
        if fault.count is None and fault.for_s is None:
            fault.count = 1
        until_s = None if fault.for_s is None else now_s + fault.for_s
        self._armed.append((fault, until_s))
        return fault

    def disarm(self) -> None:
        """Forget all of them."""
        self._armed.clear()

    def armed(self) -> list[Fault]:
        """Those that can still hit, oldest first."""
        return [fault for fault, _ in self._armed]

    def take(self, method: str, path: str, watch: bool, agent: str, now_s: float) -> Fault | None:
        """The first armed fault that hits a request; it is used up by one."""
        if not self._armed:
            return None
        self._armed = [each for each in self._armed if each[1] is None or each[1] > now_s]
        for i, (fault, _) in enumerate(self._armed):
            if fault.matches(method, path, watch, agent):
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        del self._armed[i]
                return fault
        return None
