"""What the local cluster can be told on its command line, and how it keeps its address.

Parsing and files only; wiring is in ``__main__``.
"""

import argparse
import os
import pathlib
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from runbus.localcluster.certificate import CertifiedKey
from runbus.localcluster.node_specs import NodeSpec, parse_node
from runbus.localcluster.rules.names import check_dns_subdomain, check_qualified_name
from runbus.localcluster.rules.quantities import parse_quantity


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The command line, checked. Quantities are Kubernetes' text; None means the host's own."""

    dir: pathlib.Path
    host: str = "127.0.0.1"
    port: int = 0
    node_name: str = "local"
    cpu: str | None = None
    memory: str | None = None
    max_pods: int = 110
    extended: tuple[tuple[str, str], ...] = ()
    nodes: tuple[NodeSpec, ...] = ()
    missing_images: tuple[str, ...] = ("*missing*",)
    pull_backoff_initial_s: float = 10.0
    pull_backoff_max_s: float = 300.0
    restart_backoff_initial_s: float = 10.0
    restart_backoff_max_s: float = 300.0
    pull_time_ms: int = 0
    config_retry_s: float = 2.0
    history: int = 10_000
    bookmark_interval_s: float = 8.0
    create_namespaces: bool = True
    node_grace_s: float = 40.0
    orphan_grace_s: float = 40.0
    heartbeat_s: float = 10.0
    event_ttl_s: float = 3600.0
    scheduler: bool = True
    runner: bool = True
    log_level: str = "info"
    part: str = "all"
    supervised: bool = False
    restart_delay_s: float = 0.2


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; wrong usage ends the process with exit code 2 and a message."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    given["nodes"] = nodes = tuple(given.pop("nodes") or ())
    if len({each.name for each in nodes}) < len(nodes):
        parser.error("two --node have one name")
    given["missing_images"] = tuple(given.pop("missing_images") or ("*missing*",))
    given["extended"] = tuple(given.pop("extended") or ())
    return Options(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runbus.localcluster",
        description="A Kubernetes for a machine without one: pods run as local processes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_node_options(parser)
    _add_runner_options(parser)
    _add_server_options(parser)
    return parser


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--dir", type=_folder, required=True, help="folder for kubeconfig, logs and pods")
    add("--host", default="127.0.0.1", help="address to serve on")
    add("--port", type=_port, default=0, help="0: the port of the last start, else a free one")
    add("--node-name", type=_name, default="local", help="name of this machine's Node")
    add("--cpu", type=_quantity, help="CPU of the node (default: the host's)")
    add("--memory", type=_quantity, help="memory of the node (default: the host's)")
    add("--max-pods", type=_positive, default=110, help="pods the node takes at a time")
    add(
        "--extended-resource",
        dest="extended",
        type=_extended,
        action="append",
        metavar="NAME=COUNT",
        help="say nvidia.com/gpu=1 (repeatable)",
    )
    add(
        "--node",
        dest="nodes",
        type=_node,
        action="append",
        metavar="KEY=VALUE,...",
        help="one more simulated node (repeatable): name=spot-1,cpu=4,memory=8Gi,pods=20,"
        "nvidia.com/gpu=2,spot=true (or gke, eks, aks, karpenter, iguazio: their labels and "
        "taints),labels=a=b;c=d,taints=key=value:NoSchedule;other:NoExecute",
    )


def _add_runner_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--missing-images",
        action="append",
        metavar="PATTERN",
        help="images that cannot be pulled, as fnmatch pattern (repeatable; default *missing*)",
    )
    add("--pull-backoff-initial-s", type=_seconds, default=10.0, help="first wait after a pull")
    add("--pull-backoff-max-s", type=_seconds, default=300.0, help="longest wait after a pull")
    add("--restart-backoff-initial-s", type=_seconds, default=10.0, help="first CrashLoopBackOff")
    add("--restart-backoff-max-s", type=_seconds, default=300.0, help="longest CrashLoopBackOff")
    add("--pull-time-ms", type=_count, default=0, help="how long the first pull of an image takes")
    add(
        "--config-retry-s",
        type=_seconds,
        default=2.0,
        help="wait before a missing secret or config map is looked for again",
    )


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--history", type=_positive, default=10_000, help="watch events kept of each kind")
    add("--bookmark-interval-s", type=_seconds, default=8.0, help="time between bookmarks")
    add(
        "--create-namespaces",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="create a namespace with the first object in it",
    )
    add("--node-grace-s", type=_seconds, default=40.0, help="silence after which a node is lost")
    add(
        "--orphan-grace-s",
        type=_seconds,
        default=40.0,
        help="how long the pods of a node that no longer exists stay",
    )
    add("--heartbeat-s", type=_seconds, default=10.0, help="time between the node's heartbeats")
    add("--event-ttl-s", type=_seconds, default=3600.0, help="how long Kubernetes events stay")
    add(
        "--scheduler",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run the pod scheduler",
    )
    add(
        "--runner",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run the node that runs pods",
    )
    add(
        "--part",
        choices=("all", "api", "agents"),
        default="all",
        help="run one part in this process: the API server, or its agents (scheduler, runner, "
        "janitor); all: supervise both",
    )
    add(
        "--restart-delay-s",
        type=_seconds,
        default=0.2,
        help="how long a part that died stays away",
    )
    add("--supervised", action="store_true", help=argparse.SUPPRESS)
    add(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="of the JSON lines on stderr",
    )


def _folder(text: str) -> pathlib.Path:
    return pathlib.Path(text).absolute()


def _checked_number(text: str, lowest: int) -> int:
    if not text.isdigit() or int(text) < lowest:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {lowest} or more")
    return int(text)


def _positive(text: str) -> int:
    return _checked_number(text, 1)


def _count(text: str) -> int:
    return _checked_number(text, 0)


def _port(text: str) -> int:
    number = _checked_number(text, 0)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port (0 to 65535)")
    return number


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from error
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} seconds: must be more than 0")
    return value


def _quantity(text: str) -> str:
    try:
        value = parse_quantity(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no quantity such as 500m or 8Gi") from error
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} must be more than 0")
    return text


def _name(text: str) -> str:
    if wrong := check_dns_subdomain(text):
        raise argparse.ArgumentTypeError(f"{text!r}: {wrong}")
    return text


def _node(text: str) -> NodeSpec:
    try:
        return parse_node(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _extended(text: str) -> tuple[str, str]:
    name, sign, count = text.partition("=")
    if not sign or "/" not in name or check_qualified_name(name) or not count.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=COUNT, say nvidia.com/gpu=1")
    return name, count


def nodes_of(options: Options) -> tuple[NodeSpec, ...]:
    """Tell the host's own node, and those of ``--node``; one of the same name stands for it."""
    own = NodeSpec(
        options.node_name, options.cpu, options.memory, options.max_pods, options.extended
    )
    if any(each.name == own.name for each in options.nodes):
        return options.nodes
    return (own, *options.nodes)


