"""Settings of a process: environment variables into one Struct, all problems reported at once.

The field `nats_url` is read from `RUNBUS_NATS_URL`. Values are converted by msgspec; a list is
separated by commas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T", bound="ServiceConfig")

PREFIX = "RUNBUS_"


class ConfigError(Exception):
    """One or more environment variables that cannot be used; every one is named."""


class ServiceConfig(Struct, frozen=True, kw_only=True):
    """What every service can be told."""

    nats_url: Annotated[str, Meta(description="server, or several with commas")] = (
        "nats://127.0.0.1:4222"
    )
    nats_credentials: Annotated[str, Meta(description="path of a credentials file")] = ""
    nats_user: Annotated[str, Meta(description="name on the bus; needs nats_password_file")] = ""
    nats_password_file: Annotated[str, Meta(description="path of the password")] = ""
    nats_ca_file: Annotated[str, Meta(description="path of the bus's own authorities")] = ""
    nats_cert_file: Annotated[
        str, Meta(description="path of a certificate for the bus; needs nats_key_file")
    ] = ""
    nats_key_file: Annotated[str, Meta(description="path of its key")] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error")] = "info"
    health_host: Annotated[str, Meta(description="where /livez and /readyz listen")] = "127.0.0.1"
    health_port: Annotated[int, Meta(description="0 picks a free one", ge=0, le=65535)] = 0
    health_file: Annotated[str, Meta(description="where the health address is written")] = ""
    drain_s: Annotated[float, Meta(description="SIGTERM to exit, at most", gt=0)] = 10.0
    instance: Annotated[str, Meta(description="this process among its replicas")] = ""


class KubeConfig(ServiceConfig, frozen=True, kw_only=True):
    """What a service that talks to Kubernetes can be told besides."""

    kubeconfig: Annotated[str, Meta(description="path; empty: $KUBECONFIG or in-cluster")] = ""
    kube_context: Annotated[str, Meta(description="context of the kubeconfig")] = ""
    kube_qps: Annotated[
        float,
        Meta(description="requests a second to the API server; 0 or -1: no limit", ge=-1, le=1e6),
    ] = 0.0
    kube_burst: Annotated[
        int,
        Meta(
            description="requests at once, for kube_qps; 0 or -1: twice kube_qps", ge=-1, le=10**6
        ),
    ] = 0
    namespaces: Annotated[
        tuple[str, ...], Meta(description="watch only these; empty: the whole cluster")
    ] = ()


def load(struct: type[T], environment: Mapping[str, str]) -> T:
    """Read a service's settings.

    Raises:
        ConfigError: naming each variable, its value and what is expected.

    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        variable = PREFIX + field.name.upper()
        text = environment.get(variable)
        if text is None or text == "":
            continue
        try:
            values[field.name] = _convert(text, field.type)
        except msgspec.ValidationError as error:
            problems.append(f"{variable}={text!r}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return struct(**values)


def _convert(text: str, wanted: Any) -> Any:
    if "tuple" in str(wanted):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return msgspec.convert(text, wanted, strict=False)
