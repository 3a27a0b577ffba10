"""Structured logs: one JSON object a line on standard error, made by structlog.

Constant text in `event`, everything else in keys. Secrets and whole documents are never logged.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import msgspec
import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

Log = structlog.typing.FilteringBoundLogger


def set_up(service: str, level: str, instance: str = "") -> Log:
    """Configure the process's logs and return a logger bound to the service."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level, 20)),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    bound = structlog.get_logger().bind(service=service)
    return cast("Log", bound.bind(instance=instance) if instance else bound)


def _render(_logger: Any, _method: str, fields: structlog.typing.EventDict) -> bytes:
    return msgspec.json.encode(fields, enc_hook=str)