def capacity_of(node: NodeSpec) -> dict[str, str]:
    """What a node offers: the host's CPU and memory unless said otherwise."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": node.cpu or str(cpus or 1),
        "memory": node.memory or f"{_host_memory_kib()}Ki",
        "pods": str(node.pods),
        **dict(node.extended),
    }


def _host_memory_kib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024


class ServerIdentity(msgspec.Struct, frozen=True):
    """What stays the same over restarts in one folder, so that clients' kubeconfig stays good.

    ``tls_port`` is where the same is served over TLS, for kubectl, and ``tls_host`` whom the
    certificate is for.
    """

    token: str
    port: int
    tls_port: int = 0
    tls_host: str = ""


def address_of(host: str, port: int, scheme: str = "http") -> str:
    """The URL of an API server."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


_IDENTITY = "server.json"


def read_identity(folder: pathlib.Path) -> ServerIdentity:
    """The identity of the last start, or a fresh one with port 0."""
    try:
        return msgspec.json.decode((folder / _IDENTITY).read_bytes(), type=ServerIdentity)
    except (FileNotFoundError, msgspec.DecodeError):
        return ServerIdentity(secrets.token_urlsafe(32), 0)


def write_identity(folder: pathlib.Path, identity: ServerIdentity) -> None:
    """Keep the identity, readable for its owner only."""
    _write(folder / _IDENTITY, msgspec.json.encode(identity))


def write_kubeconfig(folder: pathlib.Path, name: str, cluster: dict[str, str], token: str) -> str:
    """Write a kubeconfig (JSON, which is YAML) whole or not at all; gives its path.

    ``cluster`` is its server, and what certificate that is known by.
    """
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "runbus-local", "cluster": cluster}],
        "users": [{"name": "runbus-local", "user": {"token": token}}],
        "contexts": [
            {
                "name": "runbus-local",
                "context": {
                    "cluster": "runbus-local",
                    "user": "runbus-local",
                    "namespace": "default",
                },
            }
        ],
        "current-context": "runbus-local",
    }
    path = folder / name
    _write(path, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")
    return str(path)


def tls_file(folder: pathlib.Path) -> pathlib.Path:
    """Tell where key and certificate are, for who serves with them."""
    return folder / "tls.pem"


def read_tls(folder: pathlib.Path) -> CertifiedKey | None:
    """Key and certificate of the last start."""
    try:
        key, mark, rest = tls_file(folder).read_text().partition("-----BEGIN CERTIFICATE")
    except FileNotFoundError:
        return None
    return CertifiedKey(key, mark + rest) if mark else None


def write_tls(folder: pathlib.Path, identity: CertifiedKey) -> None:
    """Keep key and certificate, readable for their owner only."""
    _write(tls_file(folder), (identity.key + identity.certificate).encode())


def _write(path: pathlib.Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.replace(path)
