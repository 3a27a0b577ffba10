"""Which containers of a pod a reading looks at: the main one, and the init containers before it.

A container is looked up by its name in the spec, so the order of the statuses does not matter.
Must not know: what any of it means for the state of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from runbus.reading.objects import ContainerSpec, ContainerStatus, Pod, Running, Terminated

MAIN_NAMES = ("main",)
_NO_STATUS = ContainerStatus()


class Container(msgspec.Struct, frozen=True, gc=False):
    """One container: what was asked for and what the kubelet says, `is_init` as by its list."""

    spec: ContainerSpec
    status: ContainerStatus
    is_init: bool = False

    @property
    def name(self) -> str:
        """Its name, as in the spec."""
        return self.spec.name

    @property
    def is_sidecar(self) -> bool:
        """Whether it is a native sidecar: an init container that stays up beside the main one."""
        return self.is_init and self.spec.restart_policy == "Always"

    @property
    def running(self) -> Running | None:
        """Since when it runs, if it does."""
        return self.status.state.running

    @property
    def terminated(self) -> Terminated | None:
        """How it ended, if it has (it may be started again)."""
        return self.status.state.terminated

    @property
    def waits(self) -> bool:
        """Whether it neither runs nor has ended; a container without any status waits."""
        return self.running is None and self.terminated is None

    @property
    def waiting_reason(self) -> str:
        """Why it waits; empty where it does not wait or nobody said."""
        waiting = self.status.state.waiting
        return waiting.reason if waiting and self.waits else ""

    @property
    def waiting_message(self) -> str:
        """What was said about why it waits."""
        waiting = self.status.state.waiting
        return waiting.message if waiting and self.waits else ""

    @property
    def last_end(self) -> Terminated | None:
        """How it ended last, be it for good or before a restart."""
        return self.terminated or self.status.last_state.terminated

    @property
    def title(self) -> str:
        """What to call it in a sentence, where it is not the main container."""
        kind = "sidecar" if self.is_sidecar else "init container" if self.is_init else "container"
        return f"{kind} {self.name}"


class Containers(msgspec.Struct, frozen=True, gc=False):
    """A pod's containers by the part they play; `before` are its init containers, in order."""

    main: Container
    before: tuple[Container, ...]
    beside: tuple[Container, ...]

    def named(self, name: str) -> Container | None:
        """Find the main container or one before it by name."""
        return next((each for each in (*self.before, self.main) if each.name == name), None)


def containers_of(pod: Pod, main_names: Sequence[str] = MAIN_NAMES) -> Containers:
    """Sort a pod's containers. Main is the first of `main_names` that is there, else the first."""
    statuses = {each.name: each for each in pod.status.container_statuses}
    init_statuses = {each.name: each for each in pod.status.init_container_statuses}
    regular = [
        Container(spec, statuses.get(spec.name, _NO_STATUS)) for spec in pod.spec.containers
    ] or [Container(ContainerSpec(name=name), status) for name, status in sorted(statuses.items())]
    before = tuple(
        Container(spec, init_statuses.get(spec.name, _NO_STATUS), is_init=True)
        for spec in pod.spec.init_containers
    )
    if not regular:
        return Containers(Container(ContainerSpec(name=MAIN_NAMES[0]), _NO_STATUS), before, ())
    main = next((each for name in main_names for each in regular if each.name == name), regular[0])
    return Containers(main, before, tuple(each for each in regular if each is not main))


def first_start(container: Container) -> datetime | None:
    """Find the earliest start that the pod still knows of; restarts make it forget older ones."""
    run, ends = container.running, (container.terminated, container.status.last_state.terminated)
    starts = [
        real_time(run.started_at) if run else None,
        *(real_time(end.started_at) or real_time(end.finished_at) for end in ends if end),
    ]
    return min((each for each in starts if each is not None), default=None)


def real_time(moment: datetime | None) -> datetime | None:
    """Drop what stands for "never": year 1 (Go) and 1970 (a container that could not start)."""
    return moment if moment is not None and moment.year > 1970 else None


def exit_text(container: Container, end: Terminated, *, is_main: bool) -> str:
    """Say how a container ended, e.g. `init container init-data exited with 3`."""
    who = "" if is_main else f"{container.title} "
    if end.reason == "OOMKilled":
        return f"{who}killed: out of memory (OOMKilled)"
    if end.reason in {"ContainerCannotRun", "StartError"}:
        return f"{who}could not be started" + _tail(end.message)
    return f"{who}exited with {end.exit_code}{_signal(end)}" + _tail(end.message)


def _tail(message: str) -> str:
    text = message.strip()
    return f": {text}" if text else ""


_SIGNALS = {2: "SIGINT", 6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}


def _signal(end: Terminated) -> str:
    """Name the signal behind an exit code: shells and kubelets report 128 plus its number."""
    name = _SIGNALS.get(end.signal or end.exit_code - 128)
    return f" ({name})" if name else ""
