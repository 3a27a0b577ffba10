"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from runbus.cli import completing

Format = Literal["table", "wide", "json", "yaml", "name", "jsonl"]

NatsUrl = Annotated[
    str | None,
    Parameter(
        name="--nats-url",
        help="The bus: nats://[token@]host:port. Default: RUNBUS_NATS_URL, else the bus of"
        " `runbus up`, else nats://127.0.0.1:4222.",
    ),
]
Kubeconfig = Annotated[
    str | None,
    Parameter(
        name="--kubeconfig",
        help="Path of a kubeconfig. Default: RUNBUS_KUBECONFIG, else the cluster of `runbus up`,"
        " else Kubernetes' own defaults.",
    ),
]
Output = Annotated[
    Format, Parameter(name=["-o", "--output"], help="How to print; data goes to stdout.")
]
NoHeaders = Annotated[
    bool, Parameter(name="--no-headers", negative="", help="Tables without their first line.")
]
Timeout = Annotated[
    str | None,
    Parameter(name="--timeout", help="Give up after that time (30s, 5m); exit code 124."),
]
Files = Annotated[
    list[str],
    Parameter(
        name=["-f", "--file"],
        help="A file, YAML or JSON, of one or more documents; - is stdin. Can be repeated.",
        allow_leading_hyphen=True,
    ),
]
DefaultsFile = Annotated[
    Path | None,
    Parameter(name="--defaults", help="The operator's defaults file, with its caps and lists."),
]
DefaultsFromBus = Annotated[
    bool,
    Parameter(
        name="--defaults-from-bus",
        negative="",
        help="Instead of a file: the defaults in force on the bus (--nats-url). Only then is a bus"
        " needed.",
    ),
]
Functions = Annotated[
    Path | None,
    Parameter(
        help="A folder of functions for hub://: name/tag/function.yaml in it, or source/name/tag.",
    ),
]
RunName = Annotated[
    str,
    Parameter(
        help="Run id, a unique start of it, the document's name, or project/any of these.",
        completer=completing.runs,
    ),
]
RunNames = Annotated[
    str,
    Parameter(
        name="RUN",
        help="One or more: run id, a unique start of it, the document's name.",
        completer=completing.runs,
    ),
]
