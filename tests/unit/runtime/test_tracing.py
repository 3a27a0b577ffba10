"""When a service traces, and what it does where it cannot: it goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog

from runbus.contracts.transitions import Publisher
from runbus.runtime.tracing import Tracing, is_asked_for, set_up

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", **ENDPOINT}, False),
        ({"OTEL_TRACES_EXPORTER": "console", **ENDPOINT}, False),
        ({"OTEL_SDK_DISABLED": "true", **ENDPOINT}, False),
        ({"OTEL_SDK_DISABLED": "false", **ENDPOINT}, True),
    ],
)
def test_traces_are_asked_for_by_the_standard_variables(
    environment: dict[str, str], asked: bool
) -> None:
    assert is_asked_for(environment) is asked


def test_another_protocol_is_a_warning_and_no_traces() -> None:
    with structlog.testing.capture_logs() as lines:
        tracing = set_up(
            "aborter",
            "",
            {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            structlog.get_logger(),
        )

    assert type(tracing) is Tracing
    assert [line["log_level"] for line in lines] == ["warning"]


def test_what_traces_nothing_passes_the_traceparent_on() -> None:
    assert Tracing().child("00-x") == "00-x"


def run_python(*lines: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_the_extra_a_service_warns_and_goes_on() -> None:
    told = run_python(
        "import sys",
        "sys.modules['opentelemetry'] = None",  # as if it were not installed
        "from runbus.runtime import logs, tracing",
        "sys.stderr = sys.stdout",
        "log = logs.set_up('aborter', 'info')",
        f"found = tracing.set_up('aborter', '', {ENDPOINT!r}, log)",
        "assert type(found) is tracing.Tracing",
    )

    assert told.count('"level":"warning"') == 1
    assert "runbus[otel]" in told


def test_unless_asked_for_no_service_imports_opentelemetry() -> None:
    packages: list[Any] = [each.value.replace("-", "_") for each in Publisher]
    run_python(
        "import importlib, sys",
        f"[importlib.import_module(f'runbus.{{name}}.__main__') for name in {packages!r}]",
        "from runbus.runtime import tracing",
        "tracing.set_up('aborter', '', {}, None)",
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]",
    )


def test_settings_that_cannot_be_used_are_a_warning_and_no_traces() -> None:
    told = run_python(
        "import os, sys",
        f"os.environ.update({ENDPOINT!r}, OTEL_BSP_MAX_QUEUE_SIZE='0')",
        "os.environ['OTEL_TRACES_SAMPLER'] = 'often'",
        "from runbus.runtime import logs, tracing",
        "sys.stderr = sys.stdout",
        "found = tracing.set_up('aborter', '', os.environ, logs.set_up('aborter', 'info'))",
        "assert type(found) is tracing.Tracing",
    )

    assert '"event":"not traced: settings that cannot be used"' in told
    assert told.count('"level":"warning"') == len(told.splitlines()) >= 2  # and the sampler
