"""What all pod workers of a runner share: settings, client, recorder, processes, folders."""

import pathlib
from collections.abc import Callable, Mapping
from fractions import Fraction

import msgspec

from runbus.localcluster.client import ApiClient
from runbus.localcluster.node_specs import NodeTaint
from runbus.localcluster.recorder import Recorder
from runbus.localcluster.runner.devices import Devices
from runbus.localcluster.runner.environment import Facts
from runbus.localcluster.runner.images import Backoff
from runbus.localcluster.runner.memory import MemoryWatch
from runbus.localcluster.runner.processes import Processes


class LogKeys(msgspec.Struct, frozen=True):
    """Files to serve logs over TLS with; who asks must come with a certificate of ``authority``."""

    certificate: str
    key: str
    authority: str


class RunnerSettings(msgspec.Struct, frozen=True):
    """What a runner can be told. Durations in seconds."""

    node_name: str
    folder: str
    capacity: Mapping[str, str]
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[NodeTaint, ...] = ()
    address: str = "127.0.0.1"
    missing_images: tuple[str, ...] = ("*missing*",)
    pull_backoff: Backoff = Backoff(10, 300)
    restart_backoff: Backoff = Backoff(10, 300)
    pull_time_s: float = 0.0
    config_retry_s: float = 2.0
    heartbeat_s: float = 10.0
    max_log_bytes: int = 50 * 1024 * 1024
    log_keys: LogKeys | None = None


class RunnerContext:
    """Handed to every worker."""

    def __init__(
        self,
        settings: RunnerSettings,
        client: ApiClient,
        recorder: Recorder,
        processes: Processes,
        memory: MemoryWatch,
        devices: Devices,
        now_s: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.client = client
        self.recorder = recorder
        self.processes = processes
        self.memory = memory
        self.devices = devices
        self.now_s = now_s
        self.folder = pathlib.Path(settings.folder)
        self.pulled: set[str] = set()

    def facts(self, allocatable: Mapping[str, Fraction]) -> Facts:
        """Addresses as containers see them."""
        return Facts(self.settings.address, self.settings.address, allocatable)
