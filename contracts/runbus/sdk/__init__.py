"""The Python client: how a program talks to runbus over NATS.

    from runbus.sdk import new_function

    run = new_function("hello", "demo", image="python:3.12", command="python").run()
    run.wait()

Owns: functions (`functions/`), sessions and handles (`session`, `handle`; `blocking` for programs
without a loop), the connection with the settings a control plane needs, reads (leader, buckets),
the acknowledged publish with compare-and-set, and the follower of a stream that survives restarts
of server and connection. The services' `runtime` builds on the same plumbing (ADR-0002).

Invariants: needs msgspec and nats-py only, and python-dotenv (an extra) where a dotenv file is
read; knows no service. Errors of nats-py never leave this package: they become the errors of
`runbus.sdk.errors`. What is public is named here, and imported when it is first asked for, so that
a program that needs a part of it does not wait for all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runbus.sdk.blocking import Run, Session, default_session
    from runbus.sdk.functions.dotenv_files import DotenvError
    from runbus.sdk.functions.function import Function, import_function, new_function
    from runbus.sdk.functions.mounts import (
        Mount,
        VolumeMount,
        mount_configmap,
        mount_empty_dir,
        mount_hostpath,
        mount_pvc,
        mount_secret,
        mount_v3io,
    )
    from runbus.sdk.functions.refusals import RefusedSettingError
    from runbus.sdk.handle import AsyncRun
    from runbus.sdk.outcomes import (
        RunAbortedError,
        RunFailedError,
        RunOutcomeError,
        RunRejectedError,
        RunTimeoutError,
    )
    from runbus.sdk.session import AsyncSession

__all__ = [
    "AsyncRun",
    "AsyncSession",
    "DotenvError",
    "Function",
    "Mount",
    "RefusedSettingError",
    "Run",
    "RunAbortedError",
    "RunFailedError",
    "RunOutcomeError",
    "RunRejectedError",
    "RunTimeoutError",
    "Session",
    "VolumeMount",
    "default_session",
    "import_function",
    "mount_configmap",
    "mount_empty_dir",
    "mount_hostpath",
    "mount_pvc",
    "mount_secret",
    "mount_v3io",
    "new_function",
]

_MODULES = {
    "blocking": ("Run", "Session", "default_session"),
    "functions.dotenv_files": ("DotenvError",),
    "functions.function": ("Function", "import_function", "new_function"),
    "functions.mounts": (
        "Mount", "VolumeMount", "mount_configmap", "mount_empty_dir", "mount_hostpath",
        "mount_pvc", "mount_secret", "mount_v3io",
    ),
    "functions.refusals": ("RefusedSettingError",),
    "handle": ("AsyncRun",),
    "outcomes": (
        "RunAbortedError", "RunFailedError", "RunOutcomeError", "RunRejectedError",
        "RunTimeoutError",
    ),
    "session": ("AsyncSession",),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return __all__
